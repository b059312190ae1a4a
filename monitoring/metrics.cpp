#include "monitoring/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <sstream>
#include <vector>

#include "monitoring/process_figures.hpp"

namespace madang {

void metrics_shard::add(labelled_counter what, std::string_view label, std::uint64_t n) {
    const std::lock_guard lock(labelled_lock_);
    auto& values = labelled_[static_cast<std::size_t>(what)];
    auto found = values.find(label);
    if (found == values.end()) {
        const std::string_view kept = values.size() < max_label_values ? label : std::string_view("other");
        found = values.try_emplace(std::string(kept)).first;
    }
    found->second += n;
}

std::uint64_t metrics_shard::value(labelled_counter what, std::string_view label) const {
    const std::lock_guard lock(labelled_lock_);
    const auto& values = labelled_[static_cast<std::size_t>(what)];
    const auto found = values.find(label);
    return found == values.end() ? 0 : found->second;
}

metrics_shard::label_values metrics_shard::values(labelled_counter what) const {
    const std::lock_guard lock(labelled_lock_);
    return labelled_[static_cast<std::size_t>(what)];
}

std::uint64_t metrics_shard::count(histogram what) const noexcept {
    std::uint64_t result = 0;
    for (const auto& each : histograms_[static_cast<std::size_t>(what)].buckets) result += read(each);
    return result;
}

struct metrics::state {
    mutable std::mutex lock;           // of all below; a shard's cells are read without it
    std::deque<metrics_shard> shards;  // a deque: addresses stay
    std::function<double()> counter_readers[counter_count];
    std::function<double()> gauge_readers[gauge_count];
    std::function<std::vector<labelled_value>()> labelled_gauge_readers[labelled_gauge_count];

    double total(counter what) const {
        const auto& read = counter_readers[static_cast<std::size_t>(what)];
        double result = read ? read() : 0;
        for (const auto& shard : shards) result += static_cast<double>(shard.value(what));
        return result;
    }
    double total(gauge what) const {
        const auto& read = gauge_readers[static_cast<std::size_t>(what)];
        double result = read ? read() : 0;
        for (const auto& shard : shards) result += static_cast<double>(shard.value(what));
        return result;
    }
    prometheus::ClientMetric histogram_of(histogram what) const {
        const auto& row = histogram_rows[static_cast<std::size_t>(what)];
        prometheus::ClientMetric result;
        std::uint64_t cumulative = 0;
        for (unsigned i = 0; i <= row.buckets; ++i) {
            for (const auto& shard : shards) cumulative += shard.bucket(what, i);
            const double bound =
                i < row.buckets ? row.upper_bound(i) : std::numeric_limits<double>::infinity();
            result.histogram.bucket.push_back({cumulative, bound});
        }
        for (const auto& shard : shards) result.histogram.sample_sum += shard.sum(what);
        result.histogram.sample_count = cumulative;
        return result;
    }
};

metrics::metrics() : state_(std::make_unique<state>()) {
    set_counter(counter::process_cpu, process_cpu_seconds);
    set_gauge(gauge::process_resident, process_resident_bytes);
    set_gauge(gauge::process_fds, process_open_fds);
    set_gauge(gauge::process_max_fds, process_max_fds);
    set_gauge(gauge::process_threads, process_threads);
    set_gauge(gauge::process_start, [started = process_start_seconds()] { return started; });
}

metrics::~metrics() = default;

metrics_shard& metrics::new_shard() {
    const std::lock_guard lock(state_->lock);
    return state_->shards.emplace_back();
}

void metrics::set_gauge(gauge what, std::function<double()> read) {
    const std::lock_guard lock(state_->lock);
    state_->gauge_readers[static_cast<std::size_t>(what)] = std::move(read);
}

void metrics::set_counter(counter what, std::function<double()> read) {
    const std::lock_guard lock(state_->lock);
    state_->counter_readers[static_cast<std::size_t>(what)] = std::move(read);
}

void metrics::set_gauge(labelled_gauge what, std::function<std::vector<labelled_value>()> read) {
    const std::lock_guard lock(state_->lock);
    state_->labelled_gauge_readers[static_cast<std::size_t>(what)] = std::move(read);
}

double metrics::total(counter what) const {
    const std::lock_guard lock(state_->lock);
    return state_->total(what);
}

double metrics::total(gauge what) const {
    const std::lock_guard lock(state_->lock);
    return state_->total(what);
}

std::uint64_t metrics::total(labelled_counter what, std::string_view label) const {
    const std::lock_guard lock(state_->lock);
    std::uint64_t result = 0;
    for (const auto& shard : state_->shards) result += shard.value(what, label);
    return result;
}

std::uint64_t metrics::total(histogram what) const {
    const std::lock_guard lock(state_->lock);
    std::uint64_t result = 0;
    for (const auto& shard : state_->shards) result += shard.count(what);
    return result;
}

double metrics::total(labelled_gauge what, std::string_view second_label) const {
    const std::lock_guard lock(state_->lock);
    double result = 0;
    if (const auto& read = state_->labelled_gauge_readers[static_cast<std::size_t>(what)])
        for (const auto& each : read())
            if (second_label.empty() || each.second_label == second_label) result += each.value;
    return result;
}

double metrics::most(labelled_gauge what) const {
    const std::lock_guard lock(state_->lock);
    double result = 0;
    if (const auto& read = state_->labelled_gauge_readers[static_cast<std::size_t>(what)])
        for (const auto& each : read()) result = std::max(result, each.value);
    return result;
}

bucket_counts metrics::counts(histogram what) const {
    const std::lock_guard lock(state_->lock);
    bucket_counts sums;
    for (const auto& shard : state_->shards) shard.add_to(sums, what);
    return sums;
}

bucket_counts metrics::handler(std::uint32_t number) const {
    const std::lock_guard lock(state_->lock);
    bucket_counts sums;
    for (const auto& shard : state_->shards) shard.add_handler_to(sums, number);
    return sums;
}

namespace {

prometheus::MetricFamily family(std::string_view name, std::string_view help, prometheus::MetricType type) {
    return {std::string(name), std::string(help), type, {}};
}

prometheus::ClientMetric labelled(std::string_view label, std::string_view value) {
    prometheus::ClientMetric result;
    if (!label.empty()) result.label.push_back({std::string(label), std::string(value)});
    return result;
}

}  // namespace

std::string metrics::expose() const {
    using prometheus::MetricType;
    const std::lock_guard lock(state_->lock);
    std::vector<prometheus::MetricFamily> all;

    all.push_back(family("madang_build_info", build_info_help, MetricType::Gauge));
    all.back().metric.push_back(labelled("version", MADANG_VERSION));
    all.back().metric.back().gauge.value = 1;

    for (std::size_t i = 0; i < counter_count; ++i) {
        const auto& row = counter_rows[i];
        if (all.back().name != row.name) all.push_back(family(row.name, row.help, MetricType::Counter));
        all.back().metric.push_back(labelled(row.label, row.value));
        all.back().metric.back().counter.value = state_->total(static_cast<counter>(i));
    }
    for (std::size_t i = 0; i < labelled_counter_count; ++i) {
        const auto& row = labelled_counter_rows[i];
        metrics_shard::label_values sums;
        for_each_known(row, [&sums](std::string_view label) { sums.emplace(label, 0); });
        for (const auto& shard : state_->shards) {
            for (const auto& [label, n] : shard.values(static_cast<labelled_counter>(i))) sums[label] += n;
        }
        all.push_back(family(row.name, row.help, MetricType::Counter));
        for (const auto& [label, n] : sums) {
            all.back().metric.push_back(labelled(row.label, label));
            all.back().metric.back().counter.value = static_cast<double>(n);
        }
    }
    for (std::size_t i = 0; i < gauge_count; ++i) {
        all.push_back(family(gauge_rows[i].name, gauge_rows[i].help, MetricType::Gauge));
        all.back().metric.emplace_back().gauge.value = state_->total(static_cast<gauge>(i));
    }
    for (std::size_t i = 0; i < labelled_gauge_count; ++i) {
        const auto& row = labelled_gauge_rows[i];
        all.push_back(family(row.name, row.help, MetricType::Gauge));
        const auto& read = state_->labelled_gauge_readers[i];
        if (!read) continue;
        for (const auto& each : read()) {
            auto& metric = all.back().metric.emplace_back(labelled(row.label, each.label));
            if (!row.second_label.empty())
                metric.label.push_back({std::string(row.second_label), each.second_label});
            metric.gauge.value = each.value;
        }
    }
    for (std::size_t i = 0; i < histogram_count; ++i) {
        all.push_back(family(histogram_rows[i].name, histogram_rows[i].help, MetricType::Histogram));
        all.back().metric.push_back(state_->histogram_of(static_cast<histogram>(i)));
    }
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, all);
    return std::move(out).str();
}

}  // namespace madang
