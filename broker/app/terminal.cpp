#include "broker/app/terminal.hpp"

#include <charconv>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace madang::terminal {

using json = nlohmann::ordered_json;

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
    return {[least, most](std::string& text) {
                std::int64_t number = 0;
                const auto* end = text.data() + text.size();
                const auto [rest, wrong] = std::from_chars(text.data(), end, number);
                const bool taken = wrong == std::errc() && rest == end && number >= least && number <= most;
                return taken ? std::string()
                             : "takes a whole number from " + std::to_string(least) + " to " +
                                   std::to_string(most);
            },
            ""};
}

int complain(const std::string& what, const std::string& why, int code) {
    std::string line = why;  // one line, whatever a server says
    for (auto& c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    std::cerr << "madang: " << what << ": " << line << "\n";
    return code;
}

int complain(const error& why, int code) {
    std::cerr << "madang: " << (why.detail.empty() ? why.text() : why.detail) << "\n";
    return code;
}

std::string shown(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }
// A member for a person: a plain string without its quotes where nothing in it could move the terminal.
std::string shown(const json& from, const char* name) {
    const auto found = from.find(name);
    if (found == from.end()) return "-";
    auto text = shown(*found);
    if (found->is_string() && text.size() > 2 && text.find('\\') == text.npos)
        return text.substr(1, text.size() - 2);
    return text;
}

// "2026-11-22 04:40:00.123" of Unix milliseconds, UTC.
std::string moment(const json& from, const char* name) {
    const auto found = from.find(name);
    if (found == from.end() || !found->is_number_integer()) return "-";
    const auto ms = found->get<std::int64_t>();
    const auto seconds = static_cast<std::time_t>(ms / 1000);
    std::tm utc{};
    char text[64];
    if (gmtime_r(&seconds, &utc) == nullptr || std::strftime(text, sizeof text, "%F %T", &utc) == 0)
        return "-";
    char fraction[8];
    std::snprintf(fraction, sizeof fraction, ".%03d", static_cast<int>(ms % 1000 < 0 ? 0 : ms % 1000));
    return std::string(text) + fraction;
}

}  // namespace madang::terminal
