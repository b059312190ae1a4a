// Two cores shared with everything else: what is compared runs in turns, and what is reported is a median.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/bench/load.hpp"
#include "broker/bench/report.hpp"

namespace madang::bench {

struct side {
    std::string name;
    const target* server;
    load_spec spec;
    std::function<load_result(load&)> run = {};  // what is to happen around load::run; empty: that alone
};

struct side_runs {
    side_figures figures;                // medians; count, lost, reordered and other are sums
    std::vector<double> per_cpu_second;  // per round
    std::vector<double> p50_us, p99_us;
    std::vector<double> memory_growth;  // bytes: peak over what was resident when the members had joined
};

// Waits until the process used less than a tenth of a core for 50 ms, at most 20 s: after a round the server
// still works off what closing thousands of connections means, which must not disturb the next side.
void wait_until_quiet(pid_t pid);

// Runs every side once per round, each time with fresh connections.
std::vector<side_runs> take_turns(const std::vector<side>& sides, std::uint32_t rounds);

// Median over the rounds of one's figure divided by the other's in the same round.
double median_ratio(const std::vector<double>& one, const std::vector<double>& other);

// How much of the other's deliveries per CPU-second it makes, as a row of the table.
finding share(std::string what, std::string command, const side_runs& one, const side_runs& of,
              std::optional<double> at_least, std::string unit);

}  // namespace madang::bench
