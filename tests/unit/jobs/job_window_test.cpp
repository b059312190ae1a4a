#include "broker/jobs/job_window.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using std::chrono::microseconds;

std::uint32_t after(job_window& window, int jobs, microseconds each, std::size_t bytes = 0) {
    for (int i = 0; i < jobs; ++i) window.ended(each, bytes);
    return window.jobs();
}

TEST(JobWindow, BeginsWithFourOrWhatMayBe) {
    EXPECT_EQ(job_window(64).jobs(), 4U);
    EXPECT_EQ(job_window(2).jobs(), 2U);
    EXPECT_EQ(job_window(0).jobs(), 1U);
}

TEST(JobWindow, GrowsToTheMostWhileJobsTakeNoTime) {
    job_window window(64);
    EXPECT_EQ(after(window, 100, microseconds(0)), 64U);
}

TEST(JobWindow, IsWhatRunsInTwentyMilliseconds) {
    job_window tens(1024), fives(1024), short_ones(1024);
    EXPECT_EQ(after(tens, 100, microseconds(10'000)), 3U);
    EXPECT_EQ(after(fives, 100, microseconds(5'000)), 4U);  // 5 is no reason to say another number
    const auto many = after(short_ones, 200, microseconds(100));
    EXPECT_GE(many, 100U);
    EXPECT_LE(many, 201U);
}

TEST(JobWindow, IsOneWhereJobsAreLong) {
    job_window window(64);
    EXPECT_EQ(after(window, 100, microseconds(30'000)), 1U);
}

TEST(JobWindow, NeverIsMoreThanOneWhereThatIsTheMost) {
    job_window window(1);
    EXPECT_EQ(after(window, 100, microseconds(0)), 1U);
}

TEST(JobWindow, ShrinksAtOnceWhenOneRunsLong) {
    job_window window(64);
    after(window, 100, microseconds(10));
    EXPECT_TRUE(window.runs_long());
    EXPECT_EQ(window.jobs(), 1U);
    EXPECT_FALSE(window.runs_long());
}

TEST(JobWindow, ForgetsAVeryLongOneAsSoonAsALongOne) {
    job_window hour(64), tenth(64);
    hour.ended(std::chrono::hours(1), 0);
    tenth.ended(std::chrono::milliseconds(100), 0);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(hour.jobs(), tenth.jobs());
        hour.ended(microseconds(10), 0);
        tenth.ended(microseconds(10), 0);
    }
    EXPECT_EQ(hour.jobs(), 64U);
}

TEST(JobWindow, HasFewOfThoseThatCarryMuch) {
    job_window window(1024);
    const auto many = after(window, 200, microseconds(0), 500'000);
    EXPECT_LE(many * 500'000, 2'500'000U);
}

TEST(JobWindow, SaysADifferentNumberSeldom) {
    job_window window(1024);
    int changes = 0;
    for (int i = 0; i < 1000; ++i) changes += window.ended(microseconds(i % 2 == 0 ? 50 : 150), 0);
    EXPECT_LE(changes, 10);
}

}  // namespace
}  // namespace madang
