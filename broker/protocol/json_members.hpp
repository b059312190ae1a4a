// JSON taken apart without changing it: members keep the text that they were, so that what passes through
// (numbers of any length, the order of keys) arrives as it was sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/protocol/client_json.hpp"  // json_unsigned, append_json_string

namespace madang {

// Whether `text` is one JSON value (RFC 8259) in UTF-8 and nothing else but white space around it.
bool valid_json(std::string_view text);

struct json_member {
    std::string key;  // decoded
    std::string_view value;
};

// All: of a text that valid_json accepted, or a part of one that these returned; views into it. Nothing
// when it is of another kind.
std::optional<std::vector<json_member>> json_members(std::string_view object);  // in order, repeated keys too
std::optional<std::vector<std::string_view>> json_elements(std::string_view array);
std::optional<std::string> json_string(std::string_view string);      // decoded
std::optional<std::int64_t> json_integer(std::string_view number);    // written without '.' and 'e'

}  // namespace madang
