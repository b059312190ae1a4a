#include "broker/protocol/json_members.hpp"

#include <nlohmann/json.hpp>

namespace madang {

bool valid_json(std::string_view text) {
    // nlohmann's lexer takes a NUL for the end.
    return text.find('\0') == text.npos && nlohmann::json::accept(text);
}

std::optional<std::vector<json_member>> json_members(std::string_view object) {
    std::vector<json_member> members;
    if (!each_json_member(object, [&](std::string_view name, std::string_view value) {
            members.push_back({json_text(name), value});
        }))
        return std::nullopt;
    return members;
}

std::optional<std::string_view> member_of(std::string_view object, std::string_view name) {
    if (const auto all = json_members(object))
        for (const auto& each : *all)
            if (each.key == name) return each.value;
    return std::nullopt;
}

std::optional<std::vector<std::string_view>> json_elements(std::string_view array) {
    std::vector<std::string_view> elements;
    if (!each_json_element(array, [&](std::string_view value) { elements.push_back(value); }))
        return std::nullopt;
    return elements;
}

std::optional<std::string> json_string(std::string_view value) {
    if (!value.starts_with('"')) return std::nullopt;
    return json_text(value);
}

}  // namespace madang
