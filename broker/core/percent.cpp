#include "broker/core/percent.hpp"

#include "broker/core/ascii.hpp"
#include "broker/core/trim.hpp"

namespace madang {

namespace {

std::optional<std::string> decode(std::string_view text, char plus) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i] == '+' ? plus : text[i];
        if (c == '%') {
            if (text.size() - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
                return std::nullopt;
            c = static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        }
        if (c == '\0') return std::nullopt;
        result += c;
    }
    return result;
}

// Calls fn(piece) for each piece until it returns false.
template <class Fn>
void each_piece(std::string_view text, char separator, Fn fn) {
    while (!text.empty()) {
        const auto end = text.find(separator);
        if (!fn(text.substr(0, end)) || end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

std::pair<std::string_view, std::string_view> split_at(std::string_view text, char separator) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) return {text, {}};
    return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) { return decode(text, '+'); }

text_pairs parse_query(std::string_view query) {
    text_pairs result;
    each_piece(query, '&', [&](std::string_view piece) {
        const auto [name, value] = split_at(piece, '=');
        auto plain_name = decode(name, ' ');
        auto plain_value = decode(value, ' ');
        if (!piece.empty() && plain_name && plain_value) {
            result.emplace_back(std::move(*plain_name), std::move(*plain_value));
        }
        return true;
    });
    return result;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    std::optional<std::string> result;
    each_piece(query, '&', [&](std::string_view piece) {
        const auto [encoded_name, value] = split_at(piece, '=');
        if (!piece.empty() && decode(encoded_name, ' ') == name) result = decode(value, ' ');
        return !result;
    });
    return result;
}

text_pairs parse_cookies(std::string_view header) {
    text_pairs result;
    each_piece(header, ';', [&](std::string_view piece) {
        auto [name, value] = split_at(piece, '=');
        name = trim(name);
        value = trim(value);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
            value = value.substr(1, value.size() - 2);
        if (!name.empty() && piece.find('=') != std::string_view::npos) result.emplace_back(name, value);
        return true;
    });
    return result;
}

}  // namespace madang
