// Where a request carries its token. In this order, the first that is there wins, also when its token is bad:
//  1. the header `Authorization: Bearer <token>` (RFC 6750 2.1);
//  2. the query parameter `token` (a browser's WebSocket cannot set headers);
//  3. a WebSocket subprotocol: `madang.token.<token>`, or the pair `bearer, <token>`.
// A browser wants one of the subprotocols that it offers back, and the one with the token never goes back:
// with the pair the answer is `bearer` unless the consumer chooses another; beside `madang.token.<token>`
// offer one more.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/scope.hpp"

namespace madang {

enum class token_source : std::uint8_t { none, authorization, query, subprotocol };

struct found_token {
    token_source source = token_source::none;
    std::string token;  // not verified; may be empty although there is a source
};

// Each: source none when the token is not there.
found_token token_from_authorization(std::string_view header_value);
found_token token_from_query(std::string_view query_string);
found_token token_from_subprotocols(std::span<const std::string_view> offered);

// All three, as above.
found_token find_token(std::string_view authorization, std::string_view query_string,
                       std::span<const std::string_view> offered_subprotocols);

// What remains of the offered subprotocols for consumers to see and choose from: no token is among them.
std::vector<std::string_view> without_tokens(std::span<const std::string_view> offered);

// The subprotocol to answer when the consumer chose none: "bearer" if the pair was offered, otherwise "".
std::string_view default_subprotocol(std::span<const std::string_view> offered) noexcept;

// "a, b" of Sec-WebSocket-Protocol, in order; views into `header`.
std::vector<std::string_view> split_subprotocols(std::string_view header);

}  // namespace madang
