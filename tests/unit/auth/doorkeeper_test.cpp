#include "broker/auth/doorkeeper.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "broker/core/scope.hpp"
#include "tests/support/fake_fetcher.hpp"
#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::string secret = "0123456789abcdef0123456789abcdef";

std::string token(const json& claims) { return test::sign_hmac(R"({"alg":"HS256"})", claims.dump(), secret); }

// "yes", "error CODE", "goodbye CODE REASON" or "" (no answer yet); what was granted is kept.
template <class T>
struct heard {
    std::string said;
    T grant;
    gatekeeper::answer<T> listener() {
        said.clear();
        grant = {};
        return [this](verdict<T> v) {
            EXPECT_EQ(said, "") << "answered twice";
            if (v.goodbye)
                said = "goodbye " + std::to_string(v.goodbye->code) + " " + v.goodbye->reason;
            else if (v.yes)
                said = "yes";
            else
                said = "error " +
                       std::to_string(v.wire_code != 0 ? v.wire_code : describe(v.no.code).wire_code) +
                       (v.message.empty() ? "" : " " + v.message);
            if (v.yes) grant = std::move(*v.yes);
        };
    }
};

struct some_handlers final : rpc_port {
    bool call(const known_client& who, std::string_view method, std::string_view data,
              gatekeeper::answer<rpc_answer> done) override {
        if (method != "echo") return false;
        verdict<rpc_answer> v;
        v.yes = rpc_answer{who.who.user + ":" + std::string(data)};
        done(std::move(v));
        return true;
    }
};

struct Doorkeeper : ::testing::Test {
    Doorkeeper() {
        namespace_table rules;
        const auto set = [&](std::string_view name, std::string_view text) {
            const auto done = rules.set(name, text, "test");
            EXPECT_TRUE(done) << done.error();
        };
        set("open", R"({"allow_subscribe":"everyone","allow_publish":"everyone","presence":true,
                        "allow_presence":"everyone","history_size":5,"history_ttl":"1m",
                        "allow_history":"everyone"})");
        set("users", R"({"allow_subscribe":"users","allow_publish":"subscribers","presence":true,
                         "allow_presence":"subscribers","history_size":5,"history_ttl":"1m",
                         "allow_history":"users"})");
        set("own", R"({"user_limited":true,"allow_subscribe":"everyone","allow_publish":"everyone",
                       "presence":true,"allow_presence":"everyone"})");
        set("asked", R"({"subscribe_proxy":true,"publish_proxy":true,"allow_publish":"everyone"})");
        namespaces.replace(std::move(rules));
    }
    doorkeeper& door() {
        if (!made)
            made = std::make_unique<doorkeeper>(doorkeeper_parts{.settings = settings,
                                                                 .namespaces = namespaces,
                                                                 .tokens = tokens,
                                                                 .fetcher = fetcher,
                                                                 .clock = clock,
                                                                 .counts = counts,
                                                                 .handlers = &handlers});
        return *made;
    }
    // What the backend was asked last.
    json question() const { return json::parse(fetcher.last.body); }

    std::string connect(connect_question what) {
        if (what.transport.empty()) what.transport = "websocket";
        what.client = "c1";
        door().connect(std::move(what), connected.listener());
        return connected.said;
    }
    std::string connect_with(const json& claims) {
        connect_question what;
        what.token = token(claims);
        return connect(std::move(what));
    }
    static known_client client(std::string user) {
        known_client who;
        who.who.client = "c1";
        who.who.user = std::move(user);
        who.transport = "websocket";
        return who;
    }
    std::string subscribe(std::string user, std::string group, std::string with = {}) {
        door().subscribe(client(std::move(user)), {std::move(group), std::move(with), R"({"d":1})"},
                         subscribed.listener());
        return subscribed.said;
    }
    std::string publish(std::string user, std::string group, bool is_subscribed) {
        door().publish(client(std::move(user)), std::move(group), is_subscribed, R"({"p":1})",
                       published.listener());
        return published.said;
    }
    std::string refresh(std::string user, std::string with) {
        door().refresh(client(std::move(user)), std::move(with), refreshed.listener());
        return refreshed.said;
    }
    std::string sub_refresh(std::string user, std::string group, std::string with) {
        door().sub_refresh(client(std::move(user)), std::move(group), std::move(with), refreshed.listener());
        return refreshed.said;
    }
    static std::string told(const result<void>& v) {
        return v ? "yes" : "error " + std::to_string(describe(v.error().code).wire_code);
    }

    static constexpr std::int64_t now = 1'700'000'000;
    options settings;
    reloadable<namespace_table> namespaces;
    manual_clock clock;
    jwt_verifier tokens{secret, clock};
    fake_fetcher fetcher;
    metrics_shard counts;
    some_handlers handlers;
    std::unique_ptr<doorkeeper> made;
    heard<connect_grant> connected;
    heard<refresh_grant> refreshed;
    heard<subscription_grant> subscribed;
    heard<publish_grant> published;
    heard<rpc_answer> answered;
};

// -- connect

TEST_F(Doorkeeper, ATokenSaysWhoConnects) {
    EXPECT_EQ(connect_with({{"sub", "42"},
                            {"exp", now + 60},
                            {"info", {{"name", "a"}}},
                            {"meta", {{"m", 1}}},
                            {"channels", {"open:a", "users:b"}},
                            {"subs",
                             {{"users:b", {{"data", 5}, {"override", {{"presence", {{"value", false}}}}}}},
                              {"open:c", {{"info", "x"}, {"expire_at", 5}}}}}}),
              "yes");
    const auto& grant = connected.grant;
    EXPECT_EQ(grant.user, "42");
    EXPECT_EQ(grant.expire_at, now + 60);
    EXPECT_EQ(grant.conn_info, R"({"name":"a"})");
    EXPECT_EQ(grant.meta, R"({"m":1})");
    EXPECT_FALSE(grant.server_refresh);
    ASSERT_EQ(grant.groups.size(), 3u);
    EXPECT_EQ(grant.groups[0].group, "open:a");
    EXPECT_EQ(grant.groups[1].group, "users:b");
    EXPECT_EQ(grant.groups[1].grant.data, "5");
    EXPECT_EQ(grant.groups[1].grant.presence, false);
    EXPECT_EQ(grant.groups[1].grant.recovery, std::nullopt);
    EXPECT_EQ(grant.groups[2].grant.chan_info, "\"x\"");
    EXPECT_EQ(grant.groups[2].grant.expire_at, 0);
}

TEST_F(Doorkeeper, ATokenWithoutASubjectIsAnonymous) {
    settings.client_anonymous = false;
    EXPECT_EQ(connect_with(json::object()), "yes");
    EXPECT_EQ(connected.grant.user, "");
    EXPECT_EQ(connected.grant.expire_at, 0);
}

TEST_F(Doorkeeper, ExpireAtIsStrongerThanExp) {
    EXPECT_EQ(connect_with({{"exp", now + 60}, {"expire_at", 0}}), "yes");
    EXPECT_EQ(connected.grant.expire_at, 0);
    EXPECT_EQ(connect_with({{"exp", now + 60}, {"expire_at", now + 7}}), "yes");
    EXPECT_EQ(connected.grant.expire_at, now + 7);
    EXPECT_EQ(connect_with({{"expire_at", now}}), "error 110");
    EXPECT_EQ(connect_with({{"exp", now - 5}}), "yes") << "within the leeway";
    EXPECT_EQ(connected.grant.expire_at, now + 1);
}

TEST_F(Doorkeeper, Base64MembersAreJsonToo) {
    EXPECT_EQ(connect_with({{"b64info", "eyJhIjogMX0="}}), "yes");
    EXPECT_EQ(connected.grant.conn_info, R"({"a":1})");
    EXPECT_EQ(connect_with({{"b64info", "bm8ganNvbg=="}}), "goodbye 3500 invalid token");
}

TEST_F(Doorkeeper, BadTokensEndTheConnectionAndExpiredOnesAskForAnother) {
    connect_question what;
    what.token = "nonsense";
    EXPECT_EQ(connect(what), "goodbye 3500 invalid token");
    what.token = test::sign_hmac(R"({"alg":"HS256"})", R"({"sub":"u"})", "another secret");
    EXPECT_EQ(connect(what), "goodbye 3500 invalid token");
    EXPECT_EQ(connect_with({{"sub", "u"}, {"exp", now - 10}}), "error 109");
    EXPECT_EQ(connect_with({{"sub", 7}}), "goodbye 3500 invalid token");
    for (const auto& claims :
         {json{{"channel", "open:a"}}, json{{"channels", "open:a"}}, json{{"channels", {7}}},
          json{{"channels", {"no spaces"}}}, json{{"subs", {"open:a"}}}, json{{"subs", {{"open:a", 7}}}},
          json{{"meta", "x"}}, json{{"expire_at", "x"}},
          json{{"subs", {{"open:a", {{"override", {{"presence", true}}}}}}}}, json{{"b64info", 7}}})
        EXPECT_EQ(connect_with(claims), "goodbye 3500 invalid token") << claims;
    EXPECT_EQ(connect_with({{"channels", {"nowhere:a"}}}), "error 102");
    EXPECT_EQ(counts.value(labelled_counter::tokens_refused, "malformed"), 1u);
    EXPECT_EQ(counts.value(labelled_counter::tokens_refused, "expired"), 1u);
    EXPECT_EQ(counts.value(labelled_counter::tokens_refused, "claims"), 10u);
}

TEST_F(Doorkeeper, WithoutATokenTheRequestsUserCounts) {
    settings.proxy_connect = "http://backend.example/connect";
    scope_builder builder;
    builder.set(scope_field::user_id, "42");
    builder.set(scope_field::user_json, R"({"sub":"42","exp":1700000099.5,"info":{"n":1}})");
    connect_question what;
    what.known = std::make_shared<const scope>(builder.build());
    EXPECT_EQ(connect(what), "yes");
    EXPECT_EQ(connected.grant.user, "42");
    EXPECT_EQ(connected.grant.conn_info, R"({"n":1})");
    EXPECT_EQ(connected.grant.expire_at, now + 99);
    EXPECT_TRUE(connected.grant.server_refresh) << "the client protocol never had that token";
    EXPECT_EQ(fetcher.asked, 0u);
    what.token = token({{"sub", "43"}});
    EXPECT_EQ(connect(what), "yes");
    EXPECT_EQ(connected.grant.user, "43") << "the connect command's own token is stronger";
}

TEST_F(Doorkeeper, StrangersAreAnonymousOrGo) {
    EXPECT_EQ(connect({}), "yes");
    EXPECT_EQ(connected.grant.user, "");
    settings.client_anonymous = false;
    EXPECT_EQ(connect({}), "goodbye 3501 bad request");
}

TEST_F(Doorkeeper, TheBackendSaysWhoConnects) {
    settings.proxy_connect = "http://backend.example/connect";
    settings.proxy_refresh = "http://backend.example/refresh";
    scope_builder builder;
    builder.add(scope_list::headers, "Cookie", "sessionid=7");
    connect_question what;
    what.known = std::make_shared<const scope>(builder.build());
    what.data = R"({"k":"v"})";
    what.name = "js";
    what.groups = {"open:a"};
    what.headers = {{"Authorization", "Bearer x"}};
    EXPECT_EQ(connect(what), "");
    EXPECT_EQ(question(), json::parse(R"({"client":"c1","transport":"websocket","protocol":"json",
        "encoding":"json","name":"js","data":{"k":"v"},"channels":["open:a"]})"));
    EXPECT_THAT(fetcher.last.headers, testing::Contains(testing::Pair("cookie", "sessionid=7")));
    EXPECT_THAT(fetcher.last.headers, testing::Contains(testing::Pair("authorization", "Bearer x")));
    fetcher.answer(R"({"result":{"user":"42","expire_at":1700000060,"b64data":"MQ==","channels":["users:x"],
                                 "info":{"n":1},"meta":{"m":1}}})");
    EXPECT_EQ(connected.said, "yes");
    EXPECT_EQ(connected.grant.user, "42");
    EXPECT_EQ(connected.grant.data, "1");
    EXPECT_EQ(connected.grant.expire_at, now + 60);
    EXPECT_TRUE(connected.grant.server_refresh);
    ASSERT_EQ(connected.grant.groups.size(), 1u);

    const auto after = [&](std::string body) {
        connect({});
        fetcher.answer(std::move(body));
        return connected.said;
    };
    EXPECT_EQ(after(R"({"result":{}})"), "yes");
    EXPECT_EQ(connected.grant.user, "");
    EXPECT_EQ(after(R"({"error":{"code":1001,"message":"later"}})"), "error 1001 later");
    EXPECT_EQ(after(R"({"disconnect":{"code":4501,"reason":"banned"}})"), "goodbye 4501 banned");
    EXPECT_EQ(after(R"({"result":{"user":42}})"), "error 100");
    EXPECT_EQ(after(R"({"result":{"user":"u","channels":["bad name"]}})"), "error 100");
    EXPECT_EQ(after("nonsense"), "error 100");
    EXPECT_EQ(counts.value(labelled_counter::proxy_failures, "connect"), 3u);
    EXPECT_EQ(after("{}"), "yes") << "it knows nobody: anonymous";
    settings.client_anonymous = false;
    EXPECT_EQ(after("{}"), "goodbye 3501 bad request");
}

TEST_F(Doorkeeper, AUnidirectionalClientGetsTheGroupsThatItMaySubscribeTo) {
    connect_question what;
    what.token = token({{"sub", "7"}, {"channels", {"open:a"}}});
    what.groups = {"open:a",  "open:b",  "users:c", "nowhere:d", "asked:e",
                   "own:f#7", "own:g#8", "plain",   "bad name"};
    EXPECT_EQ(connect(what), "yes");
    EXPECT_EQ(connected.grant.groups.size(), 1u) << "others subscribe themselves";
    what.transport = "uni_sse";
    EXPECT_EQ(connect(what), "yes");
    std::vector<std::string> got;
    for (const auto& each : connected.grant.groups) got.push_back(each.group);
    EXPECT_THAT(got, testing::ElementsAre("open:a", "open:b", "users:c", "own:f#7"));
}

// -- refresh

TEST_F(Doorkeeper, ARefreshNeedsAGoodTokenOfTheSameUser) {
    EXPECT_EQ(refresh("u", token({{"sub", "u"}, {"exp", now + 60}, {"info", 1}})), "yes");
    EXPECT_EQ(refreshed.grant.expire_at, now + 60);
    EXPECT_EQ(refreshed.grant.conn_info, "1");
    EXPECT_EQ(refresh("u", token({{"sub", "u"}, {"exp", now - 60}})), "goodbye 3005 connection expired");
    EXPECT_EQ(refresh("u", token({{"sub", "u"}, {"expire_at", now - 1}})), "goodbye 3005 connection expired");
    EXPECT_EQ(refresh("u", token({{"sub", "v"}, {"exp", now + 60}})), "goodbye 3500 invalid token");
    EXPECT_EQ(refresh("u", token({{"exp", now + 60}})), "goodbye 3500 invalid token");
    EXPECT_EQ(refresh("u", token({{"sub", "u"}, {"channel", "open:a"}})), "goodbye 3500 invalid token");
    EXPECT_EQ(refresh("u", "x.y.z"), "goodbye 3500 invalid token");
    EXPECT_EQ(refresh("u", ""), "goodbye 3005 connection expired") << "nobody can make it longer";
}

TEST_F(Doorkeeper, TheBackendRefreshesWhereItIsAsked) {
    settings.proxy_refresh = "http://backend.example/refresh";
    EXPECT_EQ(refresh("u", ""), "");
    EXPECT_EQ(question(), json::parse(R"({"client":"c1","transport":"websocket","protocol":"json",
        "encoding":"json","user":"u"})"));
    fetcher.answer(R"({"result":{"expire_at":1700000060,"info":{"a":1}}})");
    EXPECT_EQ(refreshed.said, "yes");
    EXPECT_EQ(refreshed.grant.expire_at, now + 60);
    refresh("u", "");
    fetcher.answer(R"({"result":{"expired":true}})");
    EXPECT_EQ(refreshed.said, "goodbye 3005 connection expired");
    refresh("u", "");
    fetcher.answer(R"({"result":{"expire_at":1700000000}})");
    EXPECT_EQ(refreshed.said, "goodbye 3005 connection expired");
    refresh("u", "");
    fetcher.answer(R"({"result":{"expire_at":"soon"}})");
    EXPECT_EQ(refreshed.said, "error 100");
    refresh("u", "");
    fetcher.fail_with(errc::request_timeout);
    EXPECT_EQ(refreshed.said, "error 100");
}

// -- subscribe

TEST_F(Doorkeeper, SubscribesByTheNamespacesRules) {
    EXPECT_EQ(subscribe("", "open:a"), "yes");
    EXPECT_EQ(subscribe("", "users:a"), "error 103");
    EXPECT_EQ(subscribe("u", "users:a"), "yes");
    EXPECT_EQ(subscribe("u", "a"), "error 103") << "the default namespace allows nothing";
    EXPECT_EQ(subscribe("u", "nowhere:a"), "error 102");
    for (const auto& name : {std::string(), std::string("open:a b"), std::string("open:\xc3\xa9"),
                             "open:" + std::string(251, 'x')})
        EXPECT_EQ(subscribe("u", name), "error 107") << name;
}

TEST_F(Doorkeeper, UserLimitedGroupsAreForTheirUsers) {
    EXPECT_EQ(subscribe("7", "own:a#7,8"), "yes");
    EXPECT_EQ(subscribe("9", "own:a#7,8"), "error 103") << "although all may subscribe in that namespace";
    EXPECT_EQ(subscribe("", "own:a#"), "error 103");
    EXPECT_EQ(subscribe("", "own:a"), "yes");
    EXPECT_EQ(subscribe("9", "open:a#7,8"), "yes") << "elsewhere '#' is a character";
    EXPECT_EQ(subscribe("9", "own:a#7,8", token({{"sub", "9"}, {"channel", "own:a#7,8"}})), "yes");
}

TEST_F(Doorkeeper, ASubscriptionTokenOpensAnyGroup) {
    EXPECT_EQ(subscribe("u", "a",
                        token({{"sub", "u"},
                               {"channel", "a"},
                               {"client", "c1"},
                               {"exp", now + 60},
                               {"info", {{"i", 1}}},
                               {"data", 2},
                               {"override", {{"force_recovery", {{"value", true}}}}}})),
              "yes");
    EXPECT_EQ(subscribed.grant.chan_info, R"({"i":1})");
    EXPECT_EQ(subscribed.grant.data, "2");
    EXPECT_EQ(subscribed.grant.expire_at, now + 60);
    EXPECT_EQ(subscribed.grant.recovery, true);
    EXPECT_EQ(subscribe("", "a", token({{"channel", "a"}})), "yes");
}

TEST_F(Doorkeeper, BadSubscriptionTokensAreRefusedByCode) {
    const json good{{"sub", "u"}, {"channel", "open:a"}};
    const auto with = [&](const json& more) {
        auto claims = good;
        claims.update(more);
        return subscribe("u", "open:a", token(claims));
    };
    EXPECT_EQ(with(json::object()), "yes");
    EXPECT_EQ(subscribe("u", "open:a", "x.y.z"), "error 103");
    EXPECT_EQ(with({{"exp", now - 60}}), "error 109");
    EXPECT_EQ(with({{"expire_at", now - 60}}), "error 110");
    EXPECT_EQ(with({{"channel", "open:b"}}), "goodbye 3500 invalid token");
    EXPECT_EQ(with({{"sub", "v"}}), "goodbye 3500 invalid token");
    EXPECT_EQ(with({{"client", "c2"}}), "goodbye 3500 invalid token");
    EXPECT_EQ(with({{"client", 7}}), "goodbye 3500 invalid token");
    EXPECT_EQ(with({{"info", 1}, {"override", 7}}), "error 103");
    EXPECT_EQ(subscribe("u", "open:a", token({{"sub", "u"}})), "error 103") << "a connection's token";
    EXPECT_EQ(subscribe("u", "nowhere:a", token({{"sub", "u"}, {"channel", "nowhere:a"}})), "error 102");
}

TEST_F(Doorkeeper, TheBackendSubscribesWhereItIsAsked) {
    EXPECT_EQ(subscribe("u", "asked:a"), "error 108") << "there is no URL";
    made.reset();
    settings.proxy_subscribe = "http://backend.example/subscribe";
    EXPECT_EQ(subscribe("u", "asked:a"), "");
    EXPECT_EQ(question(), json::parse(R"({"client":"c1","transport":"websocket","protocol":"json",
        "encoding":"json","user":"u","channel":"asked:a","data":{"d":1}})"));
    fetcher.answer(R"({"result":{"info":1,"data":2,"expire_at":1700000060,
                                 "override":{"join_leave":{"value":true}}}})");
    EXPECT_EQ(subscribed.said, "yes");
    EXPECT_EQ(subscribed.grant.chan_info, "1");
    EXPECT_EQ(subscribed.grant.join_leave, true);
    EXPECT_FALSE(subscribed.grant.server_refresh);
    subscribe("u", "asked:a");
    fetcher.answer("{}");
    EXPECT_EQ(subscribed.said, "yes");
    subscribe("u", "asked:a");
    fetcher.answer(R"({"error":{"code":103,"message":"permission denied"}})");
    EXPECT_EQ(subscribed.said, "error 103 permission denied");
    subscribe("u", "asked:a");
    fetcher.answer(R"({"result":{"b64info":"!"}})");
    EXPECT_EQ(subscribed.said, "error 100");
    EXPECT_EQ(subscribe("u", "asked:a", token({{"sub", "u"}, {"channel", "asked:a"}})), "yes")
        << "a token goes before";
}

TEST_F(Doorkeeper, ASubscriptionsRefreshIsCheckedAsItsToken) {
    const json good{{"sub", "u"}, {"channel", "open:a"}, {"exp", now + 60}, {"info", 3}};
    EXPECT_EQ(sub_refresh("u", "open:a", token(good)), "yes");
    EXPECT_EQ(refreshed.grant.expire_at, now + 60);
    EXPECT_EQ(refreshed.grant.conn_info, "3");
    EXPECT_EQ(sub_refresh("u", "open:b", token(good)), "goodbye 3500 invalid token");
    EXPECT_EQ(sub_refresh("v", "open:a", token(good)), "goodbye 3500 invalid token");
    EXPECT_EQ(sub_refresh("u", "open:a", "x.y.z"), "goodbye 3500 invalid token");
    EXPECT_EQ(sub_refresh("u", "open:a", token({{"sub", "u"}, {"channel", "open:a"}, {"exp", now - 60}})),
              "error 110");
    EXPECT_EQ(sub_refresh("u", "open:a", ""), "error 110");
    EXPECT_EQ(sub_refresh("u", "nowhere:a", token(good)), "error 102");
    made.reset();
    settings.proxy_sub_refresh = "http://backend.example/sub_refresh";
    EXPECT_EQ(sub_refresh("u", "open:a", ""), "");
    EXPECT_EQ(question().at("channel"), "open:a");
    fetcher.answer(R"({"result":{"expired":true}})");
    EXPECT_EQ(refreshed.said, "error 110");
    sub_refresh("u", "open:a", "");
    fetcher.answer(R"({"result":{"expire_at":1700000009}})");
    EXPECT_EQ(refreshed.grant.expire_at, now + 9);
}

// -- publish, rpc, presence, history

TEST_F(Doorkeeper, PublishesByTheNamespacesRules) {
    EXPECT_EQ(publish("", "open:a", false), "yes");
    EXPECT_EQ(publish("u", "users:a", false), "error 103");
    EXPECT_EQ(publish("", "users:a", true), "yes");
    EXPECT_EQ(publish("u", "a", true), "error 103");
    EXPECT_EQ(publish("u", "nowhere:a", true), "error 102");
    EXPECT_EQ(publish("u", "open: a", true), "error 107");
    EXPECT_EQ(publish("7", "own:a#7", false), "yes");
    EXPECT_EQ(publish("9", "own:a#7", false), "error 103") << "into others' private group";
    EXPECT_EQ(publish("9", "own:a#7", true), "yes") << "a token let it in";
}

TEST_F(Doorkeeper, TheBackendPublishesWhereItIsAsked) {
    EXPECT_EQ(publish("u", "asked:a", true), "error 108");
    made.reset();
    settings.proxy_publish = "http://backend.example/publish";
    EXPECT_EQ(publish("u", "asked:a", true), "");
    EXPECT_EQ(question().at("data"), json::parse(R"({"p":1})"));
    fetcher.answer(R"({"result":{"data":{"p":2},"skip_history":true}})");
    EXPECT_EQ(published.said, "yes");
    EXPECT_EQ(published.grant.data, R"({"p":2})");
    EXPECT_TRUE(published.grant.skip_history);
    publish("u", "asked:a", true);
    fetcher.answer("{}");
    EXPECT_EQ(published.said, "yes");
    EXPECT_EQ(published.grant.data, "");
    publish("u", "asked:a", true);
    fetcher.answer(R"({"disconnect":{"code":4500,"reason":"spam"}})");
    EXPECT_EQ(published.said, "goodbye 4500 spam");
}

TEST_F(Doorkeeper, RpcGoesToAPluginThenToTheBackend) {
    const auto call = [&](std::string method) {
        door().rpc(client("u"), std::move(method), "[1]", answered.listener());
        return answered.said;
    };
    EXPECT_EQ(call("echo"), "yes");
    EXPECT_EQ(answered.grant.data, "u:[1]");
    EXPECT_EQ(call("other"), "error 104");
    made.reset();
    settings.proxy_rpc = "http://backend.example/rpc";
    EXPECT_EQ(call("other"), "");
    EXPECT_EQ(question().at("method"), "other");
    EXPECT_EQ(question().at("data"), json::parse("[1]"));
    fetcher.answer(R"({"result":{"data":[2]}})");
    EXPECT_EQ(answered.grant.data, "[2]");
}

TEST_F(Doorkeeper, JudgesByTheRulesOfNow) {
    EXPECT_EQ(publish("u", "open:a", true), "yes");
    auto rules = namespaces.now();
    ASSERT_TRUE(rules.set("open", R"({"allow_publish":"nobody","allow_history":"nobody"})", "reload"));
    ASSERT_TRUE(rules.set("new", R"({"allow_subscribe":"everyone"})", "reload"));
    EXPECT_EQ(subscribe("u", "new:a"), "error 102");
    namespaces.replace(std::move(rules));
    EXPECT_EQ(publish("u", "open:a", true), "error 103");
    EXPECT_EQ(subscribe("u", "open:a"), "yes");
    EXPECT_EQ(subscribe("u", "new:a"), "yes");
    EXPECT_EQ(told(door().may_see_history(client("u"), "open:a", true)), "error 103");
}

TEST_F(Doorkeeper, PresenceAndHistoryAreShownByTheNamespacesRules) {
    const auto presence = [&](const char* user, const char* group, bool in) {
        return told(door().may_see_presence(client(user), group, in));
    };
    const auto history = [&](const char* user, const char* group, bool in) {
        return told(door().may_see_history(client(user), group, in));
    };
    EXPECT_EQ(presence("", "open:a", false), "yes");
    EXPECT_EQ(presence("u", "users:a", false), "error 103");
    EXPECT_EQ(presence("", "users:a", true), "yes");
    EXPECT_EQ(presence("u", "asked:a", true), "error 108");
    EXPECT_EQ(presence("u", "nowhere:a", true), "error 102");
    EXPECT_EQ(presence("u", "", true), "error 107");
    EXPECT_EQ(presence("7", "own:a#7", false), "yes");
    EXPECT_EQ(presence("9", "own:a#7", false), "error 103");
    EXPECT_EQ(history("", "open:a", false), "yes");
    EXPECT_EQ(history("", "users:a", true), "error 103");
    EXPECT_EQ(history("u", "users:a", false), "yes");
    EXPECT_EQ(history("u", "own:a", true), "error 108");
    EXPECT_EQ(history("u", "nowhere:a", true), "error 102");
}

// -- With keys that have to be fetched

TEST_F(Doorkeeper, WaitsForTheKeySet) {
    const auto key = test::signing_key::ed25519();
    jwks_cache keys("https://keys.example/", jwks_limits{.age = 1h}, fetcher, clock, counts);
    const jwt_verifier by_set(jwt_settings{}, clock, &keys);
    made =
        std::make_unique<doorkeeper>(doorkeeper_parts{settings, namespaces, by_set, fetcher, clock, counts});
    connect_question what;
    what.token = key.sign(R"({"alg":"EdDSA","kid":"a"})", R"({"sub":"u"})", nullptr);
    EXPECT_EQ(connect(what), "");
    fetcher.answer(R"({"keys":[)" + key.jwk("a") + "]}");
    EXPECT_EQ(connected.said, "yes");
    EXPECT_EQ(connected.grant.user, "u");
    clock.advance(2h);
    EXPECT_EQ(connect(what), "");
    fetcher.fail_with(errc::request_timeout);
    EXPECT_EQ(connected.said, "error 100") << "temporary: the client tries again";
    EXPECT_EQ(refresh("u", what.token), "error 100");
    EXPECT_EQ(subscribe("u", "open:a", what.token), "error 100");
    EXPECT_EQ(sub_refresh("u", "open:a", what.token), "error 100");
}

TEST_F(Doorkeeper, AFreshKeyWithinThePauseIsNoEnd) {
    const auto key = test::signing_key::ed25519();
    jwks_cache keys("https://keys.example/", jwks_limits{.pause = 5s}, fetcher, clock, counts);
    const jwt_verifier by_set(jwt_settings{}, clock, &keys);
    made =
        std::make_unique<doorkeeper>(doorkeeper_parts{settings, namespaces, by_set, fetcher, clock, counts});
    keys.prefetch();
    fetcher.answer(R"({"keys":[)" + key.jwk("a") + "]}");
    connect_question what;
    what.token = key.sign(R"({"alg":"EdDSA","kid":"b"})", R"({"sub":"u"})", nullptr);
    EXPECT_EQ(connect(what), "error 100") << "temporary: the client tries again";
    EXPECT_EQ(refresh("u", what.token), "error 100");
    EXPECT_EQ(subscribe("u", "open:a", what.token), "error 100");
    EXPECT_EQ(sub_refresh("u", "open:a", what.token), "error 100");
    clock.advance(5s);
    EXPECT_EQ(connect(what), "");
    fetcher.answer(R"({"keys":[)" + key.jwk("a") + "]}");
    EXPECT_EQ(connected.said, "goodbye 3500 invalid token") << "a fetch looked for it";
    EXPECT_EQ(subscribe("u", "open:a", what.token), "error 103");
}

}  // namespace
}  // namespace madang
