// WebSocket close codes by name: RFC 6455 7.4.1 below 3000, Centrifugo's from 3000 (3000-3499 and 4000-4499:
// clients reconnect; 3500-3999 and 4500-4999: they do not).
#pragma once

#include <cstdint>
#include <string_view>

namespace madang::close_code {

inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;  // the server drains
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t unsupported_data = 1003;
inline constexpr std::uint16_t none = 1005;  // never sent: the peer's close frame had no code
inline constexpr std::uint16_t lost = 1006;  // never sent: no close frame came
inline constexpr std::uint16_t invalid_text = 1007;
inline constexpr std::uint16_t policy = 1008;
inline constexpr std::uint16_t too_large = 1009;
inline constexpr std::uint16_t internal = 1011;
inline constexpr std::uint16_t try_again = 1013;

inline constexpr std::uint16_t connection_closed = 3000;
inline constexpr std::uint16_t shutdown = 3001;  // the client protocol's 1001
inline constexpr std::uint16_t server_error = 3004;
inline constexpr std::uint16_t expired = 3005;
inline constexpr std::uint16_t subscription_expired = 3006;
inline constexpr std::uint16_t slow = 3008;
inline constexpr std::uint16_t write_error = 3009;
inline constexpr std::uint16_t insufficient_state = 3010;
inline constexpr std::uint16_t force_reconnect = 3011;
inline constexpr std::uint16_t no_pong = 3012;
inline constexpr std::uint16_t too_many_requests = 3013;
inline constexpr std::uint16_t invalid_token = 3500;
inline constexpr std::uint16_t bad_request = 3501;
inline constexpr std::uint16_t stale = 3502;
inline constexpr std::uint16_t force_disconnect = 3503;
inline constexpr std::uint16_t connection_limit = 3504;
inline constexpr std::uint16_t channel_limit = 3505;
inline constexpr std::uint16_t inappropriate_protocol = 3506;
inline constexpr std::uint16_t permission_denied = 3507;
inline constexpr std::uint16_t not_available = 3508;
inline constexpr std::uint16_t too_many_errors = 3509;

// May stand in a close frame, in either direction: 1000-1003, 1007-1014 (IANA's registry), 3000-4999.
constexpr bool valid_on_wire(std::uint16_t code) noexcept {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

// A short plain text for the close frame; never empty: with an empty reason centrifuge-js reconnects after
// terminal codes.
constexpr std::string_view reason(std::uint16_t code) noexcept {
    switch (code) {
        case normal:
            return "normal closure";
        case going_away:
            return "shutdown";
        case protocol_error:
            return "protocol error";
        case unsupported_data:
            return "unsupported data";
        case invalid_text:
            return "invalid text";
        case policy:
            return "policy violation";
        case too_large:
            return "message too large";
        case internal:
            return "internal server error";
        case try_again:
            return "try again later";
        case connection_closed:
            return "connection closed";
        case shutdown:
            return "shutdown";
        case server_error:
            return "internal server error";
        case expired:
            return "connection expired";
        case subscription_expired:
            return "subscription expired";
        case slow:
            return "slow";
        case write_error:
            return "write error";
        case insufficient_state:
            return "insufficient state";
        case force_reconnect:
            return "force reconnect";
        case no_pong:
            return "no pong";
        case too_many_requests:
            return "too many requests";
        case invalid_token:
            return "invalid token";
        case bad_request:
            return "bad request";
        case stale:
            return "stale";
        case force_disconnect:
            return "force disconnect";
        case connection_limit:
            return "connection limit";
        case channel_limit:
            return "channel limit";
        case inappropriate_protocol:
            return "inappropriate protocol";
        case permission_denied:
            return "permission denied";
        case not_available:
            return "not available";
        case too_many_errors:
            return "too many errors";
        default:
            return "closed";
    }
}

}  // namespace madang::close_code
