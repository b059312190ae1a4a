#include "broker/core/trace_context.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>

#include "broker/core/ascii.hpp"

namespace madang {
namespace {

constexpr char digits[] = "0123456789abcdef";

// splitmix64 (Steele, Lea, Flood 2014): each of its outputs once, for each input another.
std::uint64_t mixed(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

// Not secret; different on every thread and in every process.
std::uint64_t random_bits() {
    static thread_local std::uint64_t state = [] {
        std::uint64_t seed = 0;
        if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
            throw std::system_error(errno, std::generic_category(), "getrandom");
        return seed;
    }();
    return mixed(state += 0x9e3779b97f4a7c15);
}

span_id id_of(std::uint64_t bits) noexcept {
    if (bits == 0) bits = 1;  // all zeros is none
    span_id id;
    for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(bits >> 8 * (7 - i));
    return id;
}

// Lower case only, as the standard has it.
bool read(std::string_view text, std::span<std::uint8_t> into) noexcept {
    for (std::size_t i = 0; i < into.size(); ++i) {
        const int high = lower_hex_digit(text[2 * i]), low = lower_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        into[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return true;
}

void write(std::string& out, std::span<const std::uint8_t> bytes) {
    for (const auto each : bytes) {
        out += digits[each >> 4];
        out += digits[each & 15];
    }
}

template <class Id>
bool is_zero(const Id& id) noexcept {
    return std::all_of(id.begin(), id.end(), [](auto each) { return each == 0; });
}

}  // namespace

trace_context trace_context::child() const { return {trace, id_of(random_bits()), flags}; }

trace_context trace_context::child(std::uint64_t salt) const noexcept {
    std::uint64_t bits = 0;
    for (const auto each : span) bits = bits << 8 | each;
    return {trace, id_of(mixed(bits ^ mixed(salt))), flags};
}

trace_context new_trace() {
    trace_context made;
    const auto high = id_of(random_bits()), low = id_of(random_bits());
    std::copy(high.begin(), high.end(), made.trace.begin());
    std::copy(low.begin(), low.end(), made.trace.begin() + 8);
    made.span = id_of(random_bits());
    made.flags = trace_context::sampled_flag;
    return made;
}

std::optional<trace_context> parse_traceparent(std::string_view header) noexcept {
    if (header.size() < traceparent_bytes || header[2] != '-' || header[35] != '-' || header[52] != '-')
        return std::nullopt;
    std::array<std::uint8_t, 1> version{}, flags{};
    trace_context made;
    if (!read(header, version) || !read(header.substr(3), made.trace) ||
        !read(header.substr(36), made.span) || !read(header.substr(53), flags))
        return std::nullopt;
    if (version[0] == 0xff || is_zero(made.trace) || is_zero(made.span)) return std::nullopt;
    // Version 00 is no longer; later ones may go on behind another dash.
    if (header.size() > traceparent_bytes && (version[0] == 0 || header[traceparent_bytes] != '-'))
        return std::nullopt;
    made.flags = flags[0] & trace_context::sampled_flag;  // what the other bits mean is not known
    return made;
}

std::string format_traceparent(const trace_context& what) {
    std::string out;
    out.reserve(traceparent_bytes);
    out += "00-";
    write(out, what.trace);
    out += '-';
    write(out, what.span);
    out += '-';
    write(out, std::array{what.flags});
    return out;
}

std::string to_hex(const trace_id& id) {
    std::string out;
    write(out, id);
    return out;
}
std::string to_hex(const span_id& id) {
    std::string out;
    write(out, id);
    return out;
}

origin_parts split_origin(std::string_view origin) noexcept {
    if (origin.size() <= traceparent_bytes) return {origin, std::nullopt};
    const auto at = origin.size() - traceparent_bytes;
    if (origin[at - 1] != ';') return {origin, std::nullopt};
    const auto trace = parse_traceparent(origin.substr(at));
    return {trace ? origin.substr(0, at - 1) : origin, trace};
}

std::string make_origin(std::string_view request_id, const trace_context& trace) {
    std::string out(request_id);
    out += ';';
    return out += format_traceparent(trace);
}

}  // namespace madang
