// How many jobs a worker is given for each that it runs at a time: so many that what is ahead takes some
// milliseconds, by how long its last ones took. Many short ones share a write and a wake-up; nothing waits
// behind a long one. No clock; one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace madang {

class job_window {
  public:
    // What is ahead takes so long at most; a job that takes longer than that has nothing behind it.
    static constexpr std::chrono::microseconds ahead{20'000};
    // What a job carries counts as time, so that what is ahead is bounded in bytes too (2 MB).
    static constexpr std::size_t bytes_per_us = 100;
    // Until it is known what they take; Celery's.
    static constexpr std::uint32_t first = 4;

    explicit job_window(std::uint32_t most)
        : most_(std::max(1u, most)),
          jobs_(std::min(most_, first)),
          eight_took_(8 * ahead.count() / (first - 1)) {}

    std::uint32_t jobs() const noexcept { return jobs_; }  // the one that runs included

    // True: jobs() is another number than before.
    bool ended(std::chrono::microseconds run, std::size_t bytes) {
        const auto took = run.count() + static_cast<std::int64_t>(bytes / bytes_per_us);
        // A very long one is soon forgotten.
        return look(eight_took_ - eight_took_ / 8 + std::min(took, 2 * ahead.count()));
    }
    // One has run for `ahead` and has not ended.
    bool runs_long() { return look(std::max(eight_took_, 8 * (ahead.count() + 1))); }

  private:
    bool look(std::int64_t eight_took) {
        eight_took_ = eight_took;
        const auto fits =
            static_cast<std::uint32_t>(1 + 8 * ahead.count() / std::max<std::int64_t>(eight_took, 8));
        const auto before = jobs_;
        // It is not said anew for each job: it shrinks at once, and grows by as much as it is.
        if (fits < jobs_ || fits >= 2 * jobs_) jobs_ = std::min(fits, most_);
        return jobs_ != before;
    }

    std::uint32_t most_, jobs_;
    std::int64_t eight_took_;  // microseconds, of eight jobs such as the last ones
};

}  // namespace madang
