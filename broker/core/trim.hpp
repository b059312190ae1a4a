// A text without the white space at its ends.
#pragma once

#include <string_view>

namespace madang {

// `space`: what counts as such; in HTTP's fields it is space and tab (RFC 9110 5.6.3).
inline std::string_view trim(std::string_view text, std::string_view space = " \t") noexcept {
    const auto from = text.find_first_not_of(space);
    if (from == text.npos) return {};
    return text.substr(from, text.find_last_not_of(space) - from + 1);
}

}  // namespace madang
