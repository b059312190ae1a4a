// The last hour of a few figures, in memory: what the admin page draws where no Prometheus keeps it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "monitoring/bucket_counts.hpp"

namespace madang {

class metrics;

// Any thread. One row of what is kept costs 128 bytes: 360 of them 45 KiB.
class metric_history {
  public:
    static constexpr std::size_t most = 360;
    // Between two samples, as whoever calls `sample` does.
    static constexpr std::int64_t interval_ms = 10'000;

    explicit metric_history(const metrics& from) : from_(from) {}

    // Reads the metrics; counters become rates per second since the sample before, of which the first is thus
    // only the beginning. Times: since 1970, and of a clock that never jumps.
    void sample(std::int64_t unix_ms, std::int64_t steady_ms);
    // {"interval_ms":10000,"times":[…],"series":{"connections":[…],…}}, the oldest first; times in ms.
    std::string json() const;

    static constexpr std::size_t series = 15;

  private:
    struct row {
        std::int64_t unix_ms = 0;
        std::array<double, series> values{};
    };
    const metrics& from_;
    mutable std::mutex mutex_;
    bool began_ = false;
    std::int64_t steady_ms_ = 0;           // of the sample before, as the next two are
    std::array<double, series> before_{};  // counters as they were
    bucket_counts turns_before_;
    std::deque<row> rows_;
};

}  // namespace madang
