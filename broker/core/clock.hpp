// Time, injected: logic asks a clock_source, tests move a manual_clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace madang {

class clock_source {
  public:
    using steady = std::chrono::steady_clock::time_point;  // for delays and deadlines
    using wall = std::chrono::system_clock::time_point;    // for tokens and logs; may jump

    virtual ~clock_source() = default;
    virtual steady steady_now() const noexcept = 0;
    virtual wall wall_now() const noexcept = 0;
};

// Any thread.
class system_clock_source final : public clock_source {
  public:
    steady steady_now() const noexcept override { return std::chrono::steady_clock::now(); }
    wall wall_now() const noexcept override { return std::chrono::system_clock::now(); }
};

// Unix time now, in milliseconds.
inline std::int64_t unix_ms() noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

// Stands still until it is moved. One thread.
class manual_clock final : public clock_source {
  public:
    explicit manual_clock(wall start = wall(std::chrono::seconds(1'700'000'000))) : wall_(start) {}
    steady steady_now() const noexcept override { return steady_; }
    wall wall_now() const noexcept override { return wall_; }

    void advance(std::chrono::nanoseconds by) {
        steady_ += std::chrono::duration_cast<steady::duration>(by);
        wall_ += std::chrono::duration_cast<wall::duration>(by);
    }
    void jump_wall(wall to) { wall_ = to; }

  private:
    steady steady_{std::chrono::hours(1)};
    wall wall_;
};

}  // namespace madang
