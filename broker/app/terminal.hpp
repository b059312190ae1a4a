// What the sub-commands print: server's answers for a person, so that nothing in them can move the terminal.
#pragma once

#include <iostream>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace madang::terminal {

// One line on the standard error, "madang: WHAT: WHY"; `code` again.
int complain(const std::string& what, const std::string& why, int code);
std::string shown(const nlohmann::ordered_json& value);
// A member; a plain string without its quotes. "-": there is none.
std::string shown(const nlohmann::ordered_json& from, const char* name);
// "2026-11-22 04:40:00.123" of a member in Unix milliseconds, UTC.
std::string moment(const nlohmann::ordered_json& from, const char* name);

}  // namespace madang::terminal
