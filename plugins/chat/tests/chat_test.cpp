#include <gtest/gtest.h>

#include <madang/testing.hpp>

#include "../calls.hpp"

using madang::json;
using madang::testing::Communicator;
using madang::testing::Server;
using namespace std::chrono_literals;

namespace {

struct Chat : ::testing::Test {
    void load(const json& config = json::object()) { server.load_file(MADANG_TEST_PLUGIN, config); }
    // Connects and reads the line of joining.
    void join(Communicator& member) {
        ASSERT_TRUE(member.connect());
        EXPECT_EQ(member.receive_json(), json({{"system", member.channel_name() + " joined"}}));
    }
    void refused(Communicator& member, const std::string& why) {
        EXPECT_EQ(member.receive_json(), json({{"error", why}}));
        EXPECT_TRUE(member.receive_nothing());
    }
    Server server;
};

TEST_F(Chat, AMessageReachesEverybodyInTheRoomAndOnlyThem) {
    load();
    Communicator ann(server, "/ws/chat/yard/"), bob(server, "/ws/chat/yard/"), eve(server, "/ws/chat/other/");
    join(ann);
    join(bob);
    join(eve);
    EXPECT_EQ(ann.receive_json(), json({{"system", bob.channel_name() + " joined"}}));
    ann.send_json({{"message", "안녕, 마당!"}, {"secret", "stays behind"}});
    EXPECT_EQ(ann.receive_text(), R"({"message":"안녕, 마당!"})");
    EXPECT_EQ(bob.receive_text(), R"({"message":"안녕, 마당!"})");
    bob.disconnect();
    EXPECT_EQ(ann.receive_json(), json({{"system", bob.channel_name() + " left"}}));
    EXPECT_TRUE(bob.receive_nothing());
    EXPECT_TRUE(eve.receive_nothing());
}

TEST_F(Chat, WhoACrashTookIsSaidToHaveLeft) {
    load();
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    server.group_send("room:yard", "presence.leave", {{"client", "specific.old!1"}, {"user", "bob"}});
    EXPECT_EQ(ann.receive_json(), json({{"system", "specific.old!1 left"}}));
    server.group_send("room:yard", "presence.leave", {{"client", 7}});
    EXPECT_TRUE(ann.receive_nothing());
}

TEST_F(Chat, TheGroupIsNamedAfterTheRoom) {
    load();
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    EXPECT_TRUE(ann.in_group("room:yard"));
    server.group_send("room:yard", "chat.message", {{"message", "from outside"}});
    EXPECT_EQ(ann.receive_json()["message"], "from outside");
}

TEST_F(Chat, RoomNamesMayHoldSpacesAndHangulAndStayApart) {
    load();
    Communicator spaced(server, "/ws/chat/a%20b/"), literal(server, "/ws/chat/a%2520b/"),
        korean(server, "/ws/chat/%EB%A7%88%EB%8B%B9/");
    join(spaced);
    join(literal);
    join(korean);
    EXPECT_TRUE(spaced.in_group("room:a%20b"));
    EXPECT_TRUE(literal.in_group("room:a%2520b"));
    EXPECT_TRUE(korean.in_group("room:%EB%A7%88%EB%8B%B9"));
    spaced.send_json({{"message", "x"}});
    EXPECT_EQ(spaced.receive_json()["message"], "x");
    EXPECT_TRUE(literal.receive_nothing());
}

TEST_F(Chat, ARoomNameThatIsTooLongIsRefusedPolitely) {
    load();
    Communicator longest(server, "/ws/chat/" + std::string(250, 'r') + "/");
    join(longest);
    Communicator ann(server, "/ws/chat/" + std::string(251, 'r') + "/");
    ASSERT_TRUE(ann.connect());
    EXPECT_EQ(ann.receive_json(), json({{"error", "the room's name is too long"}}));
    EXPECT_EQ(ann.receive_close(), 1008);
    EXPECT_TRUE(server.reports().empty());
}

TEST_F(Chat, RefusesWhatIsNoMessageToItsSenderOnly) {
    load();
    Communicator ann(server, "/ws/chat/yard/"), bob(server, "/ws/chat/yard/");
    join(ann);
    join(bob);
    ann.receive_json();
    for (const json& wrong :
         {json(1), json::object(), json({{"message", 1}}), json({{"text", "x"}}), json({"x"})}) {
        ann.send_json(wrong);
        refused(ann, "expected {\"message\": \"…\"}");
    }
    ann.send_json({{"message", ""}});
    refused(ann, "the message is empty");
    EXPECT_TRUE(bob.receive_nothing());
}

TEST_F(Chat, WhatIsNotJsonClosesWith1011) {
    load();
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    ann.send_text("hello");
    EXPECT_EQ(ann.receive_close(), 1011);
}

TEST_F(Chat, CountsCharactersNotBytes) {
    load({{"max_characters", 3}});
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    ann.send_json({{"message", "가나다"}});
    EXPECT_EQ(ann.receive_json()["message"], "가나다");
    ann.send_json({{"message", "가나다라"}});
    refused(ann, "the message is longer than 3 characters");
}

TEST_F(Chat, AllowsFourThousandAndNinetySixCharactersByDefault) {
    load();
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    ann.send_json({{"message", std::string(4096, 'x')}});
    EXPECT_TRUE(ann.receive_json().contains("message"));
    ann.send_json({{"message", std::string(4097, 'x')}});
    refused(ann, "the message is longer than 4096 characters");
}

TEST_F(Chat, TheCooldownIsPerMemberAndCountsSentMessagesOnly) {
    load({{"cooldown_ms", 1000}});
    Communicator ann(server, "/ws/chat/yard/"), bob(server, "/ws/chat/yard/");
    join(ann);
    join(bob);
    ann.receive_json();
    ann.send_json({{"message", ""}});
    refused(ann, "the message is empty");
    ann.send_json({{"message", "1"}});
    EXPECT_EQ(ann.receive_json()["message"], "1");
    EXPECT_EQ(bob.receive_json()["message"], "1");
    server.advance(400ms);
    ann.send_json({{"message", "2"}});
    refused(ann, "too fast: wait 600 ms");
    bob.send_json({{"message", "3"}});
    EXPECT_EQ(bob.receive_json()["message"], "3");
    server.advance(600ms);
    EXPECT_EQ(ann.receive_json()["message"], "3");
    ann.send_json({{"message", "4"}});
    EXPECT_EQ(ann.receive_json()["message"], "4");
}

TEST_F(Chat, FiltersWords) {
    load({{"banned_words", {"Darn", "나쁜말"}}});
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    for (const auto* text : {"darn", "oh DARN!", "이런 나쁜말을"}) {
        ann.send_json({{"message", text}});
        refused(ann, "the message contains a word that is not allowed here");
    }
    ann.send_json({{"message", "darning socks"}});
    EXPECT_EQ(ann.receive_json()["message"], "darning socks");
}

TEST_F(Chat, RoomsAreAllowedAndForbiddenByPattern) {
    load({{"allowed_rooms", {"yard", "team-*"}}, {"forbidden_rooms", {"team-x*"}}});
    for (const auto* room : {"yard", "team-a"}) {
        Communicator ann(server, std::string("/ws/chat/") + room + "/");
        join(ann);
    }
    for (const auto* room : {"garden", "team-x1"}) {
        Communicator ann(server, std::string("/ws/chat/") + room + "/");
        ASSERT_TRUE(ann.connect());
        EXPECT_EQ(ann.receive_json(), json({{"error", "you may not enter this room"}}));
        EXPECT_EQ(ann.receive_close(), 1008);
    }
    Communicator outside(server, "/ws/chat/garden/");
    outside.connect();
    server.group_send("room:garden", "chat.message", 1);
    EXPECT_TRUE(outside.receive_json().contains("error"));
    EXPECT_TRUE(outside.receive_nothing());
}

TEST_F(Chat, AWrongConfigurationIsRefusedWithItsKey) {
    EXPECT_THROW(load({{"cooldown", 1}}), madang::testing::Failure);
    EXPECT_THROW(load({{"cooldown_ms", -1}}), madang::testing::Failure);
    EXPECT_THROW(load({{"banned_words", "darn"}}), madang::testing::Failure);
    EXPECT_EQ(server.logs().at(1).message, "cooldown_ms: must not be negative");
}

class MembersOnly : public chat::ChatConsumer {
  public:
    using ChatConsumer::ChatConsumer;
    static void setup(madang::Class<MembersOnly>& c) { describe(c); }
    bool may_enter(std::string_view) const override { return scope().user().authenticated(); }
};

TEST_F(Chat, ThePermissionHookCanAskForTheUser) {
    server.websocket<MembersOnly>("/ws/chat/<str:room>/", {}, chat::Rules{});
    Communicator ann(server, "/ws/chat/yard/"), anonymous(server, "/ws/chat/yard/");
    ann.user("ann");
    join(ann);
    ann.send_json({{"message", "hi"}});
    EXPECT_EQ(ann.receive_json()["message"], "hi");
    anonymous.connect();
    EXPECT_EQ(anonymous.receive_json()["error"], "you may not enter this room");
    EXPECT_EQ(anonymous.receive_close(), 1008);
}

// -- What is kept

TEST_F(Chat, AJoinerIsShownTheLastFiftyMessagesOldestFirstBeforeAnythingElse) {
    load();
    for (int i = 0; i < 70; ++i) server.publish("room:yard", {{"message", std::to_string(i)}});
    Communicator ann(server, "/ws/chat/yard/");
    ASSERT_TRUE(ann.connect());
    for (int i = 20; i < 70; ++i) EXPECT_EQ(ann.receive_json(), json({{"message", std::to_string(i)}}));
    EXPECT_EQ(ann.receive_json(), json({{"system", ann.channel_name() + " joined"}}));
    EXPECT_TRUE(ann.receive_nothing());
}

TEST_F(Chat, KeepsMessagesForADayAndNeitherNoticesNorTypingNorRefusals) {
    load({{"banned_words", {"darn"}}});
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    ann.send_json({{"message", "kept"}});
    ann.send_json({{"message", "darn"}});
    ann.send_json({{"typing", true}});
    EXPECT_EQ(server.history("room:yard"), (std::vector<json>{{{"message", "kept"}}}));
    server.advance(24h);
    EXPECT_TRUE(server.history("room:yard").empty());
}

TEST_F(Chat, WhatIsSaidWhileHistoryIsOnItsWayComesBehindItAndOnce) {
    load();
    server.publish("room:yard", {{"message", "before"}});
    server.delay_answers(1s);
    Communicator ann(server, "/ws/chat/yard/");
    ASSERT_TRUE(ann.connect());
    server.publish("room:yard", {{"message", "meanwhile"}});
    EXPECT_TRUE(ann.receive_nothing());
    server.advance(1s);
    EXPECT_EQ(ann.receive_json()["message"], "before");
    EXPECT_EQ(ann.receive_json(), json({{"system", ann.channel_name() + " joined"}}));
    EXPECT_EQ(ann.receive_json()["message"], "meanwhile");
    server.publish("room:yard", {{"message", "after"}});
    EXPECT_EQ(ann.receive_json()["message"], "after");
    EXPECT_TRUE(ann.receive_nothing());
}

TEST_F(Chat, HistoryThatNeverComesDoesNotHoldTheRoomUpForEver) {
    load();
    server.delay_answers(1h);
    Communicator ann(server, "/ws/chat/yard/");
    ASSERT_TRUE(ann.connect());
    const auto most = static_cast<int>(chat::Backlog::most_waiting);
    for (int i = 0; i < most; ++i) server.publish("room:yard", {{"message", std::to_string(i)}});
    EXPECT_EQ(ann.receive_json(), json({{"system", ann.channel_name() + " joined"}}));
    for (int i = 0; i < most; ++i) EXPECT_EQ(ann.receive_json()["message"], std::to_string(i));
    server.advance(1h);
    EXPECT_TRUE(ann.receive_nothing());
}

TEST_F(Chat, AMemberThatLeavesBeforeHistoryCameTakesItAlong) {
    load();
    server.delay_answers(1s);
    {
        Communicator ann(server, "/ws/chat/yard/");
        ASSERT_TRUE(ann.connect());
    }
    server.advance(1s);
    EXPECT_TRUE(server.reports().empty());
    EXPECT_EQ(server.payloads_alive(), 0);
}

TEST_F(Chat, ServesARoomWithoutHistory) {
    load();
    server.declare_namespace("room", {{"history_size", 0}});
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    ann.send_json({{"message", "live"}});
    EXPECT_EQ(ann.receive_json()["message"], "live");
}

TEST(Backlog, KnowsWhatHistoryHasShownButNotForEver) {
    using namespace std::chrono_literals;
    chat::Backlog backlog;
    EXPECT_TRUE(backlog.waits());
    EXPECT_FALSE(backlog.shown(1, 0ms));
    EXPECT_TRUE(backlog.release(7, 0ms).empty());
    EXPECT_FALSE(backlog.waits());
    EXPECT_TRUE(backlog.shown(7, 1s));
    EXPECT_FALSE(backlog.shown(8, 1s));
    EXPECT_FALSE(backlog.shown(0, 1s)) << "not of the stream";
    EXPECT_FALSE(backlog.shown(1, 1min)) << "a stream that began anew";
}

// -- Who is there

TEST_F(Chat, WhoIsAnsweredToTheAskerOnly) {
    load();
    Communicator ann(server, "/ws/chat/yard/"), bob(server, "/ws/chat/yard/"),
        guest(server, "/ws/chat/yard/");
    ann.user("ann");
    bob.user("bob");
    join(ann);
    join(bob);
    ann.receive_json();
    server.advance(5s);
    bob.disconnect();
    ann.receive_json();
    join(guest);
    ann.receive_json();
    ann.send_json({{"who", true}});
    const json answer = ann.receive_json();
    EXPECT_EQ(answer["you"], ann.channel_name());
    ASSERT_EQ(answer["here"].size(), 2u);
    EXPECT_EQ(answer["here"][0],
              json({{"user", "ann"}, {"client", ann.channel_name()}, {"since", 1'000'000}}));
    EXPECT_EQ(answer["here"][1]["user"], "");
    EXPECT_EQ(answer["seen"], json::array({{{"user", "bob"}, {"time", 1'005'000}}}));
    EXPECT_TRUE(guest.receive_nothing());
}

TEST_F(Chat, TypingIsToldToTheOthersAtMostOnceASecond) {
    load();
    Communicator ann(server, "/ws/chat/yard/"), bob(server, "/ws/chat/yard/");
    join(ann);
    join(bob);
    ann.receive_json();
    ann.send_json({{"typing", true}});
    ann.send_json({{"typing", true}});
    EXPECT_EQ(bob.receive_json(), json({{"typing", ann.channel_name()}}));
    EXPECT_TRUE(bob.receive_nothing());
    EXPECT_TRUE(ann.receive_nothing());
    server.advance(1s);
    ann.send_json({{"typing", true}});
    EXPECT_EQ(bob.receive_json(), json({{"typing", ann.channel_name()}}));
}

TEST_F(Chat, ShowsOfPublicationsOnlyWhatItKnows) {
    load();
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    for (const json& strange : {json(1), json("message"), json({{"message", 1}}), json({{"error", "x"}}),
                                json({{"system", "x joined"}}), json({{"message", "x"}, {"more", 1}})})
        server.publish("room:yard", strange);
    EXPECT_TRUE(ann.receive_nothing());
    server.publish("room:yard", {{"message", "from outside"}});
    EXPECT_EQ(ann.receive_json(), json({{"message", "from outside"}}));
}

// -- Clients of the client protocol

TEST_F(Chat, SayIsAMessageLikeAnyUnderTheSameRules) {
    load({{"banned_words", {"darn"}}, {"forbidden_rooms", {"cellar"}}, {"cooldown_ms", 1000}});
    Communicator ann(server, "/ws/chat/a%20b/");
    join(ann);
    EXPECT_TRUE(server.rpc("chat.say", {{"room", "a b"}, {"message", "안녕"}}));
    EXPECT_EQ(ann.receive_text(), R"({"message":"안녕"})");
    EXPECT_EQ(server.rpc("chat.say", {{"room", "a b"}, {"message", "again"}}).message,
              "too fast: wait 1000 ms");
    EXPECT_TRUE(server.rpc("chat.say", {{"room", "a b"}, {"message", "me too"}}, {.client = "client-2"}));
    server.advance(1s);
    const auto refused = [&](const json& data) {
        const auto answer = server.rpc("chat.say", data);
        EXPECT_EQ(answer.code, 400u);
        return answer.message;
    };
    EXPECT_EQ(refused({{"room", "a b"}, {"message", "darn"}}),
              "the message contains a word that is not allowed here");
    EXPECT_EQ(refused({{"room", "cellar"}, {"message", "x"}}), "you may not enter this room");
    EXPECT_EQ(refused({{"room", std::string(251, 'r')}, {"message", "x"}}), "the room's name is too long");
    EXPECT_EQ(refused({{"message", "x"}}), "expected {\"room\": \"…\"}");
    EXPECT_EQ(refused({{"room", "a b"}, {"message", 1}}), "expected {\"message\": \"…\"}");
    EXPECT_EQ(server.history("room:a%20b").size(), 2u);
}

TEST_F(Chat, TypingAndWhoCanBeCalledToo) {
    load();
    Communicator ann(server, "/ws/chat/yard/");
    join(ann);
    EXPECT_TRUE(server.rpc("chat.typing", {{"room", "yard"}}));
    EXPECT_TRUE(server.rpc("chat.typing", {{"room", "yard"}}));
    EXPECT_EQ(ann.receive_json(), json({{"typing", "client-1"}}));
    EXPECT_TRUE(ann.receive_nothing());
    const auto who = server.rpc("chat.who", {{"room", "yard"}});
    EXPECT_EQ(who.data["here"][0]["client"], ann.channel_name());
    EXPECT_EQ(who.data["you"], "client-1");
    EXPECT_TRUE(who.data["seen"].empty());
}

TEST(Pauses, AreForgottenWhenTheyAreOver) {
    using namespace std::chrono_literals;
    chat::Pauses pauses;
    for (int i = 0; i < 5000; ++i)
        EXPECT_EQ(pauses.ask(std::to_string(i), std::chrono::milliseconds(i), 10ms), 0ms);
    EXPECT_EQ(pauses.ask("4999", 5s, 10ms), 9ms);
    EXPECT_EQ(pauses.ask("4999", 6s, 10ms), 0ms);
}

TEST(ChatConsumer, IsSmall) { EXPECT_LE(sizeof(chat::ChatConsumer), 80u); }

}  // namespace
