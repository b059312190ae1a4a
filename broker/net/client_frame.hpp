// Frames as a client sends them (RFC 6455 5.3), for those whose bytes did not come as frames. Masked with
// zeros: the server is its own client here, and nothing between can be confused.
#pragma once

#include <string>
#include <string_view>

#include "broker/protocol/ws_encoder.hpp"

namespace madang {

inline void append_client_frame(std::string& out, ws_opcode opcode, std::string_view payload) {
    char header[ws_header_limit];
    const auto size = write_ws_header(header, opcode, payload.size());
    header[1] = static_cast<char>(header[1] | 0x80);
    out.append(header, size).append(4, '\0').append(payload);
}

inline void append_client_close(std::string& out, std::uint16_t code) {
    const char payload[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    append_client_frame(out, ws_opcode::close, {payload, sizeof payload});
}

}  // namespace madang
