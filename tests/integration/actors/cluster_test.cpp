// Groups, channels and sessions across nodes.
#include <gmock/gmock.h>

#include <future>
#include <mutex>

#include "tests/integration/actors/mesh_impl.hpp"

namespace madang::testing {
namespace {

TEST(Cluster, AGroupReachesItsMembersOnEveryNodeWhoeverOwnsIt) {
    mesh nodes(3);
    for (std::size_t owner = 0; owner < 3; ++owner) {
        const auto group = nodes.group_of(owner);
        std::vector<client> members;
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t loop = 0; loop < 2; ++loop) {
                members.push_back(nodes[i].join(loop));
                join(members.back(), group);
            }
        for (std::size_t from = 0; from < members.size(); ++from) {
            members[from].say("pub " + group + " word " + std::to_string(from));
            for (auto& each : members) EXPECT_EQ(next_said(each), "word " + std::to_string(from));
        }
    }
}

TEST(Cluster, EachSendersOrderIsKeptOnEveryNode) {
    constexpr int many = 300;
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto here = nodes[0].join(1), there = nodes[1].join(0);
    join(here, group);
    join(there, group);
    for (int i = 0; i < many; ++i) {
        here.say("pub " + group + " a" + std::to_string(i));
        there.say("pub " + group + " b" + std::to_string(i));
    }
    std::vector<std::string> got[2];
    for (int i = 0; i < 2 * many; ++i) {
        got[0].push_back(next_said(here));
        got[1].push_back(next_said(there));
    }
    EXPECT_EQ(got[0], got[1]) << "all see one order";
    for (const char who : {'a', 'b'}) {
        int next = 0;
        for (const auto& each : got[0]) {
            if (each[0] == who) {
                EXPECT_EQ(each, who + std::to_string(next++));
            }
        }
        EXPECT_EQ(next, many);
    }
}

TEST(Cluster, AChannelIsReachedFromAnyNode) {
    mesh nodes(2);
    auto one = nodes[0].join(1), other = nodes[1].join(1);
    const auto name = one.ask("name");
    EXPECT_EQ(other.ask("chan " + name + " hello"), "status 0");
    EXPECT_EQ(one.next(), "hello");
    EXPECT_EQ(nodes[1].all->channel_send(name, "said", payload::copy_of("from outside")), MADANG_OK);
    EXPECT_EQ(one.next(), "from outside");
}

TEST(Cluster, ANodeWithoutMembersHearsNothing) {
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto member = nodes[0].join(0);
    join(member, group);
    const auto before = nodes[1].counts.total(counter::deliveries);
    for (int i = 0; i < 10; ++i) member.say("pub " + group + " x");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(next_said(member), "x");
    EXPECT_EQ(nodes[1].counts.total(gauge::groups), 0);
    EXPECT_EQ(nodes[1].counts.total(counter::deliveries), before);
}

TEST(Cluster, WhenANodeIsDeadItsGroupsHaveAnotherOwnerAndGoOn) {
    mesh nodes(3);
    const auto group = nodes.group_of(2);
    auto one = nodes[0].join(0), two = nodes[1].join(1);
    join(one, group);
    join(two, group);
    nodes.view({0, 1});
    nodes.settle();
    // The first may fall into the time in which the new owner does not know of all its members.
    nodes[0].until([&] {
        one.say("pub " + group + " anybody");
        one.say("echo end");
        bool came = false;
        for (auto text = one.next(); text != "end"; text = one.next()) came = came || text == "anybody";
        return came;
    });
    two.say("pub " + group + " here");
    std::string text;
    do text = one.next();
    while (text == "anybody" || text.starts_with("joined"));
    EXPECT_EQ(text, "here");
    do text = two.next();
    while (text == "anybody" || text.starts_with("joined"));
    EXPECT_EQ(text, "here");
}

TEST(Cluster, AGroupThatIsRestartedKnowsTheOtherNodesAgain) {
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto near = nodes[0].join(0), far = nodes[1].join(0);
    join(near, group);
    join(far, group);
    nodes[0].kill_group(group);
    nodes[0].until([&] { return nodes[0].counts.total(labelled_counter::actor_restarts, "group") == 1; });
    nodes[0].until([&] {
        near.say("pub " + group + " again");
        far.say("echo end");
        bool came = false;
        for (auto text = far.next(); text != "end"; text = far.next()) came = came || text == "again";
        return came;
    });
}

TEST(Cluster, CommandsOfASessionReachItsNodeInOrder) {
    mesh nodes(2);
    std::mutex mutex;
    std::vector<std::string> came;
    nodes[1].all->on_session_mail([&](std::string_view session, std::string_view text) {
        if (session != "known") return session_mail_outcome::unknown;
        if (text == "too much") return session_mail_outcome::full;
        std::lock_guard lock(mutex);
        came.emplace_back(text);
        return session_mail_outcome::delivered;
    });
    nodes.settle();
    const auto there = nodes[1].all->node();
    const auto send = [&](const std::string& node, session_mail what) {
        auto done = std::make_shared<std::promise<result<session_mail_outcome>>>();
        nodes[0].all->send_to_session(node, std::move(what), [done](auto got) { done->set_value(got); });
        return done->get_future();
    };
    std::vector<std::string> sent;
    std::vector<std::future<result<session_mail_outcome>>> answers;
    for (int i = 0; i < 200; ++i) {
        sent.push_back("{\"id\":" + std::to_string(i) + "}\n" +
                       std::string(static_cast<std::size_t>(i) * 50, ' '));
        answers.push_back(send(there, {"known", sent.back()}));
    }
    for (auto& each : answers) EXPECT_EQ(each.get().value(), session_mail_outcome::delivered);
    EXPECT_EQ(came, sent);
    EXPECT_EQ(send(there, {"gone", "{}"}).get().value(), session_mail_outcome::unknown);
    EXPECT_EQ(send(there, {"known", "too much"}).get().value(), session_mail_outcome::full);
    for (const std::string nobody : {"", "0123456789abcdef"})
        EXPECT_EQ(send(nobody, {"known", "{}"}).get().error().code, errc::not_found);
    nodes.cut(0, 1);
    EXPECT_EQ(send(there, {"known", "{}"}).get().error().code, errc::busy) << "without a link";
    nodes.view({0});
    nodes.settle();
    EXPECT_EQ(send(there, {"known", "{}"}).get().error().code, errc::not_found) << "dead";
    EXPECT_EQ(came.size(), sent.size());
}

TEST(Cluster, WhoReturnsToTheViewHearsItsGroupsAgain) {
    mesh nodes(3);
    const auto group = nodes.group_of(0), room = nodes.group_of(0, "room");
    auto speaker = nodes[0].join(0), member = nodes[2].join(1);
    join(member, group);
    auto session = nodes[2].open_session(0, "far");
    ASSERT_TRUE(
        nodes[2].tell(session, {{"id", 2}, {"subscribe", {{"channel", room}}}}).contains("subscribe"));
    nodes[0].until([&] { return nodes[0].count(room).clients == 1; });
    nodes.view({0, 1});
    nodes[0].until([&] { return nodes[0].count(room).clients == 0; });
    nodes.view({0, 1, 2});
    nodes[0].until([&] { return nodes[0].count(room).clients == 1; });
    nodes[2].until([&] {
        speaker.say("pub " + group + " word");
        member.say("echo end");
        bool came = false;
        for (auto text = member.next(); text != "end"; text = member.next()) came = came || text == "word";
        return came;
    });
}

TEST(Cluster, AViewBetweenALinkAndItsHubsHidesTheLinkFromNobody) {
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto speaker = nodes[0].join(0), member = nodes[1].join(0);
    join(member, group);
    for (int round = 0; round < 10; ++round) {
        nodes.cut(0, 1);
        nodes.link(0, 1);
        while (nodes.linked(0) == 0 || nodes.linked(1) == 0) nodes.view(nodes.everybody());
        nodes.settle();
        nodes[1].until([&] {
            speaker.say("pub " + group + " word");
            member.say("echo end");
            bool came = false;
            for (auto text = member.next(); text != "end"; text = member.next())
                came = came || text == "word";
            return came;
        });
    }
}

}  // namespace
}  // namespace madang::testing
