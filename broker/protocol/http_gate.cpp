#include "broker/protocol/http_gate.hpp"

#include <algorithm>
#include <charconv>

#include "broker/core/ascii.hpp"
#include "broker/core/trim.hpp"
#include "broker/protocol/field_syntax.hpp"

namespace madang {
namespace {

// RFC 9112 2.2: a recipient must not take a bare CR or LF for a line's end.
head_fault check_octets(std::string_view head) noexcept {
    for (std::size_t i = 0; i < head.size(); ++i) {
        if (static_cast<unsigned char>(head[i]) > '\r') continue;  // nearly all
        if (head[i] == '\0') return head_fault::nul;
        if (head[i] == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) return head_fault::bare_cr;
        if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) return head_fault::bare_lf;
    }
    return head_fault::none;
}

head_fault check_segment(std::string_view segment) noexcept {
    char decoded[2] = {};  // enough to know "." and ".."
    std::size_t size = 0;
    for (std::size_t i = 0; i < segment.size(); ++i, ++size) {
        char c = segment[i];
        if (c == '\\') return head_fault::encoded_separator;
        if (c == '%') {
            if (segment.size() - i < 3) return head_fault::bad_target;
            const int high = hex_digit(segment[i + 1]);
            const int low = hex_digit(segment[i + 2]);
            if (high < 0 || low < 0) return head_fault::bad_target;
            c = static_cast<char>(high * 16 + low);
            if (c == '/' || c == '\\') return head_fault::encoded_separator;
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return head_fault::bad_target;
            i += 2;
        }
        if (size < 2) decoded[size] = c;
    }
    const std::string_view name{decoded, std::min(size, sizeof decoded)};
    return size <= 2 && (name == "." || name == "..") ? head_fault::dot_segment : head_fault::none;
}

// "http://" or "https://" in any case: its size; 0: neither.
std::size_t scheme_size(std::string_view target) noexcept {
    for (const std::string_view scheme : {"http://", "https://"})
        if (equal_no_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
    return 0;
}

// method SP request-target SP HTTP-version, one space each (RFC 9112 3).
head_fault check_request_line(std::string_view line, head_view& into) noexcept {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return head_fault::bad_request_line;
    const std::string_view version = line.substr(last + 1);
    into.method = line.substr(0, first);
    if (!is_token(into.method)) return head_fault::bad_method;
    if (version.substr(0, 5) != "HTTP/") return head_fault::bad_request_line;
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return head_fault::bad_version;
    into.http_1_0 = version == "HTTP/1.0";
    into.target = line.substr(first + 1, last - first - 1);
    return check_target(into.target);
}

// What the framing fields said, once all were seen.
class framing {
  public:
    head_fault add(std::string_view name, std::string_view value) noexcept {
        if (equal_no_case(name, "host")) {
            if (++hosts_ > 1) return head_fault::many_hosts;
            if (!parse_authority(value)) return head_fault::bad_host;
        } else if (equal_no_case(name, "content-length")) {
            // RFC 9112 6.3 lets a recipient mend repeated equal values; we do not: "5, 5" is read differently
            // elsewhere.
            if (++lengths_ > 1) return head_fault::many_content_lengths;
            std::uint64_t length = 0;
            const auto [stop, fault] = std::from_chars(value.data(), value.data() + value.size(), length);
            if (value.empty() || fault != std::errc{} || stop != value.data() + value.size() || length >> 63)
                return head_fault::bad_content_length;
        } else if (equal_no_case(name, "transfer-encoding")) {  // RFC 9112 6.1
            if (++encodings_ > 1 || !equal_no_case(value, "chunked"))
                return head_fault::bad_transfer_encoding;
        }
        return head_fault::none;
    }
    bool any() const noexcept { return encodings_ > 0 || lengths_ > 0; }
    head_fault check(bool http_1_0) const noexcept {
        if (hosts_ == 0 && !http_1_0) return head_fault::no_host;  // RFC 9112 3.2
        if (encodings_ > 0 && http_1_0) return head_fault::transfer_encoding_in_http_1_0;
        if (encodings_ > 0 && lengths_ > 0) return head_fault::length_and_transfer_encoding;
        return head_fault::none;
    }

  private:
    int hosts_ = 0;
    int lengths_ = 0;
    int encodings_ = 0;
};

}  // namespace

std::size_t find_head_end(std::string_view bytes, std::size_t from) noexcept {
    // The end may begin in what was already seen.
    for (std::size_t at = from > 3 ? from - 3 : 0; (at = bytes.find('\n', at)) != std::string_view::npos;
         ++at) {
        if (at == 0 || bytes[at - 1] != '\r') return at + 1;
        if (at == 1 || (at >= 3 && bytes[at - 2] == '\n')) return at + 1;
    }
    return 0;
}

target_view split_target(std::string_view target) noexcept {
    const std::size_t scheme = target.starts_with('/') ? 0 : scheme_size(target);
    if (scheme == 0) return {{}, target};
    target.remove_prefix(scheme);
    const std::size_t end = std::min(target.find_first_of("/?#"), target.size());
    return {target.substr(0, end), target.substr(end)};
}

head_fault check_target(std::string_view target) noexcept {
    if (!target.starts_with('/')) {
        // RFC 9112 3.2.2: a server must take absolute-form. authority-form and asterisk-form belong to
        // CONNECT and OPTIONS *.
        if (scheme_size(target) == 0) return head_fault::not_origin_form;
        const target_view parts = split_target(target);
        if (!parse_authority(parts.authority)) return head_fault::bad_target;
        target = parts.path_and_query;
        if (target.empty()) return head_fault::none;
    }
    if (!std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; }))
        return head_fault::bad_target;
    if (target[0] == '?') return head_fault::none;
    std::string_view path = target.substr(1, target.find('?') - 1);  // npos - 1 is long enough
    for (;;) {
        const std::size_t slash = path.find('/');
        if (const head_fault fault = check_segment(path.substr(0, slash)); fault != head_fault::none)
            return fault;
        if (slash == std::string_view::npos) return head_fault::none;
        path.remove_prefix(slash + 1);
    }
}

head_fault check_field_line(std::string_view line) noexcept {
    if (line.empty()) return head_fault::bad_header_name;
    if (line[0] == ' ' || line[0] == '\t') return head_fault::obs_fold;  // RFC 9112 5.2, 2.2
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return head_fault::bad_header_name;
    const std::string_view name = line.substr(0, colon);
    if (name.back() == ' ' || name.back() == '\t') return head_fault::space_before_colon;  // RFC 9112 5.1
    if (!is_token(name)) return head_fault::bad_header_name;
    return is_field_value(line.substr(colon + 1)) ? head_fault::none : head_fault::bad_header_value;
}

head_fault check_head(std::string_view head, const head_limits& limits, head_view& into) {
    if (head.size() > limits.head_bytes) return head_fault::head_too_long;
    if (const head_fault fault = check_octets(head); fault != head_fault::none) return fault;
    framing fields;
    for (std::size_t line_number = 0;; ++line_number) {
        const std::size_t end = head.find('\r');                                 // an LF follows
        if (end == std::string_view::npos) return head_fault::bad_request_line;  // no empty line: not a head
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end + 2);
        if (line.size() > limits.line_bytes) return head_fault::line_too_long;
        head_fault fault = head_fault::none;
        if (line_number == 0) {
            fault = check_request_line(line, into);
        } else if (line.empty()) {
            into.framed = fields.any();
            return head.empty() ? fields.check(into.http_1_0) : head_fault::bad_request_line;
        } else if (line_number > limits.headers) {
            return head_fault::too_many_headers;
        } else if ((fault = check_field_line(line)) == head_fault::none) {
            const std::size_t colon = line.find(':');
            const auto& [name, value] =
                into.fields.emplace_back(name_value{line.substr(0, colon), trim(line.substr(colon + 1))});
            fault = fields.add(name, value);
        }
        if (fault != head_fault::none) return fault;
    }
}

std::string_view sentence(head_fault fault) noexcept {
    switch (fault) {
        case head_fault::none:
            return "The request is well-formed.";
        case head_fault::head_too_long:
            return "The request head is too long.";
        case head_fault::line_too_long:
            return "A line of the request head is too long.";
        case head_fault::too_many_headers:
            return "The request has too many headers.";
        case head_fault::nul:
            return "The request head has a NUL.";
        case head_fault::bare_cr:
            return "The request head has a CR without LF.";
        case head_fault::bare_lf:
            return "The request head has a LF without CR.";
        case head_fault::bad_request_line:
            return "The request line is malformed.";
        case head_fault::bad_method:
            return "The method is no token.";
        case head_fault::bad_version:
            return "Only HTTP/1.1 and HTTP/1.0 are spoken here.";
        case head_fault::not_origin_form:
            return "The request target is neither a path nor an http URL.";
        case head_fault::bad_target:
            return "The request target has a character or percent-encoding that is not allowed.";
        case head_fault::dot_segment:
            return "The request target has a dot segment.";
        case head_fault::encoded_separator:
            return "The request target has a backslash or an encoded slash.";
        case head_fault::obs_fold:
            return "A header begins with a space (line folding).";
        case head_fault::space_before_colon:
            return "A header name is followed by a space.";
        case head_fault::bad_header_name:
            return "A header name is no token.";
        case head_fault::bad_header_value:
            return "A header value has a control character.";
        case head_fault::no_host:
            return "The Host header is missing.";
        case head_fault::many_hosts:
            return "The Host header is repeated.";
        case head_fault::bad_host:
            return "The Host header is malformed.";
        case head_fault::bad_content_length:
            return "Content-Length is not one number.";
        case head_fault::many_content_lengths:
            return "Content-Length is repeated.";
        case head_fault::bad_transfer_encoding:
            return "Transfer-Encoding is not exactly chunked.";
        case head_fault::transfer_encoding_in_http_1_0:
            return "HTTP/1.0 has no Transfer-Encoding.";
        case head_fault::length_and_transfer_encoding:
            return "Content-Length and Transfer-Encoding exclude each other.";
    }
    return {};
}

unsigned http_status(head_fault fault) noexcept {
    switch (fault) {
        case head_fault::none:
            return 200;
        case head_fault::head_too_long:
        case head_fault::line_too_long:
        case head_fault::too_many_headers:
            return 431;
        case head_fault::bad_version:
            return 505;
        default:
            return 400;
    }
}

}  // namespace madang
