#include "broker/auth/circuit_breaker.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using namespace std::chrono_literals;

struct CircuitBreaker : ::testing::Test {
    void fail_times(int n) {
        for (int i = 0; i < n; ++i) breaker.done(*breaker.admit(now()), false, now());
    }
    clock_source::steady now() const { return clock.steady_now(); }
    manual_clock clock;
    circuit_breaker breaker{3, 5s};
};

TEST_F(CircuitBreaker, OpensAfterSoManyFailuresInARow) {
    fail_times(2);
    breaker.done(*breaker.admit(now()), true, now());
    fail_times(2);
    EXPECT_TRUE(breaker.admit(now()));
    EXPECT_TRUE(breaker.done(*breaker.admit(now()), false, now()));
    EXPECT_TRUE(breaker.open());
    EXPECT_FALSE(breaker.admit(now()));
}

TEST_F(CircuitBreaker, LetsOneThroughAfterThePause) {
    fail_times(3);
    clock.advance(4999ms);
    EXPECT_FALSE(breaker.admit(now()));
    clock.advance(1ms);
    const auto probe = breaker.admit(now());
    ASSERT_TRUE(probe);
    EXPECT_FALSE(breaker.admit(now()));
    EXPECT_FALSE(breaker.done(*probe, true, now()));
    EXPECT_FALSE(breaker.open());
    fail_times(2);
    EXPECT_FALSE(breaker.open()) << "the count began anew";
}

TEST_F(CircuitBreaker, AFailedProbeOpensItForAnotherPause) {
    fail_times(3);
    clock.advance(5s);
    EXPECT_TRUE(breaker.done(*breaker.admit(now()), false, now()));
    clock.advance(4s);
    EXPECT_FALSE(breaker.admit(now()));
    clock.advance(1s);
    EXPECT_TRUE(breaker.admit(now()));
}

TEST_F(CircuitBreaker, OutcomesFromBeforeItOpenedChangeNothing) {
    const auto early = *breaker.admit(now());
    fail_times(3);
    EXPECT_FALSE(breaker.done(early, true, now()));
    EXPECT_TRUE(breaker.open());
    clock.advance(5s);
    const auto probe = *breaker.admit(now());
    breaker.done(early, true, now());
    EXPECT_FALSE(breaker.admit(now())) << "the probe is still out";
    breaker.done(probe, true, now());
    EXPECT_FALSE(breaker.done(early, false, now()));
    EXPECT_FALSE(breaker.open());
}

TEST_F(CircuitBreaker, WithoutALimitItNeverOpens) {
    circuit_breaker never(0, 5s);
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(never.done(*never.admit(now()), false, now()));
    EXPECT_TRUE(never.admit(now()));
}

}  // namespace
}  // namespace madang
