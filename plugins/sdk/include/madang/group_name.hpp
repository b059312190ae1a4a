// Group names from text that people chose.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace madang {

// "<space>:<name>", e.g. group_name("room", "general"). Every byte of name that a group name cannot hold (all
// but printable ASCII; the space) and '%' itself is written as %XX, so that two names never share a group.
// Nothing when that is longer than a group name may be (255 bytes).
inline std::optional<std::string> group_name(std::string_view space, std::string_view name) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string group(space);
    group += ':';
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f && c != '%') {
            group += c;
        } else {
            group.append({'%', digits[byte >> 4], digits[byte & 15]});
        }
    }
    if (group.size() > 255) return std::nullopt;
    return group;
}

}  // namespace madang
