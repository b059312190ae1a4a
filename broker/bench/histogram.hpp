// Latency histogram in the manner of HdrHistogram: 64 linear steps per power of two, so a value is known to
// better than 1.6 %. Values are nanoseconds from 0 to 2^63; recording is a few instructions and never
// allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace madang::bench {

class histogram {
  public:
    histogram();

    void record(std::int64_t value) {
        ++counts_[index(value < 0 ? 0 : static_cast<std::uint64_t>(value))];
        ++total_;
    }
    void merge(const histogram& other);
    void clear();

    std::uint64_t count() const { return total_; }
    // The upper edge of the step in which the fraction `q` (0..1) of all values is reached; 0 when empty.
    std::int64_t quantile(double q) const;

  private:
    static constexpr unsigned step_bits = 6;
    static constexpr std::size_t steps = std::size_t{1} << step_bits;
    static constexpr std::size_t size = (64 - step_bits) * steps;

    static std::size_t index(std::uint64_t value) {
        if (value < steps) return value;
        const unsigned shift = 63 - step_bits - static_cast<unsigned>(__builtin_clzll(value));
        return (shift + 1) * steps + ((value >> shift) - steps);
    }
    static std::uint64_t upper_edge(std::size_t index);

    std::vector<std::uint64_t> counts_;
    std::uint64_t total_ = 0;
};

}  // namespace madang::bench
