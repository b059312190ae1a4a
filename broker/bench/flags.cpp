#include <CLI/CLI.hpp>

#include "broker/bench/bench.hpp"

namespace madang::bench {

void add_bench_flags(CLI::App& bench, bench_options& options) {
    bench.require_subcommand(1);
    auto what = [&](const char* name, const char* help) {
        bench.add_subcommand(name, help)->fallthrough()->callback([&options, name] { options.what = name; });
    };
    what("echo", "connections that send and get back, beside a bare epoll echo");
    what("fanout", "one publisher, many members, beside the floor");
    what("rooms", "many small rooms, all publishing, beside the floor");
    what("idle", "memory per idle connection and wake-ups of an idle server");
    what("connects", "connect, handshake, close: per CPU-second, and latency at a fixed rate");
    what("stall", "fan-out while a tenth of the members do not read");
    what("history", "fan-out of publications that are kept, beside the same without history");
    what("clients", "fan-out to clients of the client protocol, beside plain WebSockets");
    what("presence", "joins and leaves of groups with presence");
    what("recovery", "clients that reconnect all at once and recover what they missed");
    what("subscribers", "memory per idle client of the client protocol");
    what("jobs", "jobs that do nothing, in bulk and one by one, in child processes and in the server's");
    what("backlog", "a queue of a million jobs");
    what("cluster", "three nodes: fan-out and latency from one to another, a stopped one, many groups");
    what("floor", "only the floor: the kernel's price for the same bytes");
    what("all", "every row of docs/benchmarks.md");

    bench.add_option("--members", options.members, "members of the group, or of each room");
    bench.add_option("--in-flight", options.in_flight, "publications outstanding, per group");
    bench.add_option("--connections", options.connections,
                     "how many, where they are not members of one group; connects: handshakes at once");
    bench.add_option("--rooms", options.rooms, "rooms, floor, recovery: how many");
    bench.add_option("--groups", options.groups, "cluster: groups on all nodes together")
        ->check(CLI::Range(3, 100'000'000));
    bench.add_option("--payload", options.payload, "bytes of a message")->check(CLI::Range(17, 65536));
    bench.add_option("--seconds", options.seconds, "measured, per round")->check(CLI::PositiveNumber);
    bench.add_option("--warmup", options.warmup, "seconds before measuring")->check(CLI::NonNegativeNumber);
    bench.add_option("--rounds", options.rounds, "turns that the sides take; the median counts")
        ->check(CLI::PositiveNumber);
    bench.add_option("--rate", options.rate, "connects: handshakes per second of the open loop")
        ->check(CLI::PositiveNumber);
    bench.add_option("--loops", options.loops, "I/O threads of the server (1; idle: the server's default)");
    bench.add_option("--route", options.route, "who delivers: plain, handler or chat")
        ->check(CLI::IsMember({"plain", "handler", "chat"}));
    bench.add_flag("--echo", options.echo, "floor: the bare echo");
    bench.add_flag("--quick", options.quick,
                   "small and short: shows that nothing is lost, not how fast it is");
    bench.add_flag("--json", options.json, "JSON instead of text");
    bench.add_option("--write", options.write, "also write this Markdown page");
    bench.add_option("--url", options.url, "a server that runs already, with --pid; http://ADDRESS:PORT");
    bench.add_option("--pid", options.pid, "its process");
    bench.add_option("--server", options.server, "the madang binary to start (default: this one)");
    bench.add_option("--plugin", options.plugin,
                     "the bench plugin (default: madang-bench-plugins/bench.so beside the server)");
    bench.add_option("--server-argument", options.server_arguments, "passed to the server; repeatable");
}

}  // namespace madang::bench
