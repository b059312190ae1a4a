#include "broker/core/configuration.hpp"

#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <CLI/CLI.hpp>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "broker/core/did_you_mean.hpp"
#include "broker/core/net_address.hpp"
#include "broker/core/option_parse.hpp"
#include "broker/core/options_table.hpp"

namespace madang {

namespace {

constexpr std::string_view config_variable = "MADANG_CONFIG";

bool is_list(const option_row& row) {
    return std::holds_alternative<std::vector<std::string> options::*>(row.place);
}
bool is_flag(const option_row& row) { return std::holds_alternative<bool options::*>(row.place); }

template <class NameOf>
std::string nearest(std::string_view unknown, NameOf name_of) {
    std::vector<std::string> known;
    for (const auto& row : option_table()) known.push_back(name_of(row));
    return did_you_mean(unknown, known);
}

// `where` as a person finds it: "--listen", "MADANG_LISTEN (environment)", "listen (madang.toml:3)".
result<void> set_from(options& into, const option_row& row, std::span<const std::string> values,
                      const std::string& where) {
    auto set = set_option(into, row, values);
    if (set) return set;
    return fail(set.error().code, where + ": " + set.error().detail);
}

std::vector<std::string> split_all(const std::vector<std::string>& texts) {
    std::vector<std::string> result;
    for (const auto& text : texts) {
        for (auto& each : split_list(text)) result.push_back(std::move(each));
    }
    return result;
}

// A value of the file as the text that a flag would have had.
std::optional<std::string> text_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    return std::nullopt;
}

class file_reader {
  public:
    file_reader(std::string path, configuration& into) : path_(std::move(path)), into_(into) {}

    result<void> read() {
        if (access(path_.c_str(), R_OK) != 0) {
            return fail(errc::invalid_option,
                        "--config: " + path_ + " cannot be read: " + std::strerror(errno));
        }
        if (std::filesystem::is_directory(path_)) {
            return fail(errc::invalid_option, "--config: " + path_ + " is a folder; name a file");
        }
        try {
            const toml::table file = toml::parse_file(path_);
            for (const auto& [key, node] : file) {
                const auto done = key.str() == "plugin" ? sections("plugin", node, into_.plugin_config_json)
                                  : key.str() == "namespace"
                                      ? sections("namespace", node, into_.namespace_json)
                                  : key.str() == "schedule" ? sections("schedule", node, into_.schedule_json)
                                                            : option(key.str(), node);
                if (!done) return done;
            }
            return {};
        } catch (const toml::parse_error& wrong) {
            return fail(errc::invalid_option, path_ + ":" + std::to_string(wrong.source().begin.line) +
                                                  ": not valid TOML: " + std::string(wrong.description()));
        }
    }

  private:
    std::string place(std::string_view key, const toml::node& node) const {
        return std::string(key) + (key.empty() ? "(" : " (") + path_ + ":" +
               std::to_string(node.source().begin.line) + ")";
    }

    result<void> option(std::string_view key, const toml::node& node) {
        const auto where = place(key, node);
        const auto rows = option_table();
        const auto row =
            std::find_if(rows.begin(), rows.end(), [&](const auto& each) { return each.key() == key; });
        if (row == rows.end()) {
            return fail(errc::invalid_option,
                        where + ": there is no such option" +
                            nearest(key, [](const option_row& each) { return each.key(); }));
        }
        std::vector<std::string> values;
        if (const auto* array = node.as_array(); array && is_list(*row)) {
            for (const auto& each : *array) {
                const auto* text = each.as_string();
                if (!text) return fail(errc::invalid_option, where + ": takes a list of strings");
                values.push_back(text->get());
            }
        } else if (const auto text = text_of(node)) {
            values = is_list(*row) ? split_list(*text) : std::vector{*text};
        } else if (const auto* fraction = node.as_floating_point(); fraction && !is_list(*row)) {
            std::ostringstream text;
            text << *fraction << " is a number with a fraction; write a " << row->kind();
            if (!row->range().empty()) text << ", " << row->range();
            return fail(errc::invalid_option, where + ": " + text.str());
        } else {
            return fail(errc::invalid_option,
                        where + ": takes " + (is_list(*row) ? "a list of strings" : "a single value"));
        }
        return set_from(into_.settings, *row, values, where);
    }

    // [KIND.NAME] tables, as JSON.
    result<void> sections(const std::string& kind, const toml::node& node,
                          std::map<std::string, std::string>& into) {
        const auto* all = node.as_table();
        for (auto each = all ? all->begin() : toml::table::const_iterator{}; all && each != all->end();
             ++each) {
            const auto* table = each->second.as_table();
            if (!table) {
                return fail(errc::invalid_option,
                            place(kind + "." + std::string(each->first.str()), each->second) + ": write [" +
                                kind + ".NAME] sections");
            }
            std::ostringstream json;
            json << toml::json_formatter(*table);
            const std::string name(each->first.str());
            into[name] = nlohmann::json::parse(json.str()).dump();
            into_.section_places[kind + "." + name] = place({}, each->second);
        }
        if (!all)
            return fail(errc::invalid_option, place(kind, node) + ": write [" + kind + ".NAME] sections");
        return {};
    }

    std::string path_;
    configuration& into_;
};

result<void> read_environment(configuration& into, const environment& variables) {
    for (const auto& [name, text] : variables) {
        if (name == config_variable || !name.starts_with("MADANG_")) continue;
        if (name == "MADANG_API_URL" || name == "MADANG_API_KEY") continue;  // of `madang pub` and its like
        const auto rows = option_table();
        const auto row =
            std::find_if(rows.begin(), rows.end(), [&, wanted = std::string_view(name)](const auto& each) {
                return each.environment_name() == wanted;
            });
        if (row == rows.end()) {  // no error: orchestrators put names of their own there
            into.warnings.push_back(
                name + " (environment): there is no such option" +
                nearest(name, [](const option_row& each) { return each.environment_name(); }));
            continue;
        }
        const auto values = is_list(*row) ? split_list(text) : std::vector{text};
        auto set = set_from(into.settings, *row, values, name + " (environment)");
        if (!set) return set;
    }
    return {};
}

}  // namespace

environment process_environment() {
    environment result;
    for (char** each = environ; *each; ++each) {
        const std::string_view entry(*each);
        const auto equals = entry.find('=');
        if (entry.starts_with("MADANG_") && equals != std::string_view::npos) {
            result.emplace(entry.substr(0, equals), entry.substr(equals + 1));
        }
    }
    return result;
}

void add_option_flags(CLI::App& app, option_values& into, std::span<const std::string_view> only) {
    app.add_option("--config", into.config, "TOML file with options (or MADANG_CONFIG)")->type_name("PATH");
    const options defaults;
    for (const auto& row : option_table()) {
        if (!only.empty() && std::ranges::find(only, row.name) == only.end()) continue;
        const std::string name(row.name);
        std::string help(row.help);
        if (!row.rules.limit.empty()) help.append("; more: ").append(row.rules.limit);
        if (!row.rules.zero.empty())
            help.append(row.range().empty() ? "; empty: " : "; 0: ").append(row.rules.zero);
        if (!row.reload().empty()) help.append("; on SIGHUP: ").append(row.reload());
        const auto shown = show_option(defaults, row);
        if (!shown.empty()) help.append(" [").append(shown).append("]");
        CLI::Option* flag = nullptr;
        if (is_flag(row)) {
            flag = app.add_flag("--" + name + ",!--no-" + name, into.switches[name], help);
        } else if (is_list(row)) {
            flag = app.add_option_function<std::vector<std::string>>(
                "--" + name, [&into, name](const auto& texts) { into.flags[name] = texts; }, help);
            flag->allow_extra_args(false);  // one value for each time that the flag stands there
        } else {
            flag = app.add_option_function<std::string>(
                "--" + name, [&into, name](const auto& text) { into.flags[name] = {text}; }, help);
        }
        if (!is_flag(row)) flag->type_name(std::string(row.kind()));
        flag->group(std::string(row.group));
    }
}

result<configuration> resolve_options(const option_values& values, const environment& variables) {
    configuration result;
    std::string path = values.config;
    if (const auto named = variables.find(std::string(config_variable));
        path.empty() && named != variables.end()) {
        path = named->second;
    }
    if (!path.empty()) {
        if (auto read = file_reader(path, result).read(); !read) return read.error();
    }
    result.file = std::move(path);
    if (auto read = read_environment(result, variables); !read) return read.error();
    for (const auto& row : option_table()) {
        if (const auto given = values.switches.find(row.name);
            given != values.switches.end() && !given->second.empty()) {
            if (auto set = set_from(result.settings, row, std::vector{given->second}, row.flag()); !set)
                return set.error();
        }
        const auto given = values.flags.find(row.name);
        if (given == values.flags.end()) continue;
        const auto texts = is_list(row) ? split_all(given->second) : given->second;
        if (auto set = set_from(result.settings, row, texts, row.flag()); !set) return set.error();
    }
    if (auto checked = check_options(result.settings); !checked) return checked.error();
    const auto& secret = result.settings.jwt_hmac_secret;
    if (!secret.empty() && secret.size() < 32) {
        result.warnings.push_back("jwt-hmac-secret has " + std::to_string(secret.size()) +
                                  " bytes; fewer than 32 can be guessed (RFC 7518 3.2)");
    }
    return result;
}

result<void> check_options(const options& settings) {
    const auto refuse = [](std::string text) { return fail(errc::invalid_option, std::move(text)); };
    if (settings.tls_certificate.empty() != settings.tls_key.empty()) {
        return settings.tls_key.empty()
                   ? refuse("tls-certificate is set without tls-key; set both or neither")
                   : refuse("tls-key is set without tls-certificate; set both or neither");
    }
    const auto open = endpoint::parse(settings.listen);
    const auto internal = endpoint::parse(settings.internal_listen);
    if (open && internal && *open == *internal && open->port != 0) {
        return refuse("listen and internal-listen are both " + settings.listen +
                      "; give one of them another port");
    }
    if (settings.ws_message_burst != 0 && settings.ws_messages_per_second == 0) {
        return refuse("ws-message-burst is set without ws-messages-per-second; set both or neither");
    }
    if (settings.drain_spread > settings.drain_timeout) {
        return refuse("drain-spread (" + duration_text(settings.drain_spread) +
                      ") is longer than drain-timeout (" + duration_text(settings.drain_timeout) +
                      "); shorten it");
    }
    return {};
}

std::string configuration::section(const std::string& kind, const std::string& name) const {
    const auto found = section_places.find(kind + "." + name);
    return "[" + kind + "." + (name.empty() ? "\"\"" : name) + "]" +
           (found == section_places.end() ? "" : " " + found->second);
}

std::string configuration::plugin_config(std::string_view id) const {
    const auto found = plugin_config_json.find(std::string(id));
    return found == plugin_config_json.end() ? "{}" : found->second;
}

result<void> configuration::add_namespaces(namespace_table& into) const {
    for (const auto& [name, json] : namespace_json)
        if (auto good = into.set(name, json, section("namespace", name)); !good) return good;
    return {};
}

configuration_change change_of(const configuration& running, const configuration& asked) {
    configuration_change found;
    for (const auto& row : option_table()) {
        const bool same = std::visit(
            [&](auto place) { return running.settings.*place == asked.settings.*place; }, row.place);
        if (!same)
            (row.rules.reload == on_reload::value ? found.taken_up : found.restart).push_back(row.key());
    }
    using sections = std::map<std::string, std::string>;
    for (const auto& [kind, of] : {std::pair{"plugin", &configuration::plugin_config_json},
                                   std::pair{"schedule", &configuration::schedule_json}}) {
        sections all = running.*of;
        all.insert((asked.*of).begin(), (asked.*of).end());
        const auto text = [&](const sections& in, const std::string& name) {
            const auto at = in.find(name);
            return at == in.end() ? std::string() : at->second;
        };
        for (const auto& [name, ignored] : all)
            if (text(running.*of, name) != text(asked.*of, name))
                found.restart.push_back("[" + std::string(kind) + "." + name + "]");
    }
    return found;
}

void take_up(configuration& running, const configuration& asked) {
    for (const auto& row : option_table())
        if (row.rules.reload == on_reload::value)
            std::visit([&](auto place) { running.settings.*place = asked.settings.*place; }, row.place);
}

std::string show_reload() {
    std::string values, files;
    for (const auto& row : option_table()) {
        if (row.rules.reload == on_reload::nothing) continue;
        auto& list = row.rules.reload == on_reload::value ? values : files;
        list.append(list.empty() ? "" : ", ").append(row.key());
    }
    return "on SIGHUP: " + values + ", [namespace.NAME], and the files of " + files + "\n";
}

std::string show_options(const options& settings) {
    std::string result;
    for (const auto& row : option_table()) {
        result.append(row.key()).append(" = ").append(show_option(settings, row)).append("\n");
    }
    return result;
}

}  // namespace madang
