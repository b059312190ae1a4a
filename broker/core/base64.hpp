// Base64 (RFC 4648 4 and 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace madang {

std::string base64url_encode(std::string_view bytes);  // without padding (RFC 7515 2)

// The standard alphabet, padded. Nothing: another character, a wrong length, or bits set behind the end
// (RFC 4648 3.5), so that a text has one reading.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace madang
