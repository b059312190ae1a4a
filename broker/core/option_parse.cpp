#include "broker/core/option_parse.hpp"

#include <charconv>
#include <limits>
#include <utility>

#include "broker/core/trim.hpp"

namespace madang {

namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr unit size_units[] = {{"G", 1ull << 30},
                               {"M", 1ull << 20},
                               {"k", 1ull << 10},
                               {"", 1},
                               {"GiB", 1ull << 30},
                               {"MiB", 1ull << 20},
                               {"KiB", 1ull << 10},
                               {"g", 1ull << 30},
                               {"m", 1ull << 20},
                               {"K", 1ull << 10},
                               {"B", 1}};
constexpr unit duration_units[] = {
    {"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}, {"us", 1}};

// The leading digits, and what follows them.
std::optional<std::pair<std::uint64_t, std::string_view>> leading_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, failed] = std::from_chars(text.data(), end, number);
    if (failed != std::errc()) return std::nullopt;
    return std::pair(number, std::string_view(rest, static_cast<std::size_t>(end - rest)));
}

std::optional<std::uint64_t> times(std::uint64_t number, std::uint64_t factor) {
    if (number > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    return number * factor;
}

template <std::size_t N>
std::string shortest(std::uint64_t value, const unit (&units)[N], std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        if (value % units[i].factor == 0 && (value != 0 || i + 1 == count)) {
            return std::to_string(value / units[i].factor) + std::string(units[i].name);
        }
    }
    return std::to_string(value);
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
    const auto parsed = leading_number(text);
    if (!parsed || !parsed->second.empty()) return std::nullopt;
    return parsed->first;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const auto parsed = leading_number(text);
    if (!parsed) return std::nullopt;
    for (const auto& each : size_units) {
        if (each.name == parsed->second) return times(parsed->first, each.factor);
    }
    return std::nullopt;
}

std::optional<std::uint64_t> parse_duration(std::string_view text, std::chrono::microseconds unit) {
    const auto parsed = leading_number(text);
    if (!parsed) return std::nullopt;
    if (parsed->second.empty()) return times(parsed->first, static_cast<std::uint64_t>(unit.count()));
    for (const auto& each : duration_units) {
        if (each.name == parsed->second) return times(parsed->first, each.factor);
    }
    return std::nullopt;
}

std::optional<bool> parse_flag(std::string_view text) {
    for (const auto yes : {"true", "yes", "on", "1"}) {
        if (text == yes) return true;
    }
    for (const auto no : {"false", "no", "off", "0"}) {
        if (text == no) return false;
    }
    return std::nullopt;
}

std::optional<most_and_least> parse_most_and_least(std::string_view text) {
    const auto comma = text.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    const auto most = parse_count(text.substr(0, comma)), least = parse_count(text.substr(comma + 1));
    if (!most || !least || *least < 1 || *most < *least || *most > 1024) return std::nullopt;
    return most_and_least{static_cast<unsigned>(*most), static_cast<unsigned>(*least)};
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> result;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto piece = trim(text.substr(0, comma), " ");
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
        if (!piece.empty()) result.emplace_back(piece);
    }
    return result;
}

std::string size_text(std::uint64_t bytes) { return shortest(bytes, size_units, 4); }

std::string duration_text(std::chrono::microseconds duration) {
    if (duration.count() == 0) return "0";
    return shortest(static_cast<std::uint64_t>(duration.count()), duration_units, std::size(duration_units));
}

}  // namespace madang
