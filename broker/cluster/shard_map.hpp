// Which node owns which shard: rendezvous hashing over the nodes that are up, so that a node that comes or
// goes moves only its own share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/cluster/view.hpp"

namespace madang {

// Of every cluster: many more than nodes, so that their shares are alike.
inline constexpr std::uint32_t cluster_shards = 1024;

// A value; made anew for each view. The same on every node that has the same view, whatever their platform.
class shard_map {
  public:
    shard_map() = default;
    // Owners are the members that are `up`; with none of them up, nobody owns anything.
    shard_map(const cluster_view& view, std::uint32_t shards);

    std::uint32_t shards() const noexcept { return static_cast<std::uint32_t>(owners_.size()); }
    std::uint64_t view() const noexcept { return view_; }
    // Null: nobody. Valid while *this is.
    const node_id* owner(std::uint32_t shard) const noexcept {
        return shard < owners_.size() && owners_[shard] < nodes_.size() ? &nodes_[owners_[shard]] : nullptr;
    }
    // Shards that the node owns, ascending.
    std::vector<std::uint32_t> of(std::string_view node) const;

  private:
    std::uint64_t view_ = 0;
    std::vector<node_id> nodes_;
    std::vector<std::uint16_t> owners_;  // by shard: index in nodes_, or beyond them
};

// Of a group, in the whole cluster; independent of the platform (FNV-1a, 64 bit).
std::uint32_t cluster_shard_of(std::string_view group, std::uint32_t shards) noexcept;

}  // namespace madang
