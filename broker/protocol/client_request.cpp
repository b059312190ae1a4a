#include "broker/protocol/client_request.hpp"

#include <limits>

#include "broker/protocol/json_reader.hpp"

namespace madang {

namespace {

using request = client_request;

struct {
    std::string_view name;
    client_method method;
} constexpr methods[] = {
    {"publish", client_method::publish},
    {"connect", client_method::connect},
    {"subscribe", client_method::subscribe},
    {"unsubscribe", client_method::unsubscribe},
    {"presence", client_method::presence},
    {"presence_stats", client_method::presence_stats},
    {"history", client_method::history},
    {"rpc", client_method::rpc},
    {"send", client_method::send},
    {"refresh", client_method::refresh},
    {"sub_refresh", client_method::sub_refresh},
};

enum class kind : std::uint8_t { text, object, any };
struct {
    std::string_view name;
    std::string_view request::*where;
    kind what;
} constexpr slices[] = {
    {"channel", &request::channel, kind::text},   {"data", &request::data, kind::any},
    {"token", &request::token, kind::text},       {"epoch", &request::epoch, kind::text},
    {"method", &request::rpc_method, kind::text}, {"name", &request::name, kind::text},
    {"version", &request::version, kind::text},   {"headers", &request::headers, kind::object},
    {"subs", &request::subs, kind::object},       {"tf", &request::tags_filter, kind::any},
    {"delta", &request::delta, kind::text},
};
struct {
    std::string_view name;
    bool request::*where;
} constexpr flags[] = {
    {"recover", &request::recover},         {"positioned", &request::positioned},
    {"recoverable", &request::recoverable}, {"join_leave", &request::join_leave},
    {"reverse", &request::reverse},
};

bool is_null(std::string_view raw) noexcept { return raw == "null"; }

bool parse_since(std::string_view raw, request& out) noexcept {
    json_reader in(raw);
    if (!in.enter()) return false;
    out.has_since = true;
    std::string_view name;
    std::string_view value;
    while (in.member(name)) {
        if (!in.value(value)) return false;
        if (is_null(value)) continue;
        if (json_says(name, "offset")) {
            const auto number = json_unsigned(value);
            if (!number) return false;
            out.since_offset = *number;
        } else if (json_says(name, "epoch")) {
            if (value[0] != '"') return false;
            out.since_epoch = value;
        }
    }
    return in.finished();
}

template <class Number, class Wide>
bool assign(Number& where, const std::optional<Wide>& number) noexcept {
    if (!number) return false;
    where = static_cast<Number>(*number);
    return true;
}

bool take(std::string_view name, std::string_view value, request& out) noexcept {
    if (is_null(value)) return !json_says(name, "data") || (out.data = value, true);
    for (const auto& each : slices) {
        if (!json_says(name, each.name)) continue;
        if (each.what == kind::text && value[0] != '"') return false;
        if (each.what == kind::object && value[0] != '{') return false;
        out.*each.where = value;
        return true;
    }
    for (const auto& each : flags) {
        if (!json_says(name, each.name)) continue;
        if (value != "true" && value != "false") return false;
        out.*each.where = value == "true";
        return true;
    }
    if (json_says(name, "offset")) return assign(out.offset, json_unsigned(value));
    if (json_says(name, "limit")) return assign(out.limit, json_signed(value));
    if (json_says(name, "type")) return assign(out.type, json_signed(value));
    if (json_says(name, "flag")) return assign(out.flag, json_unsigned(value));
    if (json_says(name, "since")) return parse_since(value, out);
    return true;
}

// The members of a method's object.
bool parse_fields(json_reader& in, request& out) noexcept {
    if (!in.enter()) return false;
    std::string_view name;
    std::string_view value;
    while (in.member(name))
        if (!in.value(value) || !take(name, value, out)) return false;
    return !in.broken();
}

client_method method_of(std::string_view name) noexcept {
    for (const auto& each : methods)
        if (json_says(name, each.name)) return each.method;
    return client_method::unknown;
}

}  // namespace

bool parse_command(std::string_view line, client_request& out) noexcept {
    json_reader in(line);
    if (!in.enter()) return false;
    std::string_view name;
    std::string_view value;
    bool unknown = false;
    while (in.member(name)) {
        const auto method = json_says(name, "id") ? client_method::none : method_of(name);
        if (method != client_method::none && method != client_method::unknown) {
            if (out.method != client_method::none) return false;
            out.method = method;
            if (!parse_fields(in, out)) return false;
            continue;
        }
        if (!in.value(value)) return false;
        if (method == client_method::none) {
            const auto id = json_unsigned(value);
            if (!id || *id > std::numeric_limits<std::uint32_t>::max()) return false;
            out.id = static_cast<std::uint32_t>(*id);
        } else {
            unknown = true;
            out.ping = out.ping || json_says(name, "ping");
        }
    }
    if (out.method == client_method::none && (unknown || out.id != 0)) out.method = client_method::unknown;
    return in.finished();
}

bool parse_connect(std::string_view line, client_request& out) noexcept {
    json_reader in(line);
    out.method = client_method::connect;
    return parse_fields(in, out) && in.finished();
}

}  // namespace madang
