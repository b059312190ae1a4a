// The grammar shared by header fields: tokens, lists, extensions (RFC 9110 5.6, RFC 6455 9.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace madang {

bool is_token(std::string_view text) noexcept;        // RFC 9110 5.6.2; not empty
bool is_field_value(std::string_view text) noexcept;  // RFC 9110 5.5: no control characters but tab
bool same_letters(std::string_view a, std::string_view b) noexcept;  // of one size; ASCII, in any case
inline bool equal_no_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && same_letters(a, b);
}

// The elements of a comma-separated list of tokens, empty elements left out (RFC 9110 5.6.1.2). None: one of
// them is no token.
std::optional<std::vector<std::string_view>> parse_tokens(std::string_view list);

// uri-host[":" port] (RFC 9110 7.2, RFC 3986 3.2). None: malformed, or the host is empty. An IPv6 address
// keeps its brackets.
struct authority_view {
    std::string_view host;
    std::optional<std::uint16_t> port;  // none also when the colon stands alone
};
std::optional<authority_view> parse_authority(std::string_view text) noexcept;

struct extension_parameter {
    std::string name;
    std::optional<std::string> value;  // a quoted one is unquoted
};
struct extension_offer {
    std::string name;
    std::vector<extension_parameter> parameters;
};
// The value of Sec-WebSocket-Extensions. None: malformed (RFC 6455 9.1: a quoted value must be a token once
// unquoted).
std::optional<std::vector<extension_offer>> parse_extensions(std::string_view value);

}  // namespace madang
