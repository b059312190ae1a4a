// JSON (RFC 8259) taken apart and put together without changing it: a strict reader that slices a text
// without copying it, so that users' data pass through as they came, and a writer of strings. Iterative:
// depth costs nothing but its bound.
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
// What protocols put around such a value: texts that hold one may be that much deeper.
inline constexpr std::size_t json_envelope_depth = 8;

// Pulls members and elements out of one text, in order. After the first false of any call but member() and
// element() the text is not what was expected, and broken() says so; nothing is read from it any more. Views
// are into the text.
class json_reader {
  public:
    // `depth`: of each value; at most json_depth + json_envelope_depth.
    explicit json_reader(std::string_view text, std::size_t depth = json_depth) noexcept
        : at_(text.data()), end_(text.data() + text.size()), depth_(depth) {}

    bool enter() noexcept { return enter('{'); }        // an object begins here
    bool enter_array() noexcept { return enter('['); }  // or an array
    // The next member's name, with its quotes; its value must be read next. False: the object ended, or
    // broke.
    bool member(std::string_view& name) noexcept;
    // The array's next value. False: the array ended, or broke.
    bool element(std::string_view& raw) noexcept;
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
    bool enter(char opening) noexcept;
    bool next(char closing) noexcept;
    const char* at_;
    const char* end_;
    std::size_t depth_;
    bool first_ = true;  // nothing of the innermost object or array was read yet
};

// fn(name, value) for each member of an object, in order; the name with its quotes. False: it is no object,
// or broke after what fn was called for.
template <class Function>
bool each_json_member(std::string_view object, Function fn) {
    json_reader in(object, json_depth + json_envelope_depth);
    std::string_view name;
    std::string_view value;
    if (!in.enter()) return false;
    while (in.member(name)) {
        if (!in.value(value)) return false;
        fn(name, value);
    }
    return in.finished();
}
// fn(value) for each element of an array; false as above.
template <class Function>
bool each_json_element(std::string_view array, Function fn) {
    json_reader in(array, json_depth + json_envelope_depth);
    std::string_view value;
    if (!in.enter_array()) return false;
    while (in.element(value)) fn(value);
    return in.finished();
}

// One JSON value and nothing else, nested at most json_depth deep? Newlines outside of strings are allowed
// here, not on the wire.
bool is_json(std::string_view text) noexcept;
// The same value on one line.
std::string one_line(std::string_view json);

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
