#include "broker/bench/histogram.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace madang::bench {
namespace {

TEST(Histogram, IsZeroWhenEmpty) { EXPECT_EQ(histogram().quantile(0.99), 0); }

TEST(Histogram, KeepsSmallValuesExactly) {
    histogram values;
    for (int i = 1; i <= 50; ++i) values.record(i);
    EXPECT_EQ(values.quantile(0.5), 25);
    EXPECT_EQ(values.quantile(1), 50);
    EXPECT_EQ(values.quantile(0), 1);
}

TEST(Histogram, KnowsEveryMagnitudeWithinTwoPercentAndNeverBelow) {
    for (std::int64_t value = 1; value < std::int64_t{1} << 61; value = value * 3 + 1) {
        histogram one;
        one.record(value);
        EXPECT_GE(one.quantile(0.5), value);
        EXPECT_LE(static_cast<double>(one.quantile(0.5)), static_cast<double>(value) * 1.016);
    }
}

TEST(Histogram, FindsTheTailOfManyValues) {
    histogram values;
    for (int i = 0; i < 9'980; ++i) values.record(1'000);
    for (int i = 0; i < 20; ++i) values.record(1'000'000);
    EXPECT_NEAR(static_cast<double>(values.quantile(0.99)), 1'000, 16);
    EXPECT_NEAR(static_cast<double>(values.quantile(0.999)), 1'000'000, 16'000);
}

TEST(Histogram, TakesTheExtremes) {
    histogram values;
    values.record(-5);
    EXPECT_EQ(values.quantile(1), 0);
    values.record(std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(values.quantile(1), std::numeric_limits<std::int64_t>::max());
}

TEST(Histogram, MergesAndClears) {
    histogram one, two;
    one.record(10);
    two.record(20);
    one.merge(two);
    EXPECT_EQ(one.count(), 2u);
    EXPECT_EQ(one.quantile(1), 20);
    one.clear();
    EXPECT_EQ(one.count(), 0u);
    EXPECT_EQ(one.quantile(1), 0);
}

}  // namespace
}  // namespace madang::bench
