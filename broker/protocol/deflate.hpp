// permessage-deflate (RFC 7692): negotiation and the transformation of messages.
//
// The server always answers with server_no_context_takeover and client_no_context_takeover. Then no
// connection has a context of its own (zlib: 256 KiB to compress, 32 KiB to inflate), one compressor per
// thread and window serves all, and one compressed form of a publication serves every member with the same
// server_max_window_bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace madang {

inline constexpr std::uint8_t deflate_least_window_bits = 8;
inline constexpr std::uint8_t deflate_most_window_bits = 15;

struct deflate_parameters {
    std::uint8_t server_max_window_bits = deflate_most_window_bits;
    // The extension's text in the response (RFC 7692 5.1).
    std::string response;
};

// From the values of all Sec-WebSocket-Extensions fields joined with ", ", in order: the first offer of
// permessage-deflate that can be accepted. An offer with an unknown, repeated or malformed parameter is
// declined (RFC 7692 7.1). None: no compression.
std::optional<deflate_parameters> negotiate_deflate(std::string_view offers);

// A whole message, compressed without context (RFC 7692 7.2.1). Thread-local compressors. Throws
// std::bad_alloc.
std::string deflate_message(std::uint8_t window_bits, std::string_view message);

enum class inflate_result : std::uint8_t { done, too_big, corrupt };

// Sets `message` (RFC 7692 7.2.2). Stops as soon as it would be longer than `limit` bytes. Thread-local.
// Throws std::bad_alloc.
inflate_result inflate_message(std::string_view compressed, std::size_t limit, std::string& message);

}  // namespace madang
