#include "broker/core/names.hpp"

#include <algorithm>

#include "broker/core/ascii.hpp"

namespace madang {

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
        if (c == '!' ? ++marks > 1 : !is_name_character(c)) return false;
    }
    return true;
}

bool valid_event_type(std::string_view type) noexcept {
    return !type.empty() && type.size() <= 255 && type.front() != '_' && type.front() != '.' &&
           std::all_of(type.begin(), type.end(), is_name_character);
}

}  // namespace madang
