// The client protocol's pushes, as JSON lines.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/publication.hpp"

namespace madang {

// {"push":{"channel":…,"pub":{"data":…,"offset":…}}}; appended to `out`, without newline. What a
// unidirectional client gets is the same without the first push_prefix bytes and the last push_suffix.
void append_publication_push(std::string& out, std::string_view group, const publication& what);
void append_join_push(std::string& out, std::string_view group, const client_info& who);
void append_leave_push(std::string& out, std::string_view group, const client_info& who);
inline constexpr std::size_t push_prefix = 8;  // {"push":
inline constexpr std::size_t push_suffix = 1;  // }

// A publication as it stands within pushes and replies: {"data":…,"info":…,"offset":…,"tags":…,"time":…}.
void append_publication(std::string& out, const publication& what);

// One JSON value and nothing else (RFC 8259)? Newlines outside of strings are allowed here, not on the wire.
bool is_json(std::string_view text) noexcept;
// The same value on one line.
std::string one_line(std::string_view json);

}  // namespace madang
