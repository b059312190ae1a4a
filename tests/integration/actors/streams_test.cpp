// Streams, presence and client sessions on real loops, over a store in memory.
#include <gmock/gmock.h>

#include <map>

#include "tests/integration/actors/stream_node_impl.hpp"

namespace madang::testing {
namespace {

class Streams : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Loops, Streams, ::testing::Values(1u, 2u));

TEST_P(Streams, PublicationsHavePositionsAndReachConsumersAndClientsAlike) {
    stream_node node(GetParam());
    auto consumer = node.join(0);
    consumer.say("join news:1");
    EXPECT_EQ(consumer.ask("echo in"), "in");
    auto session = node.open_session(GetParam() - 1);
    const auto reply = node.tell(session, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    ASSERT_TRUE(reply.contains("subscribe")) << reply;
    node.until([&] { return node.counts.total(gauge::members) == 2; });
    EXPECT_EQ(node.publish("news:1", R"({"a":1})").offset, 1u);
    EXPECT_EQ(node.publish("news:1", R"({"a":2})").offset, 2u);
    EXPECT_EQ(consumer.next(), R"({"a":1})");
    EXPECT_EQ(consumer.next(), R"({"a":2})");
    EXPECT_EQ(node.push(session, "pub").value("offset", 0), 1);
    const auto second = node.push(session, "pub");
    EXPECT_EQ(second.value("offset", 0), 2);
    EXPECT_EQ(second["data"]["a"], 2);
}

TEST_P(Streams, AClientThatWasAwayGetsWhatItMissedOnceAndInOrder) {
    stream_node node(GetParam());
    auto first = node.open_session(0);
    auto reply = node.tell(first, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    const auto epoch = reply["subscribe"].value("epoch", "");
    EXPECT_FALSE(epoch.empty());
    node.publish("news:1", "1");
    EXPECT_EQ(node.push(first, "pub").value("offset", 0), 1);
    first.close();
    for (int i = 2; i <= 5; ++i) node.publish("news:1", std::to_string(i));

    auto again = node.open_session(GetParam() - 1);
    reply = node.tell(
        again, {{"id", 2},
                {"subscribe", {{"channel", "news:1"}, {"recover", true}, {"epoch", epoch}, {"offset", 1}}}});
    const auto& got = reply["subscribe"];
    EXPECT_TRUE(got.value("recovered", false)) << reply;
    ASSERT_EQ(got["publications"].size(), 4u) << reply;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(got["publications"][i]["data"], i + 2);
    node.publish("news:1", "6");
    EXPECT_EQ(node.push(again, "pub")["data"], 6);
}

TEST_P(Streams, WhoAsksForWhatIsNotKeptIsToldOfWhichNamespace) {
    stream_node node(GetParam());
    std::string said;
    const auto hear = [&](const auto& got) { said = got ? "" : got.error().text(); };
    node.all->history({.group = "live:1", .limit = 1, .since = {}}, hear);
    EXPECT_THAT(said, ::testing::AllOf(::testing::StartsWith("not_available"),
                                       ::testing::HasSubstr("the namespace live keeps no history"),
                                       ::testing::HasSubstr("[namespace.live]")));
    node.all->presence({.group = "live:1", .limit = 1, .after = {}}, hear);
    EXPECT_THAT(said, ::testing::HasSubstr("the namespace live has no presence"));
    node.all->presence_stats("plain", hear);
    EXPECT_THAT(said, ::testing::HasSubstr("[namespace.\"\"]"));

    // Clients hear the protocol's own words.
    auto session = node.open_session(0);
    const json refused{{"code", 108}, {"message", "not available"}};
    EXPECT_EQ(node.tell(session, {{"id", 2}, {"presence", {{"channel", "live:1"}}}})["error"], refused);
    EXPECT_EQ(node.tell(session, {{"id", 3}, {"history", {{"channel", "live:1"}}}})["error"], refused);
}

TEST_P(Streams, AnotherEpochCannotBeRecovered) {
    stream_node node(GetParam());
    node.publish("news:1", "1");
    auto session = node.open_session(0);
    const auto reply = node.tell(
        session,
        {{"id", 2},
         {"subscribe", {{"channel", "news:1"}, {"recover", true}, {"epoch", "other"}, {"offset", 0}}}});
    EXPECT_FALSE(reply["subscribe"].value("recovered", false)) << reply;
    EXPECT_TRUE(reply["subscribe"].value("was_recovering", false));
    EXPECT_EQ(reply["subscribe"].value("offset", 0), 1);
}

TEST_P(Streams, NothingIsLostOrRepeatedAroundASubscription) {
    stream_node node(GetParam());
    come_and_go(node, node, "news:busy", GetParam());
}

// A turn ends behind one handler, or one actor's: between the store's answer, which has a publication and a
// subscriber's recovery with it, and the group that is to hand that publication out.
TEST_P(Streams, NothingIsLostOrRepeatedWhereverATurnEnds) {
    stream_node node(GetParam(), clustered::no, std::chrono::seconds{20}, 1);
    come_and_go(node, node, "news:busy", GetParam());
}

TEST_P(Streams, PresenceFollowsMembership) {
    stream_node node(GetParam());
    auto watcher = node.open_session(0, "ann");
    node.tell(watcher, {{"id", 2}, {"subscribe", {{"channel", "news:1"}, {"join_leave", true}}}});
    node.until([&] { return node.count("news:1").clients == 1; });
    auto tab = node.open_session(GetParam() - 1, "bob");
    node.tell(tab, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    auto other_tab = node.open_session(0, "bob");
    node.tell(other_tab, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    node.until([&] { return node.count("news:1").clients == 3; });
    EXPECT_EQ(node.count("news:1").users, 2u);
    EXPECT_EQ(node.push(watcher, "join")["info"]["user"], "ann");
    EXPECT_EQ(node.push(watcher, "join")["info"]["user"], "bob");
    EXPECT_EQ(node.push(watcher, "join")["info"]["user"], "bob");
    tab.close();
    EXPECT_EQ(node.push(watcher, "leave")["info"]["user"], "bob");
    EXPECT_EQ(node.count("news:1").users, 2u) << "the other tab is there";
    other_tab.close();
    node.push(watcher, "leave");
    EXPECT_EQ(node.count("news:1").clients, 1u);
    EXPECT_EQ(node.count("news:1").users, 1u);
}

// The group's home, when it is busy, sees both at once.
TEST_P(Streams, WhoLeavesAndComesAgainAtOnceIsPresent) {
    stream_node node(GetParam());
    auto client = node.open_session(GetParam() - 1, "ann");
    std::vector<std::string> groups;
    for (int i = 0; i < 8; ++i) groups.push_back("room:" + std::to_string(i));
    for (const auto& group : groups) node.tell(client, {{"id", 1}, {"subscribe", {{"channel", group}}}});
    testing::gate busy;
    node.all->loop_at(0).post([&] { busy.pass(); });
    busy.wait_for_somebody();
    for (const auto& group : groups) {
        client.say(json{{"id", 2}, {"unsubscribe", {{"channel", group}}}}.dump());
        client.say(json{{"id", 3}, {"subscribe", {{"channel", group}}}}.dump());
    }
    std::map<int, std::size_t>
        replies;  // by the command's id; those of groups at home elsewhere come at once
    if (GetParam() > 1)
        while (replies[2] < groups.size()) ++replies[node.next(client).value("id", 0)];
    busy.open();
    while (replies[3] < groups.size()) ++replies[node.next(client).value("id", 0)];
    for (const auto& group : groups) EXPECT_EQ(node.count(group).clients, 1u) << group;
}

TEST_P(Streams, AGroupThatIsRestartedKeepsItsPresence) {
    stream_node node(GetParam());
    auto watcher = node.open_session(0, "ann");
    node.tell(watcher, {{"id", 2}, {"subscribe", {{"channel", "room:1"}}}});
    node.until([&] { return node.count("room:1").clients == 1; });
    node.kill_group("room:1");
    node.until([&] { return node.counts.total(labelled_counter::actor_restarts, "group") == 1; });
    node.until([&] { return node.counts.total(gauge::members) == 1; });
    node.publish("room:1", "1");
    EXPECT_EQ(node.push(watcher, "pub")["data"], 1);
    EXPECT_EQ(node.count("room:1").clients, 1u);
}

// What its actor still had to hand out is lost to those who were there, and not to the stream.
TEST_P(Streams, WhoKnowsAPositionInARestartedGroupIsToldAndRecovers) {
    stream_node node(GetParam());
    auto client = node.open_session(0, "ann");
    const auto at = node.tell(client, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}})["subscribe"];
    node.kill_group("news:1");
    EXPECT_EQ(node.push(client, "unsubscribe")["code"], 2500);
    EXPECT_EQ(node.counts.total(counter::streams_lost), 1);
    node.publish("news:1", "1");
    const auto again = node.tell(client, {{"id", 3},
                                          {"subscribe",
                                           {{"channel", "news:1"},
                                            {"recover", true},
                                            {"epoch", at["epoch"]},
                                            {"offset", at.value("offset", 0)}}}})["subscribe"];
    EXPECT_TRUE(again.value("recovered", false)) << again;
    EXPECT_EQ(again["publications"][0]["data"], 1);
    node.publish("news:1", "2");
    EXPECT_EQ(node.push(client, "pub")["data"], 2);
}

TEST_P(Streams, WhoKnowsAPositionOfAStreamThatBeginsAnewIsTold) {
    stream_node node(GetParam());
    auto client = node.open_session(GetParam() - 1, "ann");
    auto other = node.open_session(0, "bob");
    const auto at = node.tell(client, {{"id", 2}, {"subscribe", {{"channel", "brief:1"}}}})["subscribe"];
    node.tell(other, {{"id", 2}, {"subscribe", {{"channel", "room:1"}}}});
    node.until([&] { return node.epoch_of("brief:1") != at["epoch"]; });
    node.publish("brief:1", "1");
    EXPECT_EQ(node.push(client, "unsubscribe")["code"], 2500);
    const auto again = node.tell(client, {{"id", 3},
                                          {"subscribe",
                                           {{"channel", "brief:1"},
                                            {"recover", true},
                                            {"epoch", at["epoch"]},
                                            {"offset", at.value("offset", 0)}}}})["subscribe"];
    EXPECT_FALSE(again.value("recovered", false)) << again;
    EXPECT_TRUE(again.value("was_recovering", false)) << again;
}

TEST_P(Streams, TheServerCommandsAUsersConnectionsWhereverTheyAre) {
    stream_node node(GetParam());
    auto a = node.open_session(0, "ann");
    auto b = node.open_session(GetParam() - 1, "ann");
    auto other = node.open_session(0, "bob");
    std::promise<std::size_t> done;
    client_command leave;
    leave.what = client_command::verb::disconnect;
    leave.code = 4321;
    leave.reason = "go";
    node.all->command({.user = "ann", .client = {}, .session = {}}, leave,
                      [&](result<std::size_t> count) { done.set_value(count.value()); });
    EXPECT_EQ(done.get_future().get(), 2u);
    EXPECT_EQ(a.next(), "close:4321");
    EXPECT_EQ(b.next(), "close:4321");
    const auto reply = node.tell(other, {{"id", 2}, {"subscribe", {{"channel", "live:1"}}}});
    EXPECT_TRUE(reply.contains("subscribe")) << "bob stays";
}

TEST_P(Streams, NothingWaitsForAStoreWhoseNodeEnds) {
    stream_node node(GetParam());
    auto session = node.open_session(0);
    for (int i = 0; i < 500; ++i) {
        publish_request request;
        request.group = "news:" + std::to_string(i);
        request.data = payload::copy_of("1");
        node.all->publish(std::move(request), nullptr);
    }
}

}  // namespace
}  // namespace madang::testing
