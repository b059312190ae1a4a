#include <algorithm>

#include "broker/core/ascii.hpp"
#include "broker/core/durabilities.hpp"
#include "broker/core/log.hpp"
#include "broker/core/net_address.hpp"
#include "broker/core/option_parse.hpp"
#include "broker/core/options_table.hpp"

namespace madang {

namespace {

using form = option_form;

constexpr std::pair<std::string_view, outbox_policy> policies[] = {
    {"disconnect", outbox_policy::disconnect},
    {"drop-oldest", outbox_policy::drop_oldest},
    {"latest-only", outbox_policy::latest_only}};
constexpr std::pair<std::string_view, log_format> formats[] = {{"text", log_format::text},
                                                               {"json", log_format::json}};

error wrong(const std::string& value, const std::string& why) {
    return fail(errc::invalid_option, "\"" + value + "\" " + why);
}

template <class T, std::size_t N>
result<void> choose(T& into, const std::string& value, const std::pair<std::string_view, T> (&choices)[N]) {
    std::string known, with_dashes = value;  // drop_oldest is as good as drop-oldest
    std::replace(with_dashes.begin(), with_dashes.end(), '_', '-');
    for (const auto& [name, choice] : choices) {
        if (with_dashes == name) {
            into = choice;
            return {};
        }
        known.append(known.empty() ? "" : ", ").append(name);
    }
    return wrong(value, "is not one of " + known);
}

template <class T, std::size_t N>
std::string name_of(T value, const std::pair<std::string_view, T> (&choices)[N]) {
    for (const auto& [name, choice] : choices) {
        if (choice == value) return std::string(name);
    }
    return {};
}

// A token of RFC 9110 5.6.2: the name of a header field or a cookie.
bool is_word(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

// As browsers write one (RFC 6454 7): scheme, host, port, and nothing behind them.
bool is_origin(std::string_view text) noexcept {
    if (text == "*" || text == "null") return true;
    const auto mark = text.find("://");
    if (mark == std::string_view::npos || !is_word(text.substr(0, mark))) return false;
    const auto host = text.substr(mark + 3);
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return c > ' ' && c < 0x7f && std::string_view("/?#@\\\"<>,;").find(c) == std::string_view::npos;
    });
}

result<void> check_text(const option_row& row, const std::string& value) {
    if (row.rules.form == form::secret) return {};
    if (value.find('\0') != std::string::npos)
        return fail(errc::invalid_option, "holds a NUL byte; remove it");
    if (row.rules.form == form::address && !(value.empty() && !row.rules.zero.empty())) {
        if (const auto parsed = endpoint::parse(value); !parsed)
            return fail(errc::invalid_option, parsed.error().detail);
    }
    if (row.rules.form == form::level && parse_log_level(value) == log_level::info && value != "info") {
        return wrong(value, "is not one of debug, info, warn, error, off");
    }
    if (row.rules.form == form::most_and_least && !value.empty() && !parse_most_and_least(value))
        return wrong(value, "is not MAX,MIN: two numbers from 1 to 1024, as in 8,2");
    if (row.rules.form == form::origin && !is_origin(value))
        return wrong(value, "is not an origin; write https://example.com, or * for any");
    if (row.rules.form == form::word && !is_word(value))
        return wrong(value, "is not a name; write letters, digits and any of !#$%&'*+-.^_`|~");
    return {};
}

// `value` counts the row's unit.
result<void> check_range(const option_row& row, const std::string& text, std::uint64_t value) {
    if (value >= row.rules.least && value <= row.rules.most) return {};
    return wrong(text, "is out of bounds; write " + row.range());
}

struct setter {
    options& into;
    const option_row& row;
    const std::string& text;

    result<void> operator()(std::string options::*place) const {
        auto checked = check_text(row, text);
        if (checked) into.*place = text;
        return checked;
    }
    result<void> operator()(std::vector<std::string> options::*) const { return {}; }
    result<void> operator()(bool options::*place) const {
        const auto parsed = parse_flag(text);
        if (!parsed) return wrong(text, "is neither true nor false");
        into.*place = *parsed;
        return {};
    }
    result<void> operator()(std::uint32_t options::*place) const {
        const auto parsed = parse_count(text);
        if (!parsed) return wrong(text, "is not a number; write " + row.range());
        auto checked = check_range(row, text, *parsed);
        if (checked) into.*place = static_cast<std::uint32_t>(*parsed);
        return checked;
    }
    result<void> operator()(std::size_t options::*place) const {
        const auto parsed = parse_size(text);
        if (!parsed) return wrong(text, "is not a size; write bytes, or 64k, 16M, 1G");
        auto checked = check_range(row, text, *parsed);
        if (checked) into.*place = *parsed;
        return checked;
    }
    template <class Duration>
    result<void> set_duration(Duration options::*place) const {
        constexpr auto unit = std::chrono::duration_cast<std::chrono::microseconds>(Duration(1));
        const auto parsed = parse_duration(text, unit);
        if (!parsed) return wrong(text, "is not a duration; write 500ms, 10s or 2m");
        const auto count = static_cast<std::uint64_t>(unit.count());
        if (*parsed % count != 0) return wrong(text, "is finer than a millisecond");
        auto checked = check_range(row, text, *parsed / count);
        if (checked) into.*place = Duration(static_cast<std::int64_t>(*parsed / count));
        return checked;
    }
    result<void> operator()(options::ms options::*place) const { return set_duration(place); }
    result<void> operator()(std::chrono::microseconds options::*place) const { return set_duration(place); }
    result<void> operator()(outbox_policy options::*place) const {
        return choose(into.*place, text, policies);
    }
    result<void> operator()(durability options::*place) const {
        return choose(into.*place, text, durabilities);
    }
    result<void> operator()(log_format options::*place) const { return choose(into.*place, text, formats); }
};

}  // namespace

result<void> set_option(options& into, const option_row& row, std::span<const std::string> values) {
    if (const auto* list = std::get_if<std::vector<std::string> options::*>(&row.place)) {
        for (const auto& each : values) {
            if (auto checked = check_text(row, each); !checked) return checked;
        }
        if (row.rules.form == form::addresses) {
            const auto parsed = address_list::parse(values);
            if (!parsed) return fail(errc::invalid_option, parsed.error().detail);
        }
        (into.**list).assign(values.begin(), values.end());
        return {};
    }
    if (values.size() != 1) return fail(errc::invalid_option, "takes exactly one value");
    const std::string& text = values.front();

    return std::visit(setter{into, row, text}, row.place);
}

std::string show_option(const options& from, const option_row& row) {
    struct shower {
        const options& from;
        const option_row& row;

        std::string operator()(std::string options::*place) const {
            const auto& text = from.*place;
            return row.rules.form == form::secret && !text.empty() ? "(set)" : text;
        }
        std::string operator()(std::vector<std::string> options::*place) const {
            std::string result;
            if (row.rules.form == form::secret && !(from.*place).empty()) return "(set)";
            for (const auto& each : from.*place) result.append(result.empty() ? "" : ",").append(each);
            return result;
        }
        std::string operator()(bool options::*place) const { return from.*place ? "true" : "false"; }
        std::string operator()(std::uint32_t options::*place) const { return std::to_string(from.*place); }
        std::string operator()(std::size_t options::*place) const { return size_text(from.*place); }
        std::string operator()(options::ms options::*place) const { return duration_text(from.*place); }
        std::string operator()(std::chrono::microseconds options::*place) const {
            return duration_text(from.*place);
        }
        std::string operator()(outbox_policy options::*place) const { return name_of(from.*place, policies); }
        std::string operator()(durability options::*place) const {
            return name_of(from.*place, durabilities);
        }
        std::string operator()(log_format options::*place) const { return name_of(from.*place, formats); }
    };
    return std::visit(shower{from, row}, row.place);
}

}  // namespace madang
