// What a member who has just joined still has to be shown, in order and each once.
#pragma once

#include <chrono>
#include <cstdint>
#include <madang/layer.hpp>
#include <optional>
#include <vector>

namespace chat {

// History and what is sent live come by two ways. Until history is there, what is live waits here; after
// that, live copies of what history held are recognised by their offset.
class Backlog {
  public:
    using Time = std::chrono::milliseconds;
    static constexpr std::size_t most_waiting = 256;  // more than that: the live goes first, without history

    struct Waiting {
        madang::Payload payload;
        std::uint64_t offset;  // 0: not of the stream
    };

    bool waits() const noexcept { return !shown_to_; }
    // False: it is full.
    bool hold(madang::PayloadRef payload, std::uint64_t offset) {
        if (waiting_.size() == most_waiting) return false;
        waiting_.push_back({madang::Payload(payload), offset});
        return true;
    }
    // History was shown as far as `offset` (0: there was none). What waited and was not in it.
    std::vector<Waiting> release(std::uint64_t offset, Time now) {
        shown_to_ = offset;
        until_ = now + std::chrono::minutes(1);
        std::vector<Waiting> rest;
        for (auto& each : waiting_)
            if (each.offset == 0 || each.offset > offset) rest.push_back(std::move(each));
        waiting_ = {};
        return rest;
    }
    // Whether history has shown this already. A copy follows at once; an offset as low as that which comes a
    // minute later belongs to a stream that began anew.
    bool shown(std::uint64_t offset, Time now) const noexcept {
        return offset != 0 && shown_to_ && offset <= *shown_to_ && now < until_;
    }

  private:
    std::optional<std::uint64_t> shown_to_;
    Time until_{0};
    std::vector<Waiting> waiting_;
};

}  // namespace chat
