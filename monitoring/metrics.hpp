// Counting without contention: each thread writes its own shard, a scrape adds them up.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/bucket_counts.hpp"
#include "monitoring/metric_table.hpp"  // enum class counter, labelled_counter, gauge, labelled_gauge, histogram

namespace madang {

// One writer thread; read by any. Adding costs a relaxed load and store, observing two of each. Usable on its
// own in tests; a server's shards belong to its `metrics`.
class alignas(64) metrics_shard {
  public:
    static constexpr unsigned max_buckets = 20;  // and +Inf
    static constexpr std::size_t max_label_values = 64;
    static constexpr std::size_t max_handlers = 128;
    using label_values = std::map<std::string, std::uint64_t, std::less<>>;

    metrics_shard() = default;
    metrics_shard(const metrics_shard&) = delete;
    metrics_shard& operator=(const metrics_shard&) = delete;

    void add(counter what, std::uint64_t n = 1) noexcept {
        bump(counters_[static_cast<std::size_t>(what)], n);
    }
    // May be negative on this shard when another counted the beginning: only the sum over all shards is
    // meant.
    void gauge_add(gauge what, std::int64_t n) noexcept { bump(gauges_[static_cast<std::size_t>(what)], n); }
    // Seconds, bytes or a number, as the table says; `times` counts the same value more than once.
    void observe(histogram what, double value, std::uint64_t times = 1) noexcept {
        const histogram_row& row = histogram_rows[static_cast<std::size_t>(what)];
        series& into = histograms_[static_cast<std::size_t>(what)];
        bump(into.buckets[bucket_of(row, value)], times);
        bump(into.sum, value * static_cast<double>(times));
    }
    // One handler's own, beside the histogram of all of them: by its number (plugin_host), in `what`'s
    // buckets. 0 and numbers from max_handlers on are of nobody in particular.
    void observe_handler(std::uint32_t handler, histogram what, double value,
                         std::uint64_t times = 1) noexcept {
        series& into = handlers_[handler < max_handlers ? handler : 0];
        bump(into.buckets[bucket_of(histogram_rows[static_cast<std::size_t>(what)], value)], times);
        bump(into.sum, value * static_cast<double>(times));
    }
    // From any thread: takes a lock. For a handler of which observe_handler is never told.
    void observe_pooled(std::uint32_t handler, histogram what, double value) {
        if (handler == 0 || handler >= max_handlers) return;
        const std::lock_guard lock(labelled_lock_);
        observe_handler(handler, what, value);
    }
    // For the rare and bounded (close codes, policies, plugin names): takes a lock, and any thread may call
    // it. Past 64 label values: "other". n = 0: the value is there from now on.
    void add(labelled_counter what, std::string_view label, std::uint64_t n = 1);

    // -- Any thread
    std::uint64_t value(counter what) const noexcept {
        return read(counters_[static_cast<std::size_t>(what)]);
    }
    std::int64_t value(gauge what) const noexcept { return read(gauges_[static_cast<std::size_t>(what)]); }
    std::uint64_t value(labelled_counter what, std::string_view label) const;
    label_values values(labelled_counter what) const;
    std::uint64_t count(histogram what) const noexcept;  // of observations
    double sum(histogram what) const noexcept {
        return read(histograms_[static_cast<std::size_t>(what)].sum);
    }
    std::uint64_t bucket(histogram what,
                         unsigned index) const noexcept {  // not cumulative; index `buckets` is +Inf
        return read(histograms_[static_cast<std::size_t>(what)].buckets[index]);
    }
    void add_to(bucket_counts& sums, histogram what) const noexcept {
        add_to(sums, histograms_[static_cast<std::size_t>(what)]);
    }
    void add_handler_to(bucket_counts& sums, std::uint32_t handler) const noexcept {
        if (handler < max_handlers) add_to(sums, handlers_[handler]);
    }

    static unsigned bucket_of(const histogram_row& row, double value) noexcept {
        const double scaled = value * row.scale;
        if (!(scaled > 1)) return 0;  // also negative and NaN
        if (scaled >= 0x1p62) return row.buckets;
        auto whole = static_cast<std::uint64_t>(scaled);
        whole += static_cast<double>(whole) < scaled;  // upper bounds are inclusive
        const auto width = static_cast<unsigned>(std::bit_width(whole - 1));
        return width <= row.first ? 0 : width - row.first < row.buckets ? width - row.first : row.buckets;
    }

  private:
    struct series {
        std::atomic<std::uint64_t> buckets[max_buckets + 1] = {};
        std::atomic<double> sum{0};
    };

    template <class T, class N>
    static void bump(std::atomic<T>& cell, N n) noexcept {
        cell.store(cell.load(std::memory_order_relaxed) + static_cast<T>(n), std::memory_order_relaxed);
    }
    template <class T>
    static T read(const std::atomic<T>& cell) noexcept {
        return cell.load(std::memory_order_relaxed);
    }
    static void add_to(bucket_counts& sums, const series& from) noexcept {
        for (unsigned i = 0; i <= max_buckets; ++i) sums.buckets[i] += read(from.buckets[i]);
        sums.sum += read(from.sum);
    }

    std::atomic<std::uint64_t> counters_[counter_count] = {};
    std::atomic<std::int64_t> gauges_[gauge_count] = {};
    series histograms_[histogram_count];
    series handlers_[max_handlers];
    mutable std::mutex labelled_lock_;
    label_values labelled_[labelled_counter_count];
};

// Owns the shards and turns them into Prometheus' text. Any thread.
class metrics {
  public:
    metrics();
    ~metrics();
    metrics(const metrics&) = delete;
    metrics& operator=(const metrics&) = delete;

    // One per writing thread, made at its start; lives as long as *this.
    metrics_shard& new_shard();
    // What is read at a scrape, on the scraping thread, in addition to the shards' sum. An empty function
    // removes it: do so before what it reads dies. The process figures are there from the start.
    void set_gauge(gauge what, std::function<double()> read);
    void set_counter(counter what, std::function<double()> read);  // must never decrease
    struct labelled_value {
        std::string label, second_label;
        double value = 0;
    };
    void set_gauge(labelled_gauge what, std::function<std::vector<labelled_value>()> read);

    // Sums over all shards.
    double total(counter what) const;
    double total(gauge what) const;
    std::uint64_t total(labelled_counter what, std::string_view label) const;
    std::uint64_t total(histogram what) const;                               // observations
    double total(labelled_gauge what, std::string_view second_label) const;  // "": whatever it is
    double most(labelled_gauge what) const;                                  // the largest; 0: there is none
    bucket_counts counts(histogram what) const;
    bucket_counts handler(std::uint32_t number) const;

    // Prometheus text exposition format 0.0.4 (text/plain; version=0.0.4), every row of the table and
    // madang_build_info.
    std::string expose() const;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

// docs/metrics.md
std::string metrics_markdown();

}  // namespace madang
