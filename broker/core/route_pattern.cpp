#include "broker/core/route_pattern.hpp"

#include <algorithm>

#include "broker/core/ascii.hpp"

namespace madang {

namespace {

constexpr std::size_t uuid_size = 36;

std::string_view without_slash(std::string_view text) {
    if (text.starts_with('/')) text.remove_prefix(1);
    return text;
}

bool valid_parameter(std::string_view name) {
    return !name.empty() && !is_digit(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
}

// 8-4-4-4-12 lower-case hexadecimal digits, as Django's converter.
bool is_uuid(std::string_view text) noexcept {
    if (text.size() < uuid_size) return false;
    for (std::size_t i = 0; i < uuid_size; ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : lower_hex_digit(text[i]) < 0) return false;
    }
    return true;
}

error malformed(std::string_view pattern, const std::string& why) {
    return fail(errc::invalid_argument, "route \"" + std::string(pattern) + "\": " + why);
}

}  // namespace

bool route_pattern::matches(kind what, char c) noexcept {
    switch (what) {
        case kind::integer:
            return is_digit(c);
        case kind::str:
            return c != '/';
        case kind::slug:
            return is_alphanumeric(c) || c == '-' || c == '_';
        case kind::path:
            return true;
        case kind::uuid:
            return lower_hex_digit(c) >= 0 || c == '-';
        case kind::literal:
            break;
    }
    return false;
}

result<route_pattern> route_pattern::parse(std::string_view text) {
    constexpr std::pair<std::string_view, kind> converters[] = {{"int", kind::integer},
                                                                {"str", kind::str},
                                                                {"slug", kind::slug},
                                                                {"uuid", kind::uuid},
                                                                {"path", kind::path}};
    route_pattern result;
    result.text_ = text;
    auto rest = without_slash(text);
    while (!rest.empty()) {
        const auto open = rest.find('<');
        const auto literal = rest.substr(0, open);
        if (literal.find('>') != std::string_view::npos) return malformed(text, "a '>' without its '<'");
        if (!literal.empty()) {
            result.pieces_.push_back({kind::literal, std::string(literal)});
            result.shape_ += literal;
        }
        if (open == std::string_view::npos) break;
        const auto close = rest.find('>', open);
        if (close == std::string_view::npos) return malformed(text, "a '<' without its '>'");
        const auto inside = rest.substr(open + 1, close - open - 1);
        rest.remove_prefix(close + 1);

        const auto colon = inside.find(':');
        const auto converter =
            colon == std::string_view::npos ? std::string_view("str") : inside.substr(0, colon);
        const auto name = colon == std::string_view::npos ? inside : inside.substr(colon + 1);
        const auto known = std::find_if(std::begin(converters), std::end(converters),
                                        [&](const auto& each) { return each.first == converter; });
        if (known == std::end(converters)) {
            return malformed(text, "no converter \"" + std::string(converter) +
                                       "\"; there are int, str, slug, uuid, path");
        }
        if (!valid_parameter(name)) {
            return malformed(
                text, "\"" + std::string(name) + "\" is no parameter name; write letters, digits and '_'");
        }
        for (const auto& each : result.pieces_) {
            if (each.what != kind::literal && each.text == name) {
                return malformed(text, "parameter \"" + std::string(name) + "\" stands there twice");
            }
        }
        result.pieces_.push_back({known->second, std::string(name)});
        result.shape_.append("<").append(converter).append(">");
    }
    result.deterministic_ = result.deterministic();
    return result;
}

bool route_pattern::deterministic() const noexcept {
    for (std::size_t i = 0; i + 1 < pieces_.size(); ++i) {
        const auto& here = pieces_[i];
        const auto& next = pieces_[i + 1];
        if (here.what == kind::literal || here.what == kind::uuid) continue;
        if (next.what != kind::literal || matches(here.what, next.text.front())) return false;
    }
    return true;
}

std::optional<route_pattern::arguments> route_pattern::match(std::string_view path) const {
    path = without_slash(path);
    if (!pieces_.empty() && pieces_.front().what == kind::literal &&
        !path.starts_with(pieces_.front().text)) {
        return std::nullopt;
    }
    return deterministic_ ? match_straight(path) : match_any(path);
}

std::optional<route_pattern::arguments> route_pattern::match_straight(std::string_view path) const {
    arguments result;
    for (const auto& each : pieces_) {
        if (each.what == kind::literal) {
            if (!path.starts_with(each.text)) return std::nullopt;
            path.remove_prefix(each.text.size());
            continue;
        }
        std::size_t size = 0;
        if (each.what == kind::uuid) {
            size = is_uuid(path) ? uuid_size : 0;
        } else {
            while (size < path.size() && matches(each.what, path[size])) ++size;
        }
        if (size == 0) return std::nullopt;
        result.push_back({each.text, path.substr(0, size)});
        path.remove_prefix(size);
    }
    if (!path.empty()) return std::nullopt;
    return result;
}

// From the back: ends[i][p] is where piece i, beginning at p, must end so that the rest matches too (0:
// nowhere). Of several ends the last is kept. Then one walk from the front. Time and memory: pieces x path.
std::optional<route_pattern::arguments> route_pattern::match_any(std::string_view path) const {
    const std::size_t width = path.size() + 1;
    std::vector<std::uint32_t> ends(pieces_.size() * width, 0);
    std::vector<char> rest_matches(width, 0);
    rest_matches[path.size()] = 1;
    for (std::size_t i = pieces_.size(); i-- > 0;) {
        const auto& here = pieces_[i];
        std::uint32_t* const end_of = ends.data() + i * width;
        std::uint32_t last_end = 0;  // within the run of characters that this converter takes
        for (std::size_t p = path.size(); p-- > 0;) {
            std::size_t end = 0;
            if (here.what == kind::literal || here.what == kind::uuid) {
                const bool fits =
                    here.what == kind::uuid ? is_uuid(path.substr(p)) : path.substr(p).starts_with(here.text);
                end = fits ? p + (here.what == kind::uuid ? uuid_size : here.text.size()) : 0;
                if (end != 0 && !rest_matches[end]) end = 0;
            } else {
                if (!matches(here.what, path[p])) {
                    last_end = 0;
                } else if (last_end == 0 && rest_matches[p + 1]) {
                    last_end = static_cast<std::uint32_t>(p + 1);
                }
                end = last_end;
            }
            end_of[p] = static_cast<std::uint32_t>(end);
        }
        for (std::size_t p = 0; p < width; ++p) rest_matches[p] = end_of[p] != 0;
    }
    if (!rest_matches[0]) return std::nullopt;
    arguments result;
    std::size_t at = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const std::size_t end = ends[i * width + at];
        if (pieces_[i].what != kind::literal) result.push_back({pieces_[i].text, path.substr(at, end - at)});
        at = end;
    }
    return result;
}

}  // namespace madang
