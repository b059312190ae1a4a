// Streams, presence and client sessions on real loops, over a store in memory.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "actors/session_services.hpp"
#include "tests/integration/actors/node_impl.hpp"

namespace madang::testing {
namespace {

using nlohmann::json;

// Everybody may do everything, as whoever they say in their connect command's data.
class open_gate final : public gatekeeper {
  public:
    void connect(connect_question what, answer<connect_grant> done) override {
        connect_grant grant;
        if (!what.data.empty()) grant.user = json::parse(what.data).value("user", "");
        done({.yes = std::move(grant), .no = {}, .wire_code = 0, .message = {}, .goodbye = {}});
    }
    void refresh(const known_client&, std::string, answer<refresh_grant> done) override { grant(done); }
    void subscribe(const known_client&, subscribe_question, answer<subscription_grant> done) override {
        grant(done);
    }
    void sub_refresh(const known_client&, std::string, std::string, answer<refresh_grant> done) override {
        grant(done);
    }
    void publish(const known_client&, std::string, bool, std::string, answer<publish_grant> done) override {
        grant(done);
    }
    void rpc(const known_client&, std::string, std::string, answer<rpc_answer> done) override { grant(done); }
    result<void> may_see_presence(const known_client&, std::string_view, bool) override { return {}; }
    result<void> may_see_history(const known_client&, std::string_view, bool) override { return {}; }

  private:
    template <class T>
    void grant(const answer<T>& done) {
        done({.yes = T{}, .no = {}, .wire_code = 0, .message = {}, .goodbye = {}});
    }
};

struct stream_node : node {
    explicit stream_node(std::uint32_t loops)
        : node(
              loops, 8 << 20, MADANG_ASYNC,
              {{"news",
                R"({"history_size":100,"history_ttl":"1m","recovery":true,"presence":true,"join_leave":true})"},
               {"live", "{}"}}) {
        services.emplace(session_services{.limits = {}, .gate = doors, .streams = *all, .on_message = {}});
        client_class = client_consumer_class(*services);
        client_route = route;
        client_route.consumer = &client_class;
    }

    // A client of the protocol: connected.
    client open_session(std::size_t loop, const std::string& user = "") {
        auto entry = std::make_shared<session_entry>();
        entry->client = "client-" + std::to_string(++sessions);
        entry->transport = "websocket";
        auto made = connect(loop, client_route, std::move(entry));
        EXPECT_EQ(made.next(), "101");
        const auto reply = tell(made, {{"id", 1}, {"connect", {{"data", {{"user", user}}}}}});
        EXPECT_TRUE(reply.contains("connect")) << reply;
        return made;
    }
    static json tell(client& to, const json& command) {
        to.say(command.dump());
        return json::parse(to.next());
    }
    static json next(client& of) { return json::parse(of.next()); }
    // The next push of that kind ("pub", "join", ...).
    static json push(client& of, const std::string& kind) {
        for (;;) {
            const auto message = next(of);
            if (message.contains("push") && message["push"].contains(kind)) return message["push"][kind];
        }
    }
    position publish(const std::string& group, const std::string& data) {
        std::promise<result<position>> done;
        publish_request request;
        request.group = group;
        request.data = payload::copy_of(data);
        all->publish(std::move(request), [&](result<position> at) { done.set_value(std::move(at)); });
        return done.get_future().get().value();
    }
    presence_counts count(const std::string& group) {
        std::promise<result<presence_counts>> done;
        all->presence_stats(group, [&](result<presence_counts> got) { done.set_value(std::move(got)); });
        return done.get_future().get().value();
    }

    open_gate doors;
    std::optional<session_services> services;
    madang_consumer_class client_class{};
    consumer_route client_route;
    int sessions = 0;
};

class Streams : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Loops, Streams, ::testing::Values(1u, 2u));

TEST_P(Streams, PublicationsHavePositionsAndReachConsumersAndClientsAlike) {
    stream_node node(GetParam());
    auto consumer = node.join(0);
    consumer.say("join news:1");
    EXPECT_EQ(consumer.ask("echo in"), "in");
    auto session = node.open_session(GetParam() - 1);
    const auto reply = node.tell(session, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    ASSERT_TRUE(reply.contains("subscribe")) << reply;
    node.until([&] { return node.counts.total(gauge::members) == 2; });
    EXPECT_EQ(node.publish("news:1", R"({"a":1})").offset, 1u);
    EXPECT_EQ(node.publish("news:1", R"({"a":2})").offset, 2u);
    EXPECT_EQ(consumer.next(), R"({"a":1})");
    EXPECT_EQ(consumer.next(), R"({"a":2})");
    EXPECT_EQ(node.push(session, "pub").value("offset", 0), 1);
    const auto second = node.push(session, "pub");
    EXPECT_EQ(second.value("offset", 0), 2);
    EXPECT_EQ(second["data"]["a"], 2);
}

TEST_P(Streams, AClientThatWasAwayGetsWhatItMissedOnceAndInOrder) {
    stream_node node(GetParam());
    auto first = node.open_session(0);
    auto reply = node.tell(first, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    const auto epoch = reply["subscribe"].value("epoch", "");
    EXPECT_FALSE(epoch.empty());
    node.publish("news:1", "1");
    EXPECT_EQ(node.push(first, "pub").value("offset", 0), 1);
    first.close();
    for (int i = 2; i <= 5; ++i) node.publish("news:1", std::to_string(i));

    auto again = node.open_session(GetParam() - 1);
    reply = node.tell(
        again, {{"id", 2},
                {"subscribe", {{"channel", "news:1"}, {"recover", true}, {"epoch", epoch}, {"offset", 1}}}});
    const auto& got = reply["subscribe"];
    EXPECT_TRUE(got.value("recovered", false)) << reply;
    ASSERT_EQ(got["publications"].size(), 4u) << reply;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(got["publications"][i]["data"], i + 2);
    node.publish("news:1", "6");
    EXPECT_EQ(node.push(again, "pub")["data"], 6);
}

TEST_P(Streams, AnotherEpochCannotBeRecovered) {
    stream_node node(GetParam());
    node.publish("news:1", "1");
    auto session = node.open_session(0);
    const auto reply = node.tell(
        session,
        {{"id", 2},
         {"subscribe", {{"channel", "news:1"}, {"recover", true}, {"epoch", "other"}, {"offset", 0}}}});
    EXPECT_FALSE(reply["subscribe"].value("recovered", false)) << reply;
    EXPECT_TRUE(reply["subscribe"].value("was_recovering", false));
    EXPECT_EQ(reply["subscribe"].value("offset", 0), 1);
}

// While one publishes as fast as it can, others come, lose their connection and come back: what each got is
// without a gap and without a repetition.
TEST_P(Streams, NothingIsLostOrRepeatedAroundASubscription) {
    stream_node node(GetParam());
    constexpr int total = 2000;
    std::atomic<int> sent{0};
    std::thread publisher([&] {
        for (int i = 1; i <= total; ++i) {
            node.publish("news:busy", std::to_string(i));
            sent = i;
        }
    });
    std::uint64_t seen = 0;
    std::string epoch;
    for (int round = 0; seen < total; ++round) {
        auto session = node.open_session(static_cast<std::size_t>(round) % GetParam());
        json ask{{"channel", "news:busy"}};
        if (!epoch.empty()) ask.update({{"recover", true}, {"epoch", epoch}, {"offset", seen}});
        const auto reply = node.tell(session, {{"id", 2}, {"subscribe", ask}});
        const auto& got = reply["subscribe"];
        if (epoch.empty() || !got.value("recovered", false)) {
            epoch = got.value("epoch", "");
            seen = got.value("offset", std::uint64_t{0});
        } else {
            for (const auto& each : got.value("publications", json::array()))
                ASSERT_EQ(each.value("offset", std::uint64_t{0}), ++seen);
        }
        for (int i = 0; i < 50 && seen < total; ++i) {
            const auto pushed = node.push(session, "pub");
            ASSERT_EQ(pushed.value("offset", std::uint64_t{0}), ++seen) << "round " << round;
            ASSERT_EQ(pushed["data"], seen);
        }
    }
    publisher.join();
    EXPECT_EQ(sent, total);
}

TEST_P(Streams, PresenceFollowsMembership) {
    stream_node node(GetParam());
    auto watcher = node.open_session(0, "ann");
    node.tell(watcher, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    node.until([&] { return node.count("news:1").clients == 1; });
    auto tab = node.open_session(GetParam() - 1, "bob");
    node.tell(tab, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    auto other_tab = node.open_session(0, "bob");
    node.tell(other_tab, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    node.until([&] { return node.count("news:1").clients == 3; });
    EXPECT_EQ(node.count("news:1").users, 2u);
    EXPECT_EQ(node.push(watcher, "join")["info"]["user"], "ann");
    EXPECT_EQ(node.push(watcher, "join")["info"]["user"], "bob");
    EXPECT_EQ(node.push(watcher, "join")["info"]["user"], "bob");
    tab.close();
    EXPECT_EQ(node.push(watcher, "leave")["info"]["user"], "bob");
    EXPECT_EQ(node.count("news:1").users, 2u) << "the other tab is there";
    other_tab.close();
    node.push(watcher, "leave");
    EXPECT_EQ(node.count("news:1").clients, 1u);
    EXPECT_EQ(node.count("news:1").users, 1u);
}

TEST_P(Streams, AGroupThatIsRestartedKeepsItsPresence) {
    stream_node node(GetParam());
    const auto home = node.all->hub_at(0).home_of("news:1");
    auto watcher = node.open_session(0, "ann");
    node.tell(watcher, {{"id", 2}, {"subscribe", {{"channel", "news:1"}}}});
    node.until([&] { return node.count("news:1").clients == 1; });
    const auto group = node.on_loop(home, [&] { return node.all->hub_at(home).actor_of("news:1"); });
    caf::anon_send_exit(group, caf::exit_reason::kill);
    node.until([&] { return node.counts.total(labelled_counter::actor_restarts, "group") == 1; });
    node.until([&] { return node.counts.total(gauge::members) == 1; });
    node.publish("news:1", "1");
    EXPECT_EQ(node.push(watcher, "pub")["data"], 1);
    EXPECT_EQ(node.count("news:1").clients, 1u);
}

TEST_P(Streams, TheServerCommandsAUsersConnectionsWhereverTheyAre) {
    stream_node node(GetParam());
    auto a = node.open_session(0, "ann");
    auto b = node.open_session(GetParam() - 1, "ann");
    auto other = node.open_session(0, "bob");
    std::promise<std::size_t> done;
    client_command leave;
    leave.what = client_command::verb::disconnect;
    leave.code = 4321;
    leave.reason = "go";
    node.all->command({.user = "ann", .client = {}, .session = {}}, leave,
                      [&](result<std::size_t> count) { done.set_value(count.value()); });
    EXPECT_EQ(done.get_future().get(), 2u);
    EXPECT_EQ(a.next(), "close:4321");
    EXPECT_EQ(b.next(), "close:4321");
    const auto reply = node.tell(other, {{"id", 2}, {"subscribe", {{"channel", "live:1"}}}});
    EXPECT_TRUE(reply.contains("subscribe")) << "bob stays";
}

TEST_P(Streams, NothingWaitsForAStoreWhoseNodeEnds) {
    stream_node node(GetParam());
    auto session = node.open_session(0);
    for (int i = 0; i < 500; ++i) {
        publish_request request;
        request.group = "news:" + std::to_string(i);
        request.data = payload::copy_of("1");
        node.all->publish(std::move(request), nullptr);
    }
}

}  // namespace
}  // namespace madang::testing
