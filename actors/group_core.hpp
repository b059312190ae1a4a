// One group's memory: which loops have members, and what was published since the last turn. No actors, no sockets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/batch.hpp"

namespace madang {

// Lives on the group's home loop. Members are known by their connection's id; their delivery is the loops' business
// (member_table). Every join is matched by one leave, whether asked for or because the member died; a second leave of
// the same member is ignored.
class group_core {
  public:
    using member_id = std::uint64_t;

    group_core(std::string name, std::size_t loops) : name_(std::move(name)), members_on_(loops) {}

    const std::string& name() const noexcept { return name_; }
    // True when the member is new. It receives from next_sequence() on.
    bool join(member_id member, std::size_t loop);
    // The loop it was on, or nothing when it was not a member. It receives what comes before next_sequence().
    std::optional<std::size_t> leave(member_id member);
    std::size_t members() const noexcept { return loop_of_.size(); }
    std::size_t members_on(std::size_t loop) const noexcept { return members_on_[loop]; }

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
    std::vector<std::uint32_t> members_on_;
    std::vector<event> pending_;
    std::uint64_t next_ = 1;
};

}  // namespace madang
