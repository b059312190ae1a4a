// What a request must not be, checked on its raw head before an HTTP parser sees it, and the head's pieces.
// Everything here is a way to make two parsers of one request disagree (request smuggling) or to leave a
// folder; all of it passes Beast 1.81's parser. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/core/scope.hpp"

namespace madang {

enum class head_fault : std::uint8_t {
    none,
    head_too_long,
    line_too_long,
    too_many_headers,
    nul,
    bare_cr,
    bare_lf,
    bad_request_line,
    bad_method,
    bad_version,
    not_origin_form,
    bad_target,
    dot_segment,
    encoded_separator,
    obs_fold,
    space_before_colon,
    bad_header_name,
    bad_header_value,
    no_host,
    many_hosts,
    bad_host,
    bad_content_length,
    many_content_lengths,
    bad_transfer_encoding,
    transfer_encoding_in_http_1_0,
    length_and_transfer_encoding,
};

// One sentence for the response and the log; static text.
std::string_view sentence(head_fault fault) noexcept;
// 400; 413, 431 and 505 where they say more. The connection is to be closed with any of them (RFC 9112 9.6).
unsigned http_status(head_fault fault) noexcept;

struct head_limits {
    std::size_t head_bytes = 16 * 1024;
    std::size_t line_bytes = 8 * 1024;  // RFC 9112 3: at least 8,000 octets for the request line
    std::size_t headers = 100;
};

// The size of the head that `bytes` begin with, its empty line included; 0: not complete. A line that ends in
// a bare LF ends the head there, so that check_head refuses it instead of waiting for an end that will not
// come. `from`: where to look on (a size which this function has already seen without an end).
std::size_t find_head_end(std::string_view bytes, std::size_t from = 0) noexcept;

// What stands in a head; views into it.
struct head_view {
    std::string_view method;
    std::string_view target;  // see split_target
    bool http_1_0 = false;
    bool framed = false;             // Content-Length or Transfer-Encoding is there
    std::vector<name_value> fields;  // names as received, values without the spaces around them
};

// `head`: as found by find_head_end. `into` is whole when the verdict is none.
head_fault check_head(std::string_view head, const head_limits& limits, head_view& into);

// One field line without its CRLF (RFC 9112 5).
head_fault check_field_line(std::string_view line) noexcept;

// A request target in origin-form or absolute-form, before decoding (RFC 9112 3.2.1, 3.2.2).
head_fault check_target(std::string_view target) noexcept;

struct target_view {
    std::string_view authority;       // "" in origin-form; otherwise it counts instead of the Host field
    std::string_view path_and_query;  // in absolute-form perhaps without a path: "" or "?..."
};
// Of a target that check_target let through.
target_view split_target(std::string_view target) noexcept;

}  // namespace madang
