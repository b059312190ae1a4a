// The chunked transfer coding (RFC 9112 7.1), strictly: CRLF only, bounded extensions and trailers, which are
// dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace madang {

class chunked_body {
  public:
    enum class state : std::uint8_t { more, done, malformed, too_large };

    // `limit` bounds the decoded body. Of framing at most 64 bytes a chunk line and 4 KiB of trailers are
    // taken.
    explicit chunked_body(std::size_t limit) : limit_(limit) {}
    // Takes what belongs to the body from the front of `input`, removing it; appends what it decodes to
    // `body`.
    state feed(std::string_view& input, std::string& body);

  private:
    enum class at : std::uint8_t { size_line, data, data_end, trailer };
    state take_line(std::string_view& input, std::size_t line_limit);
    state size_line();

    std::size_t limit_;
    std::size_t decoded_ = 0;
    std::size_t chunk_left_ = 0;
    std::size_t trailer_bytes_ = 0;
    std::string line_;  // unfinished or just finished, without CRLF when finished
    at at_ = at::size_line;
};

}  // namespace madang
