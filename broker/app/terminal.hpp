// What the sub-commands print: server's answers for a person, so that nothing in them can move the terminal.
#pragma once

#include <cstdint>
#include <iostream>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "broker/core/errors.hpp"

namespace CLI {
class Validator;
}

namespace madang::terminal {

// Of an option that takes no other number; CLI11 alone would cut what is too large, and take "" for 0.
CLI::Validator whole_number(std::int64_t least, std::int64_t most);
// What --limit takes at most: as much as api-answer-limit, where a server ends its answer, can be set to.
inline constexpr std::int64_t most_listed = 100'000;

// One line on the standard error, "madang: WHAT: WHY"; `code` again.
int complain(const std::string& what, const std::string& why, int code);
int complain(const error& why, int code = 2);  // "madang: WHY"; 2: asked wrongly
std::string shown(const nlohmann::ordered_json& value);
// A member; a plain string without its quotes. "-": there is none.
std::string shown(const nlohmann::ordered_json& from, const char* name);
// "2026-11-22 04:40:00.123" of a member in Unix milliseconds, UTC.
std::string moment(const nlohmann::ordered_json& from, const char* name);

}  // namespace madang::terminal
