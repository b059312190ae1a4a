#include "broker/bench/window.hpp"

#include <gtest/gtest.h>

namespace madang::bench {
namespace {

constexpr auto nothing_yet = publication_window::nothing_yet;

TEST(PublicationWindow, HoldsAsManyAsAllowedUntilEveryMemberHasOne) {
    publication_window window(2, 2);
    std::uint64_t a = nothing_yet, b = nothing_yet;
    EXPECT_EQ(window.publish(10), 0u);
    EXPECT_TRUE(window.may_publish());
    EXPECT_EQ(window.publish(20), 1u);
    EXPECT_FALSE(window.may_publish());
    EXPECT_EQ(window.deliver(a, 0), 10);
    EXPECT_EQ(window.deliver(a, 1), 20);
    EXPECT_FALSE(window.may_publish());
    EXPECT_EQ(window.deliver(b, 0), 10);
    EXPECT_TRUE(window.may_publish());
    EXPECT_EQ(window.deliver(b, 1), 20);
    EXPECT_EQ(window.outstanding(), 0u);
    EXPECT_EQ(window.lost() + window.reordered(), 0u);
}

TEST(PublicationWindow, CountsASkippedPublicationAsLostAndGoesOn) {
    publication_window window(1, 4);
    std::uint64_t member = nothing_yet;
    for (int i = 0; i < 4; ++i) window.publish(i);
    window.deliver(member, 0);
    window.deliver(member, 3);
    EXPECT_EQ(window.lost(), 2u);
    EXPECT_EQ(window.reordered(), 0u);
    EXPECT_EQ(window.outstanding(), 0u);
}

TEST(PublicationWindow, CountsAnOlderOrRepeatedOrInventedOneAsReordered) {
    publication_window window(1, 4);
    std::uint64_t member = nothing_yet;
    window.publish(1);
    window.publish(2);
    window.deliver(member, 1);
    EXPECT_EQ(window.deliver(member, 0), std::nullopt);
    EXPECT_EQ(window.deliver(member, 1), std::nullopt);
    EXPECT_EQ(window.deliver(member, 7), std::nullopt);
    EXPECT_EQ(window.reordered(), 3u);
    EXPECT_EQ(member, 2u);
}

TEST(PublicationWindow, StartsAMemberAtTheFirstThatReachesIt) {
    publication_window window(1, 4);
    std::uint64_t late = nothing_yet;
    window.publish(1);
    window.abandon();
    window.publish(2);
    EXPECT_EQ(window.deliver(late, 1), 2);
    EXPECT_EQ(window.lost(), 0u);
    EXPECT_EQ(window.outstanding(), 0u);
}

TEST(PublicationWindow, DoesNotCountALateDeliveryOfWhatWasAbandoned) {
    publication_window window(1, 1);
    std::uint64_t member = nothing_yet;
    window.publish(1);
    window.abandon();
    window.publish(2);
    EXPECT_EQ(window.deliver(member, 0), 1);
    EXPECT_EQ(window.outstanding(), 1u);
    EXPECT_EQ(window.deliver(member, 1), 2);
    EXPECT_EQ(window.outstanding(), 0u);
    EXPECT_EQ(window.lost() + window.reordered(), 0u);
}

TEST(PublicationWindow, WaitsForFewerOnceSomeStall) {
    publication_window window(3, 1);
    std::uint64_t a = nothing_yet, b = nothing_yet;
    window.set_members(2);
    window.publish(1);
    window.deliver(a, 0);
    window.deliver(b, 0);
    EXPECT_TRUE(window.may_publish());
}

}  // namespace
}  // namespace madang::bench
