// Leaves a backend alone that fails: closed (asked) -> open after so many failures in a row (not asked for a
// pause) -> half open (one question goes through) -> closed, or open again.
#pragma once

#include <cstdint>
#include <optional>

#include "broker/core/clock.hpp"

namespace madang {

// One thread at a time.
class circuit_breaker {
  public:
    // failures 0: never opens.
    circuit_breaker(std::uint32_t failures, std::chrono::milliseconds pause) noexcept
        : limit_(failures), pause_(pause) {}

    // A question that may be asked; its outcome is told with this number. Nothing: do not ask.
    using ticket = std::uint64_t;
    std::optional<ticket> admit(clock_source::steady now) noexcept;
    // What was asked before the breaker last changed its state tells nothing about now, and is ignored. True:
    // this outcome opened it.
    bool done(ticket of, bool good, clock_source::steady now) noexcept;

    bool open() const noexcept { return state_ != state::closed; }

  private:
    enum class state : std::uint8_t { closed, open, half_open };
    void become(state next) noexcept {
        state_ = next;
        ++round_;
        failed_ = 0;
    }

    std::uint32_t limit_;
    std::chrono::milliseconds pause_;
    state state_ = state::closed;
    std::uint32_t failed_ = 0;  // in a row
    ticket round_ = 0;
    clock_source::steady until_{};  // open
};

}  // namespace madang
