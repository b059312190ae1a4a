// The W3C's trace context: which trace something belongs to, and what in it caused it.
// https://www.w3.org/TR/trace-context/
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace madang {

using trace_id = std::array<std::uint8_t, 16>;
using span_id = std::array<std::uint8_t, 8>;

struct trace_context {
    trace_id trace{};
    span_id span{};  // what comes next is this one's child
    std::uint8_t flags = 0;

    static constexpr std::uint8_t sampled_flag = 1;
    bool sampled() const noexcept { return (flags & sampled_flag) != 0; }

    // A child with an id of its own, or one that everybody works out who knows its parent and `salt`.
    trace_context child() const;
    trace_context child(std::uint64_t salt) const noexcept;
    friend bool operator==(const trace_context&, const trace_context&) = default;
};

trace_context new_trace();  // sampled, with random ids

inline constexpr std::size_t traceparent_bytes = 55;

// The header's value; nothing when it is none: then the trace begins anew. Of a later version only what
// version 00 has is read.
std::optional<trace_context> parse_traceparent(std::string_view header) noexcept;
std::string format_traceparent(const trace_context& what);

std::string to_hex(const trace_id& id);
std::string to_hex(const span_id& id);

// On whose behalf something is done, as one text that travels with it through groups, jobs and nodes: a
// request's id, and behind it, if it is traced, `;` and the traceparent of what caused it. Request ids have
// no `;`.
struct origin_parts {
    std::string_view request_id;
    std::optional<trace_context> trace;
};
origin_parts split_origin(std::string_view origin) noexcept;
std::string make_origin(std::string_view request_id, const trace_context& trace);
inline std::string_view request_id_of(std::string_view origin) noexcept {
    return split_origin(origin).request_id;
}

}  // namespace madang
