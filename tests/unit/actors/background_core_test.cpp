#include "actors/background_core.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using std::chrono::milliseconds;

event said(const char* text) { return {"said", payload::copy_of(text)}; }

TEST(BackgroundCore, KeepsEventsInOrderAndNoMoreThanItsQueueHolds) {
    background_core core({2, 1});
    EXPECT_TRUE(core.wait(0, said("a")));
    EXPECT_TRUE(core.wait(0, said("b")));
    EXPECT_FALSE(core.wait(0, said("c")));
    EXPECT_TRUE(core.wait(1, said("d"))) << "each has its own";
    EXPECT_EQ(core.waiting(0), 2u);
    EXPECT_EQ(core.next(0)->body.bytes(), "a");
    EXPECT_TRUE(core.wait(0, said("e")));
    EXPECT_EQ(core.next(0)->body.bytes(), "b");
    EXPECT_EQ(core.next(0)->body.bytes(), "e");
    EXPECT_FALSE(core.next(0));
    EXPECT_EQ(core.next(1)->body.bytes(), "d");
}

TEST(BackgroundCore, RunsFromItsStartToItsEndAndIsMadeAnewEverLater) {
    background_core core({8});
    background_core::clock::time_point now{std::chrono::hours{1}};
    EXPECT_FALSE(core.running(0));
    core.started(0, 42);
    EXPECT_EQ(core.running(0), 42u);
    EXPECT_EQ(core.ended(0, now), milliseconds{0});
    EXPECT_FALSE(core.running(0));
    core.started(0, 43);
    EXPECT_EQ(core.ended(0, now), milliseconds{10});
    EXPECT_EQ(core.ended(0, now), milliseconds{20});
    EXPECT_EQ(core.ended(0, now + restart_policy::quiet), milliseconds{0}) << "after a quiet time";
}

}  // namespace
}  // namespace madang
