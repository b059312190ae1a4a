// Which node owns which group, and the hubs there: what the loops go by, made anew for each view and link.
#pragma once

#include <caf/actor.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/credit.hpp"
#include "actors/hand_over.hpp"
#include "broker/cluster/shard_map.hpp"

namespace madang {

// Another node, for as long as this process knows its name: its place here never changes.
struct peer_route {
    node_id who;
    std::string yard;          // as its channels' names have it
    std::uint64_t link = 0;    // counts up with every link; 0: there was none yet
    bool gone = false;         // the view says that it left or is dead, or an operator removed it
    std::uint64_t listed = 0;  // the incarnation of it that was in a view last
    struct address {
        std::uint64_t place = 0, link = 0;
    };
    address known_as;  // this node, over there: index in its peers, and its count of the same link
    std::vector<caf::actor> hubs;       // by its loops; empty without a link
    caf::actor jobs;                    // null: without a link, or it has none
    std::shared_ptr<credit> under_way;  // bytes of publications sent to it and not handled yet, of this link
};

// Immutable; shared by the loops.
struct cluster_routes {
    static constexpr std::size_t here = static_cast<std::size_t>(-1);
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-2);

    shard_map owners;
    std::vector<peer_route> peers;
    std::vector<std::size_t> by_shard;  // index in peers, or `here`, also when nobody owns it

    // By shard: shard_tenures::since. Whoever starts, or was apart from others, gains all it owns: it cannot
    // know what they did with it meanwhile.
    std::vector<std::uint64_t> since;
    std::string self;                  // this node's name
    std::vector<std::string> removed;  // whom an operator said not to come back, and who did not
    std::size_t jobs_home = nowhere;   // who keeps the jobs: index in peers, `here`, or `nowhere`
    // What the change of view brought by which these routes came to be, if nobody else can have owned it in
    // between; each loop hears of it once.
    std::vector<shard_move> moves;
    bool parted = false;  // this node was apart from others until now: they have forgotten what it told them

    // There is that link, and hubs are known at its other end.
    bool stands(std::size_t peer, std::uint64_t link) const noexcept {
        return peer < peers.size() && peers[peer].link == link && !peers[peer].hubs.empty();
    }
    std::size_t owner_of(std::string_view group) const noexcept {
        return by_shard.empty() ? here : by_shard[cluster_shard_of(group, owners.shards())];
    }
    // 0: this node does not own it.
    std::uint64_t tenure_of(std::string_view group) const noexcept {
        return since.empty() ? 0 : since[cluster_shard_of(group, owners.shards())];
    }
};

}  // namespace madang
