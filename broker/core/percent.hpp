// The small grammars of a request: percent-encoding (RFC 3986 2.1), query strings, the Cookie header (RFC
// 6265 4.2).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace madang {

// Decodes once. Nothing: a '%' without two hexadecimal digits, or a NUL (encoded or not). '+' stays '+'.
std::optional<std::string> percent_decode(std::string_view text);

using text_pairs = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=&c" in order, both sides decoded ('+' is a space, as browsers' forms write it); a piece that cannot
// be decoded is left out, an empty piece too.
text_pairs parse_query(std::string_view query);
// The first value of that name, or nothing.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// "a=1; b=2" in order; not decoded, quotes around a value removed. A piece without '=' or name is left out.
text_pairs parse_cookies(std::string_view header);

}  // namespace madang
