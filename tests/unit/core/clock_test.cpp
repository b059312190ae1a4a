#include "broker/core/clock.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using namespace std::chrono_literals;

TEST(ManualClock, StandsStillUntilItIsMoved) {
    manual_clock clock;
    const auto steady = clock.steady_now();
    const auto wall = clock.wall_now();
    EXPECT_EQ(clock.steady_now(), steady);
    clock.advance(1500ms);
    EXPECT_EQ(clock.steady_now() - steady, 1500ms);
    EXPECT_EQ(clock.wall_now() - wall, 1500ms);
    clock.jump_wall(wall - 1h);
    EXPECT_EQ(clock.wall_now(), wall - 1h);
    EXPECT_EQ(clock.steady_now() - steady, 1500ms);
}

TEST(SystemClock, DoesNotGoBackwards) {
    const system_clock_source clock;
    const clock_source& source = clock;
    const auto first = source.steady_now();
    EXPECT_GE(source.steady_now(), first);
    EXPECT_GT(source.wall_now(), clock_source::wall(std::chrono::seconds(1'700'000'000)));
}

}  // namespace
}  // namespace madang
