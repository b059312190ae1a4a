// What members of tasks' options, signatures and schedules hold: raw JSON values
// (broker/protocol/json_reader) to values, and where in a request something stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/errors.hpp"

namespace madang {

// A member or an element of what is above it; lives on the stack while that is read.
struct json_place {
    static constexpr std::size_t no_index = ~std::size_t{0};
    const json_place* above = nullptr;
    std::string_view member;  // "": nothing but the index
    std::size_t index = no_index;
};
// "[2].chain[0].kwargs"
std::string text_of(const json_place& where);
// bad_request "PLACE: WHY"
error refuse(const json_place& where, std::string_view why);

// Those below: nothing for what is of another kind, out of bounds or malformed.

// Seconds, whole or not, or a text such as "90s", "5m", "2h", "7d". In milliseconds; at most 100 years.
std::optional<std::int64_t> duration_value(std::string_view raw);
// A Unix time in seconds, or ISO 8601: "2026-11-22T10:00:00Z", "…T10:00:00.5+02:00"; without a zone it is
// UTC. In milliseconds.
std::optional<std::int64_t> time_value(std::string_view raw);
std::optional<bool> flag_value(std::string_view raw);
std::optional<std::string> text_value(std::string_view raw);
inline bool is_null(std::string_view raw) { return raw == "null"; }

// 1 to `most` bytes of printable ASCII without space: ids, names of tasks and queues.
bool valid_job_name(std::string_view name, std::size_t most = 255) noexcept;

// Whether whoever parses the value will: half of a surrogate pair and numbers past a double's range are JSON
// by the grammar, and refused by most readers.
bool readable(std::string_view raw);

// 122 bits of SHA-1 as a UUID: for keys that are too long to be kept.
std::string digest(std::string_view text);

}  // namespace madang
