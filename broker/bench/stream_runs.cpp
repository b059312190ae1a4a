// The rows about streams and the client protocol.
#include <algorithm>
#include <thread>

#include <spdlog/fmt/fmt.h>

#include "broker/bench/proc.hpp"
#include "broker/bench/recovery.hpp"
#include "broker/bench/runs.hpp"

namespace madang::bench {

namespace {

constexpr double rooms_per_message = 10;  // plugins/bench: PresenceConsumer

}  // namespace

// Published to both, by the same consumer: only the namespace's history differs.
std::vector<finding> runs::history() {
    auto live = timed({.route = "/ws/bench/live/", .kind = envelope::chat});
    live.members = options_.members.value_or(options_.quick ? 50 : 1000);
    live.in_flight = options_.in_flight.value_or(64);
    auto kept = live;
    kept.route = "/ws/bench/kept/";
    const auto all = take_turns(
        {{"without history", &server(loops()), live}, {"history, buffered", &server(loops()), kept}},
        rounds());
    return {share(fmt::format("fan-out 1 -> {}, {} B, {} in flight, publications with buffered history",
                              live.members, live.payload, live.in_flight),
                  command(fmt::format("history --members {} --payload {} --in-flight {}", live.members,
                                      live.payload, live.in_flight)),
                  all[1], all[0], 0.8, "of the same without history")};
}

// The first member publishes through its consumer on both sides; the others are members of the same kind, or
// clients of the client protocol.
std::vector<finding> runs::clients() {
    auto plain = timed({.route = "/ws/bench/fanout/", .kind = envelope::chat});
    plain.members = options_.members.value_or(options_.quick ? 50 : 1000);
    plain.in_flight = options_.in_flight.value_or(64);
    auto subscribed = plain;
    subscribed.route = "/ws/bench/live/";
    subscribed.client_namespace = "bench-live";
    const auto all = take_turns(
        {{"plain WebSocket", &server(loops()), plain}, {"client protocol", &server(loops()), subscribed}},
        rounds());
    return {share(fmt::format("fan-out 1 -> {}, {} B, {} in flight, to the client protocol", plain.members,
                              plain.payload, plain.in_flight),
                  command(fmt::format("clients --members {} --payload {} --in-flight {}", plain.members,
                                      plain.payload, plain.in_flight)),
                  all[1], all[0], 0.7, "of plain WebSocket fan-out")};
}

std::vector<finding> runs::presence() {
    auto spec = timed({.route = "/ws/bench/here/"});
    spec.groups = options_.connections.value_or(options_.quick ? 10 : 100);
    const auto all = take_turns({{"messages of ten joins or leaves", &server(loops()), spec}}, rounds());
    finding row{.what = fmt::format("presence: joins and leaves of {} connections, through to the store",
                                    spec.groups),
                .command = command(fmt::format("presence --connections {}", spec.groups)),
                .unit = "joins + leaves per CPU-second",
                .value = median(all[0].per_cpu_second) * rooms_per_message,
                .at_least = 100'000};
    row.sides = {all[0].figures};
    return {row};
}

std::vector<finding> runs::recovery() {
    recovery_spec spec{.clients = options_.connections.value_or(options_.quick ? 100 : 10'000),
                       .groups = options_.rooms.value_or(options_.quick ? 10 : 100),
                       .payload = options_.payload.value_or(128)};
    const auto fresh = new_server(options_.loops.value_or(0));
    side_figures figures{.name = "clients recovered"};
    std::vector<double> seconds, per_cpu, client_cores, p50, p99, p999;
    for (std::uint32_t round = 0; round < rounds(); ++round) {
        const auto result = run_recovery(fresh, spec);
        wait_until_quiet(fresh.pid());
        seconds.push_back(result.seconds);
        per_cpu.push_back(spec.clients / result.server_cpu);
        client_cores.push_back(result.client_cpu / result.seconds);
        p50.push_back(static_cast<double>(result.latency.quantile(0.5)) / 1e3);
        p99.push_back(static_cast<double>(result.latency.quantile(0.99)) / 1e3);
        p999.push_back(static_cast<double>(result.latency.quantile(0.999)) / 1e3);
        figures.count += spec.clients;
    }
    figures.per_cpu_second = median(per_cpu);
    figures.per_second = spec.clients / median(seconds);
    figures.client_cores = median(client_cores);
    figures.p50_us = median(p50);
    figures.p99_us = median(p99);
    figures.p999_us = median(p999);
    finding row{
        .what =
            fmt::format("{} clients of {} groups reconnect at once and recover {} publications each; server "
                        "and clients on the same {} cores",
                        spec.clients, spec.groups, spec.missed, std::thread::hardware_concurrency()),
        .command = command(fmt::format("recovery --connections {} --rooms {}", spec.clients, spec.groups)),
        .unit = "s from the first connect to the last that has everything",
        .value = median(seconds),
        .at_most = 5};
    row.sides = {figures};
    return {row};
}

std::vector<finding> runs::subscribers() {
    const auto connections = options_.connections.value_or(options_.quick ? 100 : 15'000);
    const std::uint32_t room = options_.members.value_or(10);
    const auto fresh = new_server(options_.loops.value_or(0));
    wait_until_quiet(fresh.pid());
    const auto before = proportional_memory(fresh.pid());
    load_spec spec{.route = "", .client_namespace = "bench-kept", .members = room};
    spec.groups = std::max(1u, connections / room);
    load crowd(fresh, spec);
    crowd.connect();
    crowd.settle(options_.quick ? 0.2 : 1);
    const auto after = proportional_memory(fresh.pid());
    finding row{
        .what = fmt::format("idle client of the client protocol, subscribed with recovery, {} of them in "
                            "groups of {}",
                            crowd.connections(), room),
        .command = command(fmt::format("subscribers --connections {}", connections)),
        .unit = "KiB (Pss) per connection"};
    row.value = static_cast<double>(after - std::min(after, before)) /
                static_cast<double>(crowd.connections()) / 1024;
    row.at_most = 10;
    return {row};
}

}  // namespace madang::bench
