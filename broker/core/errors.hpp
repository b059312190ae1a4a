// Every error that reaches a client, a caller or an operator, once: how it is named on each of the ways out.
// Numbers are frozen: clients depend on them. Wire codes below 400 and 3xxx close codes are Centrifugo's
// (protocol 0.21); 1xxx close codes are RFC 6455 7.4's.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace madang {

// X(identifier, wire code or 0 when it never stands in a reply, HTTP status, WebSocket close code, retry,
// sentence)
#define MADANG_ERRORS(X)                                                                         \
    X(internal, 100, 500, 1011, yes, "The server failed; the log says why.")                     \
    X(unauthorized, 101, 401, 3500, no, "Valid credentials are needed.")                         \
    X(unknown_channel, 102, 404, 3501, no, "There is no such channel or namespace.")             \
    X(permission_denied, 103, 403, 3507, no, "This is not permitted.")                           \
    X(method_not_found, 104, 404, 3501, no, "There is no such method.")                          \
    X(already_subscribed, 105, 409, 3501, no, "The connection is subscribed already.")           \
    X(limit_exceeded, 106, 429, 3505, no, "A limit of this server is reached.")                  \
    X(bad_request, 107, 400, 3501, no, "The request is malformed.")                              \
    X(not_available, 108, 501, 3508, no, "This feature is switched off.")                        \
    X(token_expired, 109, 401, 3005, yes, "The token has expired; a fresh one is needed.")       \
    X(expired, 110, 401, 3005, no, "The connection's or subscription's time is over.")           \
    X(too_many_requests, 111, 429, 3013, yes, "Too many requests; slow down.")                   \
    X(unrecoverable_position, 112, 410, 3010, no,                                                \
      "What was missed since that position is not kept any more.")                               \
    X(not_found, 404, 404, 3501, no, "There is nothing at that address.")                        \
    X(method_not_allowed, 405, 405, 3501, no, "The address does not know that method.")          \
    X(request_timeout, 408, 408, 3502, yes, "The request did not arrive in time.")               \
    X(too_large, 413, 413, 1009, no, "The message is larger than allowed.")                      \
    X(head_too_large, 431, 431, 1009, no, "The request's head is larger than allowed.")          \
    X(protocol_error, 460, 400, 1002, no, "The peer broke the protocol.")                        \
    X(invalid_text, 461, 400, 1007, no, "A text is not valid UTF-8.")                            \
    X(unsupported_data, 462, 415, 1003, no, "Data of this kind is not accepted here.")           \
    X(origin_refused, 463, 403, 1008, no, "This origin is not allowed.")                         \
    X(slow_client, 464, 503, 3008, yes, "The client did not read fast enough.")                  \
    X(no_pong, 465, 408, 3012, yes, "The client did not answer a ping.")                         \
    X(connection_limit, 466, 503, 3504, no, "No more connections are accepted.")                 \
    X(plugin_failed, 500, 500, 1011, no, "A plugin failed; the log says why.")                   \
    X(busy, 503, 503, 1013, yes, "A queue is full; try again later.")                            \
    X(draining, 520, 503, 1001, yes, "The server is shutting down; connect again.")              \
    X(storage_full, 530, 507, 3004, yes, "The disk is full; nothing that needs it is accepted.") \
    X(storage_failed, 531, 500, 3004, yes, "The store failed; the log says why.")                \
    X(view_timeout, 504, 504, 1011, yes, "No answer came in time.")                              \
    X(unknown_task, 470, 404, 3501, no, "No plugin of this server has such a task.")             \
    X(stale_lease, 471, 409, 3501, no, "The lease of this job is another's by now.")             \
    X(closed, 0, 503, 1006, no, "The connection is closed.")                                     \
    X(invalid_option, 0, 500, 1011, no, "An option is wrong.")                                   \
    X(invalid_argument, 0, 500, 1011, no, "An argument is wrong.")                               \
    X(system_failure, 0, 500, 1011, no, "The operating system refused something.")               \
    X(no_quorum, 521, 503, 1013, yes,                                                            \
      "This node is apart from most of its cluster, where what is to be kept is kept.")

enum class errc : std::uint8_t {
#define MADANG_ROW(identifier, ...) identifier,
    MADANG_ERRORS(MADANG_ROW)
#undef MADANG_ROW
};
inline constexpr errc last_errc = errc::no_quorum;

struct error_row {
    errc code;
    std::string_view name;  // as the enumerator: for logs
    std::uint16_t wire_code;
    std::uint16_t http_status;
    std::uint16_t close_code;
    bool retryable;  // the client protocol's "temporary", and 109
    std::string_view sentence;
};
const error_row& describe(errc code) noexcept;

// What went wrong, and what in particular: `detail` names the thing (an option, a field, a file), never a
// secret.
struct error {
    errc code = errc::internal;
    std::string detail;

    // "too_large: The message is larger than allowed. (detail)"
    std::string text() const;
    friend bool operator==(const error&, const error&) = default;
    friend std::ostream& operator<<(std::ostream& out, const error& what) { return out << what.text(); }
};

}  // namespace madang
