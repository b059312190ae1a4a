// ASCII's letters and digits, whatever the locale.
#pragma once

namespace madang {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_alphanumeric(char c) noexcept { return is_letter(c) || is_digit(c); }
// What names are made of here: letters, digits, '.', '_' and '-'.
constexpr bool is_name_character(char c) noexcept {
    return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
}

// The value of a hexadecimal digit; -1: it is none.
constexpr int lower_hex_digit(char c) noexcept {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
constexpr int hex_digit(char c) noexcept { return c >= 'A' && c <= 'F' ? c - 'A' + 10 : lower_hex_digit(c); }

}  // namespace madang
