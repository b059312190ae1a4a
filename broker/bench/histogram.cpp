#include "broker/bench/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace madang::bench {

histogram::histogram() : counts_(size) {}

void histogram::merge(const histogram& other) {
    for (std::size_t i = 0; i < size; ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
}

void histogram::clear() {
    std::fill(counts_.begin(), counts_.end(), 0);
    total_ = 0;
}

std::uint64_t histogram::upper_edge(std::size_t index) {
    if (index < steps) return index;
    const std::size_t shift = index / steps - 1;
    return ((index % steps + steps + 1) << shift) - 1;
}

std::int64_t histogram::quantile(double q) const {
    if (total_ == 0) return 0;
    const auto rank =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < size; ++i) {
        seen += counts_[i];
        if (seen >= rank) return static_cast<std::int64_t>(upper_edge(i));
    }
    return static_cast<std::int64_t>(upper_edge(size - 1));
}

}  // namespace madang::bench
