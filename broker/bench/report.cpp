#include "broker/bench/report.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include <spdlog/fmt/fmt.h>

namespace madang::bench {

namespace {

std::string short_number(double value) {
    if (value >= 1e6) return fmt::format("{:.2f} M", value / 1e6);
    if (value >= 1e4) return fmt::format("{:.0f} k", value / 1e3);
    if (value >= 1e3) return fmt::format("{:.1f} k", value / 1e3);
    if (value >= 100) return fmt::format("{:.0f}", value);
    return fmt::format("{:.{}f}", value, value < 1 ? 3 : 2);  // so that a share just below its target shows
}

std::string target_of(const finding& one) {
    if (one.at_least) return "at least " + short_number(*one.at_least);
    if (one.at_most) return "at most " + short_number(*one.at_most);
    return "reported";
}

std::string verdict(const finding& one) {
    if (!one.at_least && !one.at_most) return "";
    return one.meets() ? "met" : "missed";
}

}  // namespace

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const auto half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::string to_text(const std::vector<finding>& findings) {
    std::string out;
    for (const auto& one : findings) {
        out += fmt::format("{}: {} {} ({}{})\n", one.what, short_number(one.value), one.unit, target_of(one),
                           verdict(one).empty() ? "" : ": " + verdict(one));
        if (one.sides.empty()) continue;
        out +=
            fmt::format("  {:<40}{:>14}{:>12}{:>12}{:>12}{:>12}{:>8}{:>8}{:>8}{:>8}\n", "", "per CPU-second",
                        "per second", "p50 us", "p99 us", "p999 us", "client", "lost", "order", "other");
        for (const auto& side : one.sides)
            out += fmt::format("  {:<40}{:>14}{:>12}{:>12.0f}{:>12.0f}{:>12.0f}{:>8.2f}{:>8}{:>8}{:>8}\n",
                               side.name, short_number(side.per_cpu_second), short_number(side.per_second),
                               side.p50_us, side.p99_us, side.p999_us, side.client_cores, side.lost,
                               side.reordered, side.other);
    }
    return out;
}

std::string to_json(const std::vector<finding>& findings) {
    auto list = nlohmann::json::array();
    for (const auto& one : findings) {
        nlohmann::json row{
            {"what", one.what}, {"command", one.command}, {"unit", one.unit}, {"value", one.value}};
        if (one.at_least) row["at_least"] = *one.at_least;
        if (one.at_most) row["at_most"] = *one.at_most;
        if (one.at_least || one.at_most) row["met"] = one.meets();
        row["sides"] = nlohmann::json::array();
        for (const auto& side : one.sides)
            row["sides"].push_back({{"name", side.name},
                                    {"per_cpu_second", side.per_cpu_second},
                                    {"per_second", side.per_second},
                                    {"client_cores", side.client_cores},
                                    {"p50_us", side.p50_us},
                                    {"p99_us", side.p99_us},
                                    {"p999_us", side.p999_us},
                                    {"count", side.count},
                                    {"lost", side.lost},
                                    {"reordered", side.reordered},
                                    {"other", side.other}});
        list.push_back(std::move(row));
    }
    return list.dump(2) + "\n";
}

std::string to_markdown(const std::vector<finding>& findings, const std::string& heading) {
    std::string out = "# Benchmarks\n\nWritten by `./dev bench`; do not edit. " + heading + "\n\n";
    out +=
        "CPU is the server process's own, measured from outside over the same window as its deliveries. The "
        "floor is a bare\n"
        "epoll loop that answers the same client with the same bytes, one write per socket and turn. Sides "
        "take turns, round\n"
        "by round; a ratio is the median of the rounds' ratios, every other figure the median of the "
        "rounds. The load clients\n"
        "share the machine with the server, whose data are on the disk that has the temporary folder "
        "(TMPDIR).\n\n";
    out += "| what | target | measured | | command |\n|---|---|---|---|---|\n";
    for (const auto& one : findings)
        out += fmt::format("| {} | {} | {} {} | {} | `{}` |\n", one.what, target_of(one),
                           short_number(one.value), one.unit, verdict(one), one.command);
    out += "\n## Figures behind the table\n";
    for (const auto& one : findings) {
        if (one.sides.empty()) continue;
        out += "\n**" + one.what + "**\n\n";
        out +=
            "| | per CPU-second | per second | p50 us | p99 us | p999 us | lost | reordered "
            "|\n|---|---|---|---|---|---|---|---|\n";
        for (const auto& side : one.sides)
            out += fmt::format("| {} | {} | {} | {:.0f} | {:.0f} | {:.0f} | {} | {} |\n", side.name,
                               short_number(side.per_cpu_second), short_number(side.per_second), side.p50_us,
                               side.p99_us, side.p999_us, side.lost, side.reordered);
    }
    return out;
}

bool intact(const std::vector<finding>& findings) {
    for (const auto& one : findings)
        for (const auto& side : one.sides)
            if (side.lost || side.reordered) return false;
    return true;
}

}  // namespace madang::bench
