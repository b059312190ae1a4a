// The two times that jobs wait for, made of the machine's two clocks.
#pragma once

#include <algorithm>
#include <chrono>

#include "broker/core/clock.hpp"
#include "broker/core/jobs.hpp"

namespace madang {

// Any thread, where its clock_source is.
class job_clock {
  public:
    // `kept_ms`: the greatest elapsed_ms that the store knows (store::jobs_elapsed_ms). Time that passed
    // while no server ran counts by the wall clock, unless that was set back.
    job_clock(const clock_source& clock, std::int64_t kept_ms)
        : clock_(clock), began_(clock.steady_now()), elapsed_ms_(std::max(wall_ms(), kept_ms)) {}

    job_time now() const noexcept { return {wall_ms(), elapsed_ms_ + ms(clock_.steady_now() - began_)}; }

  private:
    template <class Duration>
    static std::int64_t ms(Duration what) noexcept {
        return std::chrono::floor<std::chrono::milliseconds>(what).count();
    }
    std::int64_t wall_ms() const noexcept { return ms(clock_.wall_now().time_since_epoch()); }

    const clock_source& clock_;
    const clock_source::steady began_;
    const std::int64_t elapsed_ms_;  // at began_
};

}  // namespace madang
