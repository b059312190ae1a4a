#include "broker/protocol/client_session.hpp"

#include <gtest/gtest.h>

#include "broker/core/close_codes.hpp"
#include "tests/unit/protocol/client_talk.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
using testing::goodbye;
using testing::no;
using testing::pub;
using testing::talk;
using testing::yes;

const std::string hello = R"({"id":1,"connect":{"client":"c1","version":"Madang 0.1.0",)";
const std::string rest = R"("ping":25,"pong":true,"time":1700000000000}})";

TEST(ClientSession, Connects) {
    talk t;
    EXPECT_EQ(t.port.timers.at(session_timer::connect), milliseconds(10'000));
    EXPECT_FALSE(t.session.connected());
    EXPECT_EQ(t.say(R"({"id":1,"connect":{}})"), hello + rest);
    EXPECT_TRUE(t.session.connected());
    EXPECT_EQ(t.session.who().user, "ann");
    EXPECT_FALSE(t.port.timers.contains(session_timer::connect));
    EXPECT_EQ(t.closed(), "");
}

TEST(ClientSession, PresentsTheClient) {
    talk t;
    t.say(
        R"({"id":1,"connect":{"token":"t","data":{"a":1.0},"name":"js","version":"5","headers":{"X":"y","n":1},)"
        R"("subs":{"a":{"recover":true,"offset":3,"epoch":"e"},"b":{}}}})");
    const auto& asked = t.port.connect_asked;
    EXPECT_EQ(asked.client, "c1");
    EXPECT_EQ(asked.transport, "websocket");
    EXPECT_EQ(asked.token, "t");
    EXPECT_EQ(asked.data, "{\"a\":1.0}");
    EXPECT_EQ(asked.name, "js");
    EXPECT_EQ(asked.version, "5");
    EXPECT_EQ(asked.headers, (std::vector<std::pair<std::string, std::string>>{{"X", "y"}}));
    EXPECT_EQ(asked.groups, (std::vector<std::string>{"a", "b"}));
    EXPECT_NE(asked.known, nullptr);
    t.say(R"({"id":2,"rpc":{}})");
    EXPECT_EQ(t.port.asker.who.client, "c1");
    EXPECT_EQ(t.port.asker.who.user, "ann");
    EXPECT_EQ(t.port.asker.transport, "websocket");
    EXPECT_EQ(t.port.asker.known, asked.known);
}

TEST(ClientSession, TellsDataAndSession) {
    talk t(false, "s1");
    t.port.on_connect = [](auto&) {
        connect_grant grant;
        grant.data = "{\"welcome\":\n1}";
        return yes(grant);
    };
    EXPECT_EQ(
        t.say(R"({"id":1,"connect":{}})"),
        hello +
            R"("data":{"welcome":1},"ping":25,"pong":true,"session":"s1","node":"n1","time":1700000000000}})");
    EXPECT_EQ(t.session.session_id(), "s1");
}

struct opening {
    const char* claim;
    std::string says;
    std::string hears;
    std::string closed;
    verdict<connect_grant> (*answers)() = [] { return yes<connect_grant>(); };
};
std::string error(int code, const std::string& rest_of) {
    return "{\"id\":1,\"error\":{\"code\":" + std::to_string(code) + ",\"message\":\"" + rest_of + "}}";
}
const std::string command = R"({"id":1,"connect":{}})";
const opening openings[] = {
    {"EmptyFrame", "", "", "3501 bad request"},
    {"AnotherCommandFirst", R"({"id":1,"subscribe":{"channel":"x"}})", "", "3501 bad request"},
    {"SendFirst", R"({"send":{"data":1}})", "", "3501 bad request"},
    {"PongFirst", "{}", "", "3501 bad request"},
    {"WithoutId", R"({"connect":{}})", "", "3501 bad request"},
    {"TokenOfAnotherType", R"({"id":1,"connect":{"token":1}})", "", "3501 bad request"},
    {"SubsOfAnotherType", R"({"id":1,"connect":{"subs":[]}})", "", "3501 bad request"},
    {"ASubOfAnotherType", R"({"id":1,"connect":{"subs":{"a":1}}})", "", "3501 bad request"},
    {"ASubsOffsetOfAnotherType", R"({"id":1,"connect":{"subs":{"a":{"offset":"1"}}}})", "",
     "3501 bad request"},
    {"HeadersOfAnotherType", R"({"id":1,"connect":{"headers":[]}})", "", "3501 bad request"},
    {"TwoConnects", command + "\n" + command, "", "3501 bad request"},
    {"PongBeforeTheAnswer", command + "\n{}", "", "3501 bad request"},
    {"Unauthorized", command, error(101, "unauthorized\""), "",
     [] { return no<connect_grant>(errc::unauthorized); }},
    {"TokenExpired", command, error(109, "token expired\""), "",
     [] { return no<connect_grant>(errc::token_expired); }},
    {"GatekeeperFails", command, error(100, "internal server error\",\"temporary\":true"), "",
     [] { return no<connect_grant>(errc::internal); }},
    {"BackendsOwnError", command, error(1234, "go away\""), "",
     [] { return no<connect_grant>(errc::internal, 1234, "go away"); }},
    {"InvalidToken", command, "", "3500 invalid token",
     [] { return goodbye<connect_grant>(3500, "invalid token"); }},
    {"BackendsGoodbye", command, "", "4000 later", [] { return goodbye<connect_grant>(4000, "later"); }},
    {"ExpiredAlready", command, error(110, "expired\""), "",
     [] {
         connect_grant grant;
         grant.expire_at = 1'700'000'000;
         return yes(grant);
     }},
    {"SubscribedToABadName", command, error(107, "bad request\""), "",
     [] {
         connect_grant grant;
         grant.groups = {{"a b", {}}};
         return yes(grant);
     }},
    {"SubscribedToAnUnknownNamespace", command, error(102, "unknown channel\""), "",
     [] {
         connect_grant grant;
         grant.groups = {{"q:x", {}}};
         return yes(grant);
     }},
    {"SubscribedToTooMany", command, "", "3505 channel limit",
     [] {
         connect_grant grant;
         for (int i = 0; i < 129; ++i) grant.groups.push_back({"g" + std::to_string(i), {}});
         return yes(grant);
     }},
};
class ClientOpening : public ::testing::TestWithParam<opening> {};
INSTANTIATE_TEST_SUITE_P(, ClientOpening, ::testing::ValuesIn(openings),
                         [](const auto& each) { return each.param.claim; });
TEST_P(ClientOpening, IsRefused) {
    talk t;
    t.port.on_connect = [](auto&) { return GetParam().answers(); };
    EXPECT_EQ(t.say(GetParam().says), GetParam().hears);
    EXPECT_EQ(t.closed(), GetParam().closed);
    EXPECT_FALSE(t.session.connected());
}

TEST(ClientSession, MayTryAgainAfterARefusal) {
    talk t;
    t.port.on_connect = [](auto&) { return no<connect_grant>(errc::token_expired); };
    // What came along is not answered: there is no connection for it.
    EXPECT_EQ(t.say(command + "\n" + R"({"id":2,"subscribe":{"channel":"x"}})"),
              error(109, "token expired\""));
    EXPECT_EQ(t.port.timers.at(session_timer::connect), milliseconds(10'000));
    t.port.on_connect = [](auto&) { return yes<connect_grant>(); };
    EXPECT_EQ(t.say(command), hello + rest);
}

TEST(ClientSession, TakesSubscribesInTheFrameOfConnect) {
    talk t;
    EXPECT_EQ(t.say(command + "\n" + R"({"id":2,"subscribe":{"channel":"a"}})" + "\n" +
                    R"({"id":3,"unsubscribe":{"channel":"b"}})"),
              hello + rest + "\n" + R"({"id":3,"unsubscribe":{}} | {"id":2,"subscribe":{}})");
}

TEST(ClientSession, BoundsWhatWaitsForConnect) {
    talk t;
    t.limits.commands_waiting = 2;
    t.session.on_message(command);
    t.session.on_message(R"({"send":{}})");
    t.session.on_message(R"({"send":{}})");
    EXPECT_EQ(t.closed(), "");
    t.session.on_message(R"({"send":{}})");
    EXPECT_EQ(t.closed(), "3013 too many requests");
}

TEST(ClientSession, BoundsTheBytesOfWhatWaitsForConnect) {
    talk t;
    t.limits.waiting_bytes = 40;
    t.session.on_message(command);
    t.session.on_message(R"({"send":{"data":"0123456789"}})");
    EXPECT_EQ(t.closed(), "");
    t.session.on_message(R"({"send":{}})");
    EXPECT_EQ(t.closed(), "3013 too many requests");
}

TEST(ClientSession, CountsWhatWaitedForConnectOnce) {
    talk t;
    t.limits.waiting_bytes = 40;
    t.session.on_message(command + "\n" + R"({"id":2,"rpc":{"data":"0123456789"}})");
    t.port.run();
    EXPECT_EQ(t.say(R"({"id":3,"rpc":{"data":"0123456789"}})"), R"({"id":3,"rpc":{"data":"0123456789"}})");
    EXPECT_EQ(t.closed(), "");
}

TEST(ClientSession, BeginsToCountAnewWhenItWasRefused) {
    talk t;
    t.limits.waiting_bytes = 20;
    t.port.on_connect = [](auto&) { return no<connect_grant>(errc::token_expired); };
    t.say(command + "\n" + R"({"send":{}})");
    t.say(command + "\n" + R"({"send":{}})");
    EXPECT_EQ(t.closed(), "");
}

TEST(ClientSession, TellsLaterQuestionsTheConnectCommandsHeaders) {
    talk t;
    t.say(R"({"id":1,"connect":{"headers":{"X-A":"1","cookie":"s=\u0061"}}})");
    const std::vector<std::pair<std::string, std::string>> headers{{"X-A", "1"}, {"cookie", "s=a"}};
    EXPECT_EQ(t.port.connect_asked.headers, headers);
    t.say(R"({"id":2,"rpc":{}})");
    EXPECT_EQ(t.port.asker.headers, headers);
}

TEST(ClientSession, EndsWhoDoesNotConnect) {
    talk t;
    t.session.on_timer(session_timer::connect);
    EXPECT_EQ(t.closed(), "3502 stale");
}

TEST(ClientSession, WaitsForTheGatekeeperLonger) {
    talk t;
    t.session.on_message(command);
    EXPECT_FALSE(t.port.timers.contains(session_timer::connect));
    t.session.on_timer(session_timer::connect);  // it was under way already
    EXPECT_EQ(t.closed(), "");
}

TEST(ClientPing, ComesFirstInTheSecondHalf) {
    for (const auto& [chance, delay] : {std::pair{0.0, 12'500}, {0.5, 18'750}, {0.999999, 25'000}}) {
        talk t;
        t.port.chance = chance;
        t.connected();
        EXPECT_EQ(t.port.timers.at(session_timer::ping), milliseconds(delay));
    }
}

TEST(ClientPing, IsAnswered) {
    talk t;
    t.connected();
    for (int i = 0; i < 3; ++i) {
        t.session.on_timer(session_timer::ping);
        EXPECT_EQ(t.heard(), "{}");
        EXPECT_EQ(t.port.timers.at(session_timer::ping), milliseconds(25'000));
        EXPECT_EQ(t.port.timers.at(session_timer::pong), milliseconds(8'000));
        EXPECT_EQ(t.say("{}"), "");
        EXPECT_FALSE(t.port.timers.contains(session_timer::pong));
        EXPECT_EQ(t.closed(), "");
    }
    t.say("{}");
    EXPECT_EQ(t.closed(), "3501 bad request");
}

TEST(ClientPing, EndsWhoDoesNotAnswer) {
    talk t;
    t.connected();
    t.session.on_timer(session_timer::pong);
    EXPECT_EQ(t.closed(), "") << "nothing was asked";
    t.session.on_timer(session_timer::ping);
    t.session.on_timer(session_timer::pong);
    EXPECT_EQ(t.closed(), "3012 no pong");
}

TEST(ClientPing, WaitsForTheAnswerBeforeTheNext) {
    talk t;
    t.connected();
    t.session.on_timer(session_timer::ping);
    t.heard();
    t.session.on_timer(session_timer::ping);
    EXPECT_EQ(t.heard(), "");
    t.say("{}");
    EXPECT_EQ(t.closed(), "");
}

TEST(ClientPing, CanBeOff) {
    talk t;
    t.limits.ping_interval = milliseconds(0);
    EXPECT_EQ(t.say(command), hello + R"("time":1700000000000}})");
    EXPECT_FALSE(t.port.timers.contains(session_timer::ping));
}

TEST(ClientPing, IsToldInWholeSeconds) {
    talk t;
    t.limits.ping_interval = milliseconds(1'500);
    EXPECT_NE(t.say(command).find(R"("ping":2,)"), std::string::npos);
}

class ClientExpiryIsTold : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(, ClientExpiryIsTold,
                         ::testing::Values(R"({"id":1,"connect":{"token":"t"}})",
                                           R"({"id":1,"connect":{}})"));
TEST_P(ClientExpiryIsTold, AndEndsAfterTheGrace) {
    talk t;
    t.port.on_connect = [](auto&) {
        connect_grant grant;
        grant.expire_at = 1'700'000'060;
        return yes(grant);
    };
    EXPECT_EQ(t.say(GetParam()), hello + R"("expires":true,"ttl":60,)" + rest);
    EXPECT_EQ(t.port.timers.at(session_timer::expiry), milliseconds(85'000));
    t.port.clock_ms += 85'000;
    t.session.on_timer(session_timer::expiry);
    EXPECT_EQ(t.closed(), "3005 connection expired");
}

TEST(ClientExpiry, IsPutOffByARefresh) {
    talk t;
    t.port.on_connect = [](auto&) {
        connect_grant grant;
        grant.expire_at = 1'700'000'060;
        return yes(grant);
    };
    t.say(R"({"id":1,"connect":{"token":"t"}})");
    t.port.clock_ms += 80'000;  // within the grace
    t.port.on_refresh = [](auto&) { return yes(refresh_grant{1'700'000'180, ""}); };
    t.say(R"({"id":2,"refresh":{"token":"t2"}})");
    EXPECT_EQ(t.port.timers.at(session_timer::expiry), milliseconds(125'000));
    t.session.on_timer(session_timer::expiry);  // too early
    EXPECT_EQ(t.closed(), "");
    t.port.on_refresh = [](auto&) { return yes<refresh_grant>(); };
    t.say(R"({"id":3,"refresh":{"token":"t3"}})");
    EXPECT_FALSE(t.port.timers.contains(session_timer::expiry)) << "for ever";
}

TEST(ClientExpiry, IsTheServersMatterIfTheGatekeeperSaysSo) {
    talk t;
    t.port.on_connect = [](auto&) {
        connect_grant grant;
        grant.expire_at = 1'700'000'060;
        grant.server_refresh = true;
        return yes(grant);
    };
    EXPECT_EQ(t.say(R"({"id":1,"connect":{"token":"t"}})"), hello + rest);
    EXPECT_EQ(t.port.timers.at(session_timer::expiry), milliseconds(60'000));
    t.port.clock_ms += 60'000;
    t.port.on_refresh = [](auto&) { return yes(refresh_grant{1'700'000'120, ""}); };
    t.session.on_timer(session_timer::expiry);
    t.port.run();
    EXPECT_EQ(t.port.calls.back(), "refresh ");
    EXPECT_EQ(t.closed(), "");
    EXPECT_EQ(t.port.timers.at(session_timer::expiry), milliseconds(60'000));
    t.port.clock_ms += 60'000;
    t.port.on_refresh = [](auto&) { return no<refresh_grant>(errc::expired); };
    t.session.on_timer(session_timer::expiry);
    t.port.run();
    EXPECT_EQ(t.closed(), "3005 connection expired");
}

TEST(ClientExpiry, StaysInRange) {
    talk t;
    t.port.on_connect = [](auto&) {
        connect_grant grant;
        grant.expire_at = INT64_MAX;
        return yes(grant);
    };
    EXPECT_EQ(t.say(R"({"id":1,"connect":{"token":"t"}})"),
              hello + R"("expires":true,"ttl":315360000,)" + rest);
    t.session.on_timer(session_timer::expiry);
    EXPECT_EQ(t.closed(), "");
}

client_command verb_of(client_command::verb what) {
    client_command made;
    made.what = what;
    return made;
}

TEST(ClientServerCommand, Disconnects) {
    auto command_of = verb_of(client_command::verb::disconnect);
    {
        talk t;
        t.session.on_command(command_of);
        EXPECT_EQ(t.closed(), "3503 force disconnect") << "also who is not connected yet";
    }
    talk t;
    t.connected();
    command_of.whitelist = {"c0", "c1"};
    t.session.on_command(command_of);
    EXPECT_EQ(t.closed(), "");
    command_of.whitelist = {"c2"};
    command_of.code = 4200;
    command_of.reason = std::string(122, 'r') + "\xed\x95\x9c";
    t.session.on_command(command_of);
    EXPECT_EQ(t.closed(), "4200 " + std::string(122, 'r')) << "at most 123 bytes, whole characters";
}

TEST(ClientServerCommand, Refreshes) {
    talk t;
    t.connected();
    auto refresh = verb_of(client_command::verb::refresh);
    t.session.on_command(refresh);
    EXPECT_EQ(t.heard(), "");
    refresh.expire_at = 1'700'000'030;
    t.session.on_command(refresh);
    EXPECT_EQ(t.heard(), R"({"push":{"refresh":{"expires":true,"ttl":30}}})");
    EXPECT_EQ(t.port.timers.at(session_timer::expiry), milliseconds(55'000)) << "and the grace";
    refresh.expire_at = 0;
    t.session.on_command(refresh);
    EXPECT_EQ(t.heard(), R"({"push":{"refresh":{}}})");
    EXPECT_FALSE(t.port.timers.contains(session_timer::expiry));
    refresh.expired = true;
    t.session.on_command(refresh);
    EXPECT_EQ(t.closed(), "3005 connection expired");
}

TEST(ClientServerCommand, RefreshInThePastEnds) {
    talk t;
    t.connected();
    auto refresh = verb_of(client_command::verb::refresh);
    refresh.expire_at = 1'600'000'000;
    t.session.on_command(refresh);
    EXPECT_EQ(t.closed(), "3005 connection expired");
}

TEST(ClientUnidirectional, HearsPushesOnly) {
    talk t(true);
    EXPECT_EQ(t.say(R"({"token":"t","subs":{"a":{}}})"),
              R"({"connect":{"client":"c1","version":"Madang 0.1.0","ping":25,"time":1700000000000}})");
    EXPECT_EQ(t.port.connect_asked.token, "t");
    t.session.on_timer(session_timer::ping);
    EXPECT_EQ(t.heard(), "{}");
    EXPECT_FALSE(t.port.timers.contains(session_timer::pong));
    t.session.on_timer(session_timer::ping);
    EXPECT_EQ(t.heard(), "{}") << "no answer is expected";
    auto subscribe = verb_of(client_command::verb::subscribe);
    subscribe.group = "news:1";
    t.port.on_join = [](auto&, auto&) -> result<subscribed> {
        return subscribed{position{"e", 4}, false, {}};
    };
    t.session.on_command(subscribe);
    t.session.on_news("news:1", testing::news_of(pub(5)));
    t.port.run();
    EXPECT_EQ(t.heard(),
              "{\"channel\":\"news:1\",\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":"
              "\"e\",\"offset\":4}}\n"
              "{\"channel\":\"news:1\",\"pub\":{\"data\":5,\"offset\":5}}");
    t.say("{}");
    EXPECT_EQ(t.closed(), "3501 bad request");
}

TEST(ClientUnidirectional, IsRefusedByClosing) {
    for (const auto& [why, code] : {std::pair{errc::token_expired, "3005 token expired"},
                                    {errc::permission_denied, "3507 permission denied"},
                                    {errc::internal, "3004 internal server error"},
                                    {errc::unauthorized, "3500 unauthorized"}}) {
        talk t(true);
        t.port.on_connect = [why = why](auto&) { return no<connect_grant>(why); };
        EXPECT_EQ(t.say("{}"), "");
        EXPECT_EQ(t.closed(), code);
    }
    talk t(true);
    t.say(R"([1])");
    EXPECT_EQ(t.closed(), "3501 bad request");
}

TEST(ClientSession, IsSilentOnceItIsOver) {
    talk t;
    t.subscribed("news:1");
    t.session.on_message("!");
    EXPECT_EQ(t.closed(), "3501 bad request");
    t.port.calls.clear();
    t.session.on_message(R"({"id":5,"rpc":{}})");
    for (const auto each : {session_timer::connect, session_timer::ping, session_timer::pong,
                            session_timer::expiry, session_timer::subscription_expiry})
        t.session.on_timer(each);
    t.session.on_news("news:1", testing::news_of(pub(1)));
    t.session.on_stream_lost("news:1");
    t.session.on_command(verb_of(client_command::verb::disconnect));
    t.session.ended();
    EXPECT_EQ(t.heard(), "");
    EXPECT_TRUE(t.port.calls.empty());
}

TEST(ClientSession, OneThatIsNotWelcomeIsToldSoAtOnce) {
    testing::fake_client_port port;
    session_limits limits;
    client_session session(
        port, limits,
        {"c1", "websocket", "", false, std::make_shared<scope>(), close_code::inappropriate_protocol});
    session.start();
    EXPECT_EQ(port.closed,
              std::make_pair(close_code::inappropriate_protocol, std::string("inappropriate protocol")));
    session.on_message(R"({"id":1,"connect":{}})");
    EXPECT_TRUE(port.later.empty());
}

}  // namespace
}  // namespace madang
