// How many bytes of publications are on their way to a loop: what keeps a fast publisher from filling a slow
// loop's mailbox.
#pragma once

#include <atomic>
#include <cstddef>

namespace madang {

// One per receiving loop. Senders on any thread take, the receiver gives back when it has handled them.
class credit {
  public:
    explicit credit(std::size_t limit) noexcept : limit_(limit) {}

    void take(std::size_t bytes) noexcept { used_.fetch_add(bytes, std::memory_order_relaxed); }
    // True when this brought it from above half the limit to below: time to wake who waits.
    bool give_back(std::size_t bytes) noexcept {
        const auto before = used_.fetch_sub(bytes, std::memory_order_acq_rel);
        return before > limit_ / 2 && before - bytes <= limit_ / 2;
    }
    bool exhausted() const noexcept { return used() >= limit_; }
    std::size_t used() const noexcept { return used_.load(std::memory_order_acquire); }

  private:
    const std::size_t limit_;
    std::atomic<std::size_t> used_{0};
};

}  // namespace madang
