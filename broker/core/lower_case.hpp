// ASCII letters in lower case; all else stays, whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace madang {

inline std::string lower_case(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return result;
}

}  // namespace madang
