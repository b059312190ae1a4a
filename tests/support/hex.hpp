// Bytes as tests write them down.
#pragma once

#include <string>
#include <string_view>

namespace madang::test {

inline std::string hex(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char each : bytes) {
        text += digits[each >> 4];
        text += digits[each & 15];
    }
    return text;
}

}  // namespace madang::test
