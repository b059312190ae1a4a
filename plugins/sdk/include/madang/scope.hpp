// What is known of a connection or request: Channels' scope. A view, valid as long as its connection or
// request, on that one's thread; every string_view in it lives as long.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "madang/host.hpp"

namespace madang {

// A header, or a route's argument.
struct Pair {
    std::string_view name;   // a header's in lower case
    std::string_view value;  // as received
};

// One end of a connection.
struct Address {
    std::string_view address;  // "203.0.113.9", "2001:db8::9"
    std::uint16_t port = 0;    // 0: not known, since a proxy spoke for the client
};

// What stands in a route's <uuid:x>.
struct Uuid {
    std::array<std::uint8_t, 16> bytes{};                        // in the order of the text
    friend bool operator==(const Uuid&, const Uuid&) = default;  // by bytes

    // 8-4-4-4-12 hexadecimal digits, as <uuid:x> takes them, in either case. Nothing when it is none.
    static std::optional<Uuid> parse(std::string_view text) noexcept {
        if (text.size() != 36) return std::nullopt;
        Uuid result;
        std::size_t digits = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                if (text[i] != '-') return std::nullopt;
                continue;
            }
            unsigned digit = 0;
            if (std::from_chars(&text[i], &text[i] + 1, digit, 16).ec != std::errc()) return std::nullopt;
            result.bytes[digits / 2] = static_cast<std::uint8_t>(result.bytes[digits / 2] << 4 | digit);
            ++digits;
        }
        return result;
    }
};

// Who the client is, by its token, its session or the backend.
struct User {
    std::string_view id;                                         // "" for an anonymous user
    std::string_view claims;                                     // a JSON object, "" for an anonymous user
    bool authenticated() const noexcept { return !id.empty(); }  // not anonymous
};

namespace detail {

inline bool same_name(std::string_view a, std::string_view b) noexcept {  // ASCII, without case
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

// application/x-www-form-urlencoded: '+' is a space, %XX a byte; what is malformed stays as it is.
inline std::string form_decode(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned byte = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(&text[i + 1], &text[i + 1] + 2, byte, 16).ptr == &text[i + 1] + 2) {
            result.push_back(static_cast<char>(byte));
            i += 2;
        } else {
            result.push_back(text[i] == '+' ? ' ' : text[i]);
        }
    }
    return result;
}

inline std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

template <class Each>  // each(part) returns false to stop
void split(std::string_view text, char separator, Each each) {
    while (!text.empty()) {
        const auto end = text.find(separator);
        if (!each(text.substr(0, end))) return;
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

}  // namespace detail

// A connection's or request's facts: see the head of this file.
class Scope {
  public:
    // Of a handle that the ABI passed.
    Scope(const Host& host, const madang_scope* handle) noexcept : host_(&host), handle_(handle) {}

    std::string_view type() const noexcept { return get(MADANG_SCOPE_TYPE); }  // "websocket" or "http"
    std::string_view http_version() const noexcept { return get(MADANG_SCOPE_HTTP_VERSION); }  // "1.1"
    std::string_view method() const noexcept { return get(MADANG_SCOPE_METHOD); }  // "GET", "POST", ...
    // "ws", "wss", "http", "https"; behind a trusted proxy what it says.
    std::string_view scheme() const noexcept { return get(MADANG_SCOPE_SCHEME); }
    // Percent-decoded once, without the query.
    std::string_view path() const noexcept { return get(MADANG_SCOPE_PATH); }
    // As received, without the query.
    std::string_view raw_path() const noexcept { return get(MADANG_SCOPE_RAW_PATH); }
    // As received, without '?'; query() has it decoded.
    std::string_view query_string() const noexcept { return get(MADANG_SCOPE_QUERY_STRING); }
    std::string_view root_path() const noexcept { return get(MADANG_SCOPE_ROOT_PATH); }  // "" today
    // Of the request or handshake (X-Request-ID), as it stands in the server's log.
    std::string_view request_id() const noexcept { return get(MADANG_SCOPE_REQUEST_ID); }
    // Who came; behind a trusted proxy the client, not the proxy.
    Address client() const noexcept { return address(MADANG_SCOPE_CLIENT_ADDRESS, MADANG_SCOPE_CLIENT_PORT); }
    // Where it came to.
    Address server() const noexcept { return address(MADANG_SCOPE_SERVER_ADDRESS, MADANG_SCOPE_SERVER_PORT); }
    // As of the handshake or request.
    User user() const noexcept { return {get(MADANG_SCOPE_USER_ID), get(MADANG_SCOPE_USER_JSON)}; }
    // A JSON object, or "" without a session.
    std::string_view session() const noexcept { return get(MADANG_SCOPE_SESSION_JSON); }

    // In the order received, names in lower case.
    std::vector<Pair> headers() const { return list(MADANG_SCOPE_HEADERS); }
    // The first of that name, in any case; "" without one.
    std::string_view header(std::string_view name) const noexcept {
        const std::size_t count = host_->api.scope_count(handle_, MADANG_SCOPE_HEADERS);
        for (std::size_t i = 0; i < count; ++i) {
            const Pair pair = at(MADANG_SCOPE_HEADERS, i);
            if (detail::same_name(pair.name, name)) return pair.value;
        }
        return {};
    }
    // As offered, the client's favourite first.
    std::vector<std::string_view> subprotocols() const {
        std::vector<std::string_view> result;
        for (const Pair& pair : list(MADANG_SCOPE_SUBPROTOCOLS)) result.push_back(pair.name);
        return result;
    }

    // RFC 6265 5.4: "name=value; name=value"; the first of that name, quotes taken off.
    std::optional<std::string_view> cookie(std::string_view name) const noexcept {
        std::optional<std::string_view> found;
        const std::size_t count = host_->api.scope_count(handle_, MADANG_SCOPE_HEADERS);
        for (std::size_t i = 0; i < count && !found; ++i) {
            const Pair header = at(MADANG_SCOPE_HEADERS, i);
            if (!detail::same_name(header.name, "cookie")) continue;
            detail::split(header.value, ';', [&](std::string_view part) {
                const auto equals = part.find('=');
                if (equals == std::string_view::npos || detail::trimmed(part.substr(0, equals)) != name)
                    return true;
                found = detail::trimmed(part.substr(equals + 1));
                if (found->size() >= 2 && found->front() == '"' && found->back() == '"')
                    found = found->substr(1, found->size() - 2);
                return false;
            });
        }
        return found;
    }

    // Decoded, in the order received; a name may come more than once.
    std::vector<std::pair<std::string, std::string>> query() const {
        std::vector<std::pair<std::string, std::string>> result;
        detail::split(query_string(), '&', [&](std::string_view part) {
            if (part.empty()) return true;
            const auto equals = part.find('=');
            result.emplace_back(
                detail::form_decode(part.substr(0, equals)),
                equals == std::string_view::npos ? "" : detail::form_decode(part.substr(equals + 1)));
            return true;
        });
        return result;
    }
    // The first of that name, decoded.
    std::optional<std::string> query(std::string_view name) const {
        for (auto& [key, value] : query())
            if (key == name) return std::move(value);
        return std::nullopt;
    }

    // url_route's kwargs: what stands in the route's <str:name>. Throws std::out_of_range when the route has
    // none of that name.
    std::string_view arg(std::string_view name) const {
        const std::size_t count = host_->api.scope_count(handle_, MADANG_SCOPE_URL_ARGS);
        for (std::size_t i = 0; i < count; ++i) {
            const Pair pair = at(MADANG_SCOPE_URL_ARGS, i);
            if (pair.name == name) return pair.value;
        }
        throw std::out_of_range("the route has no parameter '" + std::string(name) + "'");
    }
    // Typed: arg<std::int64_t>, arg<Uuid>, any that a text can make. Throws std::invalid_argument, too, when
    // the text does not fit.
    template <class Type>
    Type arg(std::string_view name) const {
        const std::string_view text = arg(name);
        if constexpr (std::is_same_v<Type, Uuid>) {
            if (const auto uuid = Uuid::parse(text)) return *uuid;
        } else if constexpr (std::is_integral_v<Type>) {
            Type number{};
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
            if (error == std::errc() && end == text.data() + text.size()) return number;
        } else {
            return Type(text);
        }
        throw std::invalid_argument("the route's parameter '" + std::string(name) +
                                    "' does not fit its type");
    }
    // All of the route's arguments, in its order.
    std::vector<Pair> url_route() const { return list(MADANG_SCOPE_URL_ARGS); }

    const Host& host() const noexcept { return *host_; }  // the server's functions

  private:
    std::string_view get(madang_scope_field field) const noexcept {
        return detail::from_abi(host_->api.scope_get(handle_, field));
    }
    Pair at(madang_scope_list which, std::size_t index) const noexcept {
        const madang_pair pair = host_->api.scope_at(handle_, which, index);
        return {detail::from_abi(pair.name), detail::from_abi(pair.value)};
    }
    std::vector<Pair> list(madang_scope_list which) const {
        std::vector<Pair> result(host_->api.scope_count(handle_, which));
        for (std::size_t i = 0; i < result.size(); ++i) result[i] = at(which, i);
        return result;
    }
    Address address(madang_scope_field field, madang_scope_field port_field) const noexcept {
        Address result{get(field), 0};
        const std::string_view port = get(port_field);
        std::from_chars(port.data(), port.data() + port.size(), result.port);
        return result;
    }

    const Host* host_;
    const madang_scope* handle_;
};

}  // namespace madang
