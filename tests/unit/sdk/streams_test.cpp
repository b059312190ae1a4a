// The streams of the C++ layer, over the test kit.
#include <gtest/gtest.h>

#include <thread>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

using namespace std::chrono_literals;

// Says what it is told to ask, as JSON; tells the answers.
class Asker : public JsonConsumer {
  public:
    static void setup(Class<Asker>& c) { c.on<&Asker::published>("publication").on<&Asker::sent>("sent"); }
    void connect() override {
        accept();
        group_add("room:1");
    }
    void receive_json(const json& content) override {
        const std::string what = content.value("ask", "");
        if (what == "publish")
            layer().publish("room:1", content["data"], {.skip_history = content.value("live", false)},
                            [this](const Published& done) {
                                send_json({{"code", done.code}, {"offset", done.position.offset}});
                            });
        if (what == "history") {
            HistoryQuery query{.limit = content.value("limit", HistoryQuery::all),
                               .reverse = content.value("reverse", false)};
            if (content.contains("since"))
                query.since = Position{"test", content["since"].get<std::uint64_t>()};
            layer().history("room:1", query, [this](const History& page) {
                json list = json::array();
                for (const auto& each : page.publications) list.push_back(json_of(each));
                send_json({{"code", page.code}, {"top", page.top.offset}, {"list", list}});
            });
        }
        if (what == "presence")
            layer().presence("room:1",
                             {.limit = content.value("limit", 0u), .after = content.value("after", "")},
                             [this](const Presence& page) {
                                 json list = json::array();
                                 for (const auto& each : page.clients) list.push_back(each.who.user);
                                 send_json({{"code", page.code}, {"users", list}, {"more", page.more}});
                             });
        if (what == "stats")
            layer().presence_stats("room:1", [this](const PresenceStats& counts) {
                send_json({{"clients", counts.clients}, {"users", counts.users}});
            });
        if (what == "seen")
            layer().last_seen("room:1", 10, [this](const LastSeen& seen) {
                json list = json::array();
                for (const auto& each : seen.users) list.push_back({each.user, each.time_ms});
                send_json(list);
            });
        if (what == "throw")
            layer().history("room:1", {}, [](const History&) { throw std::runtime_error("in an answer"); });
    }

  private:
    void published(const Publication& what) {
        json tags = json::object();
        for (const auto& [name, value] : what.tags()) tags[std::string(name)] = value;
        send_json({{"published", json_of(what)},
                   {"offset", what.offset()},
                   {"by", what.info() ? std::string(what.info()->user) : "server"},
                   {"tags", tags}});
    }
    void sent(const Event& event) {
        EXPECT_THROW(event.publication(), Error);
        send(event.payload());
    }
};

struct Streams : ::testing::Test {
    Streams() {
        server.setup([](Plugin& plugin) {
            plugin.declare_namespace("room",
                                     json{{"history_size", 3}, {"history_ttl", "10m"}, {"presence", true}});
            plugin.websocket<Asker>("/ws/");
        });
    }
    json ask(Communicator& who, const json& what) {
        who.send_json(what);
        return who.receive_json();
    }
    Server server;
};

TEST_F(Streams, APublicationReachesHandlersWithItsOffsetItsSenderAndItsTags) {
    Communicator ann(server, "/ws/");
    ann.connect();
    server.publish("room:1", {{"n", 1}}, {.info = ClientInfo{"c", "bob"}, .tags = {{"kind", "x"}}});
    EXPECT_EQ(ann.receive_json(),
              json({{"published", {{"n", 1}}}, {"offset", 1}, {"by", "bob"}, {"tags", {{"kind", "x"}}}}));
    server.publish("room:1", 2);
    EXPECT_EQ(ann.receive_json()["by"], "server");
    server.group_send("room:1", "sent", "not a publication");
    EXPECT_EQ(ann.receive_json(), "not a publication");
    EXPECT_EQ(server.history("room:1"), (std::vector<json>{{{"n", 1}}, 2}));
}

TEST_F(Streams, PublishIsAnsweredWithThePosition) {
    Communicator ann(server, "/ws/");
    ann.connect();
    EXPECT_EQ(ask(ann, {{"ask", "publish"}, {"data", "x"}})["published"], "x");
    EXPECT_EQ(ann.receive_json(), json({{"code", 0}, {"offset", 1}}));
    EXPECT_EQ(ask(ann, {{"ask", "publish"}, {"data", "y"}, {"live", true}})["offset"], 0);
    EXPECT_EQ(ann.receive_json()["offset"], 0);
    EXPECT_EQ(server.history("room:1"), (std::vector<json>{"x"}));
}

TEST_F(Streams, WhatIsNoJsonIsRefused) {
    std::uint32_t code = 0;
    server.setup([&](Plugin& plugin) {
        plugin.layer().publish("room:1", "{", {}, [&](const Published& done) { code = done.code; });
        EXPECT_THROW(plugin.layer().publish("no space", "1"), Error);
    });
    EXPECT_TRUE(server.history("room:1").empty());
    EXPECT_EQ(code, 107u);
}

TEST_F(Streams, TheSameKeyPublishesOnce) {
    for (int i = 0; i < 3; ++i) server.publish("room:1", i, {.idempotency_key = "k"});
    EXPECT_EQ(server.history("room:1"), (std::vector<json>{0}));
    server.advance(5min);
    server.publish("room:1", 3, {.idempotency_key = "k"});
    EXPECT_EQ(server.history("room:1").size(), 2u);
}

TEST_F(Streams, HistoryHasASizeATimeAndPages) {
    Communicator ann(server, "/ws/");
    for (int i = 1; i <= 5; ++i) server.publish("room:1", i);
    ann.connect();
    EXPECT_EQ(ask(ann, {{"ask", "history"}}), json({{"code", 0}, {"top", 5}, {"list", {3, 4, 5}}}));
    EXPECT_EQ(ask(ann, {{"ask", "history"}, {"limit", 2}, {"reverse", true}})["list"], json({5, 4}));
    EXPECT_EQ(ask(ann, {{"ask", "history"}, {"since", 3}})["list"], json({4, 5}));
    EXPECT_EQ(ask(ann, {{"ask", "history"}, {"since", 5}, {"reverse", true}})["list"], json({4, 3}));
    EXPECT_EQ(ask(ann, {{"ask", "history"}, {"limit", 0}}),
              json({{"code", 0}, {"top", 5}, {"list", json::array()}}));
    server.advance(10min);
    EXPECT_EQ(ask(ann, {{"ask", "history"}})["list"], json::array());
}

TEST_F(Streams, AreOffWhereTheNamespaceSaysNothing) {
    server.declare_namespace("room", {{"history_size", 0}, {"presence", false}});  // the file is stronger
    Communicator ann(server, "/ws/");
    ann.connect();
    EXPECT_EQ(ask(ann, {{"ask", "history"}})["code"], 108);
    EXPECT_EQ(ask(ann, {{"ask", "presence"}})["code"], 108);
    server.publish("room:1", 1);
    EXPECT_EQ(ann.receive_json()["offset"], 0);
}

TEST_F(Streams, PresenceCountsAUsersTabsOnceAndPages) {
    Communicator ann(server, "/ws/"), tab(server, "/ws/"), guest(server, "/ws/");
    ann.user("ann").connect();
    tab.user("ann").connect();
    guest.connect();
    EXPECT_EQ(ask(ann, {{"ask", "stats"}}), json({{"clients", 3}, {"users", 2}}));
    EXPECT_EQ(ask(ann, {{"ask", "presence"}}),
              json({{"code", 0}, {"users", {"ann", "ann", ""}}, {"more", false}}));
    EXPECT_EQ(ask(ann, {{"ask", "presence"}, {"limit", 1}, {"after", ann.channel_name()}}),
              json({{"code", 0}, {"users", {"ann"}}, {"more", true}}));
    EXPECT_EQ(server.presence("room:1").size(), 3u);
}

TEST_F(Streams, AUserIsLastSeenWhenTheLastTabHasGone) {
    Communicator ann(server, "/ws/"), bob(server, "/ws/"), tab(server, "/ws/");
    ann.user("ann").connect();
    bob.user("bob").connect();
    tab.user("bob").connect();
    bob.disconnect();
    EXPECT_EQ(ask(ann, {{"ask", "seen"}}), json::array());
    server.advance(2s);
    tab.disconnect();
    EXPECT_EQ(ask(ann, {{"ask", "seen"}}), json::array({{"bob", 1'002'000}}));
    Communicator again(server, "/ws/");
    again.user("bob").connect();
    EXPECT_EQ(ask(ann, {{"ask", "seen"}}), json::array());
}

TEST_F(Streams, AnswersComeWhenTheyAreDueAndNotToWhoIsGone) {
    server.delay_answers(1s);
    Communicator ann(server, "/ws/"), bob(server, "/ws/");
    ann.connect();
    bob.connect();
    ann.send_json({{"ask", "history"}});
    bob.send_json({{"ask", "history"}});
    bob.disconnect();
    server.advance(999ms);
    EXPECT_TRUE(ann.receive_nothing());
    server.advance(1ms);
    EXPECT_EQ(ann.receive_json()["top"], 0);
    EXPECT_TRUE(bob.receive_nothing());
}

TEST_F(Streams, AnAnswerThatThrowsClosesItsOwnConnection) {
    Communicator ann(server, "/ws/"), bob(server, "/ws/");
    ann.connect();
    bob.connect();
    ann.send_json({{"ask", "throw"}});
    EXPECT_EQ(ann.receive_close(), 1011);
    EXPECT_FALSE(bob.closed());
    ASSERT_EQ(server.reports().size(), 1u);
    EXPECT_EQ(server.reports()[0].where, "answer");
    EXPECT_EQ(server.reports()[0].what, "in an answer");
}

TEST_F(Streams, APluginsOwnThreadMayPublish) {
    Communicator ann(server, "/ws/");
    ann.connect();
    std::optional<Layer> layer;
    server.setup([&](Plugin& plugin) { layer = plugin.layer(); });
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) layer->publish("room:1", json(i));
    });
    for (int i = 0; i < 100; ++i) EXPECT_EQ(ann.receive_json()["published"], i);
    other.join();
}

TEST_F(Streams, WrongNamespacesAreRefusedAtLoad) {
    const auto declare = [&](const char* options) {
        server.setup([&](Plugin& plugin) { plugin.declare_namespace("x", options); });
    };
    EXPECT_THROW(declare("[]"), Error);
    EXPECT_THROW(declare(R"({"histroy_size": 1})"), Error);
    EXPECT_THROW(declare(R"({"history_size": 1})"), Error);
}

TEST(Rpc, CallsReachTheHandlerWithWhoCalls) {
    Server server;
    server.setup([](Plugin& plugin) {
        plugin.on_rpc("echo", [](const RpcCall& call) {
            return rpc_result({{"data", json_of(call)},
                               {"user", call.user()},
                               {"scope", call.scope().user().id},
                               {"client", call.client()},
                               {"method", call.method()}});
        });
    });
    const auto answer = server.rpc("echo", {1, 2}, {.user = "ann", .client = "c1"});
    ASSERT_TRUE(answer);
    EXPECT_EQ(
        answer.data,
        json({{"data", {1, 2}}, {"user", "ann"}, {"scope", "ann"}, {"client", "c1"}, {"method", "echo"}}));
    EXPECT_EQ(server.rpc("unknown").code, 104u);
}

TEST(Rpc, ErrorsAreTheHandlersOrAnInternalOne) {
    Server server;
    server.setup([](Plugin& plugin) {
        plugin.on_rpc("refuse", [](const RpcCall&) -> RpcResult { throw RpcError(1000, "not today"); })
            .on_rpc("fail", [](const RpcCall&) -> RpcResult { throw std::runtime_error("secret"); })
            .on_rpc("garbage", [](const RpcCall&) { return RpcResult{"{"}; })
            .on_rpc("drop", [](const RpcCall&, RpcReply) {});
        EXPECT_THROW(plugin.on_rpc("drop", [](const RpcCall&) { return RpcResult{}; }), Error);
    });
    EXPECT_EQ(server.rpc("refuse").code, 1000u);
    EXPECT_EQ(server.rpc("refuse").message, "not today");
    EXPECT_EQ(server.rpc("fail").code, 100u);
    EXPECT_EQ(server.rpc("fail").message, "") << "what went wrong is for the log";
    EXPECT_EQ(server.logs().back().message, "fail: secret");
    EXPECT_EQ(server.rpc("garbage").code, 100u);
    EXPECT_EQ(server.rpc("drop").code, 100u);
}

TEST(Rpc, CanBeAnsweredLaterFromAnotherThread) {
    Server server;
    std::thread other;
    server.setup([&](Plugin& plugin) {
        plugin.on_rpc("later", [&](const RpcCall&, RpcReply reply) {
            other = std::thread([reply] {
                reply({"1"});
                reply({"2"});
            });
        });
    });
    EXPECT_EQ(server.rpc("later").data, 1);
    other.join();
}

TEST(Rpc, MessagesHaveNoAnswer) {
    Server server;
    std::vector<std::string> heard;
    server.setup([&](Plugin& plugin) {
        plugin.on_message([&](const RpcCall& call) { heard.push_back("one " + std::string(call.data())); });
        plugin.on_message([&](const RpcCall& call) { heard.push_back("two " + std::string(call.client())); });
    });
    server.message({{"a", 1}}, {.client = "c7"});
    EXPECT_EQ(heard, (std::vector<std::string>{R"(one {"a":1})", "two c7"}));
}

}  // namespace
}  // namespace madang::testing
