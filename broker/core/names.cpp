#include "broker/core/names.hpp"

#include <algorithm>

namespace madang {

namespace {

bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

}  // namespace

bool valid_group_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 255 &&
           std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

std::string_view namespace_of(std::string_view group_name) noexcept {
    const auto colon = group_name.find(':');
    return colon == std::string_view::npos ? std::string_view() : group_name.substr(0, colon);
}

bool valid_channel_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 99 || name.front() == '!') return false;
    int marks = 0;
    for (const char c : name) {
        if (c == '!' ? ++marks > 1 : !is_word(c)) return false;
    }
    return true;
}

bool valid_event_type(std::string_view type) noexcept {
    return !type.empty() && type.size() <= 255 && type.front() != '_' && type.front() != '.' &&
           std::all_of(type.begin(), type.end(), is_word);
}

}  // namespace madang
