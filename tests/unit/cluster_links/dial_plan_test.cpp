#include "broker/cluster/dial_plan.hpp"

#include <gtest/gtest.h>

#include <set>

namespace madang {
namespace {

using namespace std::chrono_literals;
using list = std::vector<std::string>;

struct world {
    explicit world(list seeds, std::uint64_t random = 1'023)
        : plan(std::move(seeds), "me", 4, [random] { return random; }) {}

    dial_plan plan;
    dial_plan::clock::time_point now{};
    std::set<std::string, std::less<>> up;

    list resolved(const std::string& address, const list& places) {
        return plan.resolved(
            address, places, [this](std::string_view who) { return up.contains(who); }, now);
    }
    // The time until the address is due again.
    std::chrono::milliseconds pause() {
        for (auto waited = 0ms; waited < 20s; waited += 10ms, now += 10ms)
            if (!plan.due(now).empty()) return waited;
        return 20s;
    }
};

TEST(DialPlan, SeedsAreDialedAtOnce) {
    world it({"a:1", "b:1"});
    EXPECT_EQ(it.plan.due(it.now), (list{"a:1", "b:1"}));
    EXPECT_EQ(it.plan.due(it.now), list());  // under way
}

TEST(DialPlan, EveryPlaceOfANameIsTried) {
    world it({"a:1"});
    it.plan.due(it.now);
    EXPECT_EQ(it.resolved("a:1", {"10.0.0.1:1", "10.0.0.2:1"}), (list{"10.0.0.1:1", "10.0.0.2:1"}));
    EXPECT_EQ(it.resolved("a:1", {"10.0.0.1:1"}), list()) << "was answered already";
}

TEST(DialPlan, PausesGrowToTwoSeconds) {
    world it({"a:1"});
    it.plan.due(it.now);
    it.resolved("a:1", {"10.0.0.1:1"});
    std::vector<std::chrono::milliseconds> pauses;
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(it.plan.ended("a:1", false, it.now), i == 0);
        pauses.push_back(it.pause());
        it.resolved("a:1", {"10.0.0.1:1"});
    }
    EXPECT_EQ(pauses[0], 100ms);
    EXPECT_EQ(pauses[1], 200ms);
    EXPECT_EQ(pauses[4], 1'600ms);
    EXPECT_EQ(pauses[5], 2s);
    EXPECT_EQ(pauses[7], 2s);
}

TEST(DialPlan, JitterTakesUpToHalfOfAPause) {
    world it({"a:1"}, 0);
    it.plan.due(it.now);
    it.resolved("a:1", {});
    EXPECT_EQ(it.pause(), 50ms);
}

TEST(DialPlan, ANameThatLeadsNowhereIsAskedAgain) {
    world it({"a:1"});
    it.plan.due(it.now);
    EXPECT_FALSE(it.plan.failing("a:1"));
    EXPECT_EQ(it.resolved("a:1", {}), list());
    EXPECT_TRUE(it.plan.failing("a:1")) << "nothing is news until it was linked";
    EXPECT_EQ(it.pause(), 100ms);
    it.resolved("a:1", {"10.0.0.1:1"});
    it.plan.ended("a:1", true, it.now);
    EXPECT_FALSE(it.plan.failing("a:1"));
}

TEST(DialPlan, LinkedNodesAndItselfAreLeftAlone) {
    world it({"a:1"});
    it.plan.due(it.now);
    const list places{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"};
    it.resolved("a:1", places);
    it.plan.met("a:1", "10.0.0.1:1", "me");
    it.plan.met("a:1", "10.0.0.2:1", "bob");
    it.up.insert("bob");
    it.plan.ended("a:1", true, it.now);
    it.plan.ended("a:1", true, it.now);
    it.plan.ended("a:1", false, it.now);
    EXPECT_EQ(it.pause(), 100ms);
    EXPECT_EQ(it.resolved("a:1", places), list{"10.0.0.3:1"});
    it.plan.ended("a:1", true, it.now);
    EXPECT_EQ(it.pause(), 5s) << "all are linked";
}

TEST(DialPlan, ALostNodeIsDialedSoon) {
    world it({"a:1"});
    it.plan.due(it.now);
    it.resolved("a:1", {"10.0.0.1:1"});
    it.plan.met("a:1", "10.0.0.1:1", "bob");
    it.plan.ended("a:1", true, it.now);
    it.plan.lost("carol", it.now);
    it.plan.lost("bob", it.now);
    EXPECT_EQ(it.pause(), 100ms);
    EXPECT_EQ(it.resolved("a:1", {"10.0.0.1:1"}), list{"10.0.0.1:1"});
}

TEST(DialPlan, WhatIsWantedIsDialedUntilItIsNot) {
    world it({"a:1"});
    it.plan.want({"b:1"});
    EXPECT_EQ(it.plan.due(it.now), (list{"a:1", "b:1"}));
    it.resolved("a:1", {});
    it.resolved("b:1", {"10.0.0.1:1"});
    it.plan.want({});
    it.plan.ended("b:1", false, it.now);
    it.plan.want({});
    EXPECT_EQ(it.plan.due(it.now + 10s), list{"a:1"});
}

TEST(DialPlan, ANameHasABoundedNumberOfPlaces) {
    world it({"a:1"});
    it.plan.due(it.now);
    EXPECT_EQ(it.resolved("a:1", {"1", "2", "3", "4", "5", "6"}).size(), 4U);
}

}  // namespace
}  // namespace madang
