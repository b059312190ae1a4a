#include "broker/protocol/field_syntax.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include "broker/core/trim.hpp"

namespace madang {
namespace {

// Letters, digits and some marks, as a table: a head has hundreds of octets to look up.
class octet_set {
  public:
    constexpr explicit octet_set(std::string_view marks) {
        for (char c = 'a'; c <= 'z'; ++c) add(c);
        for (char c = 'A'; c <= 'Z'; ++c) add(c);
        for (char c = '0'; c <= '9'; ++c) add(c);
        for (char c : marks) add(c);
    }
    // How many octets at the text's front are of the set.
    constexpr std::size_t span(std::string_view text) const noexcept {
        std::size_t n = 0;
        while (n < text.size() && has_[static_cast<unsigned char>(text[n])]) ++n;
        return n;
    }

  private:
    constexpr void add(char c) { has_[static_cast<unsigned char>(c)] = true; }
    std::array<bool, 256> has_{};
};

constexpr octet_set token_octets{"!#$%&'*+-.^_`|~"};
// RFC 3986 3.2.2 without percent-encoding, which no registered name in use needs.
constexpr octet_set reg_name_octets{"-._~!$&'()*+,;="};

bool same_letter(char a, char b) noexcept {
    if (a == b) return true;
    const char lower = static_cast<char>(a | 0x20);
    return (a ^ b) == 0x20 && lower >= 'a' && lower <= 'z';
}

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
        const std::string_view result = text_.substr(0, token_octets.span(text_));
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
    return !text.empty() && token_octets.span(text) == text.size();
}

bool is_field_value(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return (octet < 0x20 && octet != '\t') || octet == 0x7f;
    });
}

bool same_letters(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), same_letter);
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
    if (text.starts_with('[')) {
        // IPv6: what stands within is not looked at more closely than its characters.
        end = text.find(']');
        if (end == std::string_view::npos || end < 3) return std::nullopt;
        if (text.substr(1, end - 1).find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
            return std::nullopt;
        ++end;
    } else {
        end = std::min(text.find(':'), text.size());
        if (end == 0 || reg_name_octets.span(text.substr(0, end)) != end) return std::nullopt;
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
