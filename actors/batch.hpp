// What a group received in one turn, encoded once for all who get it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/payload.hpp"
#include "broker/core/publication.hpp"
#include "madang/abi.h"

namespace madang {

// What is sent to a group or channel.
struct event {
    enum class kind : std::uint8_t {
        message,      // group_send, channel_send: between consumers, live only
        publication,  // of the group's stream: to consumers and to the client protocol's subscribers
        join,         // somebody entered or left: to those of the subscribers who asked for it
        leave,
    };

    std::string type;
    payload body;
    kind what = kind::message;
    // Of publications; `who` of joins and leaves.
    std::uint64_t offset = 0;
    std::int64_t time_ms = 0;
    std::shared_ptr<const publication_extra> extra = {};
    std::shared_ptr<const client_info> who = {};
    payload origin = {};  // on whose behalf it was sent (broker/core/trace_context.hpp); empty: nobody's
    // Of joins and leaves, and never on its way to another node. `resident`: whoever came or left is
    // connected to this node. `only_here`: other nodes' members are told by their own.
    bool resident = false;
    bool only_here = false;

    // The type by which consumers know publications.
    static constexpr std::string_view publication_type = "publication";
    bool for_consumers() const noexcept { return what == kind::message || what == kind::publication; }
};
inline publication to_publication(const event& e) { return {e.body, e.offset, e.time_ms, e.extra}; }

// Immutable once made; shared by the loops that have members. `frames()` is every event for consumers as a
// text frame, end to end in one block, and each event's body refers into that same block, so that a consumer
// which forwards the bodies one after the other adds to one entry of its outbox.
class batch {
  public:
    // Takes at least one event. `first` is the sequence number of events[0] within the group, on this node.
    batch(std::string group, std::uint64_t first, std::vector<event> events);

    const std::string& group() const noexcept { return group_; }
    std::uint64_t first() const noexcept { return first_; }
    std::size_t size() const noexcept { return events_.size(); }
    const std::vector<event>& events() const noexcept { return events_; }
    bool has_joins() const noexcept { return joins_; }  // or leaves

    // The frames of events [from, to), 0 <= from < to <= size(), within block()'s block; "" when none of them
    // is for consumers.
    std::string_view frames(std::size_t from, std::size_t to) const noexcept;
    const payload& block() const noexcept { return block_; }

    // events() as the plugin ABI tells of them, by index; made when they are first asked for. Any thread.
    const std::vector<madang_event>& told() const;
    // Where the run of events for consumers ends that begins at `from`; <= to.
    std::size_t consumers_until(std::size_t from, std::size_t to) const noexcept;

    // The same as the client protocol's pushes, made when they are first asked for. Any thread.
    struct push_frames {
        payload block;
        std::vector<payload> messages;   // by event, parts of the block; empty for those that are no push
        std::vector<std::uint32_t> end;  // by event: where its frame ends in the block
        bool joins = false;              // there are joins or leaves among them

        // Of events [from, to), all of them.
        std::string_view of(std::size_t from, std::size_t to) const noexcept;
    };
    const push_frames& pushes() const;

  private:
    void make_pushes() const;
    void make_told() const;

    std::string group_;
    std::uint64_t first_;
    std::vector<event> events_;
    payload block_;
    bool joins_ = false;  // there are events that are not for consumers
    mutable std::once_flag told_made_;
    mutable std::vector<madang_event> told_;
    mutable std::once_flag pushes_made_;
    mutable push_frames pushes_;
};
using batch_ptr = std::shared_ptr<const batch>;

}  // namespace madang
