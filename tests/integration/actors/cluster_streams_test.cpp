// Streams across nodes: positions, recovery and epochs, whoever owns them.
#include <gmock/gmock.h>

#include <future>

#include "tests/integration/actors/mesh_impl.hpp"

namespace madang::testing {
namespace {

TEST(Cluster, APublicationHasItsOwnersPositionOnEveryNode) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    auto session = nodes[0].open_session(0);
    const auto reply = nodes[0].tell(session, {{"id", 2}, {"subscribe", {{"channel", group}}}});
    ASSERT_TRUE(reply.contains("subscribe")) << reply;
    const auto at = nodes[0].publish(group, R"("one")");
    EXPECT_EQ(at.offset, 1u);
    EXPECT_EQ(at.epoch, reply["subscribe"]["epoch"]);
    EXPECT_EQ(nodes[1].publish(group, R"("two")").offset, 2u);
    EXPECT_EQ(nodes[0].push(session, "pub")["offset"], 1);
    EXPECT_EQ(nodes[0].push(session, "pub")["data"], "two");
}

TEST(Cluster, ASubscriberRecoversFromAnyNode) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    const auto first = nodes[1].publish(group, "1");
    nodes[1].publish(group, "2");
    nodes[0].publish(group, "3");
    auto session = nodes[0].open_session(1);
    const auto reply = nodes[0].tell(
        session,
        {{"id", 2},
         {"subscribe",
          {{"channel", group}, {"recover", true}, {"epoch", first.epoch}, {"offset", first.offset}}}});
    ASSERT_TRUE(reply.contains("subscribe")) << reply;
    EXPECT_EQ(reply["subscribe"].value("recovered", false), true) << reply;
    ASSERT_EQ(reply["subscribe"]["publications"].size(), 2u) << reply;
    EXPECT_EQ(reply["subscribe"]["publications"][1]["data"], 3);
}

TEST(Cluster, NothingIsLostOrRepeatedAroundASubscriptionWhereverATurnEnds) {
    mesh nodes(2, 2, 0, std::chrono::seconds{20}, 1);
    come_and_go(nodes[1], nodes[0], nodes.group_of(1, "news"), 2);  // far from the owner
    come_and_go(nodes[1], nodes[0], nodes.group_of(0, "news"), 2);  // at it; published from afar
}

TEST(Cluster, AnyNodeAnswersForAStreamAsItsOwnerDoes) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    for (int i = 1; i <= 3; ++i) nodes[0].publish(group, std::to_string(i));
    auto session = nodes[0].open_session(0, "ann");
    ASSERT_TRUE(
        nodes[0].tell(session, {{"id", 2}, {"subscribe", {{"channel", group}}}}).contains("subscribe"));
    for (std::size_t each = 0; each < 2; ++each) {
        auto& at = nodes[each];
        at.until([&] { return at.count(group).clients == 1; });
        EXPECT_EQ(at.epoch_of(group), nodes[1].epoch_of(group));
        std::promise<result<history_page>> page;
        at.all->history({.group = group, .limit = 2, .since = {}, .reverse = true},
                        [&](result<history_page> got) { page.set_value(std::move(got)); });
        const auto got = page.get_future().get();
        ASSERT_TRUE(got) << got.error();
        ASSERT_EQ(got->publications.size(), 2u);
        EXPECT_EQ(got->publications[0].data.bytes(), "3");
        std::promise<result<presence_page>> who;
        at.all->presence({.group = group, .limit = 10, .after = {}},
                         [&](result<presence_page> all) { who.set_value(std::move(all)); });
        EXPECT_EQ(who.get_future().get()->clients.at(0).who.user, "ann");
    }
}

TEST(Cluster, WhoAsksANodeThatIsGoneIsTold) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    nodes.cut(0, 1);
    std::promise<result<history_page>> page;
    nodes[0].all->history({.group = group, .limit = 1, .since = {}},
                          [&](result<history_page> got) { page.set_value(std::move(got)); });
    EXPECT_EQ(page.get_future().get().error().code, errc::busy);
    publish_request request;
    request.group = group;
    request.data = payload::copy_of("1");
    std::promise<result<position>> at;
    nodes[0].all->publish(std::move(request), [&](result<position> got) { at.set_value(std::move(got)); });
    EXPECT_EQ(at.get_future().get().error().code, errc::busy);
}

TEST(Cluster, AStreamHasAnotherEpochAtEachOwnerAndAgainWhenItsFirstOneReturns) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "news");
    const auto first = nodes[0].publish(group, "1");
    EXPECT_TRUE(recovers(nodes[1], group, first));
    nodes.view({0, 1});
    nodes.settle();
    const auto second = nodes[nodes.owner_of(group)].publish(group, "2");
    EXPECT_EQ(second.offset, first.offset) << "which is why the epoch has to be another";
    EXPECT_NE(second.epoch, first.epoch);
    nodes.view({0, 1, 2});
    nodes.settle();
    ASSERT_EQ(nodes.owner_of(group), 2u);
    EXPECT_FALSE(recovers(nodes[0], group, first));
    EXPECT_FALSE(recovers(nodes[1], group, second));
    const auto third = nodes[2].publish(group, "3");
    EXPECT_EQ(third.offset, 2u) << "it goes on where its first owner had it";
    EXPECT_NE(third.epoch, first.epoch);
    EXPECT_NE(third.epoch, second.epoch);
    EXPECT_TRUE(recovers(nodes[0], group, {third.epoch, 1}));
    nodes.view({0, 1});
    nodes.settle();
    EXPECT_NE(nodes[0].publish(group, "4").epoch, second.epoch) << "the next owner's is another too";
}

TEST(Cluster, AQuestionIsNotAnsweredWithTheEpochOfATenureBefore) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "news");
    const auto before = nodes[2].publish(group, "1");
    nodes.view({0, 1});
    nodes.view({0, 1, 2});
    nodes.settle();
    const auto epoch = nodes[2].epoch_of(group);
    EXPECT_NE(epoch, before.epoch);
    EXPECT_EQ(nodes[0].epoch_of(group), epoch) << "once for a tenure";
    EXPECT_EQ(nodes[1].publish(group, "2"), (position{epoch, 2}));
}

TEST(Cluster, AStreamWhoseOwnerStaysKeepsItsEpochWhileOthersComeAndGo) {
    mesh nodes(3);
    const auto group = nodes.group_of(0, "news");
    const auto at = nodes[1].publish(group, "1");
    nodes.view({0, 1});
    nodes.settle();
    ASSERT_EQ(nodes.owner_of(group), 0u);
    EXPECT_EQ(nodes[0].publish(group, "2"), (position{at.epoch, 2}));
    EXPECT_TRUE(recovers(nodes[1], group, at));
}

TEST(Cluster, WhoLivedApartRenewsWhatItOwnedAllTheTime) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "news");
    const auto together = nodes[2].publish(group, "1");
    nodes.view({0, 1});
    nodes.view({2});
    nodes.settle();
    const auto apart = nodes[2].publish(group, "2");
    nodes.view({0, 1, 2});
    nodes.settle();
    EXPECT_FALSE(recovers(nodes[0], group, together));
    EXPECT_FALSE(recovers(nodes[0], group, apart));
}

}  // namespace
}  // namespace madang::testing
