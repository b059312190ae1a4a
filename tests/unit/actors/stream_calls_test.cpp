#include "actors/stream_calls.hpp"

#include <gmock/gmock.h>

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using verb = peer_parcels::call::verb;

struct StreamCalls : testing::Test {
    std::optional<peer_parcels::call> ask(std::size_t peer, std::uint64_t link, std::string body = "body") {
        return calls.ask(peer, link, "group", verb::presence, std::move(body),
                         [this](result<std::string> got) {
                             told.push_back(got ? *got : std::string(describe(got.error().code).name));
                         });
    }
    static peer_parcels::told good(const peer_parcels::call& to, std::string body) {
        return {"group", to.ticket, true, {}, std::move(body)};
    }

    stream_calls calls;
    std::vector<std::string> told;
    const std::string busy{describe(errc::busy).name};
};

TEST_F(StreamCalls, AnAnswerIsToldToWhoeverAsked) {
    const auto one = ask(0, 1).value(), two = ask(1, 4).value();
    EXPECT_EQ(one.group, "group");
    EXPECT_EQ(one.what, verb::presence);
    EXPECT_EQ(one.body, "body");
    EXPECT_NE(one.ticket, two.ticket);
    calls.came(1, 4, good(two, "second"));
    calls.came(0, 1, {"group", one.ticket, false, fail(errc::not_available), {}});
    EXPECT_THAT(told, ElementsAre("second", describe(errc::not_available).name));
}

TEST_F(StreamCalls, AnAnswerIsTakenOnceAndFromNobodyElse) {
    const auto call = ask(2, 5).value();
    calls.came(1, 5, good(call, "another node's"));
    calls.came(2, 4, good(call, "over a link before"));
    calls.came(2, 5, {"group", call.ticket + 1, true, {}, "of no question"});
    EXPECT_THAT(told, IsEmpty());
    calls.came(2, 5, good(call, "right"));
    calls.came(2, 5, good(call, "again"));
    EXPECT_THAT(told, ElementsAre("right"));
}

TEST_F(StreamCalls, WhoseLinkIsGoneIsToldSo) {
    ask(0, 1);
    const auto stays = ask(1, 1).value();
    ask(0, 1);
    calls.links_changed([](std::size_t peer, std::uint64_t) { return peer == 1; });
    EXPECT_THAT(told, ElementsAre(busy, busy));
    calls.came(1, 1, good(stays, "here"));
    EXPECT_THAT(told, ElementsAre(busy, busy, "here"));
}

TEST_F(StreamCalls, WhatCouldNotBeSentIsRefusedOnce) {
    const auto call = ask(0, 1).value();
    calls.refused(call.ticket, fail(errc::busy));
    calls.refused(call.ticket, fail(errc::busy));
    calls.came(0, 1, good(call, "late"));
    EXPECT_THAT(told, ElementsAre(busy));
}

TEST_F(StreamCalls, NoMoreWaitThanTheLimit) {
    std::optional<peer_parcels::call> last;
    for (std::size_t i = 0; i < stream_calls::limit; ++i) last = ask(0, 1);
    ASSERT_TRUE(last);
    EXPECT_FALSE(ask(0, 1));
    EXPECT_THAT(told, ElementsAre(busy));
    calls.came(0, 1, good(*last, "room"));
    EXPECT_TRUE(ask(0, 1));
}

// An answer may ask again: nothing is locked then.
TEST_F(StreamCalls, AnAnswerMayAskAnew) {
    const auto call = calls.ask(0, 1, "group", verb::history, "", [&](result<std::string>) { ask(0, 2); });
    calls.links_changed([](std::size_t, std::uint64_t link) { return link == 2; });
    EXPECT_THAT(told, IsEmpty());
    calls.links_changed([](std::size_t, std::uint64_t) { return false; });
    EXPECT_THAT(told, ElementsAre(busy));
}

TEST(CallBodies, AreReadAsTheyWereWritten) {
    history_request request{"group", 5, position{"epoch", 3}, true};
    const auto got = from_call_body<history_request>(to_call_body(request)).value();
    EXPECT_EQ(got.group, "group");
    EXPECT_EQ(got.limit, 5u);
    EXPECT_EQ(got.since, request.since);
    EXPECT_TRUE(got.reverse);
    const auto seen =
        from_call_body<last_seen_question>(to_call_body(last_seen_question{"group", 9})).value();
    EXPECT_EQ(seen.group, "group");
    EXPECT_EQ(seen.limit, 9u);
    EXPECT_EQ(from_call_body<position>(to_call_body(position{"epoch", 7})).value(), (position{"epoch", 7}));
    presence_page page;
    page.clients = {{client_info{"c", "u", "{}", "[]"}, 12}};
    page.more = true;
    const auto who = from_call_body<presence_page>(to_call_body(page)).value();
    EXPECT_TRUE(who.more);
    EXPECT_EQ(who.clients.at(0).who, page.clients[0].who);
    EXPECT_EQ(who.clients.at(0).since_ms, 12);
}

TEST(CallBodies, AreRefusedWhenTheyAreCut) {
    const auto body = to_call_body(position{"epoch", 7});
    for (std::size_t size = 0; size < body.size(); ++size)
        EXPECT_EQ(from_call_body<position>(body.substr(0, size)).error().code, errc::bad_request);
}

}  // namespace
}  // namespace madang
