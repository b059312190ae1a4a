// The parts of a JSON text as they stand in it, so that they can be passed on byte by byte. For JSON that the
// server itself wrote: of anything else no more is promised than that nothing outside the text is read.
#pragma once

#include <cstddef>
#include <string_view>

namespace madang {

// The value that begins `text`, white space before it allowed.
inline std::string_view json_value(std::string_view text) noexcept {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    std::size_t depth = 0;
    bool quoted = false;
    for (auto i = begin; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                quoted = false;
                if (depth == 0) return text.substr(begin, i + 1 - begin);
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return text.substr(begin, i - begin);
            if (--depth == 0) return text.substr(begin, i + 1 - begin);
        } else if (depth == 0 && (c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
            return text.substr(begin, i - begin);
        }
    }
    return text.substr(begin);
}

// fn(key, value) for each member of an object: the key without its quotes, neither decoded.
template <class Function>
void each_json_member(std::string_view object, Function fn) {
    if (object.empty() || object.front() != '{') return;
    auto rest = object.substr(1);
    for (;;) {
        const auto key = json_value(rest);
        if (key.size() < 2 || key.front() != '"') return;
        rest.remove_prefix(static_cast<std::size_t>(key.data() + key.size() - rest.data()));
        const auto colon = rest.find(':');
        if (colon == std::string_view::npos) return;
        rest.remove_prefix(colon + 1);
        const auto value = json_value(rest);
        if (value.empty()) return;
        fn(key.substr(1, key.size() - 2), value);
        rest.remove_prefix(static_cast<std::size_t>(value.data() + value.size() - rest.data()));
        const auto comma = rest.find(',');
        if (comma == std::string_view::npos) return;
        rest.remove_prefix(comma + 1);
    }
}

// fn(value) for each element of an array.
template <class Function>
void each_json_element(std::string_view array, Function fn) {
    if (array.empty() || array.front() != '[') return;
    auto rest = array.substr(1);
    for (;;) {
        const auto value = json_value(rest);
        if (value.empty()) return;
        fn(value);
        rest.remove_prefix(static_cast<std::size_t>(value.data() + value.size() - rest.data()));
        const auto comma = rest.find(',');
        if (comma == std::string_view::npos) return;
        rest.remove_prefix(comma + 1);
    }
}

}  // namespace madang
