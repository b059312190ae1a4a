// A conversation, a line each: its first character says what happens. What the client says stands as it is,
// behind '>'
// ('\t' in it is a line feed); everything else takes its numbers from the characters that follow.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/core/close_codes.hpp"
#include "broker/protocol/client_session.hpp"
#include "broker/protocol/json_reader.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_client_port.hpp"

namespace {

using namespace madang;
using testing::fake_client_port;

// Answers at random from the line that lets them go.
struct answers {
    fuzz::input from{nullptr, 0};
    template <class T>
    verdict<T> say(T value) {
        const auto which = from.byte();
        if (which == '!')
            return testing::no<T>(static_cast<errc>(from.byte() % 40), from.byte(), "text \"\n");
        if (which == '/') return testing::goodbye<T>(static_cast<std::uint16_t>(2900 + 16 * from.byte()), "");
        return testing::yes(std::move(value));
    }
    std::int64_t time() {
        const auto when = from.byte();
        return when < '5' ? 0 : 1'700'000'000 + (when - '5');
    }
    std::string group() {
        const char* const names[] = {"x", "news:1", "last:1", "room:1", "q:1", "a b"};
        return names[from.byte() % std::size(names)];
    }
    std::optional<position> since() {
        if (from.byte() % 2 == 0) return std::nullopt;
        return position{"e", from.byte() % 16u};
    }
    publication pub() {
        publication made;
        made.data = payload::copy_of("{\"a\":1}");
        made.offset = from.byte() % 16;
        return made;
    }
    result<subscribed> join() {
        const auto which = from.byte();
        if (which == '!') return fail(static_cast<errc>(from.byte() % 40));
        subscribed made;
        if (which % 4 != 0) made.top = position{"e", from.byte() % 16u};
        made.recovered = which % 2 != 0;
        for (int left = from.byte() % 8; left > 0; --left) made.missed.push_back(pub());
        return made;
    }
};

void set_up(fake_client_port& port, answers& say) {
    const std::pair<const char*, const char*> rules[] = {
        {"news", R"({"history_size":9,"history_ttl":"1m","recovery":true})"},
        {"last", R"({"history_size":9,"history_ttl":"1m","recovery":true,"cache":true})"},
        {"room", R"({"presence":true,"join_leave":true})"}};
    for (const auto& [name, json] : rules)
        fuzz::require(port.table.set(name, json, "fuzz").has_value(), "the namespaces are well-formed");
    port.on_connect = [&](auto&) {
        connect_grant grant;
        grant.user = "u";
        grant.expire_at = say.time();
        for (int left = say.from.byte() % 4; left > 0; --left) {
            grant.groups.push_back({say.group(), {}});
            grant.groups.back().grant.expire_at = say.time();
        }
        return say.say(std::move(grant));
    };
    port.on_subscribe = [&](auto&) {
        subscription_grant grant;
        grant.expire_at = say.time();
        grant.chan_info = "{\n}";
        return say.say(std::move(grant));
    };
    port.on_join = [&](auto&, auto&) { return say.join(); };
    port.on_publish = [&](auto&, bool) { return say.say(publish_grant{}); };
    port.on_rpc = [&](auto&, auto& data) { return say.say(rpc_answer{data}); };
    port.on_refresh = [&](auto&) { return say.say(refresh_grant{say.time(), "1"}); };
    port.on_sub_refresh = [&](auto&, auto&) { return say.say(refresh_grant{say.time(), "2"}); };
}

void check_frames(fake_client_port& port) {
    for (const auto& frame : port.frames) {
        std::string_view rest = frame;
        for (bool more = true; more;) {
            const auto end = rest.find('\n');
            more = end != rest.npos;
            const auto line = rest.substr(0, end);
            const auto json = nlohmann::json::parse(line, nullptr, false);
            fuzz::require(json.is_object() && is_json(line), "every line is one object");
            if (more) rest.remove_prefix(end + 1);
        }
    }
    port.frames.clear();
    if (!port.closed) return;
    fuzz::require(port.closed->first >= 3000 && port.closed->first <= 4999, "a close code clients know");
    fuzz::require(!port.closed->second.empty() && port.closed->second.size() <= 123,
                  "a reason clients understand");
    fuzz::require(port.calls.back() == "disconnect", "nothing is done once it is over");
}

client_command command_from(answers& say) {
    client_command made;
    made.what = static_cast<client_command::verb>(say.from.byte() % 4);
    made.group = say.from.byte() % 4 == 0 ? "" : say.group();
    made.since = say.since();
    made.code = static_cast<std::uint16_t>(say.from.byte() * 20);
    if (say.from.byte() % 2 == 0) made.expire_at = say.time();
    return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in{data, size};
    answers say;
    fake_client_port port;
    set_up(port, say);
    session_limits limits;
    limits.groups = 3;
    limits.commands_waiting = 6;
    limits.news_held = 8;
    limits.node = "n";
    limits.version = "v";
    const auto kind = in.line();
    client_session session(port, limits, {"c", "websocket", "s", kind == "uni", nullptr});
    session.start();
    while (!in.empty()) {
        const auto line = in.line();
        if (line.empty()) continue;
        const auto rest = line.substr(1);
        say.from = {reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size()};
        switch (line[0]) {
            case '>': {
                std::string text(rest);
                std::replace(text.begin(), text.end(), '\t', '\n');
                session.on_message(text);
                break;
            }
            case '<':
                if (!port.later.empty()) port.step(say.from.byte() % port.later.size());
                break;
            case 'n': {
                const auto group = say.group();
                group_news news;
                news.what = static_cast<group_news::kind>(say.from.byte() % 3);
                news.published = say.pub();
                news.who = std::make_shared<client_info>(client_info{"d", "\"\n", "", ""});
                session.on_news(group, news);
                break;
            }
            case 'l':
                session.on_stream_lost(say.group());
                break;
            case 't':
                port.clock_ms += say.from.byte() * 500;
                session.on_timer(static_cast<session_timer>(say.from.byte() % 5));
                break;
            case 'c':
                session.on_command(command_from(say));
                break;
            case 'e':
                session.ended();
                break;
            default:
                // But for numbers past a double's range, depth, and NUL, which ends that parser's text.
                if (line.size() > 250 ||
                    line.find_first_of(std::string_view("0123456789\0", 11)) != line.npos)
                    break;
                fuzz::require(is_json(line) == nlohmann::json::accept(line), "one grammar");
        }
        check_frames(port);
        fuzz::require(session.subscriptions() <= limits.groups, "subscriptions are limited");
    }
    return 0;
}
