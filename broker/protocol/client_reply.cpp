#include "broker/protocol/client_reply.hpp"

#include <algorithm>

#include "broker/core/close_codes.hpp"
#include "broker/core/utf8.hpp"
#include "broker/protocol/client_push.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {

namespace {

struct {
    errc code;
    std::string_view message;
} constexpr messages[] = {
    {errc::internal, "internal server error"},
    {errc::unauthorized, "unauthorized"},
    {errc::unknown_channel, "unknown channel"},
    {errc::permission_denied, "permission denied"},
    {errc::method_not_found, "method not found"},
    {errc::already_subscribed, "already subscribed"},
    {errc::limit_exceeded, "limit exceeded"},
    {errc::bad_request, "bad request"},
    {errc::not_available, "not available"},
    {errc::token_expired, "token expired"},
    {errc::expired, "expired"},
    {errc::too_many_requests, "too many requests"},
    {errc::unrecoverable_position, "unrecoverable position"},
};

constexpr std::size_t reason_bytes = 123;

// The retryable codes of the table, but for 109: "temporary" there would mean the same token again.
bool is_temporary(errc code) noexcept { return describe(code).retryable && code != errc::token_expired; }

// The members of an object, with commas between them.
class object {
  public:
    explicit object(std::string& out) : out_(out) { out_ += '{'; }
    ~object() { out_ += '}'; }
    object(const object&) = delete;
    object& operator=(const object&) = delete;

    std::string& key(std::string_view name) {
        comma();
        out_ += '"';
        out_ += name;
        out_ += "\":";
        return out_;
    }
    // A key that may need escapes.
    std::string& name(std::string_view what) {
        comma();
        append_json_string(out_, what);
        out_ += ':';
        return out_;
    }
    void text(std::string_view name, std::string_view value) { append_json_string(key(name), value); }
    void number(std::string_view name, std::uint64_t value) { append_number(key(name), value); }
    void raw(std::string_view name, std::string_view json) {
        if (!json.empty()) key(name) += json;
    }
    void flag(std::string_view name, bool value) {
        if (value) key(name) += "true";
    }
    void expiry(time_left ttl) {
        if (!ttl) return;
        flag("expires", true);
        number("ttl", *ttl);
    }
    void publications(const std::vector<publication>& all) {
        if (all.empty()) return;
        char before = '[';
        key("publications");
        for (const auto& each : all) {
            out_ += before;
            before = ',';
            append_publication(out_, each);
        }
        out_ += ']';
    }
    void at(const position& where) {
        text("epoch", where.epoch);
        number("offset", where.offset);
    }

  private:
    void comma() {
        if (!first_) out_ += ',';
        first_ = false;
    }

    std::string& out_;
    bool first_ = true;
};

}  // namespace

wire_error to_wire(const error& what) {
    const auto& row = describe(what.code);
    if (row.wire_code == 0) return to_wire(error{errc::internal, {}});
    for (const auto& each : messages)
        if (each.code == what.code)
            return {row.wire_code, std::string(each.message), is_temporary(what.code)};
    std::string message(row.name);
    std::replace(message.begin(), message.end(), '_', ' ');
    return {row.wire_code, std::move(message), is_temporary(what.code)};
}

wire_error to_wire(const error& what, std::uint16_t code, std::string message) {
    auto result = to_wire(what);
    if (code != 0) {
        const auto known = std::find_if(std::begin(messages), std::end(messages), [&](const auto& each) {
            return describe(each.code).wire_code == code;
        });
        const bool is_known = known != std::end(messages);
        result = {code, is_known ? std::string(known->message) : "error",
                  is_known && is_temporary(known->code)};
    }
    if (!message.empty()) result.message = std::move(message);
    return result;
}

std::uint16_t client_close_code(errc code) noexcept {
    const auto listed = describe(code).close_code;
    if (listed == close_code::going_away) return close_code::shutdown;
    return listed >= 3000 ? listed : close_code::server_error;
}

std::string client_close_reason(std::uint16_t code, std::string_view wish) {
    if (wish.empty() || is_json(wish) || !valid_utf8(wish)) wish = close_code::reason(code);
    return std::string(cut_utf8(wish, reason_bytes));
}

void append_error_reply(std::string& out, std::uint32_t id, const wire_error& what) {
    object reply(out);
    reply.number("id", id);
    object detail(reply.key("error"));
    detail.number("code", what.code);
    detail.text("message", what.message);
    detail.flag("temporary", what.temporary);
}

void begin_reply(std::string& out, std::uint32_t id, std::string_view method) {
    out += R"({"id":)";
    append_number(out, id);
    out += ",\"";
    out += method;
    out += "\":";
}

void append_result(std::string& out, const connect_result& what) {
    object result(out);
    result.text("client", what.client);
    result.text("version", what.version);
    result.expiry(what.ttl);
    result.raw("data", what.data);
    result.raw("subs", what.subs);
    if (what.ping != 0) result.number("ping", what.ping);
    result.flag("pong", what.pong);
    if (!what.session.empty()) {
        result.text("session", what.session);
        result.text("node", what.node);
    }
    if (what.time_ms > 0) result.number("time", static_cast<std::uint64_t>(what.time_ms));
}

void append_result(std::string& out, const subscribe_result& what) {
    object result(out);
    result.expiry(what.ttl);
    result.flag("recoverable", what.recoverable);
    result.flag("positioned", what.positioned);
    result.flag("was_recovering", what.was_recovering);
    result.flag("recovered", what.stream.recovered);
    if (what.stream.at) result.at(*what.stream.at);
    result.publications(what.stream.publications);
    result.raw("data", what.data);
}

void append_result(std::string& out, const refresh_result& what) {
    object result(out);
    if (!what.client.empty()) {
        result.text("client", what.client);
        result.text("version", what.version);
    }
    result.expiry(what.ttl);
}

void append_result(std::string& out, const history_page& what) {
    object result(out);
    result.publications(what.publications);
    result.at(what.top);
}

void append_result(std::string& out, const presence_page& what) {
    object result(out);
    object clients(result.key("presence"));
    for (const auto& each : what.clients) {
        append_client_info(clients.name(each.who.client), each.who);
    }
}

void append_result(std::string& out, const presence_counts& what) {
    object result(out);
    result.number("num_clients", what.clients);
    result.number("num_users", what.users);
}

}  // namespace madang
