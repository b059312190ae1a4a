// `madang bench`: measures a server in its own process beside the kernel's own price for the same bytes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace madang::bench {

// What is not set has the default of the sub-command's row in the table that `all` prints.
struct bench_options {
    std::string what;  // "fanout", "all", …; set by the sub-command
    std::optional<std::uint32_t> members;
    std::optional<std::uint32_t> in_flight;
    std::optional<std::uint32_t> connections;  // handshakes at once for connects
    std::optional<std::uint32_t> rooms;
    std::optional<std::uint32_t> groups;   // cluster: on all nodes together
    std::optional<std::uint32_t> payload;  // bytes
    std::optional<double> seconds;
    std::optional<double> warmup;
    std::optional<std::uint32_t> rounds;
    double rate = 10'000;                // handshakes per second of the open loop
    std::optional<std::uint32_t> loops;  // of the server; idle measures its default, everything else 1
    std::string route = "plain";         // plain, chat, handler: who delivers a fan-out
    bool echo = false;                   // floor: the bare echo instead of a fan-out
    bool quick = false;                  // few and short: shows that nothing is lost, not how fast it is
    bool json = false;
    std::string write;  // also write this Markdown page
    std::string url;    // with pid: a server that runs already
    pid_t pid = 0;
    std::string server = "/proc/self/exe";  // the madang binary to start
    std::string plugin;  // "": madang-bench-plugins/bench.so beside the binary, if it is there
    std::vector<std::string> server_arguments;
};

// Adds the sub-commands and flags; parsing fills `options`, which must outlive it.
void add_bench_flags(CLI::App& bench, bench_options& options);

// Exit code: 0 done; 1 something was lost or out of order; 2 could not be measured (said on stderr).
int bench_main(const bench_options& options);

}  // namespace madang::bench
