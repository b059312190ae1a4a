// Since when this node owns which shards, and who had them before: what of it the views prove. No actors.
//
// A node's tenure of a shard is uninterrupted while its views follow each other and it owns the shard in
// each. Only between two views that follow each other can a stream go from its owner to the next under its
// epoch: then both know that nobody else owned it. Who skipped a view, or sees somebody return that had lived
// apart, begins all its tenures anew.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "actors/hand_over.hpp"
#include "broker/cluster/shard_map.hpp"
#include "broker/cluster/view.hpp"

namespace madang {

class shard_tenures {
  public:
    shard_tenures(std::string self, std::uint32_t shards) : self_(std::move(self)), since_(shards) {}

    struct change {
        bool parted = false;  // others may have owned what is this node's in both views
        std::vector<shard_move> moves;
    };
    // `place_of`: shard_move::peer, by a node's name.
    change go_by(const cluster_view& now,
                 const std::function<std::size_t(const std::string& name)>& place_of);

    const cluster_view& view() const noexcept { return view_; }
    // By shard; 0: it is not this node's. Counts up.
    const std::vector<std::uint64_t>& since() const noexcept { return since_; }

  private:
    bool parts(const cluster_view& now);
    cluster_view without_self(cluster_view view) const;

    const std::string self_;
    cluster_view view_;
    std::vector<std::uint64_t> since_;
    std::uint64_t count_ = 0;
    std::map<std::string, std::uint64_t> lived_;  // the latest incarnation of each that was in a view, living
};

}  // namespace madang
