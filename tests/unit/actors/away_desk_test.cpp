#include "actors/away_desk.hpp"

#include <gmock/gmock.h>

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
namespace parcels = peer_parcels;

struct AwayDesk : testing::Test, away_desk_host {
    // -- away_desk_host
    bool to_owner(peer_parcel&& what) override {
        if (!linked) return false;
        sent.push_back(std::move(what));
        return true;
    }
    void answer_away(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) override {
        whom->done(std::move(what));
    }
    void count_refused() override { ++refused; }

    template <class Parcel>
    const Parcel& last() const {
        return std::get<Parcel>(sent.back());
    }
    std::shared_ptr<publish_ticket> ticket(const std::string& name) {
        auto made = std::make_shared<publish_ticket>();
        made->done = [this, name](result<position> at) {
            told.push_back(name + " " + (at ? std::to_string(at->offset) : name_of(at.error())));
        };
        return made;
    }
    // Its parcel's ticket; 0: it was not sent.
    std::uint64_t publish(const std::string& group, std::shared_ptr<publish_ticket> by) {
        const auto before = sent.size();
        desk.send(group, event{"said", payload::copy_of("x")}, std::move(by));
        return sent.size() == before ? 0 : last<parcels::publish>().ticket;
    }
    std::uint64_t subscribe(const std::string& group, const std::string& name) {
        auto ask = std::make_shared<subscribe_ticket>();
        ask->how.recover_limit = 7;
        ask->done = [this, name](result<subscribed> what) {
            told.push_back(name + " " + (what ? std::to_string(what->top->offset) : name_of(what.error())));
        };
        const auto before = sent.size();
        desk.joined(group, 1, nullptr, std::move(ask));
        return sent.size() == before ? 0 : last<parcels::subscribe>().ticket;
    }
    static parcels::answer answer(std::uint64_t to, std::uint64_t offset) {
        parcels::answer made{"group", to, true, {}, {}};
        made.what.top = position{"e", offset};
        return made;
    }
    static std::string name_of(const error& why) { return std::string(describe(why.code).name); }
    static std::shared_ptr<const member_info> member(const std::string& client, bool presence = true) {
        auto made = std::make_shared<member_info>();
        made->who.client = client;
        made->presence = presence;
        return made;
    }
    static std::function<away_desk::change(const std::string&)> only(std::string group,
                                                                     away_desk::change what) {
        return [group = std::move(group), what](const std::string& each) {
            return each == group ? what : away_desk::change::none;
        };
    }

    bool linked = true;
    std::vector<peer_parcel> sent;
    std::vector<std::string> told;
    int refused = 0;
    away_desk desk{*this};
};

TEST_F(AwayDesk, APublicationIsAnsweredByItsOwner) {
    auto first = ticket("first");
    first->key = "key";
    first->skip_history = true;
    const auto one = publish("a", first);
    EXPECT_EQ(last<parcels::publish>().key, "key");
    EXPECT_TRUE(last<parcels::publish>().skip_history);
    const auto two = publish("a", ticket("second"));
    EXPECT_NE(one, two);
    desk.came(parcels::published{"a", two, false, fail(errc::storage_full), {}});
    desk.came(parcels::published{"a", one, true, {}, {"e", 4}});
    desk.came(parcels::published{"a", one, true, {}, {"e", 5}});
    EXPECT_THAT(told, ElementsAre("second storage_full", "first 4"));
    EXPECT_EQ(desk.waiting(), 0u);
}

TEST_F(AwayDesk, WhoAsksNothingIsNotAnswered) {
    EXPECT_EQ(publish("a", nullptr), 0u);
    auto silent = std::make_shared<publish_ticket>();
    silent->key = "key";
    EXPECT_EQ(publish("a", silent), 0u);
    EXPECT_EQ(sent.size(), 2u);
    EXPECT_EQ(desk.waiting(), 0u);
}

TEST_F(AwayDesk, WithoutALinkAPublicationIsRefused) {
    linked = false;
    publish("a", ticket("one"));
    publish("a", nullptr);
    EXPECT_THAT(told, ElementsAre("one busy"));
    EXPECT_EQ(refused, 2);
    EXPECT_EQ(desk.waiting(), 0u);
}

TEST_F(AwayDesk, WhenTheOwnerChangesItsPublicationsUnderWayAreRefusedInTheirOrder) {
    publish("a", ticket("one"));
    const auto other = publish("b", ticket("b"));
    publish("a", ticket("two"));
    EXPECT_THAT(desk.owners_changed(only("a", away_desk::change::other)), IsEmpty());
    EXPECT_THAT(told, ElementsAre("one busy", "two busy"));
    EXPECT_EQ(refused, 2);
    desk.came(parcels::published{"b", other, true, {}, {"e", 1}});
    EXPECT_EQ(told.back(), "b 1");
}

TEST_F(AwayDesk, ASubscriberIsAnsweredByTheOwner) {
    const auto one = subscribe("a", "one"), two = subscribe("a", "two");
    EXPECT_EQ(last<parcels::subscribe>().how.recover_limit, 7u);
    desk.came(answer(two, 8));
    desk.came(parcels::answer{"a", one, false, fail(errc::storage_failed), {}});
    EXPECT_THAT(told, ElementsAre("two 8", "one storage_failed"));
    EXPECT_EQ(desk.waiting(), 0u);
}

TEST_F(AwayDesk, TheNextOwnerIsAskedAgainOfWhoSubscribes) {
    const auto before = subscribe("a", "one");
    desk.owners_changed(only("a", away_desk::change::other));
    const auto again = last<parcels::subscribe>().ticket;
    EXPECT_NE(again, before);
    desk.came(answer(before, 3));
    EXPECT_THAT(told, IsEmpty()) << "of the owner before";
    desk.came(answer(again, 4));
    EXPECT_THAT(told, ElementsAre("one 4"));
}

TEST_F(AwayDesk, ASubscriberWaitsForALink) {
    linked = false;
    subscribe("a", "one");
    EXPECT_EQ(desk.waiting(), 1u);
    linked = true;
    desk.owners_changed(only("a", away_desk::change::other));
    desk.came(answer(last<parcels::subscribe>().ticket, 4));
    EXPECT_THAT(told, ElementsAre("one 4"));
}

TEST_F(AwayDesk, WhoIsThereIsToldToTheOwnerAndToTheNextOne) {
    desk.joined("a", 1, member("one"), nullptr);
    EXPECT_EQ(last<parcels::enter>().who.who.client, "one");
    EXPECT_FALSE(last<parcels::enter>().again);
    desk.joined("a", 2, member("hidden", false), nullptr);
    desk.joined("b", 3, member("b"), nullptr);
    EXPECT_EQ(sent.size(), 2u);
    EXPECT_THAT(desk.owners_changed(only("a", away_desk::change::other)), IsEmpty());
    ASSERT_EQ(sent.size(), 3u);
    EXPECT_EQ(last<parcels::enter>().group, "a");
    EXPECT_EQ(last<parcels::enter>().member, 1u);
    EXPECT_TRUE(last<parcels::enter>().again);
}

TEST_F(AwayDesk, WhoLeavesIsToldOnce) {
    desk.joined("a", 1, member("one"), nullptr);
    desk.left("a", 1);
    EXPECT_EQ(last<parcels::leave>().member, 1u);
    desk.left("a", 1);
    desk.left("a", 2);
    desk.left("b", 1);
    EXPECT_EQ(sent.size(), 2u);
    desk.owners_changed(only("a", away_desk::change::other));
    EXPECT_EQ(sent.size(), 2u) << "nobody is there";
}

TEST_F(AwayDesk, WhoWasHandedOverIsToldToTheNextOwner) {
    desk.joined_before("a", 1, member("one"));
    EXPECT_THAT(sent, IsEmpty());
    desk.owners_changed(only("a", away_desk::change::other));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(last<parcels::enter>().again);
    desk.left("a", 1);
    EXPECT_EQ(last<parcels::leave>().member, 1u);
}

TEST_F(AwayDesk, WhatThisNodeOwnsNowIsHandedBack) {
    desk.joined("a", 1, member("one"), nullptr);
    const auto asked = subscribe("a", "asks");
    publish("a", ticket("under way"));
    const auto before = sent.size();
    auto here = desk.owners_changed(only("a", away_desk::change::here));
    ASSERT_EQ(here.size(), 1u);
    EXPECT_EQ(here["a"].members.at(0).first, 1u);
    EXPECT_EQ(here["a"].members.at(0).second->who.client, "one");
    ASSERT_EQ(here["a"].asks.size(), 1u);
    EXPECT_THAT(told, ElementsAre("under way busy"));
    desk.came(answer(asked, 3));
    desk.left("a", 1);
    EXPECT_EQ(told.size(), 1u) << "nobody waits here any more";
    EXPECT_EQ(sent.size(), before);
    EXPECT_EQ(desk.waiting(), 0u);
}

TEST_F(AwayDesk, NoMorePublicationsWaitThanTheLimit) {
    for (std::size_t i = 0; i < away_desk::tickets_limit; ++i) publish("a", ticket("early"));
    const auto before = sent.size();
    publish("a", ticket("late"));
    EXPECT_THAT(told, ElementsAre("late busy"));
    EXPECT_EQ(sent.size(), before);
    publish("a", nullptr);
    EXPECT_EQ(sent.size(), before + 1) << "who waits for nothing is no matter";
    EXPECT_NE(subscribe("a", "another kind"), 0u);
}

TEST_F(AwayDesk, NoMoreSubscribersWaitThanTheLimit) {
    for (std::size_t i = 0; i < away_desk::tickets_limit; ++i) subscribe("a", "early");
    const auto before = sent.size();
    subscribe("a", "late");
    EXPECT_THAT(told, ElementsAre("late busy"));
    EXPECT_EQ(sent.size(), before);
    EXPECT_NE(publish("a", ticket("another kind")), 0u);
}

}  // namespace
}  // namespace madang
