#include "broker/jobs/cron.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <span>
#include <string>
#include <vector>

#include "broker/core/lower_case.hpp"

namespace madang {
namespace {

constexpr std::string_view month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                            "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct field {
    std::string_view name;
    unsigned least, most;
    std::span<const std::string_view> names;  // the first is `least`
};
constexpr field fields[] = {{"minute", 0, 59, {}},
                            {"hour", 0, 23, {}},
                            {"day_of_month", 1, 31, {}},
                            {"month_of_year", 1, 12, month_names},
                            {"day_of_week", 0, 7, weekday_names}};

struct shorthand {
    std::string_view name, meaning;
};
constexpr shorthand shorthands[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find_first_of(separators);
        parts.push_back(text.substr(0, end));
        if (end == text.npos) return parts;
        text.remove_prefix(end + 1);
    }
}

class field_reader {
  public:
    field_reader(const field& which, cron_style style) : which_(which), style_(style) {
        most_ = which.name == "day_of_week" && style == cron_style::celery ? 6 : which.most;
    }

    // Bits of the values, or what is wrong in `wrong`.
    std::uint64_t read(std::string_view text, std::string& wrong) {
        std::uint64_t bits = 0;
        for (const auto part : split(text, ",")) {
            bits |= range(part);
            if (!wrong_.empty()) break;
        }
        if (!wrong_.empty()) wrong = "cron." + std::string(which_.name) + ": " + wrong_;
        return bits;
    }

  private:
    std::uint64_t range(std::string_view text) {
        const auto slash = text.find('/');
        unsigned step = 1;
        if (slash != text.npos) {
            step = count(text.substr(slash + 1));
            if (!wrong_.empty()) return 0;
            if (step == 0) return refuse("a step of 0");
            text = text.substr(0, slash);
        }
        // 0-7 of weekdays would count Sunday twice, which does no harm.
        unsigned from = which_.least;
        unsigned to = which_.name == "day_of_week" ? 6 : most_;
        if (text != "*") {
            const auto dash = text.find('-');
            from = value(text.substr(0, dash));
            if (!wrong_.empty()) return 0;
            if (dash == text.npos && slash != text.npos) return refuse("a step needs * or a range before it");
            to = dash == text.npos ? from : value(text.substr(dash + 1));
            if (!wrong_.empty()) return 0;
        }
        if (from > to) {
            if (style_ != cron_style::celery)
                return refuse(std::string(text) + " goes backwards; write two ranges");
            to += most_ - which_.least + 1;
        }
        std::uint64_t bits = 0;
        for (auto each = from; each <= to; each += step) {
            const auto turned = each > most_ ? each - (most_ - which_.least + 1) : each;
            bits |= std::uint64_t{1} << turned;
        }
        return bits;
    }

    unsigned value(std::string_view text) {
        if (!text.empty() && std::isalpha(static_cast<unsigned char>(text[0]))) {
            const auto name = lower_case(text);
            const auto found = std::find(which_.names.begin(), which_.names.end(), name);
            if (found != which_.names.end())
                return which_.least + static_cast<unsigned>(found - which_.names.begin());
            refuse("there is no " + name);
            return 0;
        }
        const auto number = count(text);
        if (!wrong_.empty()) return 0;
        if (number > most_) refuse(std::to_string(number) + " is above " + std::to_string(most_));
        if (number < which_.least)
            refuse(std::to_string(number) + " is below " + std::to_string(which_.least));
        return number;
    }

    unsigned count(std::string_view text) {
        unsigned number = 0;
        const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (wrong != std::errc{} || end != text.data() + text.size() || text.size() > 6)
            refuse("\"" + std::string(text.substr(0, 20)) + "\" is no number");
        return number;
    }

    std::uint64_t refuse(std::string why) {
        if (wrong_.empty()) wrong_ = std::move(why);
        return 0;
    }

    const field& which_;
    cron_style style_;
    unsigned most_;
    std::string wrong_;
};

}  // namespace

result<cron_fields> cron_fields::parse(std::string_view text, cron_style style) {
    if (text.starts_with('@')) {
        const auto found = std::find_if(std::begin(shorthands), std::end(shorthands),
                                        [&](const auto& each) { return each.name == text; });
        if (found == std::end(shorthands))
            return fail(errc::bad_request, "cron: there is no " + std::string(text.substr(0, 20)));
        text = found->meaning;
    }
    auto parts = split(text, " \t");
    std::erase(parts, "");
    if (parts.size() != std::size(fields))
        return fail(errc::bad_request,
                    "cron: takes five fields: minute, hour, day of month, month, day of week");
    std::uint64_t bits[std::size(fields)];
    for (std::size_t i = 0; i < std::size(fields); ++i) {
        std::string wrong;
        bits[i] = field_reader(fields[i], style).read(parts[i], wrong);
        if (!wrong.empty()) return fail(errc::bad_request, std::move(wrong));
    }
    cron_fields made;
    made.minutes = bits[0];
    made.hours = static_cast<std::uint32_t>(bits[1]);
    made.days = static_cast<std::uint32_t>(bits[2]);
    made.months = static_cast<std::uint32_t>(bits[3]);
    made.weekdays = static_cast<std::uint8_t>((bits[4] & 0x7f) | (bits[4] >> 7 & 1));
    made.either_day = style == cron_style::vixie && parts[2][0] != '*' && parts[4][0] != '*';
    return made;
}

}  // namespace madang
