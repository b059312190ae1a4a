// A histogram's buckets as they are at one moment, and what can be said of them: mean and quantiles.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "monitoring/metric_table.hpp"

namespace madang {

struct bucket_counts {
    std::array<std::uint64_t, 21> buckets{};  // not cumulative; the row's `buckets`-th is +Inf
    double sum = 0;

    std::uint64_t count() const noexcept {
        std::uint64_t all = 0;
        for (const auto each : buckets) all += each;
        return all;
    }
    double mean() const noexcept { return count() == 0 ? 0 : sum / static_cast<double>(count()); }
    // Within its bucket by proportion, as PromQL's histogram_quantile has it; the largest bound for what lies
    // beyond it; 0 for nothing.
    double quantile(const histogram_row& row, double q) const noexcept {
        const double rank = q * static_cast<double>(count());
        double below = 0;
        for (unsigned i = 0; i < row.buckets; ++i) {
            const auto here = static_cast<double>(buckets[i]);
            if (here > 0 && below + here >= rank) {
                const double from = i == 0 ? 0 : row.upper_bound(i - 1);
                return from + (row.upper_bound(i) - from) * (rank - below) / here;
            }
            below += here;
        }
        return count() == 0 ? 0 : row.upper_bound(row.buckets - 1);
    }
    // What came since then.
    bucket_counts since(const bucket_counts& then) const noexcept {
        bucket_counts made = *this;
        for (std::size_t i = 0; i < buckets.size(); ++i) made.buckets[i] -= then.buckets[i];
        made.sum -= then.sum;
        return made;
    }
};

}  // namespace madang
