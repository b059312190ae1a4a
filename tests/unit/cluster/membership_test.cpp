#include "broker/cluster/membership.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/cluster/beat_codec.hpp"
#include "tests/unit/cluster/view_text.hpp"

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using ms = std::chrono::milliseconds;

// One node, and what the test lets others say to it.
class Membership : public testing::Test {
  protected:
    void make(membership::settings how = {}) {
        if (how.self.name.empty()) how.self = {"b", 5};
        how.address = how.self.name + ":1";
        self = how.self;
        node.emplace(how, now);
    }
    void after(ms time, ms step = ms(100)) {
        for (const auto end = now + time; now < end;) {
            now += std::min(step, std::chrono::duration_cast<ms>(end - now));
            for (const auto& each : beating) say(each);
            node->tick(now);
            if (auto what = node->take_beat(now)) last = *what;
        }
    }
    // What a node says that hears `b` and whoever else beats.
    beat from(const node_id& who) const {
        beat what;
        what.from = who;
        what.state = node_state::up;
        what.stamp = ++stamps;
        what.address = who.name + ":1";
        what.vouches = true;
        what.view = node->view();
        if (!what.view.has_living(who)) what.view = {};
        what.hears.push_back({self, last ? last->stamp : 0});
        for (const auto& each : beating)
            if (each != who) what.hears.push_back({each, 1});
        std::ranges::sort(what.hears, {}, &heard_node::who);
        return what;
    }
    void say(const node_id& who) { say(from(who)); }
    void say(const beat& what) {
        node->heard(what, now);
        if (auto answer = node->take_beat(now)) last = *answer;
    }

    const node_id a{"a", 1}, c{"c", 1};
    node_id self;
    membership::clock::time_point now{std::chrono::hours(1)};
    std::optional<membership> node;
    std::optional<beat> last;
    std::vector<node_id> beating;
    mutable std::uint64_t stamps = 0;
};

TEST_F(Membership, IsUpAtOnceWhenNobodyElseIsNamed) {
    make();
    EXPECT_EQ(text(node->view()), "b5 up");
    EXPECT_EQ(node->view().number, 1U);
    EXPECT_EQ(node->view().proposer, "b");
    EXPECT_EQ(node->state(), node_state::up);
    EXPECT_TRUE(node->take_changed());
    EXPECT_FALSE(node->take_changed());
}

TEST_F(Membership, WaitsForItsSeedsForATimeoutAndNoLonger) {
    make({.self = {"b", 5}, .address = {}, .seeds = true});
    after(ms(2900));
    EXPECT_EQ(node->view().number, 0U);
    EXPECT_EQ(node->state(), node_state::joining);
    after(ms(200));
    EXPECT_EQ(text(node->view()), "b5 up");
}

TEST_F(Membership, TakesInWhoHearsItAndIsHeardByItAtOnce) {
    make();
    auto deaf = from(c);
    deaf.state = node_state::joining;
    deaf.hears.clear();
    say(deaf);
    EXPECT_EQ(text(node->view()), "b5 up") << "c does not hear it yet";
    auto joins = from(c);
    joins.state = node_state::joining;
    say(joins);
    EXPECT_EQ(text(node->view()), "b5 up, c1 up");
    EXPECT_EQ(node->view().number, 2U);
    EXPECT_EQ(node->view().find("c")->address, "c:1");
}

TEST_F(Membership, LeavesItToTheSmallestNameToPropose) {
    make();
    say(a);
    EXPECT_EQ(text(node->view()), "b5 up") << "a proposes";
    auto proposes = from(a);
    proposes.view = {2, "a", {{a, node_state::up, "a:1"}, {self, node_state::up, "b:1"}}};
    say(proposes);
    EXPECT_EQ(node->view(), proposes.view);
    EXPECT_TRUE(node->take_changed());
}

TEST_F(Membership, TakesOfTwoViewsOfOneNumberTheSmallerProposers) {
    make();
    auto what = from(c);
    what.view = {7, "c", {{self, node_state::up, "b:1"}, {c, node_state::up, "c:1"}}};
    say(what);
    EXPECT_EQ(node->view().proposer, "c");
    auto other = from(a);
    other.view = {7, "a", {{a, node_state::up, "a:1"}, {self, node_state::up, "b:1"}}};
    say(other);
    EXPECT_EQ(node->view().proposer, "a");
    say(what);
    EXPECT_EQ(node->view().proposer, "a");
}

TEST_F(Membership, TakesNoViewThatDoesNotHaveIt) {
    make();
    auto what = from(a);
    what.view = {7, "a", {{a, node_state::up, "a:1"}, {self, node_state::dead, "b:1"}}};
    say(what);
    what.view = {8, "a", {{a, node_state::up, "a:1"}, {{"b", 4}, node_state::up, "b:1"}}};
    what.stamp = ++stamps;
    say(what);
    EXPECT_EQ(text(node->view()), "b5 up") << "neither as dead nor in an older life";
    say(c);
    EXPECT_EQ(node->view().number, 1U) << "a proposes, of the three";
    what = from(a);
    what.view = {9, "a", {{a, node_state::up, "a:1"}, {self, node_state::up, "b:1"}}};
    say(what);
    EXPECT_EQ(node->view().number, 9U);
}

TEST_F(Membership, NumbersItsViewsBeyondAllThatItSaw) {
    make({.self = {"a", 5}, .address = {}});
    auto what = from(c);
    what.view = {41, "c", {{{"a", 4}, node_state::dead, "a:1"}, {c, node_state::up, "c:1"}}};
    say(what);
    EXPECT_EQ(node->view().number, 42U);
    EXPECT_EQ(text(node->view()), "a5 up, c1 up");
}

TEST_F(Membership, TakesASilentNodeForDeadAfterTheTimeout) {
    make();
    beating = {c};
    after(ms(5000));
    EXPECT_EQ(text(node->view()), "b5 up, c1 up");
    const auto number = node->view().number;
    beating.clear();
    after(ms(2900));
    EXPECT_EQ(node->view().number, number);
    after(ms(200));
    EXPECT_EQ(text(node->view()), "b5 up, c1 dead");
    EXPECT_EQ(node->view().number, number + 1);
    beating = {c};
    after(ms(100));
    EXPECT_EQ(text(node->view()), "b5 up, c1 up") << "it comes back as it is";
}

TEST_F(Membership, TakesBytesWithoutBeatsForLife) {
    make();
    say(c);
    for (int i = 0; i < 100; ++i) {
        after(ms(100));
        node->alive(c, now);
    }
    EXPECT_EQ(text(node->view()), "b5 up, c1 up");
}

TEST_F(Membership, ReplacesANodeThatStartedAnewAtOnceAndForgetsItsPast) {
    make();
    beating = {c};
    after(ms(1000));
    beating = {{"c", 2}};
    after(ms(100));
    EXPECT_EQ(text(node->view()), "b5 up, c2 up");
    const auto number = node->view().number;
    say(c);
    node->alive(c, now);
    node->lost(c, now);
    EXPECT_EQ(node->view().number, number);
    EXPECT_EQ(text(node->view()), "b5 up, c2 up") << "what an older life sends late is not heard";
    ASSERT_EQ(last->hears.size(), 1U);
    EXPECT_EQ(last->hears[0].who.incarnation, 2U);
}

TEST_F(Membership, DrainsAtOnce) {
    make();
    node->drain(now);
    EXPECT_EQ(text(node->view()), "b5 draining");
    EXPECT_EQ(node->take_beat(now)->state, node_state::draining);
}

TEST_F(Membership, DrainsAndParts) {
    make();
    beating = {c};
    after(ms(500));
    beating.clear();
    auto drains = from(c);
    drains.state = node_state::draining;
    say(drains);
    EXPECT_EQ(text(node->view()), "b5 up, c1 draining");
    auto leaves = from(c);
    leaves.state = node_state::left;
    say(leaves);
    EXPECT_EQ(text(node->view()), "b5 up, c1 left");
    EXPECT_THAT(node->to_dial(now), IsEmpty()) << "who left is not looked for";
    after(ms(59'000));
    EXPECT_EQ(text(node->view()), "b5 up, c1 left");
    after(ms(2000));
    EXPECT_EQ(text(node->view()), "b5 up");
    after(ms(200'000), ms(1000));
    EXPECT_EQ(text(node->view()), "b5 up");
}

TEST_F(Membership, SaysThatItLeavesAndNothingMore) {
    make();
    say(c);
    node->leave(now);
    const auto what = node->take_beat(now);
    ASSERT_TRUE(what);
    EXPECT_EQ(what->state, node_state::left);
    EXPECT_FALSE(what->vouches);
    const auto number = node->view().number;
    after(ms(10'000));
    EXPECT_EQ(node->view().number, number);
}

TEST_F(Membership, RemovesTheDeadOnlyAndForGood) {
    make();
    beating = {c};
    after(ms(500));
    using removal = membership::removal;
    EXPECT_EQ(node->remove("c", now), removal::lives);
    EXPECT_EQ(node->remove("b", now), removal::itself);
    EXPECT_EQ(node->remove("z", now), removal::unknown);
    beating.clear();
    after(ms(3500));
    EXPECT_EQ(node->remove("c", now), removal::done);
    EXPECT_EQ(text(node->view()), "b5 up");
    EXPECT_EQ(node->remove("c", now), removal::unknown) << "it is not listed any more";
    EXPECT_THAT(node->take_beat(now)->removed, ElementsAre(c));
    EXPECT_THAT(node->to_dial(now), IsEmpty());
    beating = {c};
    after(ms(1000));
    EXPECT_EQ(text(node->view()), "b5 up") << "it did not start anew";
    beating = {{"c", 2}};
    after(ms(1000));
    EXPECT_EQ(text(node->view()), "b5 up, c2 up");
}

TEST_F(Membership, RemovesOneThatLivesWhenItIsToldTo) {
    make();
    beating = {c};
    after(ms(500));
    EXPECT_EQ(node->remove("c", now, true), membership::removal::done);
    after(ms(1000));
    EXPECT_EQ(text(node->view()), "b5 up") << "though it is heard";
    EXPECT_THAT(last->removed, ElementsAre(c));
}

TEST_F(Membership, IsUpAgainBehindADrain) {
    make();
    beating = {c};
    after(ms(500));
    node->drain(now);
    EXPECT_EQ(text(node->view()), "b5 draining, c1 up");
    const auto number = node->view().number;
    node->resume(now);
    EXPECT_EQ(text(node->view()), "b5 up, c1 up");
    EXPECT_GT(node->view().number, number);
    node->leave(now);
    node->resume(now);
    EXPECT_EQ(node->state(), node_state::left) << "there is no way back from there";
}

TEST_F(Membership, KnowsThatItWasRemoved) {
    make();
    auto what = from(a);
    what.removed = {{"b", 4}};
    say(what);
    EXPECT_FALSE(node->is_cast_out()) << "that was an older life";
    what = from(a);
    what.removed = {self};
    say(what);
    EXPECT_TRUE(node->is_cast_out());
    EXPECT_EQ(last->state, node_state::left);
}

TEST_F(Membership, KnowsThatAnotherHasItsName) {
    make();
    say(from({"b", 4}));
    EXPECT_FALSE(node->is_cast_out());
    say(from({"b", 6}));
    EXPECT_TRUE(node->is_cast_out());
}

TEST_F(Membership, BeatsEveryHeartbeatAndAtOnceWithNews) {
    make();
    ASSERT_TRUE(node->take_beat(now));
    EXPECT_FALSE(node->take_beat(now));
    now += ms(499);
    EXPECT_FALSE(node->take_beat(now));
    EXPECT_EQ(node->next_tick(), now + ms(1));
    now += ms(1);
    ASSERT_TRUE(node->take_beat(now));
    now += ms(100);
    node->heard(from(c), now);
    const auto news = node->take_beat(now);
    ASSERT_TRUE(news);
    EXPECT_EQ(news->hears.size(), 1U);
    node->heard(from(c), now);
    EXPECT_FALSE(node->take_beat(now)) << "that c beats is no news";
}

TEST_F(Membership, StampsEachBeatWithAGreaterNumber) {
    make();
    std::uint64_t stamp = node->take_beat(now)->stamp;
    EXPECT_GT(stamp, 0U);
    for (int i = 0; i < 5; ++i) {
        node->heard(from({"c", static_cast<std::uint64_t>(i + 1)}), now);
        const auto what = node->take_beat(now);
        ASSERT_TRUE(what);
        EXPECT_GT(what->stamp, stamp);
        stamp = what->stamp;
    }
}

TEST_F(Membership, DialsWhomItIsToldOfAndWhoDied) {
    make({.self = {"b", 5}, .address = {}, .seeds = true});
    auto what = from(a);
    what.view = {3,
                 "a",
                 {{a, node_state::up, "a:1"},
                  {{"x", 1}, node_state::dead, "x:1"},
                  {{"y", 1}, node_state::left, "y:1"},
                  {{"z", 1}, node_state::up, "z:1"}}};
    what.others = {{{"q", 1}, 1, "q:1", 0, "", {}}};
    what.hears.push_back({{"q", 1}, 1});
    say(what);
    EXPECT_THAT(node->to_dial(now), ElementsAre("q:1", "x:1", "z:1")) << "a is linked, y left";
    node->lost(a, now);
    EXPECT_THAT(node->to_dial(now), ElementsAre("a:1", "q:1", "x:1", "z:1"));
}

TEST_F(Membership, PassesOnWhomOthersDoNotHear) {
    make();
    beating = {a, c};
    after(ms(500));
    EXPECT_THAT(last->others, IsEmpty());
    auto deaf = from(c);
    std::erase_if(deaf.hears, [&](const auto& each) { return each.who == a; });
    say(deaf);
    ASSERT_EQ(last->others.size(), 1U);
    EXPECT_EQ(last->others[0].who, a);
    EXPECT_EQ(last->others[0].address, "a:1");
    EXPECT_THAT(last->others[0].hears, ElementsAre(self, c));
    EXPECT_TRUE(decode_beat(encode(*last)));
}

TEST_F(Membership, DoesNotTakeItsOwnStandstillForTheOthersSilence) {
    make();
    beating = {c};
    after(ms(1000));
    now += ms(60'000);
    node->tick(now);
    EXPECT_EQ(text(node->view()), "b5 up, c1 up");
    beating.clear();
    after(ms(3500));
    EXPECT_EQ(text(node->view()), "b5 up, c1 dead") << "but it does not wait for long";
}

TEST_F(Membership, TellsStatusPagesOfAllOthers) {
    make();
    beating = {c};
    after(ms(200));
    beating.clear();
    after(ms(500));
    const auto peers = node->peers(now);
    ASSERT_EQ(peers.size(), 1U);
    EXPECT_EQ(peers[0].who, c);
    EXPECT_EQ(peers[0].state, node_state::up);
    EXPECT_EQ(peers[0].address, "c:1");
    EXPECT_TRUE(peers[0].heard);
    EXPECT_EQ(peers[0].silent, ms(500));
    after(ms(3000));
    EXPECT_EQ(node->peers(now)[0].state, node_state::dead);
    EXPECT_FALSE(node->peers(now)[0].heard);
}

// ---- Quorum

TEST_F(Membership, HasAQuorumAlwaysWhenNoneIsAsked) {
    make({.self = {"b", 5}, .address = {}, .seeds = true});
    EXPECT_TRUE(node->has_quorum(now));
}

TEST_F(Membership, HasAQuorumWhileMoreThanHalfAnswerThatTheyStandByItsView) {
    make({.self = {"b", 5}, .address = {}, .expected = 3});
    EXPECT_FALSE(node->has_quorum(now)) << "one of three";
    beating = {c};
    after(ms(2900));
    EXPECT_EQ(text(node->view()), "b5 up, c1 up");
    EXPECT_FALSE(node->has_quorum(now)) << "before its last start it may have answered others";
    after(ms(700));
    EXPECT_TRUE(node->has_quorum(now));
    auto other = from(c);
    other.vouches = false;
    say(other);
    EXPECT_FALSE(node->has_quorum(now)) << "c does not vouch";
    say(c);
    EXPECT_TRUE(node->has_quorum(now));
    other = from(c);
    --other.view.number;
    say(other);
    EXPECT_FALSE(node->has_quorum(now)) << "c goes by another view";
}

TEST_F(Membership, CountsAnAnswerByWhenItAsked) {
    make({.self = {"b", 5}, .address = {}, .expected = 3});
    beating = {c};
    after(ms(4000));
    // The same answer again and again, as if it had been long under way.
    beating.clear();
    auto old = from(c);
    say(old);
    const auto until = node->quorum_until();
    EXPECT_GT(until, now + ms(2000));
    EXPECT_LE(until, now + ms(2750));
    while (now < until) {
        EXPECT_TRUE(node->has_quorum(now));
        now += ms(100);
        old.stamp = ++stamps;
        node->heard(old, now);
    }
    EXPECT_FALSE(node->has_quorum(now));
    EXPECT_EQ(text(node->view()), "b5 up, c1 up");
}

TEST_F(Membership, HasItsQuorumAtOnceWhenAllExpectedAreThere) {
    make({.self = {"b", 5}, .address = {}, .expected = 2});
    say(c);
    say(c);
    say(c);
    EXPECT_TRUE(node->has_quorum(now));
}

TEST_F(Membership, VouchesForANewViewOnlyWhenNobodyCountsOnItForTheOld) {
    make({.self = {"b", 5}, .address = {}, .expected = 4});
    const node_id d{"d", 1};
    beating = {c, d};
    after(ms(4000));
    ASSERT_EQ(text(node->view()), "b5 up, c1 up, d1 up");
    ASSERT_TRUE(last->vouches);
    // c drains: a new view, which d does not know yet.
    const auto old = node->view();
    beating.clear();
    auto drains = from(c);
    drains.state = node_state::draining;
    drains.hears.push_back({d, 1});
    say(drains);
    ASSERT_EQ(text(node->view()), "b5 up, c1 draining, d1 up");
    EXPECT_FALSE(last->vouches);
    drains = from(c);
    drains.state = node_state::draining;
    drains.hears.push_back({d, 1});
    say(drains);
    EXPECT_FALSE(last->vouches);
    auto knows = from(d);
    knows.hears.push_back({c, 1});
    std::ranges::sort(knows.hears, {}, &heard_node::who);
    say(knows);
    EXPECT_TRUE(last->vouches);
}

TEST_F(Membership, YieldsToOneThatItRemovedOnlyWithoutAQuorum) {
    make({.self = {"b", 5}, .address = {}, .expected = 3});
    const node_id d{"d", 1};
    beating = {c, d};
    after(ms(1000));
    ASSERT_EQ(text(node->view()), "b5 up, c1 up, d1 up");
    auto mistaken = from(d);  // in its view, which is of before, everybody lives
    mistaken.removed = {self};
    beating = {c};
    after(ms(4000));
    node->remove("d", now);
    const auto says = [&] {
        mistaken.stamp = ++stamps;
        mistaken.view.number = node->view().number;
        say(mistaken);
    };
    after(ms(1000));
    ASSERT_TRUE(node->has_quorum(now));
    says();
    EXPECT_FALSE(node->is_cast_out()) << "b and c are most of three";
    beating = {};
    after(ms(5000));
    ASSERT_FALSE(node->has_quorum(now));
    says();
    EXPECT_TRUE(node->is_cast_out());
}

}  // namespace
}  // namespace madang
