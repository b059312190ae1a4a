// What fits no page of its own: group_core, restart_policy, credit, handler_clock.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "actors/credit.hpp"
#include "actors/group_core.hpp"
#include "actors/handler_clock.hpp"
#include "actors/restart_policy.hpp"

namespace madang {
namespace {

event saying(std::string_view text) { return {"said", payload::copy_of(text)}; }

TEST(GroupCore, DropsWhatNobodyReceives) {
    group_core group("room", 2);
    EXPECT_FALSE(group.publish(saying("lost")));
    EXPECT_FALSE(group.has_pending());
    EXPECT_EQ(group.next_sequence(), 1u);
    EXPECT_EQ(group.take_batch(), nullptr);
}

TEST(GroupCore, NumbersPublicationsWithoutGaps) {
    group_core group("room", 1);
    group.join(1, 0);
    for (const auto* text : {"a", "b"}) EXPECT_TRUE(group.publish(saying(text)));
    const auto first = group.take_batch();
    EXPECT_EQ(first->first(), 1u);
    EXPECT_EQ(first->size(), 2u);
    EXPECT_EQ(first->group(), "room");
    EXPECT_EQ(group.next_sequence(), 3u);
    group.publish(saying("c"));
    const auto second = group.take_batch();
    EXPECT_EQ(second->first(), 3u);
    EXPECT_EQ(second->events()[0].body.bytes(), "c");
}

TEST(GroupCore, JoinsAndLeavesOnce) {
    group_core group("room", 2);
    EXPECT_TRUE(group.join(5, 1));
    EXPECT_FALSE(group.join(5, 1));
    EXPECT_EQ(group.members(), 1u);
    EXPECT_EQ(group.leave(5), 1u);
    EXPECT_EQ(group.leave(5), std::nullopt);
    EXPECT_EQ(group.leave(6), std::nullopt);
    EXPECT_EQ(group.members(), 0u);
}

TEST(GroupCore, APlaceBehindTheLoopsIsOwedLikeOneOfThem) {
    group_core group("room", 2);
    EXPECT_EQ(group.loops(), 2u);
    EXPECT_TRUE(group.join(1, 4));
    EXPECT_EQ(group.loops(), 5u);
    EXPECT_TRUE(group.owes(4));
    EXPECT_FALSE(group.owes(3));
    EXPECT_TRUE(group.publish(saying("a")));
    EXPECT_EQ(group.leave(1), 4u);
    EXPECT_TRUE(group.owes(4)) << "what came before it left";
    EXPECT_NE(group.take_batch(), nullptr);
    group.settle();
    EXPECT_FALSE(group.owes(4));
    EXPECT_FALSE(group.publish(saying("b")));
    EXPECT_TRUE(group.join(2, 0));
    EXPECT_EQ(group.loops(), 5u);
}

TEST(GroupCore, OwesALoopWhoseLastMemberLeftBehindAPendingPublication) {
    group_core group("room", 3);
    group.join(1, 0);
    group.join(2, 1);
    EXPECT_TRUE(group.owes(0));
    EXPECT_FALSE(group.owes(2));
    group.publish(saying("a"));
    group.leave(2);
    EXPECT_TRUE(group.owes(1));
    EXPECT_NE(group.take_batch(), nullptr);
    group.settle();
    EXPECT_FALSE(group.owes(1));
    EXPECT_TRUE(group.owes(0));
    group.leave(1);  // nothing pending
    EXPECT_FALSE(group.owes(0));
}

TEST(RestartPolicy, IsImmediateThenEverLater) {
    restart_policy policy;
    const restart_policy::clock::time_point now{std::chrono::hours{1}};
    std::vector<long> delays;
    for (int i = 0; i < 16; ++i) delays.push_back(policy.next_delay(now).count());
    EXPECT_EQ(delays, (std::vector<long>{0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480,
                                         30000, 30000, 30000}));
}

TEST(RestartPolicy, BeginsAgainAfterAQuietTime) {
    restart_policy policy;
    restart_policy::clock::time_point now{std::chrono::hours{1}};
    policy.next_delay(now);
    policy.next_delay(now);
    now += restart_policy::quiet - std::chrono::milliseconds{1};
    EXPECT_EQ(policy.next_delay(now).count(), 20);
    now += restart_policy::quiet;
    EXPECT_EQ(policy.next_delay(now).count(), 0);
    EXPECT_EQ(policy.failures(), 1u);
}

TEST(RestartPolicy, StaysAtTheLongestHoweverManyFail) {
    restart_policy policy;
    const restart_policy::clock::time_point now{std::chrono::hours{1}};
    for (int i = 0; i < 100'000; ++i) policy.next_delay(now);
    EXPECT_EQ(policy.next_delay(now), restart_policy::longest);
}

TEST(RestartPolicy, HasTheLongestAndTheQuietTimeThatAreAskedFor) {
    restart_policy policy(std::chrono::milliseconds{15}, std::chrono::seconds{5});
    restart_policy::clock::time_point now{std::chrono::hours{1}};
    for (const int expected : {0, 10, 15, 15})
        EXPECT_EQ(policy.next_delay(now), std::chrono::milliseconds{expected});
    EXPECT_EQ(policy.next_delay(now + std::chrono::seconds{5}), std::chrono::milliseconds{0});
}

TEST(Credit, WakesOnceWhenHalfIsFreeAgain) {
    credit some(100);
    some.take(60);
    EXPECT_FALSE(some.exhausted());
    some.take(60);
    EXPECT_TRUE(some.exhausted());
    EXPECT_EQ(some.used(), 120u);
    EXPECT_FALSE(some.give_back(60));
    EXPECT_FALSE(some.exhausted());
    EXPECT_TRUE(some.give_back(20));
    EXPECT_FALSE(some.give_back(40));
    EXPECT_EQ(some.used(), 0u);
}

TEST(Credit, WhoeverTakesAndGivesBackLeavesNothing) {
    credit some(1000);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < 10'000; ++n) {
                some.take(7);
                some.give_back(7);
            }
        });
    for (auto& each : threads) each.join();
    EXPECT_EQ(some.used(), 0u);
}

TEST(HandlerClock, TicksAsTheSteadyClockDoes) {
    const double rate = handler_clock::ticks_per_second();
    EXPECT_GT(rate, 1e6);
    EXPECT_EQ(rate, handler_clock::ticks_per_second());
    using clock = std::chrono::steady_clock;
    const auto begin = clock::now();
    const auto first = handler_clock::now();
    while (clock::now() - begin < std::chrono::milliseconds{20}) {
    }
    const auto ticks = handler_clock::now() - first;
    const double measured = std::chrono::duration<double>(clock::now() - begin).count();
    EXPECT_NEAR(static_cast<double>(ticks) / rate, measured, measured / 2);
}

}  // namespace
}  // namespace madang
