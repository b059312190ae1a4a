// A request as the server understood it, and a response before it is written. Values, without I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/scope.hpp"
#include "broker/net/file_handle.hpp"
#include "broker/net/forwarded.hpp"

namespace madang {

using header_list = std::vector<std::pair<std::string, std::string>>;
std::vector<name_value> views_of(const header_list& headers);  // into them

struct http_request {
    std::string method;
    std::string raw_path;   // as received, without the query
    std::string query;      // without '?'
    std::string path;       // percent-decoded once, UTF-8, no "." or ".." segment
    unsigned version = 11;  // 10 or 11
    header_list headers;    // names in lower case, in the order received
    std::string body;
    bool keep_alive = true;
    std::string request_id;
    client_view client;
    std::string server_address;
    std::string server_port;
    bool over_tls = false;  // the socket's own; client.secure is what counts

    // First header of that name (lower case), or "".
    std::string_view header(std::string_view lower_case_name) const noexcept;
    // All its values, joined by ", " (RFC 9110 5.3).
    std::string joined(std::string_view lower_case_name) const;
};

// A part of a file, sent in pieces instead of a body.
struct file_range {
    file_handle file;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

struct http_response {
    unsigned status = 200;
    header_list headers;  // without content-length, connection, date, x-request-id: the session's
    std::string body;
    std::optional<file_range> file;
    bool close = false;

    void set(std::string_view name, std::string_view value) { headers.emplace_back(name, value); }
};

// {"error":{"status":404,"message":...,"request_id":...}}
http_response error_response(unsigned status, std::string_view message, std::string_view request_id);

// Ends the message of an answer to what is too large: " (--http-body-bytes: 1048576)".
std::string of_limit(std::string_view option, std::uint64_t bytes);

// The response's head, ending in an empty line. `length` is the content-length; it is left out where RFC
// 9110 8.6 forbids it (1xx, 204, 304 have none here).
std::string response_head(const http_response& response, std::uint64_t length, std::string_view request_id,
                          bool keep_alive);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7), whatever the locale.
std::string http_date(std::int64_t unix_seconds);
std::optional<std::int64_t> parse_http_date(std::string_view text);
std::string_view reason_phrase(unsigned status);

// The scope of a request for a plugin: everything but the route's arguments and the user.
scope_builder scope_of(const http_request& request, std::string_view type);

}  // namespace madang
