#include "monitoring/metric_history.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "monitoring/metrics.hpp"

namespace madang {
namespace {

struct source {
    std::string_view name;
    bool rate;  // of a counter
    double (*read)(const metrics&);
};
template <auto What>
double total(const metrics& from) {
    return from.total(What);
}
double ended(const metrics& from, std::string_view state) {
    return static_cast<double>(from.total(labelled_counter::jobs_ended, state));
}

constexpr source sources[] = {
    {"connections", false, total<gauge::connections_open>},
    {"groups", false, total<gauge::groups>},
    {"messages_in", true, total<counter::messages_in>},
    {"messages_out", true, total<counter::messages_out>},
    {"publications", true, total<counter::publications>},
    {"deliveries", true, total<counter::deliveries>},
    {"outbox_drops", true,
     [](const metrics& from) {
         return from.total(counter::drops_disconnect) + from.total(counter::drops_oldest) +
                from.total(counter::drops_latest_only);
     }},
    {"jobs_ready", false,
     [](const metrics& from) { return from.total(labelled_gauge::job_queue_depth, "ready"); }},
    {"jobs_oldest_s", false, [](const metrics& from) { return from.most(labelled_gauge::job_queue_oldest); }},
    {"jobs_success", true, [](const metrics& from) { return ended(from, "SUCCESS"); }},
    {"jobs_failure", true, [](const metrics& from) { return ended(from, "FAILURE"); }},
    {"jobs_other", true,
     [](const metrics& from) {
         return ended(from, "REVOKED") + ended(from, "REJECTED") + ended(from, "IGNORED");
     }},
    {"cpu", true, total<counter::process_cpu>},
    {"memory_bytes", false, total<gauge::process_resident>},
    {"turn_p99_s", false, nullptr},  // of the turns since the sample before
};
static_assert(std::size(sources) == metric_history::series);

void append(std::string& out, double value) {
    char room[32];
    out.append(room, std::to_chars(room, room + sizeof(room), value, std::chars_format::general, 6).ptr);
}

}  // namespace

void metric_history::sample(std::int64_t unix_ms, std::int64_t steady_ms) {
    std::array<double, series> now{};
    for (std::size_t i = 0; i < series; ++i)
        if (sources[i].read != nullptr) now[i] = sources[i].read(from_);
    const auto turns = from_.counts(histogram::turn_seconds);
    const std::lock_guard lock(mutex_);
    const auto seconds = static_cast<double>(std::max<std::int64_t>(1, steady_ms - steady_ms_)) / 1e3;
    if (began_) {
        auto& made = rows_.emplace_back(row{unix_ms, now});
        for (std::size_t i = 0; i < series; ++i)
            if (sources[i].rate) made.values[i] = std::max(0.0, now[i] - before_[i]) / seconds;
        made.values.back() =
            turns.since(turns_before_)
                .quantile(histogram_rows[static_cast<std::size_t>(histogram::turn_seconds)], 0.99);
        if (rows_.size() > most) rows_.pop_front();
    }
    began_ = true;
    steady_ms_ = steady_ms;
    before_ = now;
    turns_before_ = turns;
}

std::string metric_history::json() const {
    const std::lock_guard lock(mutex_);
    std::string out = "{\"interval_ms\":" + std::to_string(interval_ms) + ",\"times\":[";
    for (const auto& each : rows_) {
        if (&each != &rows_.front()) out += ',';
        out += std::to_string(each.unix_ms);
    }
    out += "],\"series\":{";
    for (std::size_t i = 0; i < series; ++i) {
        out.append(i == 0 ? "\"" : ",\"").append(sources[i].name).append("\":[");
        for (const auto& each : rows_) {
            if (&each != &rows_.front()) out += ',';
            append(out, each.values[i]);
        }
        out += ']';
    }
    return out + "}}";
}

}  // namespace madang
