// Presence in the desk of streams: who enters, leaves, crashed or is of another node.
#include "tests/unit/actors/stream_desk_world.hpp"

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST_F(StreamDesk, MembersEnterAndLeavePresenceAndTheOthersAreTold) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann"));
    desk.left("room:1", 7);
    desk.left("room:1", 7);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann", "room:1 -ann"));
    EXPECT_TRUE(present.empty());
    EXPECT_EQ(desk.present(), 0u);
    EXPECT_TRUE(submitted.empty());
}

TEST_F(StreamDesk, ResidentsAreThisNodesMembersWhoseComingIsTold) {
    const auto silent = std::make_shared<member_info>(*member("cid"));
    silent->join_leave = false;
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", stream_desk::member_of(2, 7), member("bob"), nullptr);
    desk.joined("room:1", 8, silent, nullptr);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann", "room:1 +bob"));
    EXPECT_THAT(resident, ElementsAre(true, false));
    const auto ours = desk.residents("room:1");
    ASSERT_EQ(ours.size(), 1u);
    EXPECT_EQ(ours[0].client, "ann");
    EXPECT_THAT(desk.residents("room:2"), IsEmpty());
}

TEST_F(StreamDesk, EnteringTwiceIsToldOnce) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", 7, member("ann"), nullptr);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann"));
    EXPECT_EQ(desk.present(), 1u);
}

TEST_F(StreamDesk, WhoDoesNotComeBackToARestartedGroupHasLeft) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", 8, member("bob"), nullptr);
    turn();
    answer();
    desk.doubt("room:1");
    desk.joined("room:1", 8, member("bob"), nullptr);
    desk.confirm("room:1");
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann", "room:1 +bob", "room:1 -ann"));
}

TEST_F(StreamDesk, EntriesOfACrashedProcessLeaveOnce) {
    present["room:1/old"].who.client = "old";
    desk.stale({"room:1", "old", "before"});
    desk.stale({"room:1", "old", "before"});
    turn();
    EXPECT_EQ(std::get<commands::leave>(submitted.front().first->requests.front()).stale_of, "before");
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 -old"));
}

TEST_F(StreamDesk, EntriesOfThisProcessAreNotStale) {
    present["room:1/c"].who.client = "c";
    desk.stale({"room:1", "c", "me"});
    turn();
    EXPECT_TRUE(submitted.empty());
}

TEST_F(StreamDesk, ConsumersAreToldOnceOfThoseWhomACrashTook) {
    present["hall:1/old"].who = {"old", "ann \"a\"", "", ""};
    desk.joined("hall:1", 7, member("bob"), nullptr);
    desk.stale({"hall:1", "old", "before"});
    desk.stale({"hall:1", "old", "before"});
    desk.left("hall:1", 7);
    turn();
    answer();
    EXPECT_THAT(told,
                ElementsAre("hall:1 +bob", R"(hall:1 {"client":"old","user":"ann \"a\""})", "hall:1 -bob"));
}

TEST_F(StreamDesk, PresenceThatCouldNotBeWrittenIsWrittenWhenItCan) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", 8, member("bob"), nullptr);
    turn();
    answer();
    failing = fail(errc::storage_full);
    desk.joined("room:1", 9, member("eve"), nullptr);   // comes and stays
    desk.left("room:1", 8);                             // goes
    desk.joined("room:1", 10, member("joe"), nullptr);  // comes and goes
    desk.left("room:1", 10);
    turn();
    answer();
    EXPECT_EQ(unwritten, 3u);
    desk.repair_presence();  // and again in vain
    turn();
    answer();
    EXPECT_EQ(unwritten, 3u);
    told.clear();
    failing.reset();
    desk.repair_presence();
    EXPECT_EQ(unwritten, 0u);
    turn();
    answer();
    EXPECT_THAT(told, UnorderedElementsAre("room:1 +eve", "room:1 -bob"));
    EXPECT_EQ(repaired, 3);
    EXPECT_EQ(present.size(), 2u);
    EXPECT_TRUE(present.contains("room:1/ann"));
    EXPECT_TRUE(present.contains("room:1/eve"));
    desk.repair_presence();
    turn();
    EXPECT_TRUE(submitted.empty());
}

TEST_F(StreamDesk, WhoLeavesBeforeARepairWasWrittenIsGone) {
    failing = fail(errc::busy);
    desk.joined("room:1", 9, member("eve"), nullptr);
    turn();
    answer();
    failing.reset();
    desk.repair_presence();
    desk.left("room:1", 9);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +eve", "room:1 -eve"));
    EXPECT_TRUE(present.empty());
}

// ------------------------------------------------------------------------------------------- other nodes

TEST_F(StreamDesk, WhoWasThereBeforeEntersAndNobodyIsTold) {
    desk.joined_before("room:1", stream_desk::member_of(2, 1), member("far"));
    turn();
    answer();
    EXPECT_EQ(present.count("room:1/far"), 1u);
    EXPECT_THAT(told, IsEmpty());
    desk.joined_before("room:1", stream_desk::member_of(2, 1), member("far"));
    turn();
    EXPECT_TRUE(submitted.empty()) << "it is known";
    desk.left("room:1", stream_desk::member_of(2, 1));
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 -far"));
}

TEST_F(StreamDesk, AGroupThatIsHandedOverIsLeftQuietlyAndOnlyThisNodesMembersAreGiven) {
    desk.joined("room:1", 7, member("near"), nullptr);
    desk.joined("room:1", stream_desk::member_of(1, 7), member("far"), nullptr);
    desk.joined("room:2", 7, member("near"), nullptr);
    turn();
    answer();
    told.clear();
    EXPECT_THAT(desk.groups_with_members(), UnorderedElementsAre("room:1", "room:2"));
    const auto given = desk.hand_over("room:1");
    ASSERT_EQ(given.size(), 1u);
    EXPECT_EQ(given[0].first, 7u);
    EXPECT_EQ(given[0].second->who.client, "near");
    turn();
    answer();
    EXPECT_THAT(told, IsEmpty());
    EXPECT_EQ(present.size(), 1u);
    EXPECT_THAT(desk.groups_with_members(), ElementsAre("room:2"));
    EXPECT_THAT(desk.hand_over("room:1"), IsEmpty());
    desk.left("room:1", 7);
    turn();
    EXPECT_TRUE(submitted.empty()) << "it is another node's business";
}

TEST_F(StreamDesk, WhenANodeIsGoneItsMembersLeaveOnce) {
    desk.joined("room:1", 7, member("near"), nullptr);
    for (const std::uint64_t node : {1, 2})
        for (const auto* group : {"room:1", "room:2"})
            desk.joined(group, stream_desk::member_of(node, 7), member("of " + std::to_string(node)),
                        nullptr);
    turn();
    answer();
    while (!submitted.empty()) answer();
    told.clear();
    desk.node_left(1);
    desk.node_left(1);
    desk.left("room:1", stream_desk::member_of(1, 7));
    turn();
    answer();
    EXPECT_TRUE(submitted.empty());
    EXPECT_THAT(told, UnorderedElementsAre("room:1 -of 1", "room:2 -of 1"));
    EXPECT_EQ(desk.present(), 3u);
}

TEST_F(StreamDesk, OfADoubtedNodeThoseStayWhoAreToldAgain) {
    desk.joined("room:1", stream_desk::member_of(1, 7), member("stays"), nullptr);
    desk.joined("room:1", stream_desk::member_of(1, 8), member("returns"), nullptr);
    desk.joined("room:1", stream_desk::member_of(1, 9), member("goes"), nullptr);
    desk.joined("room:1", stream_desk::member_of(2, 9), member("another node's"), nullptr);
    turn();
    answer();
    told.clear();
    desk.doubt_node(1);
    desk.joined_before("room:1", stream_desk::member_of(1, 7), member("stays"));
    desk.joined("room:1", stream_desk::member_of(1, 8), member("returns"), nullptr);
    desk.confirm_node(1);
    turn();
    while (!submitted.empty()) answer();
    EXPECT_THAT(told, ElementsAre("room:1 -goes"));
    EXPECT_EQ(desk.present(), 3u);
    desk.confirm_node(1);
    turn();
    EXPECT_TRUE(submitted.empty()) << "nobody is in doubt any more";
}

}  // namespace
}  // namespace madang
