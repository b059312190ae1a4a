#include "broker/bench/runs.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "broker/bench/connects.hpp"
#include "broker/bench/jwt.hpp"
#include "broker/bench/load.hpp"
#include "broker/bench/proc.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

constexpr std::uint32_t many_tokens = 1000;

std::string jwt_secret() {
    const char* given = std::getenv("MADANG_JWT_HMAC_SECRET");
    return given ? given : "a secret of the bench, at least 32 bytes long";
}

// The table in the issue; other shapes are reported without a target.
std::optional<double> fanout_target(const std::string& route, std::uint32_t in_flight) {
    if (route == "plain" && in_flight == 64) return 0.75;
    if (route == "plain" && (in_flight == 8 || in_flight == 1)) return 0.65;
    if (route == "chat" && in_flight == 64) return 0.4;
    return std::nullopt;
}

double wake_ups(pid_t pid, double seconds, load* connected) {
    const auto before = context_switches(pid);
    const auto begin = now_ns();
    const auto end = begin + static_cast<std::int64_t>(seconds * 1e9);
    if (connected) connected->rest(seconds);
    while (now_ns() < end) {
        check_interrupted();
        const timespec rest{0, std::min<std::int64_t>(end - now_ns() + 1, 50'000'000)};
        nanosleep(&rest, nullptr);
    }
    return static_cast<double>(context_switches(pid) - before) /
           (static_cast<double>(now_ns() - begin) * 1e-9);
}

}  // namespace

std::string runs::command(const std::string& what) const { return "madang bench " + what; }

const target& runs::floor() {
    if (!floor_) floor_ = std::make_unique<target>(start_floor());
    return *floor_;
}

const target& runs::server(std::uint32_t loops) {
    const auto found = servers_.find(loops);
    return found != servers_.end() ? found->second : servers_.emplace(loops, new_server(loops)).first->second;
}

target runs::new_server(std::uint32_t loops, std::vector<std::string> more) const {
    if (!options_.url.empty()) {
        if (options_.pid <= 0)
            throw std::invalid_argument("--url needs --pid: CPU time is the server process's own");
        return {options_.pid, parse_endpoint(options_.url)};
    }
    more.insert(more.end(), options_.server_arguments.begin(), options_.server_arguments.end());
    server_command command{.binary = options_.server,
                           .loops = loops,
                           .plugin = options_.plugin,
                           .jwt_secret = jwt_secret(),
                           .more = std::move(more)};
    const auto beside =
        std::filesystem::canonical(options_.server).parent_path() / "madang-bench-plugins/bench.so";
    if (command.plugin.empty() && std::filesystem::exists(beside)) command.plugin = beside.string();
    return start_server(command);
}

load_spec runs::timed(load_spec spec) const {
    spec.payload = options_.payload.value_or(128);
    spec.seconds = seconds();
    spec.warmup = options_.warmup.value_or(options_.quick ? 0.05 : 0.5);
    return spec;
}

load_spec runs::fanout_spec(const std::string& route, std::uint32_t members, std::uint32_t in_flight) const {
    load_spec spec{.members = members, .in_flight = in_flight};
    if (route == "plain") {
        spec.route = "/ws/bench/fanout/";
    } else if (route == "handler") {
        spec.route = "/ws/bench/handler/";
    } else if (route == "chat") {
        spec.route = "/ws/chat/";
        spec.kind = envelope::chat;
    } else {
        throw std::invalid_argument("no such route: " + route + " (plain, handler, chat)");
    }
    return timed(spec);
}

std::vector<finding> runs::fanout(std::uint32_t in_flight, const std::string& route) {
    const auto members = options_.members.value_or(options_.quick ? 50 : 1000);
    const auto spec = fanout_spec(route, members, in_flight);
    const auto all = take_turns({{"floor", &floor(), spec}, {"server", &server(loops()), spec}}, rounds());
    const bool as_asked = members == 1000 && spec.payload == 128 && loops() == 1;
    return {share(
        fmt::format("fan-out 1 -> {}, {} B, {} route, {} in flight", members, spec.payload, route, in_flight),
        command(fmt::format("fanout --members {} --payload {} --in-flight {} --route {} --loops {}", members,
                            spec.payload, in_flight, route, loops())),
        all[1], all[0], as_asked ? fanout_target(route, in_flight) : std::nullopt, "of the floor")};
}

std::vector<finding> runs::fanout_shapes() {
    const std::uint32_t few = options_.quick ? 50 : 1000, many = options_.quick ? 200 : 10'000;
    const auto spec = fanout_spec("plain", few, 64);
    const auto large = fanout_spec("plain", many, 64);
    auto all = take_turns({{"floor", &floor(), spec},
                           {fmt::format("{} members, 1 loop", few), &server(1), spec},
                           {fmt::format("{} members, 2 loops", few), &server(2), spec},
                           {"floor", &floor(), large},
                           {fmt::format("{} members, 1 loop", many), &server(1), large}},
                          rounds());
    for (const auto& [of, one] : {std::pair{0, 1}, {0, 2}, {3, 4}})
        all[one].figures.name += fmt::format(", {:.2f} of the floor",
                                             median_ratio(all[one].per_cpu_second, all[of].per_cpu_second));
    return {share(fmt::format("fan-out 1 -> {}, 64 in flight, members on 2 loops", few), command("all"),
                  all[2], all[1], 0.9, "of the one-loop figure"),
            share(fmt::format("fan-out 1 -> {}, 64 in flight", many), command("all"), all[4], all[1], 0.8,
                  fmt::format("of the figure for {} members", few))};
}

std::vector<finding> runs::echo() {
    const auto connections = options_.connections.value_or(options_.quick ? 10 : 100);
    const auto spec = timed({.groups = connections, .in_flight = options_.in_flight.value_or(1)});
    const auto all =
        take_turns({{"bare epoll echo", &floor(), spec}, {"server", &server(loops()), spec}}, rounds());
    return {share(fmt::format("echo, {} connections, closed loop", connections),
                  command(fmt::format("echo --connections {}", connections)), all[1], all[0], 0.8,
                  "of a bare epoll echo")};
}

std::vector<finding> runs::rooms() {
    auto spec = fanout_spec(options_.route, options_.members.value_or(10), options_.in_flight.value_or(1));
    spec.groups = options_.rooms.value_or(options_.quick ? 5 : 100);
    const auto all = take_turns({{"floor", &floor(), spec}, {"server", &server(loops()), spec}}, rounds());
    return {share(fmt::format("{} rooms x {} members, all publishing, {} in flight per room", spec.groups,
                              spec.members, spec.in_flight),
                  command(fmt::format("rooms --rooms {} --members {}", spec.groups, spec.members)), all[1],
                  all[0], 0.65, "of the floor")};
}

std::vector<finding> runs::idle() {
    const auto connections = options_.connections.value_or(options_.quick ? 100 : 15'000);
    const std::uint32_t room = options_.members.value_or(10);
    const double quiet = options_.seconds.value_or(options_.quick ? 0.2 : 5);
    const auto fresh = new_server(options_.loops.value_or(0));
    wake_ups(fresh.pid(), options_.quick ? 0.2 : 1, nullptr);  // let it finish starting
    finding alone{
        .what = "idle server, no connections", .command = command("idle"), .unit = "wake-ups per second"};
    alone.value = wake_ups(fresh.pid(), quiet, nullptr);
    alone.at_most = 5;

    const auto before = proportional_memory(fresh.pid());
    auto spec = fanout_spec("chat", room, 1);
    spec.groups = std::max(1u, connections / room);
    load crowd(fresh, spec);
    crowd.connect();
    crowd.settle(options_.quick ? 0.2 : 1);
    const auto count = static_cast<double>(crowd.connections());
    const auto after = proportional_memory(fresh.pid());
    finding memory{.what = fmt::format("idle connection on /ws/chat/, {} of them in rooms of {}",
                                       crowd.connections(), room),
                   .command = command(fmt::format("idle --connections {}", connections)),
                   .unit = "KiB (Pss) per connection"};
    memory.value = static_cast<double>(after - std::min(after, before)) / count / 1024;
    memory.at_most = 5;
    finding crowded{.what = fmt::format("the same server with {} idle connections", crowd.connections()),
                    .command = memory.command,
                    .unit = "wake-ups per second"};
    crowded.value = wake_ups(fresh.pid(), quiet, &crowd);
    return {memory, alone, crowded};
}

std::vector<finding> runs::connects() {
    connect_spec plain{.at_once = options_.connections.value_or(64),
                       .warmup = options_.warmup.value_or(options_.quick ? 0.05 : 0.5),
                       .seconds = seconds()};
    connect_spec users = plain;
    users.route = "/ws/notify/";
    for (std::uint32_t i = 0; i < many_tokens; ++i)
        users.tokens.push_back(
            sign_hs256(jwt_secret(), "bench" + std::to_string(i), std::time(nullptr) + 3600));
    connect_spec paced = plain;
    paced.rate = options_.quick ? 500 : options_.rate;

    struct kind {
        const char* name;
        const target* under_test;
        const connect_spec* spec;
        std::optional<double> at_least = {};
        std::vector<double> per_cpu = {}, per_second = {}, p50 = {}, p99 = {}, p999 = {};
        std::uint64_t count = 0;
    };
    const auto* ours = &server(loops());
    std::vector<kind> kinds{{"bare epoll, plain", &floor(), &plain},
                            {"plain", ours, &plain, 60'000},
                            {"JWT", ours, &users},
                            {"bare epoll", &floor(), &paced},
                            {"server", ours, &paced}};
    for (std::uint32_t round = 0; round < rounds(); ++round)
        for (auto& one : kinds) {
            const auto result = run_connects(*one.under_test, *one.spec);
            wait_until_quiet(one.under_test->pid());
            one.per_cpu.push_back(result.per_cpu_second());
            one.per_second.push_back(result.per_second());
            one.p50.push_back(static_cast<double>(result.latency.quantile(0.5)) / 1e3);
            one.p99.push_back(static_cast<double>(result.latency.quantile(0.99)) / 1e3);
            one.p999.push_back(static_cast<double>(result.latency.quantile(0.999)) / 1e3);
            one.count += result.handshakes;
        }
    std::vector<finding> out;
    for (auto& one : kinds) {
        side_figures figures{.name = one.name,
                             .per_cpu_second = median(one.per_cpu),
                             .per_second = median(one.per_second),
                             .p50_us = median(one.p50),
                             .p99_us = median(one.p99),
                             .p999_us = median(one.p999)};
        figures.count = one.count;
        finding row{.what = fmt::format("connects, {}", one.name),
                    .command = command("connects"),
                    .unit = "per CPU-second",
                    .value = figures.per_cpu_second,
                    .at_least = one.at_least};
        if (one.spec == &paced) {
            row.what = fmt::format("handshake p99 at {:.0f} connects/s ({:.0f}/s reached), {}", paced.rate,
                                   figures.per_second, one.name);
            row.command = command(fmt::format("connects --rate {:.0f}", paced.rate));
            row.unit = "ms";
            row.value = figures.p99_us / 1e3;
        }
        row.sides = {figures};
        out.push_back(std::move(row));
    }
    return out;
}

std::vector<finding> runs::stall() {
    const auto members = options_.members.value_or(options_.quick ? 50 : 1000);
    const auto in_flight = options_.in_flight.value_or(64);
    auto with = fanout_spec(options_.route, members, in_flight);
    with.stalled = members / 10;
    with.warmup = options_.warmup.value_or(0);  // the stall is what is measured, from its first moment
    // The kernel holds 2.6 MB per socket before the outbox fills.
    with.seconds = options_.seconds.value_or(options_.quick ? 0.2 : 8);
    auto without = with;
    without.members = members - with.stalled;
    without.stalled = 0;
    const auto all = take_turns(
        {{"without them", &server(loops()), without}, {"10 % stalled", &server(loops()), with}}, rounds());
    const auto call = command(fmt::format("stall --members {} --in-flight {}", members, in_flight));
    finding latency{.what = fmt::format("{} of {} members stalled: the others' p99", with.stalled, members),
                    .command = call,
                    .unit = "times that without them"};
    latency.value = median_ratio(all[1].p99_us, all[0].p99_us);
    latency.at_most = 1.2;
    latency.sides = {all[0].figures, all[1].figures};
    finding memory{.what = fmt::format(
                       "the same: growth of the server's memory (bound: {} outboxes of 1 MiB)", with.stalled),
                   .command = call,
                   .unit = "MiB"};
    memory.value = *std::max_element(all[1].memory_growth.begin(), all[1].memory_growth.end()) / (1 << 20);
    memory.at_most = with.stalled;
    return {latency, memory};
}

std::vector<finding> runs::floor_alone() {
    auto spec = options_.echo
                    ? timed({.groups = options_.connections.value_or(options_.quick ? 10 : 100),
                             .in_flight = options_.in_flight.value_or(1)})
                    : fanout_spec(options_.route, options_.members.value_or(options_.quick ? 50 : 1000),
                                  options_.in_flight.value_or(64));
    if (!options_.echo) spec.groups = options_.rooms.value_or(1);
    const auto all = take_turns({{"floor", &floor(), spec}}, rounds());
    finding row{.what = options_.echo ? fmt::format("bare epoll echo, {} connections", spec.groups)
                                      : fmt::format("floor, {} x {} members, {} B, {} in flight", spec.groups,
                                                    spec.members, spec.payload, spec.in_flight),
                .command = command(options_.echo ? "floor --echo" : "floor"),
                .unit = "deliveries per CPU-second",
                .value = all[0].figures.per_cpu_second};
    row.sides = {all[0].figures};
    return {row};
}

}  // namespace madang::bench
