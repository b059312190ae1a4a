// Where options come from: flag before environment before file before default. Each error names the option,
// the place that it came from, and the mend. No secret is ever part of an error, a warning or a printout.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/options.hpp"
#include "broker/core/result.hpp"

namespace CLI {
class App;
}

namespace madang {

using environment = std::map<std::string, std::string>;
environment process_environment();  // every MADANG_… variable

// What the command line said, still as text. Must outlive the CLI::App it was added to.
struct option_values {
    std::map<std::string, std::vector<std::string>, std::less<>> flags;  // by option_row::name
    std::map<std::string, std::string, std::less<>> switches;            // booleans; "" when not given
    std::string config;                                                  // --config
};

// Adds --config and a flag for each row to `app` (a sub-command, for instance). A list's flag may be repeated
// and its values may hold commas; a boolean's has a --no- form. `only`: these rows; empty: all.
void add_option_flags(CLI::App& app, option_values& into, std::span<const std::string_view> only = {});

struct configuration {
    options settings;
    std::map<std::string, std::string> plugin_config_json;  // by plugin id: [plugin.ID] as a JSON object
    std::map<std::string, std::string> namespace_json;      // by name: [namespace.NAME] as a JSON object
    std::map<std::string, std::string> schedule_json;       // by name: [schedule.NAME] as a JSON object
    std::map<std::string, std::string> section_places;      // "namespace.NAME" -> "(madang.toml:3)"
    std::vector<std::string> warnings;                      // to be logged at start
    std::string file;                                       // that was read; "": none

    // A plugin's section; "{}" without one.
    std::string plugin_config(std::string_view id) const;
    // The [namespace.NAME] sections, over what `into` has.
    result<void> add_namespaces(namespace_table& into) const;
    // "[namespace.NAME] (madang.toml:3)": what an error about a section begins with.
    std::string section(const std::string& kind, const std::string& name) const;
};

// The file is --config, else MADANG_CONFIG, else none. TOML: an option's key is its flag's name with
// underscores (a list's in the plural); [plugin.ID] tables go to the plugins as they are, [namespace.NAME] to
// namespace_table, [schedule.NAME] to schedule::parse; anything else is refused.
result<configuration> resolve_options(const option_values& values, const environment& variables);

// The keys of options and the sections in which the two differ, but for those of namespaces.
struct configuration_change {
    std::vector<std::string> taken_up;  // by a reload
    std::vector<std::string> restart;   // what needs one
};
configuration_change change_of(const configuration& running, const configuration& asked);
// What taken_up names.
void take_up(configuration& running, const configuration& asked);

// What a reload takes up, as the table has it: a line for `madang check`.
std::string show_reload();

// What must hold between options, whatever each of them is.
result<void> check_options(const options& settings);

// "name = value" a line, for `madang check`.
std::string show_options(const options& settings);

// docs/configuration.md
std::string configuration_markdown();

}  // namespace madang
