// For the server API, whose objects are read out of order: their parts as the texts that they were, so that
// what passes through (numbers of any length, the order of keys) arrives as it was sent.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/protocol/json_reader.hpp"

namespace madang {

// Whether `text` is one JSON value (RFC 8259) in UTF-8 and nothing else but white space around it. Narrower
// than is_json where readers disagree: no half of a surrogate pair, no number past a double's range.
bool valid_json(std::string_view text);

struct json_member {
    std::string key;  // decoded
    std::string_view value;
};

// Views into the text, in order, repeated keys too. Nothing when it is of another kind, or too deep.
std::optional<std::vector<json_member>> json_members(std::string_view object);
// The first of that name, as it was written; nothing: there is none, or `object` is of another kind.
std::optional<std::string_view> member_of(std::string_view object, std::string_view name);
std::optional<std::vector<std::string_view>> json_elements(std::string_view array);
// Decoded; `value` is one of theirs.
std::optional<std::string> json_string(std::string_view value);

}  // namespace madang
