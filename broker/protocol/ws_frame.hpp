// What both directions of a WebSocket know of frames (RFC 6455 5.2, 7.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/core/close_codes.hpp"

namespace madang {

enum class ws_opcode : std::uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10
};

inline constexpr std::uint8_t ws_fin = 0x80;
inline constexpr std::uint8_t ws_rsv1 = 0x40;  // the message is compressed (RFC 7692 7.2.1)
inline constexpr std::size_t ws_control_limit = 125;
inline constexpr std::size_t ws_reason_limit = 123;

// RFC 6455 7.4 and IANA's registry.
enum ws_close_code : std::uint16_t {
    ws_normal = 1000,
    ws_going_away = 1001,
    ws_protocol_error = 1002,
    ws_no_status = 1005,  // never on the wire: the peer's close frame had no code
    ws_abnormal = 1006,   // never on the wire: no close frame came
    ws_invalid_data = 1007,
    ws_policy = 1008,
    ws_too_big = 1009,
    ws_internal_error = 1011,
    ws_tls_failure = 1015,  // never on the wire
};

// May stand in a close frame: registered by IANA for use on the wire (1004 is reserved), or for applications.
constexpr bool ws_sendable_close_code(std::uint16_t code) noexcept { return close_code::valid_on_wire(code); }

// Why a connection must be failed. False when all is well.
struct ws_error {
    std::uint16_t code = 0;     // to close with
    std::string_view reason{};  // static text
    explicit operator bool() const noexcept { return code != 0; }
};

}  // namespace madang
