// The client protocol's replies, as JSON lines without newline, and what its errors are called there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/core/errors.hpp"
#include "broker/core/gatekeeper.hpp"
#include "broker/core/streams.hpp"
#include "broker/protocol/client_recovery.hpp"

namespace madang {

// An error as a client is told it. Texts: Centrifugo's short ones.
struct wire_error {
    std::uint16_t code = 0;
    std::string message;
    bool temporary = false;  // trying again may help
};
wire_error to_wire(const error& what);
// With what a backend chose in its place. The verdict has neither yes nor goodbye.
wire_error to_wire(const error& what, std::uint16_t code, std::string message);

// What ends a connection that cannot go on because of it: 3000-4999.
std::uint16_t client_close_code(errc code) noexcept;
// A reason that clients take as text: never empty, never JSON, at most 123 bytes (RFC 6455 5.5).
std::string client_close_reason(std::uint16_t code, std::string_view wish);

// {"id":…,"error":{…}}
void append_error_reply(std::string& out, std::uint32_t id, const wire_error& what);
// {"id":…,"METHOD": to be continued with the result and one '}'.
void begin_reply(std::string& out, std::uint32_t id, std::string_view method);

// An end in seconds from now, if there is one.
using time_left = std::optional<std::uint32_t>;

struct connect_result {
    std::string_view client;
    std::string_view version;
    time_left ttl;
    std::string_view data;   // JSON or ""
    std::string_view subs;   // JSON object or ""
    std::uint32_t ping = 0;  // seconds
    bool pong = false;
    std::string_view session;
    std::string_view node;
    std::int64_t time_ms = 0;
};
void append_result(std::string& out, const connect_result& what);

struct subscribe_result {
    const settled& stream;
    bool recoverable = false;
    bool positioned = false;
    bool was_recovering = false;
    time_left ttl;
    std::string_view data;  // JSON or ""
};
void append_result(std::string& out, const subscribe_result& what);

struct refresh_result {
    std::string_view client;  // "": of a subscription
    std::string_view version;
    time_left ttl;
};
void append_result(std::string& out, const refresh_result& what);

void append_result(std::string& out, const history_page& what);
void append_result(std::string& out, const presence_page& what);
void append_result(std::string& out, const presence_counts& what);

}  // namespace madang
