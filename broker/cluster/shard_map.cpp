#include "broker/cluster/shard_map.hpp"

#include "broker/core/fnv1a.hpp"

namespace madang {
namespace {

// The finisher of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
std::uint64_t mixed(std::uint64_t bits) noexcept {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

}  // namespace

shard_map::shard_map(const cluster_view& view, std::uint32_t shards) : view_(view.number), owners_(shards) {
    std::vector<std::uint64_t> seeds;
    for (const auto& each : view.members) {
        if (each.state != node_state::up) continue;
        nodes_.push_back(each.who);
        seeds.push_back(mixed(fnv1a(each.who.name)));  // not of the incarnation: who restarts has its disk
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        const auto salt = mixed(0x9e3779b97f4a7c15u * (shard + std::uint64_t{1}));
        std::uint64_t most = 0;
        std::size_t owner = 0;  // with no node: beyond them
        for (std::size_t i = 0; i < seeds.size(); ++i) {
            const auto weight = mixed(seeds[i] ^ salt);
            if (i != 0 && weight <= most) continue;  // equal: the smaller name
            most = weight;
            owner = i;
        }
        owners_[shard] = static_cast<std::uint16_t>(owner);
    }
}

std::vector<std::uint32_t> shard_map::of(std::string_view node) const {
    std::vector<std::uint32_t> found;
    for (std::uint32_t shard = 0; shard < shards(); ++shard)
        if (const auto* who = owner(shard); who && who->name == node) found.push_back(shard);
    return found;
}

std::uint32_t cluster_shard_of(std::string_view group, std::uint32_t shards) noexcept {
    return static_cast<std::uint32_t>(fnv1a(group) % shards);
}

}  // namespace madang
