// Counting without contention: each thread writes its own shard, a scrape adds them up.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "monitoring/metric_table.hpp"  // enum class counter, gauge, histogram, labelled_counter

namespace madang {

// One writer thread; read by any. Adding costs a relaxed load and store.
class metrics_shard {
  public:
    void add(counter what, std::uint64_t n = 1) noexcept;
    void observe(histogram what, double value, std::uint64_t times = 1) noexcept;  // seconds or bytes, as the table says
    // For the rare and bounded (close codes, policies, plugin names): takes a lock. Past 64 label values: "other".
    void add(labelled_counter what, std::string_view label, std::uint64_t n = 1);
};

}  // namespace madang
