// A group: supervises its members, orders its publications, makes each turn's batch.
//
//   accepts    parcels::join, leave, publish, behind; DOWN of a member
//   sends      joined, left, deliver to the loops that have members (through its hub)
//   spawned by its home loop's hub, at the first join
//   runs on    its home loop: hash of its name
//   dies       when its last member left; when it fails, the hub starts it anew and its members join again
//   queue      its mailbox is filled by its own loop, which handles it in this turn or in the next one,
//              and by other loops within their credit
#pragma once

#include <string>

#include "actors/group_core.hpp"
#include "actors/hub_impl.hpp"
#include "actors/pinned_actor_impl.hpp"

namespace madang {

class group_actor final : public pinned_actor {
  public:
    group_actor(caf::actor_config& config, hub& home, std::string name);
    caf::behavior make_behavior() override;

    // At the turn's end: the batch, to every loop that has members. Called by the hub, which was told
    // group_touched.
    void hand_out();
    const std::string& group() const noexcept { return core_.name(); }
    std::size_t members() const noexcept { return members_here_; }  // other nodes' are not among them

  private:
    void on_exit() override;
    void on_join(parcels::join& what);
    void on_leave(std::uint64_t member);
    void end_if_empty();

    hub& home_;
    group_core core_;
    std::size_t members_here_ = 0;
    bool touched_ = false;
};

}  // namespace madang
