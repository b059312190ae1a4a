// Presence across nodes: who is there, and who leaves with a node.
#include <gmock/gmock.h>

#include <future>
#include <set>

#include "tests/integration/actors/mesh_impl.hpp"

namespace madang::testing {
namespace {

TEST(Cluster, PresenceCountsEveryNodesMembersAndJoinsAreToldEverywhere) {
    mesh nodes(2);
    const auto group = nodes.group_of(0, "news");
    auto far = nodes[1].open_session(0, "far");
    ASSERT_TRUE(nodes[1]
                    .tell(far, {{"id", 2}, {"subscribe", {{"channel", group}, {"join_leave", true}}}})
                    .contains("subscribe"));
    auto near = nodes[0].open_session(0, "near");
    ASSERT_TRUE(nodes[0].tell(near, {{"id", 2}, {"subscribe", {{"channel", group}}}}).contains("subscribe"));
    EXPECT_EQ(nodes[1].push(far, "join")["info"]["user"], "far");
    EXPECT_EQ(nodes[1].push(far, "join")["info"]["user"], "near");
    EXPECT_EQ(nodes[0].count(group).clients, 2u);
    near.close();
    EXPECT_EQ(nodes[1].push(far, "leave")["info"]["user"], "near");
    nodes[0].until([&] { return nodes[0].count(group).clients == 1; });
}

TEST(Cluster, PresenceFollowsItsGroupToTheNextOwnerQuietly) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "room");
    auto one = nodes[0].open_session(0, "one"), two = nodes[1].open_session(0, "two");
    for (std::size_t i = 0; i < 2; ++i)
        ASSERT_TRUE(nodes[i]
                        .tell(i == 0 ? one : two, {{"id", 2}, {"subscribe", {{"channel", group}}}})
                        .contains("subscribe"));
    nodes[2].until([&] { return nodes[2].count(group).clients == 2; });
    nodes.view({0, 1});
    const auto owner = nodes.owner_of(group);
    nodes[owner].until([&] { return nodes[owner].count(group).clients == 2; });
}

// Until somebody leaves: whose coming was told meanwhile, and who left.
std::pair<std::set<std::string>, std::string> next_leave(stream_node& at, client& of) {
    std::set<std::string> came;
    for (;;) {
        const auto message = at.next(of);
        if (!message.contains("push")) continue;
        const auto& push = message["push"];
        if (push.contains("join")) came.insert(push["join"]["info"]["user"].get<std::string>());
        if (push.contains("leave")) return {came, push["leave"]["info"]["user"].get<std::string>()};
    }
}
client subscriber(stream_node& at, std::size_t loop, const std::string& user, const std::string& group) {
    auto made = at.open_session(loop, user);
    const auto reply = at.tell(made, {{"id", 2}, {"subscribe", {{"channel", group}, {"join_leave", true}}}});
    EXPECT_TRUE(reply.contains("subscribe")) << reply;
    return made;
}

TEST(Cluster, ThoseOfADeadNodeLeaveEverywhereOnceWhoeverOwnedTheirGroup) {
    mesh nodes(4);
    for (const std::size_t owner : {3, 0}) {
        const auto group = nodes.group_of(owner, "hall");
        auto before = subscriber(nodes[3], 0, "before", group);
        auto one = subscriber(nodes[0], 0, "one", group), two = subscriber(nodes[1], 1, "two", group);
        auto after = subscriber(nodes[3], 1, "after", group);
        for (std::string user; user != "after";) user = nodes[0].push(one, "join")["info"]["user"];
        for (std::string user; user != "after";) user = nodes[1].push(two, "join")["info"]["user"];
        nodes.view({0, 1, 2});
        for (std::size_t i = 0; i < 2; ++i) {
            auto& at = i == 0 ? one : two;
            const auto first = next_leave(nodes[i], at), second = next_leave(nodes[i], at);
            EXPECT_THAT((std::set{first.second, second.second}), ::testing::ElementsAre("after", "before"));
            EXPECT_THAT(first.first, ::testing::IsEmpty());
        }
        // Who comes next is told next: nobody left twice.
        const auto now = nodes.owner_of(group);
        nodes[now].until([&] { return nodes[now].count(group).clients == 2; });
        auto last = subscriber(nodes[2], 0, "last", group);
        last.close();
        for (std::size_t i = 0; i < 2; ++i) {
            const auto next = next_leave(nodes[i], i == 0 ? one : two);
            EXPECT_EQ(next.second, "last");
            EXPECT_THAT(next.first, ::testing::ElementsAre("last"));
        }
        nodes.view(nodes.everybody());
        nodes.settle();
        if (owner == 3) {  // it was only cut off
            std::set<std::string> back;
            while (back.size() < 2) back.insert(nodes[0].push(one, "join")["info"]["user"]);
            EXPECT_THAT(back, ::testing::ElementsAre("after", "before"));
        }
    }
}

TEST(Cluster, ThoseOfANodeThatAnOperatorRemovedLeave) {
    mesh nodes(3);
    for (const std::size_t owner : {2, 0}) {
        const auto group = nodes.group_of(owner, "hall");
        auto one = subscriber(nodes[0], 0, "one", group);
        auto gone = subscriber(nodes[2], 0, "gone", group);
        for (std::string user; user != "gone";) user = nodes[0].push(one, "join")["info"]["user"];
        nodes.view_without(2);
        EXPECT_EQ(nodes[0].push(one, "leave")["info"]["user"], "gone");
        const auto now = nodes.owner_of(group);
        nodes[now].until([&] { return nodes[now].count(group).clients == 1; });
        nodes.view(nodes.everybody());
    }
}

}  // namespace
}  // namespace madang::testing
