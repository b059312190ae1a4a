#include "actors/job_clock.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using namespace std::chrono_literals;

TEST(JobClock, BeginsWithTheWallClockAndGoesOnWithTheSteadyOne) {
    manual_clock machine;
    const job_clock clock(machine, 0);
    const auto began = clock.now();
    EXPECT_EQ(began.elapsed_ms, began.wall_ms);
    machine.advance(1500ms);
    EXPECT_EQ(clock.now().elapsed_ms, began.elapsed_ms + 1500);
    machine.jump_wall(machine.wall_now() + 24h);
    EXPECT_EQ(clock.now().elapsed_ms, began.elapsed_ms + 1500);
    EXPECT_EQ(clock.now().wall_ms, began.wall_ms + 1500 + 86'400'000);
    machine.jump_wall(machine.wall_now() - 48h);
    EXPECT_EQ(clock.now().elapsed_ms, began.elapsed_ms + 1500);
}

TEST(JobClock, NeverGoesBackBehindWhatTheStoreHas) {
    manual_clock machine;
    const auto later = job_clock(machine, 0).now().wall_ms + 3'600'000;  // the wall clock was set back
    const job_clock clock(machine, later);
    EXPECT_EQ(clock.now().elapsed_ms, later);
    machine.advance(10ms);
    EXPECT_EQ(clock.now().elapsed_ms, later + 10);
}

}  // namespace
}  // namespace madang
