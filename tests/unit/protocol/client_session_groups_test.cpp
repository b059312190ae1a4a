#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/protocol/client_talk.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
using testing::at_nine;
using testing::error_reply;
using testing::goodbye;
using testing::news_of;
using testing::no;
using testing::pub;
using testing::subscribe_to;
using testing::talk;
using testing::yes;
using calls = std::vector<std::string>;

// In every row the group's stream is at (e, 9) with all of it kept.
struct row {
    const char* claim;
    std::string says;
    std::string hears;
    std::string closed = {};
    void (*given)(talk&) = nullptr;
};
const row rows[] = {
    {"Plain", subscribe_to("x"), R"({"id":5,"subscribe":{}})"},
    {"WithoutChannelEnds", R"({"id":5,"subscribe":{}})", "", "3501 bad request"},
    {"EmptyChannelEnds", subscribe_to(""), "", "3501 bad request"},
    {"NameAsLongAsMayBe", subscribe_to(std::string(255, 'x')), R"({"id":5,"subscribe":{}})"},
    {"NameTooLong", subscribe_to(std::string(256, 'x')), error_reply(5, 107, "bad request")},
    {"NameNotAscii", subscribe_to("\xc3\xa9"), error_reply(5, 107, "bad request")},
    {"NameWithEscapes", subscribe_to("\\u0041\\/"), R"({"id":5,"subscribe":{}})"},
    {"NameWithALineFeed", subscribe_to("a\\nb"), error_reply(5, 107, "bad request")},
    {"UnknownNamespace", subscribe_to("q:x"), error_reply(5, 102, "unknown channel")},
    {"Twice", subscribe_to("x") + "\n" + subscribe_to("x"),
     error_reply(5, 105, "already subscribed") + " | " + R"({"id":5,"subscribe":{}})"},
    {"AnotherType", subscribe_to("x", R"(,"type":1)"), error_reply(5, 108, "not available")},
    {"TypeZero", subscribe_to("x", R"(,"type":0)"), R"({"id":5,"subscribe":{}})"},
    {"TagFilter", subscribe_to("x", R"(,"tf":{"key":"a","cmp":"eq","val":"b"})"),
     error_reply(5, 108, "not available")},
    {"NoTagFilter", subscribe_to("x", R"(,"tf":null)"), R"({"id":5,"subscribe":{}})"},
    {"Delta", subscribe_to("x", R"(,"delta":"fossil","flag":1)"), error_reply(5, 108, "not available")},
    {"NoDelta", subscribe_to("x", R"(,"delta":"","flag":1)"), R"({"id":5,"subscribe":{}})"},
    {"DeltaThatIsNoTextEnds", subscribe_to("x", R"(,"delta":1)"), "", "3501 bad request"},
    {"Denied", subscribe_to("x"), error_reply(5, 103, "permission denied"), "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) { return no<subscription_grant>(errc::permission_denied); };
     }},
    {"TokenExpired", subscribe_to("x"), error_reply(5, 109, "token expired"), "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) { return no<subscription_grant>(errc::token_expired); };
     }},
    {"BackendsOwnError", subscribe_to("x"), error_reply(5, 1500, "no"), "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) { return no<subscription_grant>(errc::internal, 1500, "no"); };
     }},
    {"TokenOfAnotherEnds", subscribe_to("x"), "", "3500 invalid token",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) { return goodbye<subscription_grant>(3500, "invalid token"); };
     }},
    {"ExpiredAlready", subscribe_to("x"), error_reply(5, 110, "expired"), "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) {
             subscription_grant grant;
             grant.expire_at = 1'700'000'000;
             return yes(grant);
         };
     }},
    {"StreamIsBusy", subscribe_to("x"), error_reply(5, 503, "busy", true), "",
     [](talk& t) { t.port.on_join = [](auto&, auto&) -> result<subscribed> { return fail(errc::busy); }; }},
    {"GrantsData", subscribe_to("x"), R"({"id":5,"subscribe":{"data":{"a":1}}})", "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) {
             subscription_grant grant;
             grant.data = "{\"a\":\n1}";
             return yes(grant);
         };
     }},
    {"KeptButNotPositioned", subscribe_to("kept:1", R"(,"recover":true,"offset":3,"recoverable":true)"),
     R"({"id":5,"subscribe":{}})"},
    {"Positioned", subscribe_to("pos:1"),
     R"({"id":5,"subscribe":{"positioned":true,"epoch":"e","offset":9}})"},
    {"PositionedIsNotRecoverable", subscribe_to("pos:1", R"(,"recover":true,"offset":3,"epoch":"e")"),
     R"({"id":5,"subscribe":{"positioned":true,"epoch":"e","offset":9}})"},
    {"Recoverable", subscribe_to("news:1"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":9}})"},
    {"Recovers", subscribe_to("news:1", R"(,"recover":true,"offset":7,"epoch":"e")"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"recovered":true,"epoch":"e",)"
     R"("offset":7,"publications":[{"data":8,"offset":8},{"data":9,"offset":9}]}})"},
    {"RecoversWithAnEmptyEpoch", subscribe_to("news:1", R"(,"recover":true,"offset":8)"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"recovered":true,"epoch":"e",)"
     R"("offset":8,"publications":[{"data":9,"offset":9}]}})"},
    {"RecoversNothing", subscribe_to("news:1", R"(,"recover":true,"offset":9,"epoch":"e")"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"recovered":true,"epoch":"e",)"
     R"("offset":9}})"},
    {"AnotherEpochIsNotRecovered", subscribe_to("news:1", R"(,"recover":true,"offset":7,"epoch":"old")"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"epoch":"e","offset":9}})"},
    {"UnrecoveredIsRefusedWhenAskedTo", subscribe_to("news:1", R"(,"recover":true,"epoch":"old","flag":3)"),
     error_reply(5, 112, "unrecoverable position")},
    {"CacheGivesTheLatest", subscribe_to("last:1", R"(,"recover":true)"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"recovered":true,"epoch":"e",)"
     R"("offset":9,"publications":[{"data":9,"offset":9}]}})"},
    {"AGrantTurnsRecoveryOn", subscribe_to("kept:1", R"(,"recover":true,"offset":9)"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"recovered":true,"epoch":"e",)"
     R"("offset":9}})",
     "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) {
             subscription_grant grant;
             grant.recovery = true;
             return yes(grant);
         };
     }},
    {"AGrantTurnsRecoveryOff", subscribe_to("news:1", R"(,"recover":true)"), R"({"id":5,"subscribe":{}})", "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) {
             subscription_grant grant;
             grant.recovery = false;
             return yes(grant);
         };
     }},
    {"AGrantTurnsPositionsOn", subscribe_to("kept:1"),
     R"({"id":5,"subscribe":{"positioned":true,"epoch":"e","offset":9}})", "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) {
             subscription_grant grant;
             grant.positioning = true;
             return yes(grant);
         };
     }},
    {"AGrantCannotRecoverWhatIsNotKept", subscribe_to("x", R"(,"recover":true)"),
     R"({"id":5,"subscribe":{}})", "",
     [](talk& t) {
         t.port.on_subscribe = [](auto&) {
             subscription_grant grant;
             grant.recovery = true;
             return yes(grant);
         };
     }},
    {"LargeOffsets", subscribe_to("news:1", R"(,"recover":true,"offset":18446744073709551615)"),
     R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"epoch":"e","offset":9}})"},
    {"NegativeOffsetEnds", subscribe_to("news:1", R"(,"recover":true,"offset":-1)"), "", "3501 bad request"},
};

class ClientSubscribeCommand : public ::testing::TestWithParam<row> {};
INSTANTIATE_TEST_SUITE_P(, ClientSubscribeCommand, ::testing::ValuesIn(rows),
                         [](const auto& each) { return each.param.claim; });
TEST_P(ClientSubscribeCommand, IsAnswered) {
    talk t;
    t.connected();
    t.port.on_join = at_nine;
    if (GetParam().given != nullptr) GetParam().given(t);
    EXPECT_EQ(t.say(GetParam().says), GetParam().hears);
    EXPECT_EQ(t.closed(), GetParam().closed);
    const bool live = GetParam().hears.find("\"subscribe\":") != std::string::npos;
    EXPECT_EQ(t.session.subscriptions(), live                        ? 1
                                         : GetParam().closed.empty() ? 0
                                                                     : t.session.subscriptions());
}

TEST(ClientSubscribe, AsksWithWhatTheClientSaid) {
    talk t;
    t.connected();
    t.say(subscribe_to("room:1", R"(,"token":"t","data":[1.0],"join_leave":true)"));
    EXPECT_EQ(t.port.subscribe_asked.group, "room:1");
    EXPECT_EQ(t.port.subscribe_asked.token, "t");
    EXPECT_EQ(t.port.subscribe_asked.data, "[1.0]");
    const auto& how = t.port.specs.at("room:1");
    EXPECT_TRUE(how.presence);
    EXPECT_TRUE(how.join_leave);
    EXPECT_FALSE(how.positioned);
    EXPECT_EQ(how.recover_limit, 300u);
    EXPECT_EQ(how.who, (client_info{"c1", "ann", "", ""}));
    EXPECT_EQ(t.port.calls, (calls{"subscribe room:1", "go_live with joins room:1"}));
}

TEST(ClientSubscribe, TellsJoinsToWhoAsked) {
    talk t;
    t.connected();
    t.say(subscribe_to("room:1"));
    t.say(subscribe_to("x", R"(,"join_leave":true)"));
    EXPECT_EQ(t.port.calls, (calls{"subscribe room:1", "go_live room:1", "subscribe x", "go_live x"}));
}

TEST(ClientSubscribe, IsLimited) {
    talk t;
    t.connected();
    t.limits.groups = 2;
    EXPECT_EQ(
        t.say(subscribe_to("a") + "\n" + subscribe_to("b") + "\n" + subscribe_to("c")),
        error_reply(5, 106, "limit exceeded") + R"( | {"id":5,"subscribe":{}} | {"id":5,"subscribe":{}})");
    t.say(R"({"id":6,"unsubscribe":{"channel":"a"}})");
    EXPECT_EQ(t.say(subscribe_to("c")), R"({"id":5,"subscribe":{}})");
}

TEST(ClientSubscribe, LimitIs128) {
    talk t;
    t.connected();
    for (int i = 0; i < 128; ++i)
        ASSERT_EQ(t.say(subscribe_to("g" + std::to_string(i))), R"({"id":5,"subscribe":{}})");
    EXPECT_EQ(t.say(subscribe_to("g128")), error_reply(5, 106, "limit exceeded"));
    EXPECT_EQ(t.say(subscribe_to("g1")), error_reply(5, 105, "already subscribed"));
}

TEST(ClientUnsubscribe, LeavesTheGroup) {
    talk t;
    t.subscribed("news:1");
    EXPECT_EQ(t.say(R"({"id":5,"unsubscribe":{"channel":"news:1"}})"), R"({"id":5,"unsubscribe":{}})");
    EXPECT_EQ(t.port.calls, calls{"unsubscribe news:1"});
    EXPECT_EQ(t.session.subscriptions(), 0u);
}

TEST(ClientUnsubscribe, OvertakesItsSubscribe) {
    for (const bool joined : {false, true}) {
        talk t;
        t.connected();
        t.session.on_message(subscribe_to("news:1"));
        if (joined) t.port.step();
        t.session.on_message(R"({"id":6,"unsubscribe":{"channel":"news:1"}})");
        EXPECT_EQ(t.heard(), error_reply(5, 107, "bad request") + "\n" + R"({"id":6,"unsubscribe":{}})");
        // And again, while the first one's answers are still on their way.
        t.session.on_message(R"({"id":7,"subscribe":{"channel":"news:1"}})");
        t.port.run();
        EXPECT_EQ(t.heard(), R"({"id":7,"subscribe":{"recoverable":true,"positioned":true}})");
        EXPECT_EQ(std::count(t.port.calls.begin(), t.port.calls.end(), "unsubscribe news:1"), joined ? 1 : 0);
        EXPECT_EQ(t.port.calls.back(), "go_live news:1");
    }
}

TEST(ClientNews, AreHeldUntilTheAnswer) {
    talk t;
    t.connected();
    t.session.on_message(subscribe_to("room:1", R"(,"join_leave":true)"));
    t.session.on_news("room:1", news_of(pub(0, "\"too early\"")));
    t.port.step();
    t.session.on_news("room:1", news_of(pub(0, "\"a\"")));
    t.session.on_news("room:1", news_of(group_news::kind::join, "c2"));
    t.session.on_news("room:1", news_of(group_news::kind::leave, "c2"));
    t.session.on_news("room:2", news_of(pub(0, "\"another\"")));
    EXPECT_EQ(t.heard(), "");
    t.port.step();
    EXPECT_EQ(t.heard(),
              "{\"id\":5,\"subscribe\":{}}\n"
              "{\"push\":{\"channel\":\"room:1\",\"pub\":{\"data\":\"a\"}}}\n"
              "{\"push\":{\"channel\":\"room:1\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"c2\"}}}}\n"
              "{\"push\":{\"channel\":\"room:1\",\"leave\":{\"info\":{\"user\":\"u\",\"client\":\"c2\"}}}}");
    t.session.on_news("room:1", news_of(pub(0)));
    EXPECT_EQ(t.heard(), "") << "live ones are not the session's matter";
}

TEST(ClientNews, OfJoinsAreForWhoAsked) {
    talk t;
    t.connected();
    t.session.on_message(subscribe_to("room:1"));
    t.port.step();
    t.session.on_news("room:1", news_of(group_news::kind::join, "c2"));
    t.port.step();
    EXPECT_EQ(t.heard(), R"({"id":5,"subscribe":{}})");
}

TEST(ClientNews, AreBoundedWhileTheyAreHeld) {
    talk t;
    t.limits.news_held = 3;
    t.connected();
    t.session.on_message(subscribe_to("x"));
    t.port.step();
    for (int i = 0; i < 3; ++i) t.session.on_news("x", news_of(pub(0)));
    EXPECT_EQ(t.closed(), "");
    t.session.on_news("x", news_of(pub(0)));
    EXPECT_EQ(t.closed(), "3010 insufficient state");
}

TEST(ClientNews, AreMergedIntoWhatIsRecovered) {
    talk t;
    t.connected();
    t.port.on_join = at_nine;
    t.session.on_message(subscribe_to("news:1", R"(,"recover":true,"offset":8,"epoch":"e")"));
    t.port.step();
    for (const auto each : {11, 9, 10, 11}) t.session.on_news("news:1", news_of(pub(each)));
    t.port.step();
    EXPECT_EQ(
        t.heard(),
        R"({"id":5,"subscribe":{"recoverable":true,"positioned":true,"was_recovering":true,"recovered":true,)"
        R"("epoch":"e","offset":8,"publications":[{"data":9,"offset":9},{"data":10,"offset":10},)"
        R"({"data":11,"offset":11}]}})");
    EXPECT_EQ(t.port.calls, (calls{"subscribe news:1", "go_live news:1"}));
}

TEST(ClientNews, WithAGapEndTheConnection) {
    for (const char* more :
         {"", R"(,"recover":true,"offset":8,"epoch":"e")", R"(,"recover":true,"epoch":"old")"}) {
        talk t;
        t.connected();
        t.port.on_join = at_nine;
        t.session.on_message(subscribe_to("news:1", more));
        t.port.step();
        t.session.on_news("news:1", news_of(pub(11)));
        t.port.step();
        EXPECT_EQ(t.heard(), "");
        EXPECT_EQ(t.closed(), "3010 insufficient state");
    }
}

// Several subscriptions at once; answers and news in any order. What the client hears of each group is its
// stream from the position asked for, once and in order.
TEST(ClientNews, ArriveInAnyOrder) {
    for (unsigned seed = 0; seed < 500; ++seed) {
        std::mt19937 random(seed);
        talk t;
        t.connected();
        std::map<std::string, std::uint64_t> tops;  // of each stream now; all of it is kept
        const calls groups{"news:1", "news:2", "news:3"};
        t.port.on_join = [&](const std::string& group, const subscribe_spec& how) -> result<subscribed> {
            subscribed got{position{"e", tops[group]}, how.recover_since.has_value(), {}};
            if (how.recover_since)
                for (auto each = how.recover_since->offset + 1; each <= tops[group]; ++each)
                    got.missed.push_back(pub(each));
            return got;
        };
        std::string frame;
        for (const auto& each : groups) {
            tops[each] = random() % 10;
            frame += R"({"id":5,"subscribe":{"channel":")" + each + R"(","recover":true,"offset":0}})" + "\n";
        }
        t.session.on_message(frame);
        while (!t.port.later.empty()) {
            if (random() % 2 == 0) {
                t.port.step(random() % t.port.later.size());
            } else {
                const auto& group = groups[random() % groups.size()];
                t.session.on_news(group, news_of(pub(++tops[group])));
            }
        }
        EXPECT_EQ(t.closed(), "");
        const auto heard = t.heard();
        EXPECT_EQ(std::count(t.port.calls.begin(), t.port.calls.end(), "go_live news:2"), 1);
        // Everything that was there when it went live is in its answer; offsets are the data.
        std::size_t answers = 0;
        for (std::size_t at = 0; (at = heard.find("\"recovered\":true", at)) != heard.npos; ++at) {
            ++answers;
            const auto end = heard.find("}}", heard.find("\"offset\":0", at));
            const auto answer = heard.substr(at, end - at);
            std::uint64_t expected = 0;
            for (std::size_t one = 0; (one = answer.find("{\"data\":", one)) != answer.npos; ++one)
                ASSERT_EQ(std::stoull(answer.substr(one + 8)), ++expected) << seed << answer;
        }
        EXPECT_EQ(answers, 3u);
    }
}

TEST(ClientStreamLost, IsToldAsAnUnsubscribe) {
    talk t;
    t.subscribed("news:1");
    t.session.on_stream_lost("news:1");
    EXPECT_EQ(t.heard(),
              R"({"push":{"channel":"news:1","unsubscribe":{"code":2500,"reason":"insufficient state"}}})");
    EXPECT_EQ(t.port.calls, calls{"unsubscribe news:1"});
    EXPECT_EQ(t.closed(), "");
    t.session.on_stream_lost("news:1");
    EXPECT_EQ(t.heard(), "");
}

TEST(ClientStreamLost, IsNothingToWhoKnowsNoPosition) {
    talk t;
    t.subscribed("kept:1");
    t.session.on_stream_lost("kept:1");
    EXPECT_EQ(t.heard(), "");
    EXPECT_EQ(t.session.subscriptions(), 1u);
}

TEST(ClientStreamLost, WhileSubscribingEnds) {
    talk t;
    t.connected();
    t.session.on_message(subscribe_to("news:1"));
    t.session.on_stream_lost("news:1");
    EXPECT_EQ(t.closed(), "") << "it had not joined yet";
    t.port.step();
    t.session.on_stream_lost("news:1");
    EXPECT_EQ(t.closed(), "3010 insufficient state");
}

verdict<subscription_grant> until_60(const subscribe_question&) {
    subscription_grant grant;
    grant.expire_at = 1'700'000'060;
    return yes(grant);
}

verdict<subscription_grant> until_60_by_server(const subscribe_question& what) {
    auto granted = until_60(what);
    granted.yes->server_refresh = true;
    return granted;
}

class ClientSubscriptionExpiryIsTold : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(, ClientSubscriptionExpiryIsTold, ::testing::Values(R"(,"token":"t")", ""));
TEST_P(ClientSubscriptionExpiryIsTold, AndUnsubscribesAfterTheGrace) {
    talk t;
    t.connected();
    t.port.on_subscribe = until_60;
    EXPECT_EQ(t.say(subscribe_to("x", GetParam())), R"({"id":5,"subscribe":{"expires":true,"ttl":60}})");
    EXPECT_EQ(t.port.timers.at(session_timer::subscription_expiry), milliseconds(85'000));
    t.port.clock_ms += 84'000;
    t.session.on_timer(session_timer::subscription_expiry);
    EXPECT_EQ(t.heard(), "");
    EXPECT_EQ(t.port.timers.at(session_timer::subscription_expiry), milliseconds(1'000));
    t.port.clock_ms += 1'000;
    t.session.on_timer(session_timer::subscription_expiry);
    EXPECT_EQ(t.heard(),
              R"({"push":{"channel":"x","unsubscribe":{"code":2501,"reason":"subscription expired"}}})");
    EXPECT_EQ(t.port.calls.back(), "unsubscribe x");
    EXPECT_FALSE(t.port.timers.contains(session_timer::subscription_expiry));
    EXPECT_EQ(t.closed(), "");
}

TEST(ClientSubscriptionExpiry, IsPutOffByARefresh) {
    talk t;
    t.connected();
    t.port.on_subscribe = until_60;
    t.say(subscribe_to("x", R"(,"token":"t")"));
    t.port.on_sub_refresh = [](auto&, auto&) { return yes(refresh_grant{1'700'000'600, ""}); };
    t.say(R"({"id":6,"sub_refresh":{"channel":"x","token":"t2"}})");
    EXPECT_EQ(t.port.timers.at(session_timer::subscription_expiry), milliseconds(625'000));
    t.port.on_sub_refresh = [](auto&, auto&) { return yes<refresh_grant>(); };
    t.say(R"({"id":6,"sub_refresh":{"channel":"x","token":"t3"}})");
    EXPECT_FALSE(t.port.timers.contains(session_timer::subscription_expiry));
}

TEST(ClientSubscriptionExpiry, IsTheServersMatterIfTheGatekeeperSaysSo) {
    talk t;
    t.connected();
    t.port.on_subscribe = until_60_by_server;
    EXPECT_EQ(t.say(subscribe_to("x", R"(,"token":"t")")), R"({"id":5,"subscribe":{}})");
    EXPECT_EQ(t.port.timers.at(session_timer::subscription_expiry), milliseconds(60'000));
    t.port.clock_ms += 60'000;
    t.port.on_sub_refresh = [](auto&, auto&) { return yes(refresh_grant{1'700'000'120, "\"new\""}); };
    t.session.on_timer(session_timer::subscription_expiry);
    t.port.run();
    EXPECT_EQ(t.port.calls.back(), "sub_refresh x ");
    EXPECT_EQ(t.heard(), "");
    t.port.clock_ms += 60'000;
    t.port.on_sub_refresh = [](auto&, auto&) { return no<refresh_grant>(errc::expired); };
    t.session.on_timer(session_timer::subscription_expiry);
    t.port.run();
    EXPECT_EQ(t.heard(),
              R"({"push":{"channel":"x","unsubscribe":{"code":2501,"reason":"subscription expired"}}})");
}

// ------------------------------------------------------------------------------------------- in one frame

TEST(ClientOrder, WhatAsksAboutAGroupWaitsForItsSubscribe) {
    talk t;
    t.connected();
    std::vector<bool> by_subscriber;
    t.port.on_publish = [&](auto&, bool subscribed) {
        by_subscriber.push_back(subscribed);
        return yes<publish_grant>();
    };
    t.port.page = history_page{{"e", 4}, {}};
    t.session.on_message(R"({"id":2,"subscribe":{"channel":"x"}})"
                         "\n"
                         R"({"id":3,"history":{"channel":"x"}})"
                         "\n"
                         R"({"id":4,"publish":{"channel":"x","data":1}})"
                         "\n"
                         R"({"id":5,"presence_stats":{"channel":"x"}})"
                         "\n"
                         R"({"id":6,"rpc":{"data":7}})");
    EXPECT_EQ(t.port.history_asked.group, "");
    t.port.run();
    EXPECT_EQ(t.heard(),
              R"({"id":6,"rpc":{"data":7}} | {"id":2,"subscribe":{}} | )"
              R"({"id":3,"history":{"epoch":"e","offset":4}} | )"
              R"({"id":5,"presence_stats":{"num_clients":0,"num_users":0}} | {"id":4,"publish":{}})");
    EXPECT_EQ(by_subscriber, std::vector<bool>{true});
}

TEST(ClientOrder, OtherGroupsDoNotWait) {
    talk t;
    t.subscribed("y");
    t.session.on_message(R"({"id":3,"subscribe":{"channel":"x"}})"
                         "\n"
                         R"({"id":4,"history":{"channel":"y"}})");
    EXPECT_EQ(t.port.history_asked.group, "y");
}

TEST(ClientOrder, BehindARefusedSubscribeItIsAnsweredAsWithoutOne) {
    talk t;
    t.connected();
    t.port.on_subscribe = [](auto&) { return no<subscription_grant>(errc::permission_denied); };
    bool by_subscriber = true;
    t.port.on_publish = [&](auto&, bool subscribed) {
        by_subscriber = subscribed;
        return no<publish_grant>(errc::permission_denied);
    };
    EXPECT_EQ(t.say(subscribe_to("x") + "\n" + R"({"id":5,"publish":{"channel":"x","data":1}})"),
              error_reply(5, 103, "permission denied") + " | " + error_reply(5, 103, "permission denied"));
    EXPECT_FALSE(by_subscriber);
}

TEST(ClientOrder, BehindWhatWaitsEverythingAboutThatGroupWaitsInLine) {
    talk t;
    t.connected();
    EXPECT_EQ(t.say(R"({"id":2,"subscribe":{"channel":"x"}})"
                    "\n"
                    R"({"id":3,"presence_stats":{"channel":"x"}})"
                    "\n"
                    R"({"id":4,"unsubscribe":{"channel":"x"}})"
                    "\n"
                    R"({"id":5,"subscribe":{"channel":"x"}})"),
              R"({"id":2,"subscribe":{}} | {"id":4,"unsubscribe":{}} | )"
              R"({"id":3,"presence_stats":{"num_clients":0,"num_users":0}} | )"
              R"({"id":5,"subscribe":{}})");
    EXPECT_EQ(t.port.calls, (calls{"subscribe x", "go_live x", "unsubscribe x", "subscribe x", "go_live x"}));
}

TEST(ClientOrder, WhatTheServersUnsubscribeLeavesBehindIsAnswered) {
    talk t;
    t.connected();
    t.session.on_message(subscribe_to("x") + "\n" + R"({"id":6,"presence_stats":{"channel":"x"}})");
    client_command what;
    what.what = client_command::verb::unsubscribe;
    t.session.on_command(what);
    t.port.run();
    EXPECT_EQ(t.heard(), error_reply(5, 103, "permission denied") +
                             R"( | {"id":6,"presence_stats":{"num_clients":0,"num_users":0}})");
}

TEST(ClientOrder, WhatWaitsCountsAsCommandsWithoutAnAnswer) {
    talk t;
    t.connected();
    t.limits.commands_waiting = 3;
    const std::string ask = R"({"id":6,"presence_stats":{"channel":"x"}})";
    for (int round = 0; round < 3; ++round) {
        t.session.on_message(subscribe_to("x") + "\n" + ask + "\n" + ask);
        EXPECT_EQ(t.closed(), "");
        t.port.run();
        t.say(R"({"id":7,"unsubscribe":{"channel":"x"}})");
    }
    t.limits.waiting_bytes = 200;
    t.session.on_message(subscribe_to("x") + "\n" + ask);
    EXPECT_EQ(t.closed(), "");
    t.session.on_message(ask + std::string(100, ' '));
    EXPECT_EQ(t.closed(), "3013 too many requests");
}

}  // namespace
}  // namespace madang
