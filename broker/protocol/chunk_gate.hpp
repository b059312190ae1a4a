// What a chunked body must not be, checked on its raw bytes as they come in (RFC 9112 7.1). It decides
// nothing about their meaning: the HTTP parser behind it decodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/protocol/http_gate.hpp"

namespace madang {

struct chunk_limits {
    std::uint64_t body_bytes = 1024 * 1024;  // of all chunks' data
    std::size_t line_bytes = 256;            // chunk size and extensions
    std::size_t extension_bytes =
        4 * 1024;  // chunk lines of the whole body beyond 18 bytes each (16 digits, CRLF)
    std::size_t trailer_bytes = 4 * 1024;  // all trailers
};

class chunk_gate {
  public:
    explicit chunk_gate(const chunk_limits& limits) noexcept : limits_(limits) {}

    struct outcome {
        std::size_t bytes = 0;  // of those given that belong to the body; less than all only when done
        head_fault fault = head_fault::none;
        bool done = false;  // the body has ended; what follows is the next request
    };
    // Not to be called again after `done` or a fault.
    outcome feed(std::string_view bytes);

  private:
    enum class state : std::uint8_t { size_line, data, data_end, trailers };

    head_fault end_of_line(bool& done);
    head_fault size_line();
    std::size_t line_limit() const noexcept;

    chunk_limits limits_;
    std::uint64_t body_ = 0;       // bytes of all chunks so far
    std::uint64_t remaining_ = 0;  // of this chunk's data
    std::size_t extensions_ = 0;
    std::size_t trailers_ = 0;
    std::string line_;  // the one that is being received
    state state_ = state::size_line;
};

}  // namespace madang
