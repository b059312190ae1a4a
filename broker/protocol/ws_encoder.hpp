// Frames from the server: never masked, never fragmented (RFC 6455 5.1, 5.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "broker/protocol/utf8.hpp"
#include "broker/protocol/ws_frame.hpp"

namespace madang {

inline constexpr std::size_t ws_header_limit = 10;

constexpr std::size_t ws_header_size(std::uint64_t payload_size) noexcept {
    return payload_size <= 125 ? 2 : payload_size <= 0xffff ? 4 : 10;
}

// Writes ws_header_size(payload_size) bytes, which it returns. `flags`: 0 or ws_rsv1; FIN is always set.
inline std::size_t write_ws_header(char* out, ws_opcode opcode, std::uint64_t payload_size,
                                   std::uint8_t flags = 0) noexcept {
    const std::size_t size = ws_header_size(payload_size);
    out[0] = static_cast<char>(ws_fin | flags | static_cast<std::uint8_t>(opcode));
    out[1] = static_cast<char>(size == 2 ? payload_size : size == 4 ? 126 : 127);
    for (std::size_t i = size; i > 2; --i, payload_size >>= 8)
        out[i - 1] = static_cast<char>(payload_size & 0xff);
    return size;
}

inline std::string ws_frame(ws_opcode opcode, std::string_view payload, std::uint8_t flags = 0) {
    char header[ws_header_limit];
    const std::size_t size = write_ws_header(header, opcode, payload.size(), flags);
    std::string frame;
    frame.reserve(size + payload.size());
    return frame.append(header, size).append(payload);
}

// A control frame without an allocation: at most 127 bytes.
struct ws_control_frame {
    char data[2 + ws_control_limit];
    std::uint8_t size = 0;
    std::string_view bytes() const noexcept { return {data, size}; }
};

// `payload` is cut at 125 bytes (a pong repeats a ping, which cannot be longer).
inline ws_control_frame make_ws_control(ws_opcode opcode, std::string_view payload) noexcept {
    ws_control_frame frame;
    payload = payload.substr(0, ws_control_limit);
    const std::size_t header = write_ws_header(frame.data, opcode, payload.size());
    if (!payload.empty()) std::memcpy(frame.data + header, payload.data(), payload.size());
    frame.size = static_cast<std::uint8_t>(header + payload.size());
    return frame;
}

// Cut to 123 bytes, not within a character.
inline std::string_view cut_ws_reason(std::string_view reason) noexcept {
    if (reason.size() <= ws_reason_limit) return reason;
    std::size_t end = ws_reason_limit;
    while (end > 0 && (reason[end] & 0xc0) == 0x80) --end;
    return reason.substr(0, end);
}

// The reason is cut to 123 bytes at a character's boundary, and left out when it is not UTF-8. Codes that
// must not be sent: 1005 gives an empty close frame (which means just that); 1006 and 1015 too; any other
// unsendable code gives 1011.
inline ws_control_frame make_ws_close(std::uint16_t code, std::string_view reason) noexcept {
    if (code == ws_no_status || code == ws_abnormal || code == ws_tls_failure)
        return make_ws_control(ws_opcode::close, {});
    if (!ws_sendable_close_code(code)) code = ws_internal_error;
    reason = cut_ws_reason(reason);
    if (!utf8_checker::check(reason)) reason = {};
    char payload[ws_control_limit] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    if (!reason.empty()) std::memcpy(payload + 2, reason.data(), reason.size());
    return make_ws_control(ws_opcode::close, {payload, 2 + reason.size()});
}

}  // namespace madang
