#include "broker/protocol/chunk_gate.hpp"

#include <algorithm>
#include <charconv>

#include "broker/protocol/field_syntax.hpp"

namespace madang {
namespace {

constexpr std::size_t plain_line = 18;  // 16 hexadecimal digits and CRLF

// RFC 9110 6.5.1: fields for framing, routing, authentication and the like must not come after the body.
bool forbidden_trailer(std::string_view line) noexcept {
    const std::string_view name = line.substr(0, line.find(':'));
    for (std::string_view field :
         {"transfer-encoding", "content-length", "host", "connection", "upgrade", "expect", "te", "trailer",
          "content-type", "content-encoding", "authorization", "cookie", "forwarded", "x-forwarded-for",
          "x-forwarded-proto", "x-request-id"})
        if (equal_no_case(name, field)) return true;
    return false;
}

}  // namespace

std::size_t chunk_gate::line_limit() const noexcept {
    switch (state_) {
        case state::size_line:
            return limits_.line_bytes;
        case state::trailers:
            return limits_.trailer_bytes - trailers_;
        default:
            return 2;  // the CRLF after data
    }
}

chunk_gate::outcome chunk_gate::feed(std::string_view bytes) {
    outcome result;
    std::string_view rest = bytes;
    while (!rest.empty() && !result.done) {
        if (state_ == state::data) {
            const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, rest.size()));
            rest.remove_prefix(take);
            remaining_ -= take;
            if (remaining_ == 0) state_ = state::data_end;
            continue;
        }
        const std::size_t lf = rest.find('\n');
        const std::string_view part = rest.substr(0, lf == std::string_view::npos ? lf : lf + 1);
        if (part.size() > line_limit() - std::min(line_.size(), line_limit())) {
            result.fault = state_ == state::trailers    ? head_fault::trailers_too_long
                           : state_ == state::size_line ? head_fault::chunk_line_too_long
                                                        : head_fault::bad_chunk;
            return result;
        }
        line_.append(part);
        rest.remove_prefix(part.size());
        if (lf == std::string_view::npos) break;
        if ((result.fault = end_of_line(result.done)) != head_fault::none) return result;
        line_.clear();
    }
    result.bytes = bytes.size() - rest.size();
    return result;
}

head_fault chunk_gate::end_of_line(bool& done) {
    if (!line_.ends_with("\r\n")) return head_fault::bare_lf;
    const std::size_t size = line_.size();
    line_.resize(size - 2);
    switch (state_) {
        case state::size_line:
            if (size > plain_line && (extensions_ += size - plain_line) > limits_.extension_bytes)
                return head_fault::chunk_line_too_long;
            return size_line();
        case state::trailers:
            if (line_.empty()) return done = true, head_fault::none;
            trailers_ += size;
            if (check_field_line(line_) != head_fault::none || forbidden_trailer(line_))
                return head_fault::bad_trailer;
            return head_fault::none;
        default:
            state_ = state::size_line;
            return line_.empty() ? head_fault::none : head_fault::bad_chunk;
    }
}

// chunk-size [ chunk-ext ]
head_fault chunk_gate::size_line() {
    const char* const end = line_.data() + line_.size();
    std::uint64_t size = 0;
    const auto [stop, fault] = std::from_chars(line_.data(), end, size, 16);
    if (fault != std::errc{} || stop - line_.data() > 16) return head_fault::bad_chunk;
    const std::string_view extension{stop, static_cast<std::size_t>(end - stop)};
    if (!extension.empty() && trim(extension).substr(0, 1) != ";") return head_fault::bad_chunk;
    if (!is_field_value(extension)) return head_fault::bad_chunk;
    if (size > limits_.body_bytes - body_) return head_fault::body_too_long;
    body_ += size;
    remaining_ = size;
    state_ = size == 0 ? state::trailers : state::data;
    return head_fault::none;
}

}  // namespace madang
