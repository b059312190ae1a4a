#include "broker/auth/json_text.hpp"

#include <cmath>

namespace madang {

namespace {

bool too_deep(std::string_view text) noexcept {
    std::size_t depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') ++i;
            if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > claims_depth) return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return false;
}

}  // namespace

std::optional<nlohmann::json> parse_json(std::string_view text) {
    if (too_deep(text)) return std::nullopt;
    auto parsed = nlohmann::json::parse(text, nullptr, false);
    if (parsed.is_discarded()) return std::nullopt;
    return parsed;
}

std::string json_text(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool read_text(const nlohmann::json& object, const char* name, std::string& into) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return true;
    if (!found->is_string()) return false;
    into = found->get<std::string>();
    return true;
}

bool read_seconds(const nlohmann::json& object, const char* name, std::int64_t& into) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return true;
    if (!found->is_number()) return false;
    constexpr double last = 253402300799;  // 9999-12-31
    const double value = found->get<double>();
    if (!std::isfinite(value) || value < 0) return false;
    into = static_cast<std::int64_t>(value < last ? value : last);
    return true;
}

}  // namespace madang
