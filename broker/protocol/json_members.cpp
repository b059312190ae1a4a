#include "broker/protocol/json_members.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace madang {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// Walks over a valid text; what it assumes of it, it checks only as far as to stay within.
class walker {
  public:
    explicit walker(std::string_view text) : rest_(text) {}

    // The next character that is no blank, or '\0' at the end.
    char peek() {
        while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
        return rest_.empty() ? '\0' : rest_.front();
    }
    void skip() { rest_.remove_prefix(rest_.empty() ? 0 : 1); }
    // The next value's text.
    std::string_view value() {
        peek();
        const auto begin = rest_;
        std::size_t depth = 0;
        do {
            const char c = peek();
            if (c == '\0') break;
            if (c == '"') {
                skip_string();
            } else if (c == '{' || c == '[') {
                ++depth;
                skip();
            } else if (c == '}' || c == ']') {
                if (depth == 0) break;
                --depth;
                skip();
            } else if (c == ',' || c == ':') {
                if (depth == 0) break;
                skip();
            } else {
                skip_word();
            }
        } while (depth > 0);
        return begin.substr(0, begin.size() - rest_.size());
    }

  private:
    void skip_string() {
        std::size_t at = 1;
        while (at < rest_.size() && rest_[at] != '"') at += rest_[at] == '\\' ? 2 : 1;
        rest_.remove_prefix(std::min(at + 1, rest_.size()));
    }
    void skip_word() {
        std::size_t at = 0;
        while (at < rest_.size() && !is_blank(rest_[at]) &&
               std::string_view(",:]}").find(rest_[at]) == std::string_view::npos)
            ++at;
        rest_.remove_prefix(at);
    }

    std::string_view rest_;
};

template <class Number>
std::optional<Number> whole(std::string_view text) {
    text = trimmed(text);
    Number value{};
    const auto* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

}  // namespace

bool valid_json(std::string_view text) {
    // nlohmann's lexer takes a NUL for the end.
    return text.find('\0') == text.npos && nlohmann::json::accept(text);
}

std::optional<std::vector<json_member>> json_members(std::string_view object) {
    walker in(object);
    if (in.peek() != '{') return std::nullopt;
    in.skip();
    std::vector<json_member> members;
    while (in.peek() == '"') {
        auto key = json_string(in.value());
        if (!key || in.peek() != ':') return std::nullopt;
        in.skip();
        members.push_back({std::move(*key), in.value()});
        if (in.peek() != ',') break;
        in.skip();
    }
    return members;
}

std::optional<std::vector<std::string_view>> json_elements(std::string_view array) {
    walker in(array);
    if (in.peek() != '[') return std::nullopt;
    in.skip();
    std::vector<std::string_view> elements;
    while (in.peek() != ']') {
        elements.push_back(in.value());
        if (in.peek() != ',') break;
        in.skip();
    }
    return elements;
}

std::optional<std::string> json_string(std::string_view string) {
    string = trimmed(string);
    if (string.size() < 2 || string.front() != '"' || string.back() != '"') return std::nullopt;
    const auto inside = string.substr(1, string.size() - 2);
    if (inside.find('\\') == inside.npos) return std::string(inside);
    const auto parsed = nlohmann::json::parse(string, nullptr, false);
    if (!parsed.is_string()) return std::nullopt;
    return parsed.get<std::string>();
}

std::optional<std::int64_t> json_integer(std::string_view number) { return whole<std::int64_t>(number); }

}  // namespace madang
