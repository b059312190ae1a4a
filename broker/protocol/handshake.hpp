// The server's part of the opening handshake (RFC 6455 4.2), over header fields that an HTTP parser has
// already split.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/scope.hpp"

namespace madang {

// What an HTTP request says. Header names in any case, values without the spaces around them, repeated fields
// repeated. Views are the caller's.
struct ws_request {
    std::string_view method;
    unsigned version = 11;  // 10 * major + minor
    std::span<const name_value> headers;
};

// The request wants to become a WebSocket, well or badly: Upgrade names websocket and Connection names
// upgrade.
bool asks_for_websocket(std::span<const name_value> headers);

struct ws_handshake {
    unsigned status = 101;                       // else the request is refused with it
    std::string_view reason;                     // of a refusal: one sentence, static text
    std::string accept;                          // Sec-WebSocket-Accept
    std::vector<std::string_view> subprotocols;  // asked for, in order of preference; views into the request
    std::string extensions;                      // all offers; for negotiate_deflate
};

// 400: broken. 405: not GET. 426: another version; the answer must carry "Sec-WebSocket-Version: 13" (RFC
// 6455 4.2.2, 4.4).
ws_handshake read_ws_handshake(const ws_request& request);

// RFC 6455 4.2.2: base64(SHA-1(key + GUID)).
std::string ws_accept_key(std::string_view key);

// The 101 response, to its empty line. `subprotocol` and `extensions`: "" for none. None when the subprotocol
// or an extra header's name is no token, when a value has control characters (header injection), or when an
// extra header is one that the handshake itself decides.
std::optional<std::string> ws_accept_response(std::string_view accept, std::string_view subprotocol,
                                              std::string_view extensions,
                                              std::span<const name_value> extra_headers);

}  // namespace madang
