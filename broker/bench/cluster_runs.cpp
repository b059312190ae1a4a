// The rows about several nodes: all of them, and the load clients, share this machine's cores.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "broker/bench/client_words.hpp"
#include "broker/bench/compare.hpp"
#include "broker/bench/job_load.hpp"
#include "broker/bench/mesh.hpp"
#include "broker/bench/proc.hpp"
#include "broker/bench/runs.hpp"
#include "broker/bench/socket.hpp"
#include "broker/bench/swarm.hpp"

namespace madang::bench {

namespace {

// A p99 is at the mercy of what else runs: many short turns meet the same of it.
constexpr std::uint32_t short_turns = 4;

constexpr std::size_t first = 0, second = 1, third = 2;  // nodes

double link_bytes(const target& node) {
    auto all = metrics_of(node.internal());
    return all["madang_cluster_bytes_in_total"] + all["madang_cluster_bytes_out_total"];
}

// Of a node while something happens, per second.
struct usage {
    double cpu = 0;  // cores
    double bytes = 0;
};

template <typename Action>
usage usage_during(const target& node, const Action& happens) {
    const auto bytes = link_bytes(node);
    const auto cpu = cpu_time(node.pid());
    const auto began = now_ns();
    happens();
    const auto seconds = static_cast<double>(now_ns() - began) * 1e-9;
    const auto used = static_cast<double>(cpu_time(node.pid()) - cpu) * 1e-9;
    return {used / seconds, (link_bytes(node) - bytes) / seconds};
}

double median_difference(const std::vector<double>& one, const std::vector<double>& other) {
    std::vector<double> differences;
    for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i)
        differences.push_back(one[i] - other[i]);
    return median(differences);
}

// A connect and subscriptions to `count` groups, in one message.
std::string hello_to(std::uint32_t from, std::uint32_t count) {
    std::string text = R"({"id":1,"connect":{}})";
    for (std::uint32_t i = 0; i < count; ++i)
        text += fmt::format("\n{}\"id\":{},\"subscribe\":{}\"channel\":\"bench-live:g{}\"{}{}", '{', i + 2,
                            '{', from + i, '}', '}');
    return text;
}

// Replies to subscriptions in a message.
std::uint32_t subscribed(std::string_view message) {
    if (message.find("\"error\"") != message.npos)
        throw std::runtime_error("the server said: " + std::string(message.substr(0, 200)));
    std::uint32_t count = 0;
    for (auto at = message.find("\"subscribe\":"); at != message.npos;
         at = message.find("\"subscribe\":", at + 1))
        ++count;
    return count;
}

}  // namespace

std::vector<finding> runs::cluster() {
    if (!options_.url.empty()) throw std::invalid_argument("cluster starts its own servers: leave out --url");
    std::vector<finding> all;
    for (const auto part : {&runs::across_nodes, &runs::stopped_node, &runs::many_groups})
        for (auto& one : (this->*part)()) all.push_back(std::move(one));
    return all;
}

// One publisher on the first node, everybody else on the second; the third has no member.
std::vector<finding> runs::across_nodes() {
    const mesh nodes([this](auto more) { return new_server(loops(), std::move(more)); });
    const auto& bystander = nodes[third];
    std::vector<double> cpu_shares, bytes_each;
    const auto beside_the_third = [&](load& generator) {
        const auto idle = usage_during(bystander, [&] { generator.rest(seconds()); });
        load_result result;
        const auto busy = usage_during(bystander, [&] { result = generator.run(); });
        // Per second.
        const auto publications = result.per_second() / static_cast<double>(generator.connections());
        cpu_shares.push_back((busy.cpu - idle.cpu) / (result.server_cpu / result.seconds));
        bytes_each.push_back((busy.bytes - idle.bytes) / publications);
        return result;
    };
    const auto across = [&](load_spec spec, std::size_t owner) {
        spec.publishers_at = &nodes[first];
        spec.takes_name = [&nodes, owner](const std::string& group) { return nodes.owns(owner, group); };
        return spec;
    };

    const auto members = options_.members.value_or(options_.quick ? 50 : 1000);
    const auto spec = fanout_spec("plain", members + 1, options_.in_flight.value_or(64));
    const auto all =
        take_turns({{"one node alone", &server(loops()), spec},
                    {"group of the publisher's node", &nodes[second], across(spec, first), beside_the_third},
                    {"group of the members' node", &nodes[second], across(spec, second), beside_the_third}},
                   rounds());
    const auto call = command(fmt::format("cluster --members {} --payload {} --in-flight {}", members,
                                          spec.payload, spec.in_flight));
    std::vector<finding> rows;
    for (const std::size_t i : {1, 2})
        rows.push_back(share(
            fmt::format("publisher on one node, {} members on another, {} B, {} in flight, {}", members,
                        spec.payload, spec.in_flight, all[i].figures.name),
            call, all[i], all[0], 0.8, "of one node's deliveries per CPU-second, with both nodes' CPU"));
    rows.push_back({.what = "the same: CPU of a third node without members, over its idle CPU",
                    .command = call,
                    .unit = "of the other two's",
                    .value = median(cpu_shares),
                    .at_most = 0.01});
    rows.push_back(
        {.what = "the same: bytes over links of a third node without members, over those when idle",
         .command = call,
         .unit = "bytes per publication",
         .value = median(bytes_each),
         .at_most = 1});

    const auto few = options_.members.value_or(options_.quick ? 10 : 100);
    auto calm = fanout_spec("plain", few + 1, 1);
    calm.seconds /= short_turns;
    calm.warmup /= short_turns;
    const auto late = take_turns({{"one node alone", &server(loops()), calm},
                                  {"group of the publisher's node", &nodes[second], across(calm, first)},
                                  {"group of the members' node", &nodes[second], across(calm, second)}},
                                 rounds() * short_turns);
    for (const std::size_t i : {1, 2})
        for (const bool tail : {false, true}) {
            const auto &one = late[i], &alone = late[0];
            finding row{
                .what = fmt::format("publisher on one node, {} members on another, 1 in flight, {}: {}", few,
                                    one.figures.name, tail ? "p99" : "p50"),
                .command = command("cluster"),
                .unit = "ms more than on one node, publish to delivery",
                .value = (tail ? median_difference(one.p99_us, alone.p99_us)
                               : median_difference(one.p50_us, alone.p50_us)) /
                         1e3};
            if (tail) {
                row.at_most = 2;
                row.sides = {alone.figures, one.figures};
            }
            rows.push_back(std::move(row));
        }
    return rows;
}

// Few members and large messages, so that the link is what is full: most of them on the first node, some on
// one that stops.
std::vector<finding> runs::stopped_node() {
    const mesh nodes([this](auto more) { return new_server(loops(), std::move(more)); });
    auto spec = fanout_spec("plain", 20, options_.in_flight.value_or(64));
    spec.payload = options_.payload.value_or(4096);
    spec.stalled = 10;
    spec.stalled_at = &nodes[second];
    spec.takes_name = [&](const std::string& group) { return nodes.owns(first, group); };
    spec.warmup = 0;
    spec.seconds = options_.seconds.value_or(options_.quick ? 4 : 6);  // dead after 3 s
    const auto with_the_second_stopped = [&](load& generator) {
        load_result result;
        {
            const stopped peer(nodes[second]);
            result = generator.run();
            nodes.wait_until_dead(second, first);
        }
        nodes.wait_until_whole();
        return result;
    };
    const auto all =
        take_turns({{"second node stopped", &nodes[first], spec, with_the_second_stopped}}, rounds());
    finding row{
        .what = fmt::format("a node with 10 of 20 members stopped, {} B, {} in flight: growth of the "
                            "publishing node's memory until it is dead and after ({:.0f} batches dropped)",
                            spec.payload, spec.in_flight,
                            metrics_of(nodes[first].internal())["madang_cluster_drops_total"]),
        .command = command("cluster"),
        .unit = "MiB (RSS)",
        .value = *std::max_element(all[0].memory_growth.begin(), all[0].memory_growth.end()) / (1 << 20),
        .at_most = 64};
    row.sides = {all[0].figures};
    return {row};
}

// Each has one member, by turns on each node; most are owned by another.
std::vector<finding> runs::many_groups() {
    constexpr std::uint32_t per_client = 100, clients_at_once = 100;
    const auto groups = options_.groups.value_or(options_.quick ? 100'000 : 1'000'000);
    const mesh nodes([this](auto more) {  // nobody answers while others subscribe
        more.insert(more.end(), {"--client-ping-interval", "0s", "--ws-ping-interval", "0s"});
        return new_server(loops(), std::move(more));
    });
    std::vector<std::unique_ptr<swarm>> crowds;
    for (std::uint32_t begun = 0; begun < groups;) {
        std::vector<swarm_member> clients;
        std::vector<std::uint32_t> left;
        while (clients.size() < clients_at_once && begun < groups) {
            left.push_back(std::min(per_client, groups - begun));
            clients.push_back({std::string(client_route), {hello_to(begun, left.back())}});
            begun += left.back();
        }
        crowds.push_back(std::make_unique<swarm>(nodes[crowds.size() % mesh::size], std::move(clients),
                                                 [&left](std::size_t index, std::string_view message) {
                                                     left[index] -= subscribed(message);
                                                     return left[index] == 0;
                                                 }));
        crowds.back()->run();
    }
    std::vector<finding> rows;
    for (std::size_t i = 0; i < mesh::size; ++i) {
        wait_until_quiet(nodes[i].pid());
        const auto here = metrics_of(nodes[i].internal())["madang_groups"];
        rows.push_back({.what = fmt::format("{} groups with a member each over {} nodes: memory of node {}, "
                                            "which knows {:.0f} of them",
                                            groups, mesh::size, i + 1, here),
                        .command = command(fmt::format("cluster --groups {}", groups)),
                        .unit = "GiB (RSS)",
                        .value = static_cast<double>(resident_memory(nodes[i].pid())) / (1 << 30),
                        .at_most = 2});
    }
    return rows;
}

}  // namespace madang::bench
