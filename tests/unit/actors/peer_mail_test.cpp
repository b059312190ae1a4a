#include "actors/peer_mail.hpp"

#include <gmock/gmock.h>

#include <set>

#include "actors/batch.hpp"

namespace madang {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
namespace parcels = peer_parcels;

constexpr std::uint64_t view = 7;

std::shared_ptr<const client_info> somebody(const std::string& name) {
    return std::make_shared<const client_info>(client_info{"client " + name, "user " + name, "{}", "[1]"});
}

event whole_event() {
    event made{"said", payload::copy_of("body")};
    made.what = event::kind::publication;
    made.offset = 12;
    made.time_ms = -5;
    publication_extra extra;
    extra.info = somebody("extra");
    extra.tags = {{"k", "v"}};
    made.extra = std::make_shared<const publication_extra>(extra);
    made.who = somebody("who");
    made.origin = payload::copy_of("request");
    return made;
}

void expect_same(const event& got, const event& what) {
    EXPECT_EQ(got.type, what.type);
    EXPECT_EQ(got.body.bytes(), what.body.bytes());
    EXPECT_EQ(got.what, what.what);
    EXPECT_EQ(got.offset, what.offset);
    EXPECT_EQ(got.time_ms, what.time_ms);
    ASSERT_EQ(got.extra != nullptr, what.extra != nullptr);
    if (got.extra) {
        EXPECT_EQ(*got.extra, *what.extra);
    }
    ASSERT_EQ(got.who != nullptr, what.who != nullptr);
    if (got.who) {
        EXPECT_EQ(*got.who, *what.who);
    }
    EXPECT_EQ(got.origin.bytes(), what.origin.bytes());
}

std::string mail_of(const peer_parcel& what) {
    std::string mail;
    append(mail, view, what);
    return mail;
}

// What is read of a mail with that parcel alone.
template <class Parcel>
Parcel passed_on(const Parcel& what) {
    const auto mail = mail_of(what);
    auto got = read_peer_mail(mail);
    EXPECT_TRUE(got) << got.error();
    EXPECT_EQ(got->view, view);
    EXPECT_EQ(got->unknown_bytes, 0u);
    EXPECT_EQ(got->parcels.size(), 1u);
    EXPECT_EQ(got->parcels.at(0).bytes, mail.size() - peer_mail_head);
    EXPECT_EQ(mail_of(got->parcels[0].what), mail) << "a value has one form";
    return std::get<Parcel>(got->parcels[0].what);
}

std::string refusal(std::string_view mail) {
    const auto got = read_peer_mail(mail);
    if (got) return "read";
    EXPECT_EQ(got.error().code, errc::bad_request);
    return got.error().detail;
}

TEST(PeerMail, AnInterestIsReadAsItWasWritten) {
    for (const bool wanted : {true, false}) {
        const auto got = passed_on(parcels::interest{"group", wanted});
        EXPECT_EQ(got.group, "group");
        EXPECT_EQ(got.wanted, wanted);
    }
}

TEST(PeerMail, APublicationIsReadAsItWasWritten) {
    const auto got = passed_on(parcels::publish{"group", whole_event(), 99, "key", true, 3});
    EXPECT_EQ(got.group, "group");
    expect_same(got.what, whole_event());
    EXPECT_EQ(got.ticket, 99u);
    EXPECT_EQ(got.key, "key");
    EXPECT_TRUE(got.skip_history);
    EXPECT_EQ(got.hops, 3);
}

TEST(PeerMail, WhoEntersAndLeavesIsReadAsItWasWritten) {
    member_info who{*somebody("there"), true, true};
    const auto entered = passed_on(parcels::enter{"group", 1ULL << 40, who, true});
    EXPECT_EQ(entered.group, "group");
    EXPECT_EQ(entered.member, 1ULL << 40);
    EXPECT_EQ(entered.who.who, who.who);
    EXPECT_TRUE(entered.who.presence);
    EXPECT_TRUE(entered.who.join_leave);
    EXPECT_TRUE(entered.again);
    const auto left = passed_on(parcels::leave{"group", 5});
    EXPECT_EQ(left.group, "group");
    EXPECT_EQ(left.member, 5u);
}

TEST(PeerMail, ASubscriptionIsReadAsItWasWritten) {
    subscribe_spec how;
    how.presence = how.join_leave = how.positioned = how.cache = true;
    how.recover_since = position{"epoch", 4};
    how.recover_limit = 17;
    how.who = *somebody("asks");
    const auto got = passed_on(parcels::subscribe{"group", 3, how});
    EXPECT_EQ(got.group, "group");
    EXPECT_EQ(got.ticket, 3u);
    EXPECT_TRUE(got.how.presence && got.how.join_leave && got.how.positioned && got.how.cache);
    EXPECT_EQ(got.how.recover_since, how.recover_since);
    EXPECT_EQ(got.how.recover_limit, 17u);
    EXPECT_EQ(got.how.who, how.who);
    EXPECT_EQ(passed_on(parcels::subscribe{"group", 3, {}}).how.recover_since, std::nullopt);
}

TEST(PeerMail, AnswersAreReadAsTheyWereWritten) {
    const auto at = passed_on(parcels::published{"group", 8, true, {}, {"epoch", 6}});
    EXPECT_EQ(at.ticket, 8u);
    EXPECT_TRUE(at.good);
    EXPECT_EQ(at.at, (position{"epoch", 6}));
    const auto refused = passed_on(parcels::published{"group", 8, false, fail(errc::storage_full, "so"), {}});
    EXPECT_FALSE(refused.good);
    EXPECT_EQ(refused.refused.code, errc::storage_full);
    EXPECT_EQ(refused.refused.detail, "so");
    subscribed what;
    what.top = position{"epoch", 9};
    what.recovered = true;
    what.missed = {to_publication(whole_event())};
    const auto answer = passed_on(parcels::answer{"group", 2, true, {}, what});
    EXPECT_EQ(answer.ticket, 2u);
    EXPECT_EQ(answer.what.top, what.top);
    EXPECT_TRUE(answer.what.recovered);
    ASSERT_EQ(answer.what.missed.size(), 1u);
    EXPECT_EQ(answer.what.missed[0].offset, 12u);
    EXPECT_EQ(answer.what.missed[0].data.bytes(), "body");
    EXPECT_EQ(passed_on(parcels::lost{"group"}).group, "group");
}

TEST(PeerMail, CallsAndWhatIsToldAreReadAsTheyWereWritten) {
    const auto call = passed_on(parcels::call{"group", 4, parcels::call::verb::last_seen, "body\0"s});
    EXPECT_EQ(call.ticket, 4u);
    EXPECT_EQ(call.what, parcels::call::verb::last_seen);
    EXPECT_EQ(call.body, "body\0"s);
    const auto told = passed_on(parcels::told{"group", 4, false, fail(errc::busy, "why"), "body"});
    EXPECT_EQ(told.ticket, 4u);
    EXPECT_FALSE(told.good);
    EXPECT_EQ(told.refused.code, errc::busy);
    EXPECT_EQ(told.body, "body");
}

TEST(PeerMail, EventsAreReadAsTheyWereWritten) {
    const auto direct = passed_on(parcels::send_event{2, 77, whole_event()});
    EXPECT_EQ(direct.loop, 2u);
    EXPECT_EQ(direct.member, 77u);
    expect_same(direct.what, whole_event());
    const auto some = passed_on(parcels::deliver{"group", {whole_event(), event{"said", {}}}});
    EXPECT_EQ(some.group, "group");
    ASSERT_EQ(some.events.size(), 2u);
    expect_same(some.events[0], whole_event());
    expect_same(some.events[1], event{"said", {}});
    EXPECT_EQ(passed_on(parcels::gap{31}).dropped, 31u);
}

TEST(PeerMail, AStreamOnItsWayIsReadAsItWasWritten) {
    const view_name before{6, "a"}, now{7, "b"};
    const auto take = passed_on(parcels::take{"group", before, now});
    EXPECT_EQ(take.group, "group");
    EXPECT_EQ(take.before, before);
    EXPECT_EQ(take.now, now);
    const auto all = passed_on(parcels::take_all{before, now, 1, 2, false});
    EXPECT_EQ(all.before, before);
    EXPECT_EQ(all.now, now);
    EXPECT_EQ(all.loop, 1u);
    EXPECT_EQ(all.loops, 2u);
    EXPECT_FALSE(all.wanted);
    const auto took = passed_on(parcels::took{"group", 3, 4, false});
    EXPECT_EQ(took.ticket, 3u);
    EXPECT_EQ(took.piece, 4u);
    EXPECT_FALSE(took.good);
    const auto given = passed_on(parcels::given_all{now, 1, 2});
    EXPECT_EQ(given.now, now);
    EXPECT_EQ(given.loop, 1u);
    EXPECT_EQ(given.loops, 2u);
    stream_piece piece;
    piece.top = {"epoch", 12};
    piece.oldest = 11;
    piece.ends_ms = 99;
    piece.kept = durability::synced;
    piece.publications = {{55, to_publication(whole_event())}};
    piece.keys = {{"key", {66, {"epoch", 12}}}};
    piece.seen = {{"ann", 77}};
    const auto got = passed_on(parcels::handed{"group", now, 3, 4, true, false, piece});
    EXPECT_EQ(got.now, now);
    EXPECT_EQ(got.ticket, 3u);
    EXPECT_EQ(got.piece, 4u);
    EXPECT_TRUE(got.good);
    EXPECT_FALSE(got.last);
    EXPECT_EQ(got.what.top, piece.top);
    EXPECT_EQ(got.what.oldest, 11u);
    EXPECT_EQ(got.what.ends_ms, 99);
    EXPECT_EQ(got.what.kept, durability::synced);
    ASSERT_EQ(got.what.publications.size(), 1u);
    EXPECT_EQ(got.what.publications[0].ends_ms, 55);
    EXPECT_EQ(got.what.publications[0].what.offset, 12u);
    EXPECT_EQ(got.what.publications[0].what.data.bytes(), "body");
    EXPECT_EQ(got.what.keys, piece.keys);
    ASSERT_EQ(got.what.seen.size(), 1u);
    EXPECT_EQ(got.what.seen[0].user, "ann");
    EXPECT_EQ(got.what.seen[0].time_ms, 77);
}

TEST(PeerMail, ABatchIsWrittenAsItsEvents) {
    const std::vector<event> events{whole_event(), event{"said", payload::copy_of("x")}};
    std::string mail;
    append_deliver(mail, view, batch("group", 5, events));
    EXPECT_EQ(mail, mail_of(parcels::deliver{"group", events}));
}

TEST(PeerMail, OfABatchOtherNodesAreNotToldWhatTheyTellThemselves) {
    std::vector<event> events(3);
    for (auto& each : events) each.who = somebody("who");
    events[0].what = events[1].what = event::kind::leave;
    events[2].what = event::kind::join;
    events[1].only_here = true;
    std::string mail;
    append_deliver(mail, view, batch("group", 5, events));
    EXPECT_EQ(mail, mail_of(parcels::deliver{"group", {events[0], events[2]}}));
}

TEST(PeerMail, ResidentsAreReadAsTheyWereWritten) {
    const auto got = passed_on(parcels::residents{"group", true, {*somebody("came")}, {"a", "b"}});
    EXPECT_EQ(got.group, "group");
    EXPECT_TRUE(got.all);
    ASSERT_EQ(got.came.size(), 1u);
    EXPECT_EQ(got.came[0], *somebody("came"));
    EXPECT_THAT(got.left, ElementsAre("a", "b"));
}

TEST(PeerMail, HasTheseBytes) {
    std::string mail;
    append(mail, view, parcels::interest{"g", true});
    append(mail, view + 1, parcels::leave{"ab", 5});
    append(mail, view, parcels::gap{3});
    EXPECT_EQ(mail,
              "\x01"
              "\x07\0\0\0\0\0\0\0"
              "\0"
              "\x06\0\0\0"
              "\x01\0\0\0g\x01"
              "\x03"
              "\x0e\0\0\0"
              "\x02\0\0\0ab\x05\0\0\0\0\0\0\0"
              "\x0a"
              "\x08\0\0\0"
              "\x03\0\0\0\0\0\0\0"s);
}

TEST(PeerMail, OnlyParcelsAboutAGroupNameOne) {
    EXPECT_EQ(group_of(parcels::call{"group", 1, {}, ""}), "group");
    EXPECT_EQ(group_of(parcels::deliver{"group", {}}), "group");
    EXPECT_EQ(group_of(parcels::gap{1}), "");
    EXPECT_EQ(group_of(parcels::send_event{}), "");
}

TEST(PeerMail, WhatALaterVersionAddsIsSkipped) {
    auto mail = mail_of(parcels::interest{"g", true});
    mail[0] = 2;
    mail += "\xc8\x05\0\0\0later"s;                  // a kind that is not known
    mail += "\0\x09\0\0\0\x01\0\0\0h\x01"s + "end";  // more behind the end that is
    append(mail, view, parcels::gap{1});
    const auto got = read_peer_mail(mail);
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->unknown_bytes, 10u);
    ASSERT_EQ(got->parcels.size(), 3u);
    EXPECT_EQ(std::get<parcels::interest>(got->parcels[1].what).group, "h");
    EXPECT_EQ(got->parcels[1].bytes, 14u);
    std::size_t bytes = peer_mail_head + got->unknown_bytes;
    for (const auto& each : got->parcels) bytes += each.bytes;
    EXPECT_EQ(bytes, mail.size()) << "every byte is counted";
}

TEST(PeerMail, ACutMailIsRefusedWhereverItIsCut) {
    std::string mail;
    std::set<std::size_t> whole{peer_mail_head};
    for (const auto& each :
         std::vector<peer_parcel>{parcels::publish{"group", whole_event(), 1, "key", false, 0},
                                  parcels::answer{"group", 2, true, {}, {}}, parcels::lost{"group"}}) {
        append(mail, view, each);
        whole.insert(mail.size());
    }
    for (std::size_t size = 0; size <= mail.size(); ++size) {
        const auto why = refusal(std::string_view(mail).substr(0, size));
        EXPECT_EQ(why, size < peer_mail_head ? "head" : whole.contains(size) ? "read" : "length") << size;
    }
}

TEST(PeerMail, AMalformedParcelIsRefusedByItsName) {
    auto mail = mail_of(parcels::interest{"g", true});
    mail.back() = 2;
    EXPECT_EQ(refusal(mail), "interest");
    mail = mail_of(parcels::gap{1});
    EXPECT_EQ(refusal(mail.substr(0, peer_mail_head) + "\x0a\x07\0\0\0"s + "1234567"), "gap") << "too short";
    mail = mail_of(parcels::gap{1});
    mail[0] = 0;
    EXPECT_EQ(refusal(mail), "head") << "there was no version 0";
}

TEST(PeerMail, AVerbOfALaterVersionLeavesTheRestOfTheMail) {
    const auto verb = static_cast<parcels::call::verb>(200);
    EXPECT_EQ(passed_on(parcels::call{"g", 7, verb, "body"}).what, verb);
}

TEST(PeerMail, ACountBeyondTheBytesIsRefused) {
    const auto head = mail_of(parcels::gap{1}).substr(0, peer_mail_head);
    EXPECT_EQ(refusal(head + "\x05\x09\0\0\0\x01\0\0\0g\xff\xff\xff\xff"s), "deliver");
    EXPECT_EQ(refusal(head + "\x05\x0d\0\0\0\x01\0\0\0g\x04\0\0\0\0\0\0\0"s), "deliver") << "of few bytes";
    EXPECT_EQ(refusal(head + "\x08\x04\0\0\0\xff\xff\xff\x7f"s), "lost");
}

}  // namespace
}  // namespace madang
