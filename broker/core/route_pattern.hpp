// Django's path patterns: literal text with <converter:name>, converters int, str, slug, uuid, path; a bare
// <name> is str. A leading slash is optional in pattern and path. The whole path must match; converters take
// as much as they can, as Django's do. Matching takes time linear in the path, whatever it holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/result.hpp"
#include "broker/core/scope.hpp"  // name_value

namespace madang {

class route_pattern {
  public:
    using arguments = std::vector<name_value>;  // in the pattern's order; views into the pattern and the path

    static result<route_pattern> parse(std::string_view text);
    // `path` is decoded already.
    std::optional<arguments> match(std::string_view path) const;
    const std::string& text() const noexcept { return text_; }
    // Two patterns with the same shape match the same paths: the text without leading slash and parameter
    // names.
    const std::string& shape() const noexcept { return shape_; }

  private:
    enum class kind : std::uint8_t { literal, integer, str, slug, uuid, path };
    struct piece {
        kind what;
        std::string text;  // of a literal; otherwise the parameter's name
    };

    static bool matches(kind what, char c) noexcept;
    bool deterministic() const noexcept;
    std::optional<arguments> match_straight(std::string_view path) const;
    std::optional<arguments> match_any(std::string_view path) const;

    std::string text_;
    std::string shape_;
    std::vector<piece> pieces_;
    bool deterministic_ = true;  // no converter can swallow what follows it: one pass will do
};

// Patterns with what they lead to; the first that matches wins, in the order added. Filled before it is read.
template <class T>
class route_list {
  public:
    struct found {
        const T* value;
        const route_pattern* pattern;
        route_pattern::arguments arguments;
    };

    // Refuses a malformed pattern and one whose shape is taken.
    result<void> add(std::string_view pattern, T value) {
        auto parsed = route_pattern::parse(pattern);
        if (!parsed) return parsed.error();
        if (find_shape(parsed->shape())) {
            return fail(errc::invalid_argument, "route \"" + std::string(pattern) + "\" is already taken");
        }
        routes_.emplace_back(std::move(*parsed), std::move(value));
        return {};
    }

    // The value that was added with that shape (route_pattern::shape), or null.
    T* find_shape(std::string_view shape) {
        for (auto& [pattern, value] : routes_) {
            if (pattern.shape() == shape) return &value;
        }
        return nullptr;
    }

    std::optional<found> find(std::string_view path) const {
        for (const auto& [pattern, value] : routes_) {
            if (auto arguments = pattern.match(path)) return found{&value, &pattern, std::move(*arguments)};
        }
        return std::nullopt;
    }

    bool empty() const noexcept { return routes_.empty(); }
    auto begin() const noexcept { return routes_.begin(); }  // of pair<route_pattern, T>
    auto end() const noexcept { return routes_.end(); }

  private:
    std::vector<std::pair<route_pattern, T>> routes_;
};

}  // namespace madang
