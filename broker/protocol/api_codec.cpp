#include "broker/protocol/api_codec.hpp"

#include <algorithm>
#include <limits>

#include "broker/core/ascii.hpp"
#include "broker/core/base64.hpp"
#include "broker/core/lower_case.hpp"
#include "broker/core/names.hpp"
#include "broker/protocol/client_push.hpp"
#include "broker/protocol/json_members.hpp"

namespace madang {
namespace {

constexpr std::size_t name_bytes = 255;    // of a user, client, session, idempotency key
constexpr std::size_t reason_bytes = 123;  // RFC 6455 5.5: a control frame's 125 less the code

// One object's members. The first thing that is wrong with them is kept; what is read afterwards is empty.
class fields {
  public:
    explicit fields(std::string_view object) {
        auto members = json_members(object);
        if (members)
            members_ = std::move(*members);
        else
            refuse("takes a JSON object");
    }
    const std::optional<error>& wrong() const { return wrong_; }
    void refuse(std::string why, errc code = errc::bad_request) {
        if (!wrong_) wrong_ = fail(code, std::move(why));
    }

    // The last of that name, as its text; "" when there is none.
    std::string_view raw(std::string_view name) const {
        const auto found = std::find_if(members_.rbegin(), members_.rend(),
                                        [&](const json_member& each) { return each.key == name; });
        return found == members_.rend() ? std::string_view() : found->value;
    }
    // As raw, but null is nothing.
    std::string_view given(std::string_view name) const {
        const auto text = raw(name);
        return text == "null" ? std::string_view() : text;
    }
    std::string text(std::string_view name, std::size_t most = std::numeric_limits<std::size_t>::max()) {
        const auto value = given(name);
        if (value.empty()) return {};
        auto decoded = json_string(value);
        if (!decoded || decoded->size() > most) {
            refuse(std::string(name) + " takes a string" +
                   (decoded ? " of at most " + std::to_string(most) + " bytes" : std::string()));
            return {};
        }
        return std::move(*decoded);
    }
    bool flag(std::string_view name) {
        const auto value = given(name);
        if (!value.empty() && value != "true" && value != "false")
            refuse(std::string(name) + " takes true or false");
        return value == "true";
    }
    std::optional<std::int64_t> integer(std::string_view name) {
        const auto value = given(name);
        if (value.empty()) return std::nullopt;
        const auto number = json_signed(value);
        if (!number) refuse(std::string(name) + " takes a whole number");
        return number;
    }
    std::vector<std::string> texts(std::string_view name, std::size_t limit) {
        std::vector<std::string> all;
        const auto value = given(name);
        if (value.empty()) return all;
        const auto elements = json_elements(value);
        if (!elements) {
            refuse(std::string(name) + " takes a list of strings");
            return all;
        }
        if (elements->size() > limit) {
            refuse(std::string(name) + " has " + std::to_string(elements->size()) + " entries; at most " +
                       std::to_string(limit) + " are taken (api-batch-limit)",
                   errc::limit_exceeded);
            return all;
        }
        for (const auto each : *elements) {
            auto decoded = json_string(each);
            if (!decoded) {
                refuse(std::string(name) + " takes a list of strings");
                return all;
            }
            all.push_back(std::move(*decoded));
        }
        return all;
    }
    std::string group() {
        auto name = text("channel");
        if (name.empty()) refuse("channel is missing");
        return name;
    }
    // `name`, or the bytes of its base64 form, which must be JSON too. "" when neither is there.
    std::string json(const std::string& name) {
        std::string out(name == "data" ? raw(name) : given(name));
        if (const auto encoded = text("b64" + name); !encoded.empty()) {
            auto decoded = base64_decode(encoded);
            if (!decoded || !valid_json(*decoded)) {
                refuse("b64" + name +
                       (decoded ? " holds no JSON value, which is what Madang carries"
                                : " is not base64 (RFC 4648 4)"));
                return {};
            }
            out = std::move(*decoded);
        }
        // The client protocol has a line per message; a JSON string cannot hold a raw newline.
        std::replace_if(
            out.begin(), out.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
        return out;
    }
    std::optional<position> place(std::string_view name) {
        const auto value = given(name);
        if (value.empty()) return std::nullopt;
        fields inside(value);
        position where{inside.text("epoch", name_bytes), 0};
        if (const auto offset = inside.given("offset"); !offset.empty()) {
            const auto number = json_unsigned(offset);
            if (!number) inside.refuse("offset takes a whole number");
            where.offset = number.value_or(0);
        }
        if (inside.wrong()) refuse(std::string(name) + ": " + inside.wrong()->detail);
        return where;
    }

  private:
    std::vector<json_member> members_;
    std::optional<error> wrong_;
};

// What publish and broadcast have in common.
publish_request publication_of(fields& in) {
    publish_request what;
    const auto data = in.json("data");
    if (data.empty()) in.refuse("data is missing");
    what.data = payload::copy_of(data);
    what.skip_history = in.flag("skip_history");
    what.idempotency_key = in.text("idempotency_key", name_bytes);
    in.flag("delta");
    if (const auto given = in.given("tags"); !given.empty()) {
        publication_extra extra;
        const auto members = json_members(given);
        if (!members) in.refuse("tags takes an object of strings");
        for (const auto& each : members.value_or(std::vector<json_member>())) {
            auto value = json_string(each.value);
            if (!value) in.refuse("tags takes an object of strings");
            extra.tags.push_back({each.key, value.value_or("")});
        }
        if (!extra.tags.empty()) what.extra = std::make_shared<const publication_extra>(std::move(extra));
    }
    return what;
}

// A disconnect's own code and reason.
void read_disconnect(fields& in, client_command& what) {
    const auto given = in.given("disconnect");
    if (given.empty()) return;
    fields inside(given);
    const auto code = inside.integer("code").value_or(0);
    // Below 3000 the codes are the WebSocket protocol's.
    if (code != 0 && (code < 3000 || code > 4999)) inside.refuse("code takes 3000 to 4999");
    what.code = static_cast<std::uint16_t>(code);
    what.reason = inside.text("reason", reason_bytes);
    // centrifuge-js parses what looks like JSON.
    if (what.reason.starts_with('{') || std::any_of(what.reason.begin(), what.reason.end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        }))
        inside.refuse("reason takes a short plain text");
    if (inside.wrong()) in.refuse("disconnect: " + inside.wrong()->detail);
}

template <class T>
result<T> unless_wrong(const fields& in, T made) {
    if (in.wrong()) return *in.wrong();
    return made;
}

std::size_t at_most(std::optional<std::int64_t> asked, std::size_t most) {
    return asked && *asked > 0 && static_cast<std::uint64_t>(*asked) < most ? static_cast<std::size_t>(*asked)
                                                                            : most;
}

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

}  // namespace

result<publish_request> decode_publish(std::string_view params) {
    fields in(params);
    auto group = in.group();
    auto what = publication_of(in);
    what.group = std::move(group);
    return unless_wrong(in, std::move(what));
}

result<broadcast_request> decode_broadcast(std::string_view params, std::size_t limit) {
    fields in(params);
    broadcast_request made;
    made.groups = in.texts("channels", limit);
    if (made.groups.empty()) in.refuse("channels is missing or empty");
    made.what = publication_of(in);
    return unless_wrong(in, std::move(made));
}

result<client_order> decode_client_order(client_command::verb what, std::string_view params,
                                         std::size_t whitelist_limit) {
    using verb = client_command::verb;
    fields in(params);
    client_order made;
    made.whom = {in.text("user", name_bytes), in.text("client", name_bytes), in.text("session", name_bytes)};
    if (made.whom.user.empty() && made.whom.client.empty() && made.whom.session.empty())
        in.refuse("user, client or session is needed");
    made.what.what = what;
    if (what == verb::subscribe) made.what.group = in.group();
    if (what == verb::unsubscribe) made.what.group = in.text("channel");
    if (what == verb::subscribe) {
        made.what.info = in.json("info");
        made.what.data = in.given("data").empty() && in.given("b64data").empty() ? "" : in.json("data");
        made.what.since = in.place("recover_since");
    }
    if (what == verb::subscribe || what == verb::refresh) {
        made.what.expire_at = in.integer("expire_at");
        if (made.what.expire_at.value_or(0) < 0) in.refuse("expire_at takes Unix seconds");
    }
    if (what == verb::refresh) made.what.expired = in.flag("expired");
    if (what == verb::disconnect) {
        made.what.whitelist = in.texts("whitelist", whitelist_limit);
        read_disconnect(in, made.what);
    }
    return unless_wrong(in, std::move(made));
}

result<std::string> decode_group(std::string_view params) {
    fields in(params);
    return unless_wrong(in, in.group());
}

result<history_request> decode_history(std::string_view params, std::size_t most) {
    fields in(params);
    history_request made;
    made.group = in.group();
    const auto limit = in.integer("limit").value_or(0);
    made.limit = limit == 0 ? 0 : at_most(limit, most);
    made.since = in.place("since");
    made.reverse = in.flag("reverse");
    return unless_wrong(in, std::move(made));
}

result<presence_request> decode_presence(std::string_view params, std::size_t most) {
    fields in(params);
    presence_request made;
    made.group = in.group();
    made.limit = at_most(in.integer("limit"), most);
    made.after = in.text("after", name_bytes);
    return unless_wrong(in, std::move(made));
}

result<last_seen_request> decode_last_seen(std::string_view params, std::size_t most) {
    fields in(params);
    last_seen_request made{in.group(), 0};
    made.limit = at_most(in.integer("limit"), most);
    return unless_wrong(in, std::move(made));
}

result<channels_request> decode_channels(std::string_view params, std::size_t most) {
    fields in(params);
    channels_request made{in.text("pattern", name_bytes), 0};
    made.limit = at_most(in.integer("limit"), most);
    return unless_wrong(in, std::move(made));
}

result<std::string> decode_backup(std::string_view params) {
    constexpr std::size_t longest = 100;
    fields in(params);
    auto name = in.text("name", longest);
    if (name.empty() || name.front() == '.' || !std::ranges::all_of(name, is_name_character))
        in.refuse("name takes 1 to 100 letters, digits, '-', '_' and '.', and does not begin with '.'");
    return unless_wrong(in, std::move(name));
}

result<api_batch> decode_batch(std::string_view params, std::size_t limit,
                               bool (*is_method)(std::string_view name)) {
    fields in(params);
    api_batch made;
    made.parallel = in.flag("parallel");
    const auto commands = json_elements(in.given("commands"));
    if (!commands) in.refuse("commands takes a list of objects");
    if (commands && commands->size() > limit)
        in.refuse("the batch has " + std::to_string(commands->size()) + " commands; at most " +
                      std::to_string(limit) + " are taken (api-batch-limit)",
                  errc::limit_exceeded);
    if (in.wrong()) return *in.wrong();
    for (const auto each : *commands) {
        const auto members = json_members(each);
        if (!members) return fail(errc::bad_request, "commands takes a list of objects");
        api_call call;
        for (const auto& member : *members) {
            if (!is_method(member.key)) continue;
            if (!call.method.empty()) return fail(errc::bad_request, "a command names two methods");
            call.method = member.key;
            call.params = member.value;
        }
        made.calls.push_back(std::move(call));
    }
    return made;
}

result<std::vector<api_call>> decode_calls(std::string_view body, std::size_t limit) {
    std::vector<std::string_view> texts;
    if (valid_json(body)) {
        texts.push_back(body);
    } else {
        for (auto rest = body; !rest.empty();) {
            const auto line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(line.size() + 1, rest.size()));
            if (line.find_first_not_of(" \t\r") == line.npos) continue;
            if (!valid_json(line)) return fail(errc::bad_request, "the body is not JSON");
            texts.push_back(line);
        }
    }
    if (texts.empty()) return fail(errc::bad_request, "the body is empty");
    if (texts.size() > limit)
        return fail(errc::limit_exceeded, "the body has " + std::to_string(texts.size()) +
                                              " commands; at most " + std::to_string(limit) +
                                              " are taken (api-batch-limit)");
    std::vector<api_call> calls;
    for (const auto text : texts) {
        fields in(text);
        api_call call{lower_case(in.text("method", name_bytes)), in.given("params"), in.given("id")};
        if (call.params.empty()) call.params = "{}";
        if (call.method.empty()) in.refuse("method is missing");
        if (in.wrong()) return *in.wrong();
        calls.push_back(std::move(call));
    }
    return calls;
}

std::string encode(const position& where) {
    if (where.epoch.empty()) return "{}";
    return "{\"offset\":" + std::to_string(where.offset) + ",\"epoch\":" + quoted(where.epoch) + "}";
}

std::string encode(const presence_counts& counts) {
    return "{\"num_clients\":" + std::to_string(counts.clients) +
           ",\"num_users\":" + std::to_string(counts.users) + "}";
}

std::string encode(const std::vector<last_seen_entry>& users) {
    std::string out = "{\"users\":[";
    for (const auto& each : users) {
        if (out.back() == '}') out += ',';
        out += "{\"user\":" + quoted(each.user) + ",\"time\":" + std::to_string(each.time_ms) + "}";
    }
    return out + "]}";
}

std::string encode(const std::vector<node_figures>& nodes) {
    std::string out = "{\"nodes\":[";
    for (const auto& each : nodes) {
        if (out.back() == '}') out += ',';
        out += "{\"uid\":" + quoted(each.id) + ",\"name\":" + quoted(each.name) +
               ",\"version\":" + quoted(each.version) + ",\"num_clients\":" + std::to_string(each.clients) +
               ",\"num_users\":" + std::to_string(each.users) +
               ",\"num_subs\":" + std::to_string(each.subscriptions) +
               ",\"num_channels\":" + std::to_string(each.groups) +
               ",\"uptime\":" + std::to_string(each.uptime.count()) + "}";
    }
    return out + "]}";
}

std::string encode(std::map<std::string, std::uint64_t> groups, std::size_t limit) {
    const bool more = groups.size() > limit;
    if (more) {
        std::vector<std::pair<std::string_view, std::uint64_t>> all(groups.begin(), groups.end());
        std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(limit), all.end(),
                         [](const auto& a, const auto& b) {
                             return a.second != b.second ? a.second > b.second : a.first < b.first;
                         });
        std::map<std::string, std::uint64_t> largest(all.begin(),
                                                     all.begin() + static_cast<std::ptrdiff_t>(limit));
        groups.swap(largest);
    }
    std::string out = "{\"channels\":{";
    for (const auto& [name, members] : groups) {
        if (out.back() != '{') out += ',';
        out += quoted(name) + ":{\"num_clients\":" + std::to_string(members) + "}";
    }
    return out + (more ? "},\"more\":true}" : "}}");
}

std::string encode_reached(std::size_t connections) {
    return "{\"num_clients\":" + std::to_string(connections) + "}";
}

std::string encode(const publication& one) {
    std::string out;
    append_publication(out, one);
    return out;
}

std::string encode(const present_client& one) {
    std::string out = quoted(one.who.client) + ":";
    append_client_info(out, one.who);
    if (one.since_ms != 0) out.insert(out.size() - 1, ",\"since\":" + std::to_string(one.since_ms));
    return out;
}

std::uint16_t wire_code(const error& what) noexcept {
    const auto code = describe(what.code).wire_code;
    return code == 0 ? describe(errc::internal).wire_code : code;
}

std::string encode(const error& what) {
    const auto code = wire_code(what);
    const auto sentence = describe(code == 100 ? errc::internal : what.code).sentence;
    return "{\"code\":" + std::to_string(code) +
           ",\"message\":" + quoted(code == 100 || what.detail.empty() ? sentence : what.detail) + "}";
}

}  // namespace madang
