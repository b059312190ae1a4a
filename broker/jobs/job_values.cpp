#include "broker/jobs/job_values.hpp"

#include <date/date.h>

#include <algorithm>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "broker/core/option_parse.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t longest_ms = 36'525 * day_ms;
constexpr std::int64_t last_ms = 253'402'300'799'999;  // the end of the year 9999

std::optional<double> number(std::string_view raw) {
    double value = 0;
    const auto [end, wrong] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (wrong != std::errc{} || end != raw.data() + raw.size()) return std::nullopt;
    return value;
}

bool is_number(std::string_view raw) {
    return !raw.empty() && (raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'));
}

std::optional<std::int64_t> milliseconds(double seconds, std::int64_t most) {
    const double ms = std::round(seconds * 1000);
    if (!(ms >= 0 && ms <= static_cast<double>(most))) return std::nullopt;
    return static_cast<std::int64_t>(ms);
}

// As long as `form`, with a digit for each of its 0 and the rest as there.
bool has_form(std::string_view text, std::string_view form) {
    return std::ranges::equal(text, form,
                              [](char c, char f) { return f == '0' ? c >= '0' && c <= '9' : c == f; });
}

// `format` with everything read, or nothing.
std::optional<std::int64_t> parse_time(const std::string& text, const char* format) {
    std::istringstream in(text);
    date::sys_time<std::chrono::milliseconds> at{};
    in >> date::parse(format, at);
    if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
    return at.time_since_epoch().count();
}

}  // namespace

std::string text_of(const json_place& where) {
    std::string text = where.above ? text_of(*where.above) : std::string();
    if (!where.member.empty()) {
        if (!text.empty()) text += '.';
        text += where.member;
    }
    if (where.index != json_place::no_index) text.append("[").append(std::to_string(where.index)).append("]");
    return text;
}

error refuse(const json_place& where, std::string_view why) {
    std::string text = text_of(where);
    if (!text.empty()) text += ": ";
    return {errc::bad_request, text.append(why)};
}

std::optional<std::int64_t> duration_value(std::string_view raw) {
    if (is_number(raw)) {
        const auto seconds = number(raw);
        return seconds ? milliseconds(*seconds, longest_ms) : std::nullopt;
    }
    if (!raw.starts_with('"')) return std::nullopt;
    const std::string text = json_text(raw);
    std::optional<std::uint64_t> ms;
    if (text.ends_with('d')) {
        if (const auto days = parse_count(std::string_view(text).substr(0, text.size() - 1));
            days && *days <= static_cast<std::uint64_t>(longest_ms / day_ms))
            ms = *days * day_ms;
    } else if (const auto us = parse_duration(text, std::chrono::seconds(1))) {
        ms = *us / 1000;
    }
    if (!ms || *ms > static_cast<std::uint64_t>(longest_ms)) return std::nullopt;
    return static_cast<std::int64_t>(*ms);
}

std::optional<std::int64_t> time_value(std::string_view raw) {
    if (is_number(raw)) {
        const auto seconds = number(raw);
        return seconds ? milliseconds(*seconds, last_ms) : std::nullopt;
    }
    if (!raw.starts_with('"')) return std::nullopt;
    std::string text = json_text(raw);
    if (text.size() > 40 || text.size() < 16) return std::nullopt;
    if (text[10] == ' ') text[10] = 'T';
    // The library below takes less than that, and tells otherwise each time.
    constexpr std::string_view form = "0000-00-00T00:00:00";
    if (!has_form(std::string_view(text).substr(0, form.size()), form)) return std::nullopt;
    auto zone = std::string_view(text).substr(form.size());
    if (zone.starts_with('.'))
        zone.remove_prefix(std::min(zone.find_first_not_of("0123456789", 1), zone.size()));
    const auto offset = zone.substr(zone.starts_with('+') || zone.starts_with('-') ? 1 : zone.size());
    const char* format = nullptr;
    if (zone.empty())
        format = "%FT%T";
    else if (zone == "Z")
        format = "%FT%TZ";
    else if (offset >= "2")
        return std::nullopt;  // no zone is that far
    else if (has_form(offset, "00:00"))
        format = "%FT%T%Ez";
    else if (has_form(offset, "00") || has_form(offset, "0000"))
        format = "%FT%T%z";
    else
        return std::nullopt;
    const auto at = parse_time(text, format);
    if (at && (*at < 0 || *at > last_ms)) return std::nullopt;
    return at;
}

std::optional<bool> flag_value(std::string_view raw) {
    if (raw == "true") return true;
    if (raw == "false") return false;
    return std::nullopt;
}

std::optional<std::string> text_value(std::string_view raw) {
    if (!raw.starts_with('"')) return std::nullopt;
    return json_text(raw);
}

bool valid_job_name(std::string_view name, std::size_t most) noexcept {
    return !name.empty() && name.size() <= most &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool readable(std::string_view raw) {
    bool sure = true;
    std::size_t digits = 0;
    for (const char c : raw) {
        if (c >= '0' && c <= '9') {
            if (++digits > 300) sure = false;
        } else {
            if (((c == 'e' || c == 'E') && digits != 0) || c == '\\') sure = false;
            digits = 0;
        }
        if (!sure) return nlohmann::json::accept(raw);
    }
    return true;
}

std::string digest(std::string_view text) {
    // Any namespace of names would do; this one is ours.
    static constexpr boost::uuids::uuid ours{
        {0x6d, 0x61, 0x64, 0x61, 0x6e, 0x67, 0x4a, 0x4f, 0x82, 0x53, 0x2d, 0x6b, 0x65, 0x79, 0x73, 0x31}};
    return to_string(boost::uuids::name_generator_sha1(ours)(text.data(), text.size()));
}

}  // namespace madang
