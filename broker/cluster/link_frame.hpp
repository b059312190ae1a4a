// What goes over a link, in either direction:
//
//     frame = length:u32 (big-endian) kind:u8 bytes        length: of kind and bytes
//
// A hello, a node's or a worker's, is the only frame of before, and none of it is longer than
// hello_bytes_limit; what a peer may say afterwards stands at the kinds. Data goes against credit: its
// receiver grants it as BASP takes what came, so that a link is always read and neither side keeps more than
// link_window of the other's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/cluster/beat_codec.hpp"
#include "broker/cluster/peer_hello.hpp"
#include "broker/core/result.hpp"

namespace madang {

enum class link_frame_kind : std::uint8_t {
    hello = 1,    // peer_hello.hpp
    welcome = 2,  // the listener's: the link is up. No bytes
    refused = 3,  // a link_refusal's word; the link ends
    data = 4,     // of BASP; 1 to link_data_limit
    credit = 5,   // u32: so many more bytes of data may be sent
    beat = 6,     // beat_codec.hpp
    ping = 7,     // u64, to be repeated
    pong = 8,
    bye = 9,      // the node goes in order. No bytes
    worker = 10,  // a worker's hello (peer_hello.hpp), in place of the dialer's
};

inline constexpr std::size_t link_frame_head = 5;
inline constexpr std::size_t link_data_limit = 64 * 1024;  // what a beat may have to wait for
inline constexpr std::size_t link_window = 1024 * 1024;    // data under way that was not granted again

struct link_frame {
    link_frame_kind kind = link_frame_kind::hello;
    std::string_view bytes;  // the decoder's: until it is asked for more room
    friend bool operator==(const link_frame&, const link_frame&) = default;
};

void append_frame(std::string& out, link_frame_kind kind, std::string_view bytes = {});
// The head of a frame whose bytes are in place already.
void write_frame_head(char* at, link_frame_kind kind, std::size_t bytes) noexcept;
void append_frame_u32(std::string& out, link_frame_kind kind, std::uint32_t value);
void append_frame_u64(std::string& out, link_frame_kind kind, std::uint64_t value);
std::uint64_t frame_number(std::string_view bytes) noexcept;  // of credit, ping, pong

// Bytes are read into room(), told with filled(), and taken as frames until there is none.
class link_decoder {
  public:
    // Frames from now on may be what an admitted peer says.
    void admit() noexcept { admitted_ = true; }
    struct space {
        char* data;
        std::size_t size;
    };
    space room();  // not empty once next() had no frame; ends the frames' bytes
    void filled(std::size_t bytes) noexcept { end_ += bytes; }
    // Nothing: more bytes are needed. Errors: protocol_error, and again whenever it is asked.
    result<std::optional<link_frame>> next();
    std::size_t waiting() const noexcept { return end_ - begin_; }  // bytes not yet taken as frames
    std::size_t capacity() const noexcept { return buffer_.size(); }

  private:
    bool admitted_ = false;
    std::size_t needed_ = 0;  // of the frame that is not complete, with its head
    std::size_t begin_ = 0, end_ = 0;
    std::vector<char> buffer_;
};

}  // namespace madang
