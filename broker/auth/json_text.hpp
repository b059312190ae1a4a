// Strangers' JSON. nlohmann's parser does not recurse, but its dump does: so depth has a bound.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace madang {

inline constexpr std::size_t claims_depth = 64;

// Nothing: not one JSON value of valid UTF-8, or deeper than claims_depth.
std::optional<nlohmann::json> parse_json(std::string_view text);

// Compact, on one line, and ASCII-safe against text that is not UTF-8 (replaced): it never throws.
std::string json_text(const nlohmann::json& value);

// The member as a string; "" when it is not there. False: it is there and no string.
bool read_text(const nlohmann::json& object, const char* name, std::string& into);
// Unix seconds, a whole or broken number; `into` is left as it is when there is no such member, or null.
// False: it is there and no number, or a negative one.
bool read_seconds(const nlohmann::json& object, const char* name, std::int64_t& into);

}  // namespace madang
