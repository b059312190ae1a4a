// Base64 (RFC 4648 4 and 5), strict: one text for each value. Decoding gives nothing for a character outside
// the alphabet, padding where it does not belong or is missing, or bits that are left over and not zero
// (3.5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace madang {

std::optional<std::string> base64_decode(std::string_view text);  // section 4, with padding
// Section 5, without (RFC 7515 2).
std::optional<std::string> base64url_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);

}  // namespace madang
