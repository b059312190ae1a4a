// A node with streams, and client sessions that may do everything.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>

#include "actors/session_services.hpp"
#include "tests/integration/actors/node_impl.hpp"

namespace madang::testing {

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
    explicit stream_node(std::uint32_t loops, clustered how = clustered::no,
                         std::chrono::milliseconds patience = std::chrono::seconds{20},
                         std::uint32_t turn_handlers = options{}.turn_handlers)
        : node(
              loops, 8 << 20, MADANG_ASYNC,
              {{"news",
                R"({"history_size":100,"history_ttl":"1m","recovery":true,"presence":true,"join_leave":true})"},
               {"brief",
                R"({"history_size":100,"history_ttl":"20ms","history_meta_ttl":"20ms","recovery":true})"},
               {"room", R"({"presence":true})"},
               {"hall", R"({"presence":true,"join_leave":true})"},
               {"live", "{}"}},
              {}, how, patience, turn_handlers) {
        services.emplace(session_services{.limits = {}, .gate = doors, .streams = *all, .on_message = {}});
        client_class = client_consumer_class(*services);
        client_route = route;
        client_route.consumer = &client_class;
    }

    // A client of the protocol: connected.
    client open_session(std::size_t loop, const std::string& user = "") {
        auto entry = std::make_shared<session_entry>();
        static std::atomic<int> sessions{0};  // of all nodes: the ids are unique over them
        entry->client = "client-" + std::to_string(++sessions);
        entry->transport = "websocket";
        auto made = connect(loop, client_route, std::move(entry));
        EXPECT_EQ(made.next(), "101");
        lines.erase(made.fd());  // of another that had it before
        const auto reply = tell(made, {{"id", 1}, {"connect", {{"data", {{"user", user}}}}}});
        EXPECT_TRUE(reply.contains("connect")) << reply;
        return made;
    }
    json tell(client& to, const json& command) {
        to.say(command.dump());
        return next(to);
    }
    // The next line: a frame may hold several.
    json next(client& of) {
        auto& waiting = lines[of.fd()];
        if (waiting.empty()) {
            std::istringstream frame(of.next());
            for (std::string line; std::getline(frame, line);) waiting.push_back(line);
        }
        const auto line = waiting.front();
        waiting.pop_front();
        return json::parse(line);
    }
    // The next push of that kind ("pub", "join", ...).
    json push(client& of, const std::string& kind) {
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
    std::string epoch_of(const std::string& group) {
        std::promise<result<history_page>> done;
        all->history({.group = group, .limit = 0, .since = {}},
                     [&](result<history_page> got) { done.set_value(std::move(got)); });
        return done.get_future().get().value().top.epoch;
    }
    void kill_group(const std::string& group) {
        const auto home = all->hub_at(0).home_of(group);
        caf::anon_send_exit(on_loop(home, [&] { return all->hub_at(home).actor_of(group); }),
                            caf::exit_reason::kill);
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
    std::map<int, std::deque<std::string>> lines;  // by descriptor
};

// While one publishes as fast as it can, others come to `node`, lose their connection and come back: what
// each got is without a gap and without a repetition.
inline void come_and_go(stream_node& publishing, stream_node& node, const std::string& group,
                        std::uint32_t loops) {
    constexpr int total = 2000;
    std::atomic<int> sent{0};
    std::jthread publisher([&] {
        for (int i = 1; i <= total; ++i) {
            publishing.publish(group, std::to_string(i));
            sent = i;
        }
    });
    std::uint64_t seen = 0;
    std::string epoch;
    for (int round = 0; seen < total; ++round) {
        auto session = node.open_session(static_cast<std::size_t>(round) % loops);
        json ask{{"channel", group}};
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

}  // namespace madang::testing
