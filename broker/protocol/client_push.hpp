// The client protocol's pushes, as JSON lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/core/publication.hpp"

namespace madang {

// {"push":{"channel":…,"pub":{"data":…,"offset":…}}}; appended to `out`, without newline. What a
// unidirectional client gets is the same without the first push_prefix bytes and the last push_suffix.
void append_publication_push(std::string& out, std::string_view group, const publication& what);
void append_join_push(std::string& out, std::string_view group, const client_info& who);
void append_leave_push(std::string& out, std::string_view group, const client_info& who);
void append_unsubscribe_push(std::string& out, std::string_view group, std::uint16_t code,
                             std::string_view reason);
inline constexpr std::size_t push_prefix = 8;  // {"push":
inline constexpr std::size_t push_suffix = 1;  // }

// A publication as it stands within pushes and replies: {"data":…,"info":…,"offset":…,"tags":…,"time":…}.
void append_publication(std::string& out, const publication& what);
// {"user":…,"client":…,"conn_info":…,"chan_info":…}
void append_client_info(std::string& out, const client_info& who);

}  // namespace madang
