// What a load generator says and hears in the client protocol (docs/client-protocol.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace madang::bench {

inline constexpr std::string_view client_route = "/connection/websocket";
inline constexpr std::string_view client_ping = "{}";  // answered by the same

struct client_position {
    std::string epoch;  // "": of a stream that keeps nothing
    std::uint64_t offset = 0;
};

// Connect and subscribe in one message, from behind a position if there is one. The group's name and the
// epoch need no escapes.
std::string client_hello(std::string_view group, const std::optional<client_position>& since = {});

// The stream's position, when the message has that subscription's reply. Throws std::runtime_error when the
// server refuses, or says what is no JSON.
std::optional<client_position> read_subscribed(std::string_view message);

// The same for a recovery that brings publications 0 to `count` - 1 of the bench's payloads: true when they
// are all there, in order; false when the message has no such reply. Throws when the reply is another.
bool read_recovered(std::string_view message, std::uint64_t count);

}  // namespace madang::bench
