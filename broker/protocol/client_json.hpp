// The client protocol's own JSON (RFC 8259): a strict reader that slices a text without copying it, so that
// users' data pass through as they came, and a writer of strings. Iterative: depth costs nothing but its
// bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace madang {

// Objects and arrays within each other; deeper is no JSON here. As for consumers' messages
// (docs/protocol.md).
inline constexpr std::size_t json_depth = 256;

// Pulls members out of one text, in order. After the first false of any call but member() the text is not
// what was expected, and broken() says so; nothing is read from it any more. Views are into the text.
class json_reader {
  public:
    explicit json_reader(std::string_view text) noexcept
        : at_(text.data()), end_(text.data() + text.size()) {}

    bool enter() noexcept;  // an object begins here
    // The next member's name, with its quotes; its value must be read next. False: the object ended, or
    // broke.
    bool member(std::string_view& name) noexcept;
    // The next value as it stands, without white space around it.
    bool value(std::string_view& raw) noexcept;
    // Nothing but white space is left, and nothing was wrong.
    bool finished() noexcept;
    bool broken() const noexcept { return at_ == nullptr; }

  private:
    bool fail() noexcept {
        at_ = nullptr;
        return false;
    }
    const char* at_;
    const char* end_;
    bool first_ = true;  // no member of the innermost object was read yet
};

// Of a string as value() gave it, quotes included; "" of an empty view. Halves of surrogate pairs that stand
// alone become U+FFFD.
std::string json_text(std::string_view raw);
// Whether it says `name`.
bool json_says(std::string_view raw, std::string_view name) noexcept;

// Integers in plain notation that fit; nothing for anything else.
std::optional<std::uint64_t> json_unsigned(std::string_view raw) noexcept;
std::optional<std::int64_t> json_signed(std::string_view raw) noexcept;

// `text` quoted. What is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);
void append_number(std::string& out, std::uint64_t number);

}  // namespace madang
