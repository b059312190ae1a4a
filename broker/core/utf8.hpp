// UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace madang {

// The character at `at` (< text.size()) and its length in bytes; length 0: not valid there.
struct utf8_character {
    char32_t code_point;
    std::size_t length;
};
utf8_character read_utf8(std::string_view text, std::size_t at) noexcept;

bool valid_utf8(std::string_view text) noexcept;

// The longest beginning of at most `bytes` bytes that does not end within a character of valid text.
std::string_view cut_utf8(std::string_view text, std::size_t bytes) noexcept;

}  // namespace madang
