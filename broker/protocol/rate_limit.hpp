// A token bucket: `rate` a second on average, `burst` at once. 16 bytes, so that every connection can have
// one.
#pragma once

#include <chrono>
#include <cstdint>

namespace madang {

// Kept as the time at which the bucket will be full again (the generic cell rate algorithm, ITU-T I.371 A),
// which needs no refill. Starts full. Time is given by the caller and must not go back.
class rate_limit {
  public:
    using clock = std::chrono::steady_clock;

    // rate: per second, at most 1,000,000,000; 0: unlimited. burst: 0 means twice the rate.
    rate_limit(std::uint32_t rate, std::uint32_t burst) noexcept
        : interval_ns_(rate == 0 ? 0 : static_cast<std::uint32_t>(1'000'000'000 / rate)),
          burst_(burst != 0              ? burst
                 : rate > UINT32_MAX / 2 ? UINT32_MAX
                                         : rate * 2) {}

    // Takes one token. False: there is none.
    bool take(clock::time_point now) noexcept {
        const std::int64_t at = std::chrono::nanoseconds{now.time_since_epoch()}.count();
        const std::int64_t full = (full_ns_ > at ? full_ns_ : at) + interval_ns_;
        if (full - at > std::int64_t{interval_ns_} * burst_) return false;
        full_ns_ = full;
        return true;
    }

  private:
    std::int64_t full_ns_ = INT64_MIN;
    std::uint32_t interval_ns_;
    std::uint32_t burst_;
};
static_assert(sizeof(rate_limit) == 16);

}  // namespace madang
