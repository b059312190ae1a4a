#include "broker/bench/report.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "broker/bench/compare.hpp"

namespace madang::bench {
namespace {

using testing::HasSubstr;

finding example() {
    finding one{.what = "fan-out", .command = "madang bench fanout", .unit = "of the floor", .value = 0.8};
    one.at_least = 0.75;
    one.sides = {{.name = "floor", .per_cpu_second = 12.5e6}, {.name = "server", .per_cpu_second = 10e6}};
    return one;
}

TEST(Median, IsTheMiddleOrBetweenTheMiddles) {
    EXPECT_EQ(median({}), 0);
    EXPECT_EQ(median({3, 1, 2}), 2);
    EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(Median, OfRatiosPairsTheRounds) {
    EXPECT_DOUBLE_EQ(median_ratio({1, 4, 9}, {2, 4, 3}), 1);
    EXPECT_DOUBLE_EQ(median_ratio({1, 4}, {0, 2}), 2);  // a round without a figure is left out
}

TEST(Finding, MeetsItsTargetAtTheTarget) {
    auto one = example();
    EXPECT_TRUE(one.meets());
    one.value = 0.74;
    EXPECT_FALSE(one.meets());
    finding other = example();
    other.at_least.reset();
    other.value = 5;
    other.at_most = 5;
    EXPECT_TRUE(other.meets());
    other.value = 5.1;
    EXPECT_FALSE(other.meets());
}

TEST(Report, NamesTargetMeasurementAndCommand) {
    const auto page = to_markdown({example()}, "A machine.");
    EXPECT_THAT(page, HasSubstr("A machine."));
    EXPECT_THAT(page,
                HasSubstr("| fan-out | at least 0.750 | 0.800 of the floor | met | `madang bench fanout` |"));
    EXPECT_THAT(page, HasSubstr("| floor | 12.50 M |"));
    EXPECT_THAT(to_text({example()}), HasSubstr("fan-out: 0.800 of the floor (at least 0.750: met)"));
}

TEST(Report, IsJsonForPrograms) {
    const auto rows = nlohmann::json::parse(to_json({example()}));
    EXPECT_EQ(rows.at(0).at("value"), 0.8);
    EXPECT_EQ(rows.at(0).at("met"), true);
    EXPECT_EQ(rows.at(0).at("sides").at(1).at("name"), "server");
}

TEST(Report, IsNotIntactWhenAnythingWasLostOrOutOfOrder) {
    auto one = example();
    EXPECT_TRUE(intact({one}));
    one.sides[1].lost = 1;
    EXPECT_FALSE(intact({one}));
    one.sides[1].lost = 0;
    one.sides[0].reordered = 1;
    EXPECT_FALSE(intact({one}));
}

}  // namespace
}  // namespace madang::bench
