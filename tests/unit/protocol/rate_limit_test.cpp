#include "broker/protocol/rate_limit.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using namespace std::chrono_literals;

const rate_limit::clock::time_point start{};

int taken(rate_limit& limit, rate_limit::clock::time_point now) {
    int count = 0;
    while (count < 1000 && limit.take(now)) ++count;
    return count;
}

TEST(RateLimit, StartsWithItsBurst) {
    rate_limit limit{10, 5};
    EXPECT_EQ(taken(limit, start), 5);
}
TEST(RateLimit, RefillsAtItsRate) {
    rate_limit limit{10, 5};
    taken(limit, start);
    EXPECT_EQ(taken(limit, start + 99ms), 0);
    EXPECT_EQ(taken(limit, start + 100ms), 1);
    EXPECT_EQ(taken(limit, start + 300ms), 2);
}
TEST(RateLimit, SavesNoMoreThanItsBurst) {
    rate_limit limit{10, 5};
    taken(limit, start);
    EXPECT_EQ(taken(limit, start + 1h), 5);
}
TEST(RateLimit, LetsTheRateThroughForEver) {
    rate_limit limit{1000, 1};
    int count = 0;
    for (int i = 0; i < 10'000; ++i) count += limit.take(start + i * 1ms);
    EXPECT_EQ(count, 10'000);
}
TEST(RateLimit, TakesTwiceTheRateAsBurstWhenNoneIsGiven) {
    rate_limit limit{10, 0};
    EXPECT_EQ(taken(limit, start), 20);
}
TEST(RateLimit, IsUnlimitedAtRateZero) {
    rate_limit limit{0, 0};
    EXPECT_EQ(taken(limit, start), 1000);
}

}  // namespace
}  // namespace madang
