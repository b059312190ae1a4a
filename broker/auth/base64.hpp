// Base 64 (RFC 4648), strict: one text for each value. Nothing for a character outside the alphabet, padding
// where it does not belong or is missing, or bits that are left over and not zero.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace madang {

std::optional<std::string> decode_base64(std::string_view text);     // section 4, with padding
std::optional<std::string> decode_base64url(std::string_view text);  // section 5, without

}  // namespace madang
