// Routes of the test kit: Django's path converters, percent-decoding.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "madang/scope.hpp"

namespace madang::testing {

using Texts = std::vector<std::pair<std::string, std::string>>;

inline std::string percent_decoded(std::string_view text) {
    std::string plus(text);  // '+' is itself in a path
    std::string result;
    for (std::size_t begin = 0;;) {
        const auto end = plus.find('+', begin);
        result += madang::detail::form_decode(std::string_view(plus).substr(begin, end - begin));
        if (end == std::string::npos) return result;
        result += '+';
        begin = end + 1;
    }
}

// One pattern, e.g. "/ws/chat/<str:room>/".
class Pattern {
  public:
    // Nothing when it is malformed.
    static std::optional<Pattern> parse(std::string_view text) {
        Pattern result;
        while (!text.empty()) {
            const auto open = text.find('<');
            if (open != 0) {
                result.parts_.push_back({"", std::string(text.substr(0, open))});
                if (open == std::string_view::npos) break;
                text.remove_prefix(open);
            }
            const auto close = text.find('>');
            if (close == std::string_view::npos) return std::nullopt;
            const std::string_view inside = text.substr(1, close - 1);
            const auto colon = inside.find(':');
            std::string kind(colon == std::string_view::npos ? "str" : inside.substr(0, colon));
            std::string name(colon == std::string_view::npos ? inside : inside.substr(colon + 1));
            static constexpr std::string_view kinds[] = {"str", "int", "slug", "uuid", "path"};
            if (name.empty() || std::find(std::begin(kinds), std::end(kinds), kind) == std::end(kinds))
                return std::nullopt;
            result.parts_.push_back({std::move(kind), std::move(name)});
            text.remove_prefix(close + 1);
        }
        return result;
    }

    // The parameters with which the (decoded) path matches, or nothing.
    std::optional<Texts> match(std::string_view path) const {
        Texts found;
        if (match_from(0, path, found)) return found;
        return std::nullopt;
    }

  private:
    struct Part {
        std::string kind;  // "": literal text
        std::string text;  // or the parameter's name
    };

    bool match_from(std::size_t index, std::string_view rest, Texts& found) const {
        if (index == parts_.size()) return rest.empty();
        const Part& part = parts_[index];
        if (part.kind.empty())
            return rest.starts_with(part.text) && match_from(index + 1, rest.substr(part.text.size()), found);
        std::size_t most = 0;
        while (most < rest.size() && allowed(part.kind, rest[most])) ++most;
        for (std::size_t size = most; size > 0; --size) {
            const std::string_view value = rest.substr(0, size);
            if (part.kind == "uuid" && !Uuid::parse(value)) continue;
            found.emplace_back(part.text, value);
            if (match_from(index + 1, rest.substr(size), found)) return true;
            found.pop_back();
        }
        return false;
    }
    static bool allowed(std::string_view kind, char c) {
        const bool digit = c >= '0' && c <= '9';
        if (kind == "int") return digit;
        if (kind == "uuid") return digit || (c >= 'a' && c <= 'f') || c == '-';
        if (kind == "slug")
            return digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        return kind == "path" || c != '/';
    }

    std::vector<Part> parts_;
};

}  // namespace madang::testing
