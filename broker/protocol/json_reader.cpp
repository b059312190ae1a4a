#include "broker/protocol/json_reader.hpp"

#include <algorithm>
#include <bitset>
#include <charconv>
#include <cstring>
#include <utility>

#include "broker/core/ascii.hpp"
#include "broker/core/utf8.hpp"

namespace madang {

namespace {

const char* skip_space(const char* at, const char* end) noexcept {
    while (at != end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) ++at;
    return at;
}

// The first of eight bytes that means something within a string: a quote, a backslash, a control character or
// the beginning of a longer character. The usual tricks with a byte per lane; what lies behind the first hit
// may be wrong.
constexpr std::uint64_t lanes(std::uint8_t byte) noexcept { return 0x0101010101010101u * byte; }
constexpr std::uint64_t zero_lanes(std::uint64_t word) noexcept {
    return (word - lanes(1)) & ~word & lanes(0x80);
}
constexpr bool has_special(std::uint64_t word) noexcept {
    return (((word - lanes(0x20)) | word) & lanes(0x80)) != 0 || zero_lanes(word ^ lanes('"')) != 0 ||
           zero_lanes(word ^ lanes('\\')) != 0;
}
const char* skip_plain(const char* at, const char* end) noexcept {
    std::uint64_t word;
    while (end - at >= static_cast<std::ptrdiff_t>(sizeof(word))) {
        std::memcpy(&word, at, sizeof(word));
        if (has_special(word)) break;
        at += sizeof(word);
    }
    return at;
}

// The functions below begin at the first character of what they read and return what is behind it, or null.

const char* read_string(const char* at, const char* end) noexcept {
    for (++at;;) {
        at = skip_plain(at, end);
        if (at == end) return nullptr;
        const auto byte = static_cast<unsigned char>(*at);
        if (byte == '"') return at + 1;
        if (byte < 0x20) return nullptr;
        if (byte >= 0x80) {
            const auto length = read_utf8({at, static_cast<std::size_t>(end - at)}, 0).length;
            if (length == 0) return nullptr;
            at += length;
        } else if (byte == '\\') {
            if (++at == end) return nullptr;
            if (*at == 'u') {
                if (end - at < 5) return nullptr;
                for (int i = 1; i <= 4; ++i)
                    if (hex_digit(at[i]) < 0) return nullptr;
                at += 5;
            } else if (*at != '\0' && std::strchr("\"\\/bfnrt", *at) != nullptr) {
                ++at;
            } else {
                return nullptr;
            }
        } else {
            ++at;
        }
    }
}

const char* read_digits(const char* at, const char* end) noexcept {
    if (at == end || !is_digit(*at)) return nullptr;
    while (at != end && is_digit(*at)) ++at;
    return at;
}

const char* read_number(const char* at, const char* end) noexcept {
    if (*at == '-') ++at;
    if (at == end) return nullptr;
    at = *at == '0' ? at + 1 : read_digits(at, end);
    if (at != nullptr && at != end && *at == '.') at = read_digits(at + 1, end);
    if (at != nullptr && at != end && (*at == 'e' || *at == 'E')) {
        ++at;
        if (at != end && (*at == '+' || *at == '-')) ++at;
        at = read_digits(at, end);
    }
    return at;
}

const char* read_literal(const char* at, const char* end, std::string_view what) noexcept {
    const auto left = static_cast<std::size_t>(end - at);
    return left >= what.size() && std::memcmp(at, what.data(), what.size()) == 0 ? at + what.size() : nullptr;
}

// A member's name and its colon.
const char* read_name(const char* at, const char* end) noexcept {
    if (at == end || *at != '"') return nullptr;
    at = read_string(at, end);
    if (at == nullptr) return nullptr;
    at = skip_space(at, end);
    return at != end && *at == ':' ? at + 1 : nullptr;
}

const char* read_value(const char* at, const char* end, std::size_t most) noexcept {
    std::bitset<json_depth + json_envelope_depth> objects;  // by depth; the others are arrays
    std::size_t depth = 0;
    for (;;) {
        at = skip_space(at, end);
        if (at == end) return nullptr;
        switch (*at) {
            case '{':
            case '[': {
                const bool object = *at == '{';
                if (depth == most) return nullptr;
                objects[depth++] = object;
                at = skip_space(at + 1, end);
                if (at == end) return nullptr;
                if (*at == (object ? '}' : ']')) {
                    ++at;
                    --depth;
                    break;
                }
                if (object) at = read_name(at, end);
                if (at == nullptr) return nullptr;
                continue;
            }
            case '"':
                at = read_string(at, end);
                break;
            case 't':
                at = read_literal(at, end, "true");
                break;
            case 'f':
                at = read_literal(at, end, "false");
                break;
            case 'n':
                at = read_literal(at, end, "null");
                break;
            default:
                at = read_number(at, end);
        }
        // A value ended: what it lay in goes on, or ends too.
        for (;;) {
            if (at == nullptr || depth == 0) return at;
            at = skip_space(at, end);
            if (at == end) return nullptr;
            const bool object = objects[depth - 1];
            if (*at == ',') {
                at = object ? read_name(skip_space(at + 1, end), end) : at + 1;
                if (at == nullptr) return nullptr;
                break;
            }
            if (*at != (object ? '}' : ']')) return nullptr;
            ++at;
            --depth;
        }
    }
}

void append_utf8(std::string& out, std::uint32_t point) {
    if (point < 0x80) {
        out += static_cast<char>(point);
        return;
    }
    const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    constexpr unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(first[more] | point >> 6 * more);
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (point >> 6 * i & 0x3f));
}

// Behind "\u"; the text was read by read_string.
std::uint32_t hex4(const char* at) noexcept {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 4 | static_cast<std::uint32_t>(hex_digit(at[i]));
    return value;
}

constexpr std::uint32_t replacement = 0xfffd;

// `at` is behind the backslash.
const char* append_escaped(std::string& out, const char* at, const char* end) {
    constexpr std::string_view from = "bfnrt";
    constexpr std::string_view to = "\b\f\n\r\t";
    const char c = *at++;
    if (c != 'u') {
        const auto which = from.find(c);
        out += which == from.npos ? c : to[which];
        return at;
    }
    std::uint32_t point = hex4(at);
    at += 4;
    if (point >= 0xd800 && point <= 0xdbff && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        const auto low = hex4(at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            append_utf8(out, 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00));
            return at + 6;
        }
    }
    if (point >= 0xd800 && point <= 0xdfff) point = replacement;
    append_utf8(out, point);
    return at;
}

template <class Number>
std::optional<Number> whole_number(std::string_view raw) noexcept {
    Number value{};
    const auto [end, wrong] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (wrong != std::errc() || end != raw.data() + raw.size()) return std::nullopt;
    return value;
}

}  // namespace

bool json_reader::enter(char opening) noexcept {
    if (at_ == nullptr) return false;
    at_ = skip_space(at_, end_);
    if (at_ == end_ || *at_ != opening) return fail();
    ++at_;
    first_ = true;
    return true;
}

// To where the innermost object's or array's next part begins. False: it ended, or broke.
bool json_reader::next(char closing) noexcept {
    if (at_ == nullptr) return false;
    at_ = skip_space(at_, end_);
    if (at_ == end_) return fail();
    const bool first = std::exchange(first_, false);
    if (*at_ == closing) {
        ++at_;
        return false;
    }
    if (first) return true;
    if (*at_ != ',') return fail();
    at_ = skip_space(at_ + 1, end_);
    return true;
}

bool json_reader::member(std::string_view& name) noexcept {
    if (!next('}')) return false;
    const char* begin = at_;
    at_ = read_name(at_, end_);
    if (at_ == nullptr) return false;
    const char* last = at_ - 1;  // the colon; before it there may be space
    while (last[-1] != '"') --last;
    name = {begin, static_cast<std::size_t>(last - begin)};
    return true;
}

bool json_reader::element(std::string_view& raw) noexcept { return next(']') && value(raw); }

bool json_reader::value(std::string_view& raw) noexcept {
    if (at_ == nullptr) return false;
    const char* begin = skip_space(at_, end_);
    at_ = read_value(begin, end_, depth_);
    if (at_ == nullptr) return false;
    raw = {begin, static_cast<std::size_t>(at_ - begin)};
    return true;
}

bool json_reader::finished() noexcept { return at_ != nullptr && skip_space(at_, end_) == end_; }

std::string json_text(std::string_view raw) {
    std::string out;
    if (raw.size() < 2) return out;
    raw = raw.substr(1, raw.size() - 2);
    const char* at = raw.data();
    const char* const end = at + raw.size();
    for (;;) {
        const auto* slash = static_cast<const char*>(
            at == end ? nullptr : std::memchr(at, '\\', static_cast<std::size_t>(end - at)));
        out.append(at, slash == nullptr ? end : slash);
        if (slash == nullptr) return out;
        at = append_escaped(out, slash + 1, end);
    }
}

bool json_says(std::string_view raw, std::string_view name) noexcept {
    if (raw.size() == name.size() + 2) return raw.substr(1, name.size()) == name;
    // An escaped spelling is longer, and six bytes a character at most.
    if (raw.size() < name.size() + 2 || raw.size() > 6 * name.size() + 2) return false;
    return raw.find('\\') != raw.npos && json_text(raw) == name;
}

std::optional<std::uint64_t> json_unsigned(std::string_view raw) noexcept {
    return whole_number<std::uint64_t>(raw);
}
std::optional<std::int64_t> json_signed(std::string_view raw) noexcept {
    return whole_number<std::int64_t>(raw);
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    const char* at = text.data();
    const char* const end = at + text.size();
    const char* copied = at;
    const auto replace = [&](std::string_view with, std::size_t bytes) {
        out.append(copied, at).append(with);
        at += bytes;
        copied = at;
    };
    while ((at = skip_plain(at, end)) != end) {
        const auto byte = static_cast<unsigned char>(*at);
        if (byte == '"') {
            replace("\\\"", 1);
        } else if (byte == '\\') {
            replace("\\\\", 1);
        } else if (byte < 0x20) {
            constexpr char digits[] = "0123456789abcdef";
            const char escape[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
            replace({escape, sizeof(escape)}, 1);
        } else if (byte >= 0x80) {
            const auto length = read_utf8({at, static_cast<std::size_t>(end - at)}, 0).length;
            if (length == 0)
                replace("\xef\xbf\xbd", 1);
            else
                at += length;
        } else {
            ++at;
        }
    }
    out.append(copied, end);
    out += '"';
}

void append_number(std::string& out, std::uint64_t number) {
    char digits[20];
    out.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

bool is_json(std::string_view text) noexcept {
    const char* const end = text.data() + text.size();
    const char* at = read_value(text.data(), end, json_depth);
    return at != nullptr && skip_space(at, end) == end;
}

std::string one_line(std::string_view json) {
    if (json.find('\n') == json.npos && json.find('\r') == json.npos) return std::string(json);
    std::string out;
    out.reserve(json.size());
    // A string has none of its own: they are escaped there.
    for (std::size_t at = 0; at < json.size();) {
        const auto stop = std::min(json.find_first_of("\r\n", at), json.size());
        out.append(json.substr(at, stop - at));
        at = stop + 1;
    }
    return out;
}

}  // namespace madang
