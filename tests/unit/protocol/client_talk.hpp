// A conversation of one client with a session: what it says, what it hears.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "broker/protocol/client_push.hpp"
#include "broker/protocol/client_session.hpp"
#include "tests/support/fake_client_port.hpp"

namespace madang::testing {

inline publication pub(std::uint64_t offset, std::string_view data = "") {
    publication made;
    made.data = payload::copy_of(data.empty() ? std::to_string(offset) : std::string(data));
    made.offset = offset;
    return made;
}
inline group_news news_of(publication what) {
    group_news made;
    made.published = std::move(what);
    return made;
}
inline group_news news_of(group_news::kind what, std::string client) {
    group_news made;
    made.what = what;
    made.who = std::make_shared<client_info>(client_info{std::move(client), "u", "", ""});
    return made;
}

struct talk {
    explicit talk(bool unidirectional = false, std::string emulated = "")
        : session(port, limits,
                  {"c1", "websocket", std::move(emulated), unidirectional, std::make_shared<scope>()}) {
        limits.version = "Madang 0.1.0";
        limits.node = "n1";
        for (const auto& [name, json] : {
                 std::pair{"", "{}"},
                 {"kept", R"({"history_size":100,"history_ttl":"1m"})"},
                 {"news", R"({"history_size":100,"history_ttl":"1m","recovery":true})"},
                 {"pos", R"({"history_size":100,"history_ttl":"1m","positioning":true})"},
                 {"last", R"({"history_size":100,"history_ttl":"1m","recovery":true,"cache":true})"},
                 {"room", R"({"presence":true,"join_leave":true})"},
             }) {
            if (!port.table.set(name, json, "test")) throw std::logic_error("the test's namespaces");
        }
        session.start();
    }

    // What the client hears after it said that and everything was answered, frames apart by " | ".
    std::string say(std::string_view text) {
        port.frames.clear();
        session.on_message(text);
        port.run();
        return heard();
    }
    std::string heard() {
        std::string all;
        for (const auto& each : std::exchange(port.frames, {})) {
            if (!all.empty()) all += " | ";
            all += each;
        }
        return all;
    }
    talk& connected() {
        say(R"({"id":1,"connect":{}})");
        port.calls.clear();
        return *this;
    }
    talk& subscribed(const std::string& group, const std::string& more = "") {
        connected();
        say(R"({"id":2,"subscribe":{"channel":")" + group + "\"" + more + "}}");
        port.calls.clear();
        return *this;
    }
    // "3501 bad request", or "" while it is open.
    std::string closed() const {
        return port.closed ? std::to_string(port.closed->first) + " " + port.closed->second : "";
    }

    fake_client_port port;
    session_limits limits;
    client_session session;
};

inline std::string error_reply(int id, int code, const std::string& message, bool temporary = false) {
    return "{\"id\":" + std::to_string(id) + ",\"error\":{\"code\":" + std::to_string(code) +
           ",\"message\":\"" + message + "\"" + (temporary ? ",\"temporary\":true" : "") + "}}";
}
// Of id 5.
inline std::string subscribe_to(const std::string& group, const std::string& more = "") {
    return R"({"id":5,"subscribe":{"channel":")" + group + "\"" + more + "}}";
}

// A stream that was at (e, 9) when it was asked.
inline result<subscribed> at_nine(const std::string& group, const subscribe_spec& how) {
    subscribed got;
    if (group.find(':') == group.npos) return got;
    got.top = position{"e", 9};
    if (!how.recover_since) return got;
    const auto& [epoch, offset] = *how.recover_since;
    got.recovered = (epoch.empty() || epoch == "e") && offset <= 9;
    if (!got.recovered) return got;
    for (auto each = how.cache ? std::max<std::uint64_t>(offset, 8) : offset; each < 9; ++each)
        got.missed.push_back(pub(each + 1));
    return got;
}

}  // namespace madang::testing
