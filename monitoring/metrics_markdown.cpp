#include <sstream>
#include <utility>

#include "monitoring/metrics.hpp"

namespace madang {

namespace {

void row(std::ostream& out, std::string_view name, std::string_view type, const std::string& labels,
         std::string_view help) {
    out << "| `" << name << "` | " << type << " | " << labels << " | " << help << " |\n";
}

}  // namespace

std::string metrics_markdown() {
    std::ostringstream out;
    out << "# Metrics\n\n"
           "Made from `monitoring/metric_table.hpp`; do not edit. `GET /metrics` on the internal listener "
           "answers in\n"
           "Prometheus' text format. Counters start at 0 with the process. Groups, users and connections "
           "never are\n"
           "labels; a label whose values are known at run time only has at most 64 per thread, then "
           "`other`. Those named\n"
           "here are there from the start, at 0. Dashboards and alerts: [monitoring.md](monitoring.md).\n\n"
           "| name | type | labels | meaning |\n|---|---|---|---|\n";
    row(out, "madang_build_info", "gauge", "`version`", build_info_help);
    for (std::size_t i = 0; i < counter_count; ++i) {
        const auto& first = counter_rows[i];
        std::string labels;
        if (!first.label.empty()) labels = "`" + std::string(first.label) + "`: " + std::string(first.value);
        for (; i + 1 < counter_count && counter_rows[i + 1].name == first.name; ++i) {
            labels += ", " + std::string(counter_rows[i + 1].value);
        }
        row(out, first.name, "counter", labels, first.help);
    }
    for (const auto& each : labelled_counter_rows) {
        std::string labels = "`" + std::string(each.label) + "`";
        const char* before = ": ";
        for_each_known(each, [&](std::string_view value) {
            labels += std::exchange(before, ", ") + std::string(value);
        });
        row(out, each.name, "counter", labels + (each.known.empty() ? "" : ", …"), each.help);
    }
    for (const auto& each : gauge_rows) row(out, each.name, "gauge", "", each.help);
    for (const auto& each : labelled_gauge_rows) {
        std::string labels = "`" + std::string(each.label) + "`";
        if (!each.second_label.empty()) labels += ", `" + std::string(each.second_label) + "`";
        row(out, each.name, "gauge", labels, each.help);
    }
    for (const auto& each : histogram_rows) {
        std::ostringstream bounds;
        bounds << "`le`: " << each.upper_bound(0) << ", doubling to " << each.upper_bound(each.buckets - 1)
               << ", +Inf";
        row(out, each.name, "histogram", bounds.str(), each.help);
    }
    return std::move(out).str();
}

}  // namespace madang
