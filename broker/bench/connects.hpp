// Connect, handshake, close, again and again: what a new connection costs, and how long it takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/bench/child.hpp"
#include "broker/bench/histogram.hpp"

namespace madang::bench {

struct connect_spec {
    std::string route = "/ws/echo/";
    std::vector<std::string> tokens = {};  // bearer tokens, used in turn; none: anonymous
    std::uint32_t at_once = 64;            // closed loop: handshakes under way
    double rate = 0;      // per second; above 0: open loop, started by the clock whatever is under way
    double warmup = 0.5;  // seconds
    double seconds = 2;
};

struct connect_result {
    double seconds = 0;
    double server_cpu = 0;
    std::uint64_t handshakes = 0;  // completed (101) in the window
    histogram latency;             // ns from when it was due (open loop) or started (closed loop) to the 101

    double per_second() const { return static_cast<double>(handshakes) / seconds; }
    double per_cpu_second() const { return static_cast<double>(handshakes) / server_cpu; }
};

// Throws std::runtime_error when the server refuses a handshake or does not answer for 5 s.
connect_result run_connects(const target& server, const connect_spec& spec);

}  // namespace madang::bench
