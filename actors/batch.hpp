// What a group received in one turn, encoded once for all who get it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/payload.hpp"

namespace madang {

// An event as it was sent to a group or channel.
struct event {
    std::string type;
    payload body;
};

// Immutable once made; shared by the loops that have members. `frames()` is every publication as a text
// frame, end to end in one block, and each event's body refers into that same block, so that a consumer which
// forwards the bodies one after the other adds to one entry of its outbox.
class batch {
  public:
    // Takes at least one event. `first` is the sequence number of events[0] within the group, on this node.
    batch(std::string group, std::uint64_t first, std::vector<event> events);

    const std::string& group() const noexcept { return group_; }
    std::uint64_t first() const noexcept { return first_; }
    std::size_t size() const noexcept { return events_.size(); }
    const std::vector<event>& events() const noexcept { return events_; }

    // The frames of events [from, to), 0 <= from < to <= size(), within block()'s block.
    std::string_view frames(std::size_t from, std::size_t to) const noexcept;
    const payload& block() const noexcept { return block_; }

  private:
    std::string group_;
    std::uint64_t first_;
    std::vector<event> events_;
    payload block_;
};
using batch_ptr = std::shared_ptr<const batch>;

}  // namespace madang
