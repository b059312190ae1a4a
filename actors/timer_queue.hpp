// Many timers, one deadline: a binary heap of 10 ms ticks over a slot table.
//
// Plain: the owner passes the time in, and arms one real timer for next_deadline(). One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "actors/loop.hpp"  // timer_id

namespace madang {

class timer_queue {
  public:
    using clock = std::chrono::steady_clock;
    // Deadlines are rounded up to it, so that timers share wake-ups.
    static constexpr std::chrono::milliseconds tick{10};

    timer_id schedule(clock::time_point now, std::chrono::milliseconds delay, std::function<void()> fn);
    void cancel(timer_id id);  // default, fired and cancelled ids are ignored
    // When the earliest timer is due, or nothing. May name a cancelled timer's time: a spurious wake-up is
    // harmless.
    std::optional<clock::time_point> next_deadline() const;
    // Calls what is due at `now`, in order of deadline, and returns how many. Timers scheduled meanwhile wait
    // for the next call, even with no delay. When one throws, so does this; the rest stays due.
    std::size_t fire(clock::time_point now);
    std::size_t size() const noexcept { return live_; }

  private:
    struct slot {
        std::function<void()> fn;
        std::uint32_t generation = 1;  // 0 is never used, so that a default timer_id names nothing
        std::uint32_t next_free = 0;
    };
    struct entry {
        std::int64_t due;  // ticks since the clock's epoch
        std::uint32_t slot;
        std::uint32_t generation;
    };
    static bool later(const entry& a, const entry& b) noexcept { return a.due > b.due; }
    bool is_live(const entry& e) const noexcept { return slots_[e.slot].generation == e.generation; }
    void free_slot(std::uint32_t index);
    void drop_cancelled();

    std::vector<slot> slots_;
    std::vector<entry> heap_;
    std::uint32_t free_head_ = none;
    std::size_t live_ = 0;
    static constexpr std::uint32_t none = 0xffffffff;
};

}  // namespace madang
