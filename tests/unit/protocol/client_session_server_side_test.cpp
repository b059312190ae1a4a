// Subscriptions that the server makes: with the connection, and by its commands.
#include <gtest/gtest.h>

#include "tests/unit/protocol/client_talk.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
using testing::at_nine;
using testing::error_reply;
using testing::news_of;
using testing::no;
using testing::pub;
using testing::subscribe_to;
using testing::talk;
using testing::yes;
using calls = std::vector<std::string>;

verdict<connect_grant> with_groups(std::initializer_list<const char*> groups) {
    connect_grant grant;
    for (const auto* each : groups) grant.groups.push_back({each, {}});
    return yes(grant);
}

TEST(ClientServerSide, SubscribesWithTheConnection) {
    talk t;
    t.port.on_join = at_nine;
    t.port.on_connect = [](auto&) { return with_groups({"news:1", "x", "news:1"}); };
    EXPECT_EQ(
        t.say(R"({"id":1,"connect":{"subs":{"news:1":{"recover":true,"offset":8,"epoch":"e"},"other":{}}}})"),
        R"({"id":1,"connect":{"client":"c1","version":"Madang 0.1.0","subs":{"news:1":{"recoverable":true,)"
        R"("positioned":true,"was_recovering":true,"recovered":true,"epoch":"e","offset":8,)"
        R"("publications":[{"data":9,"offset":9}]},"x":{}},"ping":25,"pong":true,"time":1700000000000}})");
    EXPECT_EQ(t.port.calls, (calls{"subscribe news:1", "subscribe x", "go_live news:1", "go_live x"}));
    EXPECT_EQ(t.session.subscriptions(), 2u);
}

TEST(ClientServerSide, HoldsNewsUntilTheConnectAnswer) {
    talk t;
    t.port.on_join = at_nine;
    t.port.on_connect = [](auto&) { return with_groups({"news:1", "room:1"}); };
    t.session.on_message(R"({"id":1,"connect":{}})");
    t.port.step();
    t.session.on_news("news:1", news_of(pub(9)));
    t.port.step();
    t.session.on_news("news:1", news_of(pub(10)));  // its own answer is there, the other's is not
    t.session.on_news("room:1", news_of(group_news::kind::join, "c2"));
    EXPECT_EQ(t.heard(), "");
    t.port.step();
    EXPECT_EQ(
        t.heard(),
        "{\"id\":1,\"connect\":{\"client\":\"c1\",\"version\":\"Madang 0.1.0\",\"subs\":{\"news:1\":{"
        "\"recoverable\":true,\"positioned\":true,\"epoch\":\"e\",\"offset\":9},\"room:1\":{}},\"ping\":25,"
        "\"pong\":true,\"time\":1700000000000}}\n"
        "{\"push\":{\"channel\":\"news:1\",\"pub\":{\"data\":10,\"offset\":10}}} | "
        "{\"push\":{\"channel\":\"room:1\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"c2\"}}}}");
}

TEST(ClientServerSide, GapWhileConnectingEnds) {
    talk t;
    t.port.on_join = at_nine;
    t.port.on_connect = [](auto&) { return with_groups({"news:1", "x"}); };
    t.session.on_message(R"({"id":1,"connect":{}})");
    t.port.step();
    t.session.on_news("news:1", news_of(pub(11)));
    t.port.run();
    EXPECT_EQ(t.heard(), "");
    EXPECT_EQ(t.closed(), "3010 insufficient state");
}

TEST(ClientServerSide, FailingJoinEnds) {
    talk t;
    t.port.on_join = [](auto&, auto&) -> result<subscribed> { return fail(errc::storage_failed); };
    t.port.on_connect = [](auto&) { return with_groups({"news:1", "x"}); };
    t.say(R"({"id":1,"connect":{}})");
    EXPECT_EQ(t.closed(), "3004 internal server error");
}

TEST(ClientServerSide, LostStreamEnds) {
    talk t;
    t.port.on_connect = [](auto&) { return with_groups({"news:1"}); };
    t.connected();
    t.session.on_stream_lost("news:1");
    EXPECT_EQ(t.closed(), "3010 insufficient state");
}

TEST(ClientServerSide, ExpiryEnds) {
    talk t;
    t.port.on_connect = [](auto&) {
        connect_grant grant;
        grant.groups = {{"x", {}}};
        grant.groups[0].grant.expire_at = 1'700'000'060;
        return yes(grant);
    };
    t.connected();
    EXPECT_EQ(t.port.timers.at(session_timer::subscription_expiry), milliseconds(60'000));
    t.port.clock_ms += 60'000;
    t.port.on_sub_refresh = [](auto&, auto&) { return no<refresh_grant>(errc::expired); };
    t.session.on_timer(session_timer::subscription_expiry);
    t.port.run();
    EXPECT_EQ(t.closed(), "3006 subscription expired");
}

client_command subscribe_command(const std::string& group) {
    client_command made;
    made.what = client_command::verb::subscribe;
    made.group = group;
    return made;
}

TEST(ClientServerCommand, Subscribes) {
    talk t;
    t.connected();
    t.port.on_join = at_nine;
    auto what = subscribe_command("news:1");
    what.info = "{\"i\":\n1}";
    what.data = "[1,\n2]";
    what.since = position{"e", 8};
    t.session.on_command(what);
    t.session.on_command(what);  // already under way
    t.session.on_news("news:1", news_of(pub(10)));
    t.port.run();
    // Clients look for publications of a subscribe push behind it, not in it.
    EXPECT_EQ(t.heard(),
              "{\"push\":{\"channel\":\"news:1\",\"subscribe\":{\"recoverable\":true,\"positioned\":true,"
              "\"was_recovering\":true,\"recovered\":true,\"epoch\":\"e\",\"offset\":8,\"data\":[1,2]}}}\n"
              "{\"push\":{\"channel\":\"news:1\",\"pub\":{\"data\":9,\"offset\":9}}}\n"
              "{\"push\":{\"channel\":\"news:1\",\"pub\":{\"data\":10,\"offset\":10}}}");
    EXPECT_EQ(t.port.specs.at("news:1").who.chan_info, "{\"i\":1}");
    EXPECT_EQ(t.port.calls, (calls{"subscribe news:1", "go_live news:1"}));
}

TEST(ClientServerCommand, SubscribesToWhatThereIs) {
    talk t;
    t.connected();
    t.session.on_command(subscribe_command("q:x"));
    t.session.on_command(subscribe_command("a b"));
    auto late = subscribe_command("x");
    late.expire_at = 1'600'000'000;
    t.session.on_command(late);
    EXPECT_TRUE(t.port.calls.empty());
    EXPECT_EQ(t.session.subscriptions(), 0u);
    t.limits.groups = 1;
    t.session.on_command(subscribe_command("x"));
    t.session.on_command(subscribe_command("y"));
    EXPECT_EQ(t.closed(), "3505 channel limit");
}

TEST(ClientServerCommand, WaitsForTheConnectAnswer) {
    talk t;
    t.port.on_connect = [](auto&) { return with_groups({"x"}); };
    t.session.on_message(R"({"id":1,"connect":{}})");
    t.port.step();
    t.session.on_command(subscribe_command("y"));
    EXPECT_EQ(t.port.calls, calls{"subscribe x"});
    t.port.run();
    EXPECT_EQ(t.port.calls, (calls{"subscribe x", "go_live x", "subscribe y", "go_live y"}));
    EXPECT_NE(t.heard().find(R"(| {"push":{"channel":"y","subscribe":{}}})"), std::string::npos);
}

TEST(ClientServerCommand, Unsubscribes) {
    talk t;
    t.subscribed("x");
    client_command what;
    what.what = client_command::verb::unsubscribe;
    what.group = "y";
    t.session.on_command(what);
    EXPECT_EQ(t.heard(), "");
    what.group = "x";
    t.session.on_command(what);
    EXPECT_EQ(t.heard(),
              R"({"push":{"channel":"x","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}})");
    EXPECT_EQ(t.port.calls, calls{"unsubscribe x"});
    t.say(subscribe_to("x"));
    t.say(subscribe_to("y"));
    t.session.on_message(subscribe_to("z"));  // not granted yet
    what.group = "";
    what.code = 2502;
    what.reason = "state invalidated";
    t.session.on_command(what);
    EXPECT_EQ(t.heard(), error_reply(5, 103, "permission denied") + "\n" +
                             "{\"push\":{\"channel\":\"y\",\"unsubscribe\":{\"code\":2502,\"reason\":\"state "
                             "invalidated\"}}}\n"
                             "{\"push\":{\"channel\":\"x\",\"unsubscribe\":{\"code\":2502,\"reason\":\"state "
                             "invalidated\"}}}");
    EXPECT_EQ(t.session.subscriptions(), 0u);
    t.port.run();
    EXPECT_EQ(t.heard(), "");
}

}  // namespace
}  // namespace madang
