#include "broker/protocol/field_syntax.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace madang {
namespace {

bool token_char(char c) noexcept {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return c != '\0' && std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

// RFC 3986 3.2.2 without percent-encoding, which no registered name in use needs.
bool reg_name_char(char c) noexcept {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return c != '\0' && std::string_view{"-._~!$&'()*+,;="}.find(c) != std::string_view::npos;
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// Eats a text from its front.
class reader {
  public:
    explicit reader(std::string_view text) : text_(text) {}

    void skip_space() noexcept {
        while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t')) text_.remove_prefix(1);
    }
    bool end() const noexcept { return text_.empty(); }
    bool next(char c) noexcept {
        if (text_.empty() || text_[0] != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    std::string_view token() noexcept {
        const auto stop = std::find_if_not(text_.begin(), text_.end(), token_char);
        const std::string_view result = text_.substr(0, static_cast<std::size_t>(stop - text_.begin()));
        text_.remove_prefix(result.size());
        return result;
    }
    // After the opening quote. "" when it does not end or is no token.
    std::string quoted() {
        std::string result;
        while (!text_.empty()) {
            char c = text_[0];
            text_.remove_prefix(1);
            if (c == '"') return is_token(result) ? result : std::string{};
            if (c == '\\') {
                if (text_.empty()) break;
                c = text_[0];
                text_.remove_prefix(1);
            }
            result += c;
        }
        return {};
    }

  private:
    std::string_view text_;
};

bool parse_parameters(reader& in, extension_offer& offer) {
    for (in.skip_space(); in.next(';'); in.skip_space()) {
        in.skip_space();
        extension_parameter parameter;
        parameter.name = in.token();
        if (parameter.name.empty()) return false;
        in.skip_space();
        if (in.next('=')) {
            in.skip_space();
            parameter.value = in.next('"') ? in.quoted() : std::string{in.token()};
            if (parameter.value->empty()) return false;
        }
        offer.parameters.push_back(std::move(parameter));
    }
    return true;
}

}  // namespace

bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), token_char);
}

bool is_field_value(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return (octet < 0x20 && octet != '\t') || octet == 0x7f;
    });
}

bool equal_no_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view space = " \t";
    const auto begin = text.find_first_not_of(space);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

std::optional<std::vector<std::string_view>> parse_tokens(std::string_view list) {
    std::vector<std::string_view> result;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view element = trim(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
        if (element.empty()) continue;
        if (!is_token(element)) return std::nullopt;
        result.push_back(element);
    }
    return result;
}

std::optional<authority_view> parse_authority(std::string_view text) noexcept {
    authority_view result;
    std::size_t end = 0;
    if (text.substr(0, 1) ==
        "[") {  // IPv6: what stands within is not looked at more closely than its characters
        end = text.find(']');
        if (end == std::string_view::npos || end < 3) return std::nullopt;
        if (text.substr(1, end - 1).find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
            return std::nullopt;
        ++end;
    } else {
        end = std::min(text.find(':'), text.size());
        if (end == 0 ||
            !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), reg_name_char))
            return std::nullopt;
    }
    result.host = text.substr(0, end);
    text.remove_prefix(end);
    if (text.size() <= 1) return text.empty() || text == ":" ? std::optional{result} : std::nullopt;
    std::uint16_t port = 0;
    const auto [stop, fault] = std::from_chars(text.data() + 1, text.data() + text.size(), port);
    if (text[0] != ':' || fault != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
    result.port = port;
    return result;
}

std::optional<std::vector<extension_offer>> parse_extensions(std::string_view value) {
    std::vector<extension_offer> result;
    reader in{value};
    for (in.skip_space(); !in.end(); in.skip_space()) {
        if (in.next(',')) continue;
        extension_offer offer;
        offer.name = in.token();
        if (offer.name.empty() || !parse_parameters(in, offer)) return std::nullopt;
        result.push_back(std::move(offer));
        if (!in.end() && !in.next(',')) return std::nullopt;
    }
    return result;
}

}  // namespace madang
