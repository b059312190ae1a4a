// Spans that wait to be exported: bounded, in batches, one under way at a time. No clock, no sockets, one
// thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "broker/core/span.hpp"

namespace madang {

class span_queue {
  public:
    using time = std::chrono::steady_clock::time_point;
    struct limits {
        std::size_t spans = 8192;  // that wait, and are under way; more: the newest is dropped
        std::size_t batch = 512;
        std::chrono::milliseconds interval{1'000};  // how long a batch waits to be filled
        // Between attempts while the receiver is away: doubled with each.
        std::chrono::milliseconds least_pause{1'000}, most_pause{30'000};
    };
    explicit span_queue(const limits& how) : limits_(how) {}

    // False: full, it is dropped.
    bool add(span&& what, time now);
    // What is to be sent now, to be answered by done(); empty: nothing yet. `all`: whatever waits, at once.
    const std::vector<span>& take(time now, bool all = false);
    // When take() may have something again, if nothing else happens; nothing: not without more spans, or
    // done().
    std::optional<time> due() const;

    enum class outcome : std::uint8_t { sent, refused, away };  // refused: it never will be taken
    void done(outcome how, time now);

    std::size_t size() const noexcept { return waiting_.size() + under_way_.size(); }
    std::uint64_t exported() const noexcept { return exported_; }
    std::uint64_t dropped() const noexcept { return dropped_; }  // for want of space
    std::uint64_t failed() const noexcept { return failed_; }    // refused by the receiver

  private:
    const limits limits_;
    std::deque<span> waiting_;
    std::vector<span> under_way_;  // or to be tried again
    bool sending_ = false;
    time since_{};       // of the oldest that waits
    time not_before_{};  // for the pause
    std::chrono::milliseconds pause_{0};
    std::uint64_t exported_ = 0, dropped_ = 0, failed_ = 0;
};

}  // namespace madang
