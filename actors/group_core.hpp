// One group's memory: which loops have members, and what was published since the last turn. No actors, no
// sockets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/batch.hpp"

namespace madang {

// Lives on the group's home loop. Members are known by their connection's id; their delivery is the loops'
// business (member_table). Another node with members is a member too, on a "loop" of its own behind this
// node's. Every join is matched by one leave, whether asked for or because the member died; a second leave of
// the same member is ignored.
class group_core {
  public:
    using member_id = std::uint64_t;

    group_core(std::string name, std::size_t loops) : name_(std::move(name)), loops_(loops) {}
    // Those that members may be on: this node's, and behind them other nodes'.
    std::size_t loops() const noexcept { return loops_.size(); }

    const std::string& name() const noexcept { return name_; }
    // True when the member is new. It receives from next_sequence() on.
    bool join(member_id member, std::size_t loop);
    // The loop it was on, or nothing when it was not a member. It receives what comes before next_sequence().
    std::optional<std::size_t> leave(member_id member);
    std::size_t members() const noexcept { return loop_of_.size(); }
    // The loop has members, or had some when one of the pending publications came.
    bool owes(std::size_t loop) const noexcept { return loops_[loop].members != 0 || loops_[loop].owed; }
    // The batch was handed to every loop that is owed it.
    void settle() noexcept;

    // Queues a publication for this turn's batch. False without members: it is dropped.
    bool publish(event e);
    bool has_pending() const noexcept { return !pending_.empty(); }
    // The number the next publication will get.
    std::uint64_t next_sequence() const noexcept { return next_; }
    // The turn's batch; null when nothing is pending.
    batch_ptr take_batch();

  private:
    std::string name_;
    std::unordered_map<member_id, std::uint32_t> loop_of_;
    struct per_loop {
        std::uint32_t members = 0;
        bool owed = false;
    };
    std::vector<per_loop> loops_;
    std::vector<event> pending_;
    std::uint64_t next_ = 1;
};

}  // namespace madang
