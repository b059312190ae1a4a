#include "broker/protocol/chunked_body.hpp"

#include <algorithm>
#include <charconv>

namespace madang {

namespace {
constexpr std::size_t size_line_limit = 64;  // 16 digits and a short extension
constexpr std::size_t trailer_limit = 4096;
}  // namespace

chunked_body::state chunked_body::feed(std::string_view& input, std::string& body) {
    for (;;) {
        state got = state::more;
        switch (at_) {
            case at::size_line:
                got = take_line(input, size_line_limit);
                if (got == state::done) got = size_line();
                if (got != state::done) return got;
                break;
            case at::data: {
                auto n = std::min(chunk_left_, input.size());
                body.append(input.substr(0, n));
                input.remove_prefix(n);
                chunk_left_ -= n;
                if (chunk_left_ > 0) return state::more;
                at_ = at::data_end;
                break;
            }
            case at::data_end:
                got = take_line(input, 0);
                if (got != state::done) return got;
                line_.clear();
                at_ = at::size_line;
                break;
            case at::trailer: {
                got = take_line(input, trailer_limit - trailer_bytes_);
                if (got != state::done) return got;
                if (line_.empty()) return state::done;
                // "name: value", no folding (RFC 9112 5.2)
                auto colon = line_.find(':');
                bool folded = line_.front() == ' ' || line_.front() == '\t';
                if (folded || colon == std::string::npos || colon == 0 || line_[colon - 1] == ' ')
                    return state::malformed;
                trailer_bytes_ += line_.size();
                line_.clear();
                break;
            }
        }
    }
}

// done: line_ holds a whole line without its CRLF.
chunked_body::state chunked_body::take_line(std::string_view& input, std::size_t line_limit) {
    auto lf = input.find('\n');
    auto n = lf == std::string_view::npos ? input.size() : lf + 1;
    auto part = input.substr(0, std::min(n, line_limit + 2));
    if (line_.size() + n > line_limit + 2) return state::malformed;
    line_.append(part);
    input.remove_prefix(n);
    auto cr = line_.find('\r');
    if (lf == std::string_view::npos) {
        bool misplaced = cr != std::string::npos && cr + 1 != line_.size();
        return misplaced ? state::malformed : state::more;
    }
    if (cr != line_.size() - 2 || line_.size() < 2) return state::malformed;
    line_.resize(cr);
    bool printable = std::all_of(line_.begin(), line_.end(), [](char c) {
        auto u = static_cast<unsigned char>(c);
        return u == '\t' || (u >= 0x20 && u != 0x7f);
    });
    return printable ? state::done : state::malformed;
}

chunked_body::state chunked_body::size_line() {
    std::uint64_t size = 0;
    const char* end = line_.data() + line_.size();
    auto [rest, ec] = std::from_chars(line_.data(), end, size, 16);
    if (ec != std::errc() || (rest != end && *rest != ';')) return state::malformed;
    if (size > limit_ - decoded_) return state::too_large;
    decoded_ += size;
    chunk_left_ = size;
    at_ = size == 0 ? at::trailer : at::data;
    line_.clear();
    return state::done;
}

}  // namespace madang
