// Which names the server takes, for the test kit.
#pragma once

#include <algorithm>
#include <string_view>

namespace madang::testing::detail {

inline bool valid_group(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 255 &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}
inline bool plain_name(std::string_view name, std::string_view more) noexcept {
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               more.find(c) != std::string_view::npos;
    });
}
inline bool valid_channel(std::string_view name) noexcept {
    return name.size() < 100 && plain_name(name, "-_.!") && std::count(name.begin(), name.end(), '!') <= 1;
}
inline bool valid_type(std::string_view type) noexcept {
    return type.size() <= 255 && plain_name(type, "_-.") && type.front() != '_' && type.front() != '.';
}
inline bool valid_header(std::string_view name, std::string_view value) noexcept {
    return plain_name(name, "!#$%&'*+-.^_`|~") &&
           value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos;
}

}  // namespace madang::testing::detail
