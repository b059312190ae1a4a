// What a benchmark found, as text for a terminal, JSON for a program, Markdown for docs/benchmarks.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace madang::bench {

struct side_figures {
    std::string name;  // "floor", "server", "server, 2 loops"
    double per_cpu_second = 0;
    double per_second = 0;
    double client_cores = 0;  // how busy the load generator was; near 1 it is the bottleneck
    double p50_us = 0, p99_us = 0, p999_us = 0;
    std::uint64_t count = 0, lost = 0, reordered = 0, other = 0;
};

struct finding {
    std::string what;
    std::string command;
    std::string unit;  // of value: "share of the floor", "KiB", …
    double value = 0;
    std::optional<double> at_least = {};  // the target; neither: reported only
    std::optional<double> at_most = {};
    std::vector<side_figures> sides = {};

    bool meets() const { return (!at_least || value >= *at_least) && (!at_most || value <= *at_most); }
};

double median(std::vector<double> values);  // 0 when empty

std::string to_text(const std::vector<finding>& findings);
std::string to_json(const std::vector<finding>& findings);
std::string to_markdown(const std::vector<finding>& findings,
                        const std::string& heading);  // heading: machine, date, commit

bool intact(const std::vector<finding>& findings);  // nothing lost, nothing out of order

}  // namespace madang::bench
