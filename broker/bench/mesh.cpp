#include "broker/bench/mesh.hpp"

#include <poll.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "broker/bench/job_load.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

constexpr std::int64_t mesh_patience = 60'000'000'000;

std::string name_of(std::size_t node) { return std::string(1, static_cast<char>('a' + node)); }

// What the node says of the cluster: nothing until it has begun.
nlohmann::json seen_by(const target& node) {
    return nlohmann::json::parse(ask(node.internal(), "GET", "/cluster"));
}

// It is up, and so are the others, to which it has links.
bool is_whole(const nlohmann::json& seen) {
    if (seen.value("state", "") != "up") return false;
    std::size_t others = 0;
    for (const auto& each : seen.at("nodes")) others += each.at("state") == "up" && each.contains("link");
    return others == mesh::size - 1;
}

template <typename Condition>
void wait_until(const Condition& holds, const char* otherwise) {
    for (const auto give_up = now_ns() + mesh_patience; !holds(); poll(nullptr, 0, 20)) {
        check_interrupted();
        if (now_ns() > give_up) throw std::runtime_error(otherwise);
    }
}

}  // namespace

mesh::mesh(const start& begin) {
    nodes_.reserve(size);
    std::string first;
    cluster_view view;
    for (std::size_t i = 0; i < size; ++i) {
        std::vector<std::string> more{"--node-name", name_of(i),       "--cluster-listen",
                                      "127.0.0.1:0", "--cluster-name", "madang-bench"};
        if (i != 0) more.insert(more.end(), {"--join", first});
        nodes_.push_back(begin(std::move(more)));
        if (i == 0)
            wait_until(
                [&] {
                    first = seen_by(nodes_[0]).value("address", "");
                    return !first.empty();
                },
                "the first node does not begin");
        view.members.push_back({.who = {name_of(i), 1}, .state = node_state::up, .address = {}});
    }
    owners_ = shard_map(view, cluster_shards);
    wait_until_whole();
}

void mesh::wait_until_whole() const {
    for (const auto& node : nodes_)
        wait_until([&] { return is_whole(seen_by(node)); }, "the nodes do not find each other");
}

void mesh::wait_until_dead(std::size_t node, std::size_t seen_from) const {
    const auto is_dead = [&] {
        const auto seen = seen_by(nodes_[seen_from]);
        for (const auto& each : seen.at("nodes"))
            if (each.at("node") == name_of(node)) return each.at("state") == "dead";
        return true;
    };
    wait_until(is_dead, "a stopped node is not found dead");
}

bool mesh::owns(std::size_t node, std::string_view group) const {
    const auto* owner = owners_.owner(cluster_shard_of(group, owners_.shards()));
    return owner && owner->name == name_of(node);
}

stopped::stopped(const target& node) : pid_(node.pid()) { kill(pid_, SIGSTOP); }
stopped::~stopped() { kill(pid_, SIGCONT); }

}  // namespace madang::bench
