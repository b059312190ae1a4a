// When a supervisor starts again what failed: at once, then ever later, and from the beginning after a quiet
// time.
#pragma once

#include <algorithm>
#include <chrono>

namespace madang {

// Plain; time is given. Delays double from `first` to `longest`.
class restart_policy {
  public:
    using clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds first{10};
    static constexpr std::chrono::milliseconds longest{30'000};
    static constexpr std::chrono::seconds quiet{60};  // without a failure: forgotten

    explicit restart_policy(std::chrono::milliseconds most = longest, std::chrono::seconds until = quiet)
        : most_(most), until_(until) {}

    // Called at a failure; how long to wait before the restart. The first is immediate.
    std::chrono::milliseconds next_delay(clock::time_point now) noexcept {
        if (failures_ != 0 && now - last_ >= until_) failures_ = 0;
        last_ = now;
        const unsigned n = failures_++;
        if (n == 0) return std::chrono::milliseconds{0};
        return std::min(most_, first * (1 << std::min(n - 1, 12u)));
    }
    unsigned failures() const noexcept { return failures_; }

  private:
    std::chrono::milliseconds most_;
    std::chrono::seconds until_;
    clock::time_point last_{};
    unsigned failures_ = 0;
};

}  // namespace madang
