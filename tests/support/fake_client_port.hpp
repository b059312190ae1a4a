// A client session's connection and everything behind it, played by the test: what was called is written
// down, and answers wait until the test lets them go, in the order it likes.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/protocol/client_port.hpp"

namespace madang::testing {

template <class T>
verdict<T> yes(T value = {}) {
    verdict<T> result;
    result.yes = std::move(value);
    return result;
}
template <class T>
verdict<T> no(errc why, std::uint16_t wire_code = 0, std::string message = {}) {
    verdict<T> result;
    result.no.code = why;
    result.wire_code = wire_code;
    result.message = std::move(message);
    return result;
}
template <class T>
verdict<T> goodbye(std::uint16_t code, std::string reason) {
    verdict<T> result;
    result.goodbye = disconnect_verdict{code, std::move(reason)};
    return result;
}

class fake_client_port final : public client_port {
  public:
    // What the outside says; a test sets what it wants otherwise.
    std::function<verdict<connect_grant>(const connect_question&)> on_connect = [](auto&) {
        connect_grant grant;
        grant.user = "ann";
        return yes(grant);
    };
    std::function<verdict<subscription_grant>(const subscribe_question&)> on_subscribe = [](auto&) {
        return yes<subscription_grant>();
    };
    std::function<result<subscribed>(const std::string&, const subscribe_spec&)> on_join =
        [](auto&, auto&) -> result<subscribed> { return subscribed{}; };
    std::function<verdict<publish_grant>(const std::string&, bool)> on_publish = [](auto&, bool) {
        return yes<publish_grant>();
    };
    std::function<verdict<rpc_answer>(const std::string&, const std::string&)> on_rpc =
        [](auto&, auto& data) { return yes(rpc_answer{data}); };
    std::function<verdict<refresh_grant>(const std::string&)> on_refresh = [](auto&) {
        return yes<refresh_grant>();
    };
    std::function<verdict<refresh_grant>(const std::string&, const std::string&)> on_sub_refresh =
        [](auto&, auto&) { return yes<refresh_grant>(); };
    result<position> published = position{};
    result<history_page> page = history_page{};
    result<presence_page> present = presence_page{};
    result<presence_counts> counts = presence_counts{};
    result<void> may_presence = {};
    result<void> may_history = {};
    namespace_table table;
    std::int64_t clock_ms = 1'700'000'000'000;
    double chance = 0.5;

    // What the session did.
    std::vector<std::string> frames;
    std::optional<std::pair<std::uint16_t, std::string>> closed;
    std::map<session_timer, std::chrono::milliseconds> timers;  // those that run
    std::vector<std::string> calls;
    std::vector<std::string> messages;
    connect_question connect_asked;
    subscribe_question subscribe_asked;
    known_client asker;
    publish_request publish_asked;
    history_request history_asked;
    presence_request presence_asked;
    std::map<std::string, subscribe_spec> specs;
    std::deque<std::function<void()>> later;  // answers

    // One turn after the other until nothing is left to answer.
    void run() {
        while (!later.empty()) step();
    }
    void step(std::size_t which = 0) {
        const auto next = std::move(later[which]);
        later.erase(later.begin() + static_cast<std::ptrdiff_t>(which));
        if (!closed) next();
    }

    void send(std::string_view lines) override { frames.emplace_back(lines); }
    void disconnect(std::uint16_t code, std::string_view reason) override {
        closed = {code, std::string(reason)};
        calls.push_back("disconnect");
    }
    void subscribe(std::string_view group, const subscribe_spec& how, answer<subscribed> done) override {
        calls.push_back("subscribe " + std::string(group));
        specs[std::string(group)] = how;
        later.push_back([this, name = std::string(group), how, done] { done(on_join(name, how)); });
    }
    void go_live(std::string_view group, bool joins) override {
        calls.push_back((joins ? "go_live with joins " : "go_live ") + std::string(group));
    }
    void unsubscribe(std::string_view group) override {
        calls.push_back("unsubscribe " + std::string(group));
    }
    void set_timer(session_timer which, std::chrono::milliseconds delay) override {
        timers.erase(which);
        if (delay.count() >= 0) timers[which] = delay;
    }
    std::int64_t now_ms() const override { return clock_ms; }
    double random() override { return chance; }

    void publish(publish_request what, answer<position> done) override {
        calls.push_back("publish " + what.group + " " + std::string(what.data.bytes()));
        publish_asked = std::move(what);
        later.push_back([this, done] { done(published); });
    }
    void history(history_request what, answer<history_page> done) override {
        history_asked = std::move(what);
        later.push_back([this, done] { done(page); });
    }
    void presence(presence_request what, answer<presence_page> done) override {
        presence_asked = std::move(what);
        later.push_back([this, done] { done(present); });
    }
    void presence_stats(std::string, answer<presence_counts> done) override {
        later.push_back([this, done] { done(counts); });
    }
    void ask_connect(connect_question what, gate_answer<connect_grant> done) override {
        connect_asked = std::move(what);
        later.push_back([this, done] { done(on_connect(connect_asked)); });
    }
    void ask_refresh(const known_client& who, std::string token, gate_answer<refresh_grant> done) override {
        asker = who;
        calls.push_back("refresh " + token);
        later.push_back([this, token, done] { done(on_refresh(token)); });
    }
    void ask_subscribe(const known_client& who, subscribe_question what,
                       gate_answer<subscription_grant> done) override {
        asker = who;
        subscribe_asked = what;
        later.push_back([this, what, done] { done(on_subscribe(what)); });
    }
    void ask_sub_refresh(const known_client& who, std::string group, std::string token,
                         gate_answer<refresh_grant> done) override {
        asker = who;
        calls.push_back("sub_refresh " + group + " " + token);
        later.push_back([this, group, token, done] { done(on_sub_refresh(group, token)); });
    }
    void ask_publish(const known_client& who, std::string group, bool subscribed, std::string,
                     gate_answer<publish_grant> done) override {
        asker = who;
        later.push_back([this, group, subscribed, done] { done(on_publish(group, subscribed)); });
    }
    void ask_rpc(const known_client& who, std::string method, std::string data,
                 gate_answer<rpc_answer> done) override {
        asker = who;
        later.push_back([this, method, data, done] { done(on_rpc(method, data)); });
    }
    result<void> may_see_presence(const known_client&, std::string_view, bool) override {
        return may_presence;
    }
    result<void> may_see_history(const known_client&, std::string_view, bool) override { return may_history; }
    const namespace_table& namespaces() const noexcept override { return table; }
    void on_message(const known_client&, std::string_view data) override { messages.emplace_back(data); }
};

}  // namespace madang::testing
