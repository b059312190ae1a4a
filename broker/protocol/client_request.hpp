// One command of the client protocol as it stands in its line: sliced, checked for types, not copied.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/core/position.hpp"

namespace madang {

enum class client_method : std::uint8_t {
    none,  // {}: a pong
    connect,
    subscribe,
    unsubscribe,
    publish,
    presence,
    presence_stats,
    history,
    rpc,
    send,
    refresh,
    sub_refresh,
    unknown,  // one that is not here, or `ping`, which clients must not send
};

// Views are JSON within the line, strings with their quotes (json_text decodes them); "" of what is absent or
// null. Every field of every method; which are read is the method's matter.
struct client_request {
    client_method method = client_method::none;
    bool ping = false;
    bool recover = false;
    bool positioned = false;
    bool recoverable = false;
    bool join_leave = false;
    bool reverse = false;
    bool has_since = false;
    std::uint32_t id = 0;
    std::uint64_t offset = 0;
    std::uint64_t flag = 0;
    std::uint64_t since_offset = 0;
    std::int64_t limit = 0;
    std::int64_t type = 0;
    std::string_view channel;
    std::string_view token;
    std::string_view name;
    std::string_view version;
    std::string_view epoch;
    std::string_view since_epoch;
    std::string_view rpc_method;
    std::string_view data;
    std::string_view headers;  // an object
    std::string_view subs;     // an object
    std::string_view tags_filter;
    std::string_view delta;
};

// False: no command. That is no JSON, no object, a member of another type than its own, two methods, an id
// that is no uint32. Members that are not known are passed over; of equal ones within a method the last
// counts.
bool parse_command(std::string_view line, client_request& out) noexcept;
// A unidirectional client's first message: what stands behind "connect" elsewhere.
bool parse_connect(std::string_view line, client_request& out) noexcept;

}  // namespace madang
