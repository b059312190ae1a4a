// The one table of options, and what is made from it: flags, environment names, the file's keys, help,
// documentation.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/core/options.hpp"
#include "broker/core/result.hpp"

namespace madang {

// Where an option's value lies decides how it is written: std::size_t is a size in bytes, std::uint32_t a
// number.
using option_place = std::variant<std::string options::*, std::vector<std::string> options::*,
                                  bool options::*, std::uint32_t options::*, std::size_t options::*,
                                  options::ms options::*, std::chrono::microseconds options::*,
                                  outbox_policy options::*, log_format options::*, durability options::*>;

enum class option_form : std::uint8_t {
    plain,
    secret,
    address,
    addresses,
    path,
    level,
    most_and_least,
    origin,
    word
};

// What SIGHUP takes up.
enum class on_reload : std::uint8_t {
    nothing,  // a change needs a restart
    value,
    file,  // what is in the file that it names; another name needs a restart
};

struct option_rules {
    std::uint64_t least = 0;  // bounds, inclusive: numbers, bytes, milliseconds (turn-time: microseconds)
    std::uint64_t most = 0;
    std::string_view zero = "";   // what 0, or an empty text or list, means
    std::string_view limit = "";  // what happens beyond it: close code or status, metric
    option_form form = option_form::plain;
    std::string_view plural = "";  // of a list: its name in the environment and the file
    on_reload reload = on_reload::nothing;
};

struct option_row {
    std::string_view group;  // heading in help and documentation
    std::string_view name;   // of the flag, without "--": "ws-outbox-bytes"
    option_place place;
    std::string_view help;
    option_rules rules;

    std::string flag() const;              // "--plugin"
    std::string environment_name() const;  // "MADANG_PLUGINS"
    std::string key() const;               // "plugins"
    std::string_view kind() const;         // "SIZE", "DURATION", …
    std::string range() const;             // "1k to 1G", or "" where there is none
    std::string_view reload() const;       // what SIGHUP does, as in "taken up"; "": nothing
};

std::span<const option_row> option_table();

// Parses and checks one value (for a list: its entries) into its place. The detail of an error says what is
// wrong with the value and how to mend it, but not which option it was; it never holds a secret's text.
result<void> set_option(options& into, const option_row& row, std::span<const std::string> values);

// As a person would write it; "(set)" or "" for a secret.
std::string show_option(const options& from, const option_row& row);

}  // namespace madang
