// The little of RFC 6455 that a load generator needs: whole frames only, no fragments, no extensions.
// Payloads carry a sequence number as text (marker '~', then 16 characters of one nibble each, '0' to '?'),
// found wherever in the payload the server put it, so that the same reader serves raw text and a consumer's
// JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace madang::bench {

// A client's frames are masked, a server's are not (5.1).
enum class frame_from : std::uint8_t { client, server };
enum class frame_status : std::uint8_t { complete, partial, refused };
enum frame_opcode : std::uint8_t {
    text_frame = 1,
    binary_frame = 2,
    close_frame = 8,
    ping_frame = 9,
    pong_frame = 10
};

struct frame_view {
    std::uint8_t opcode = 0;
    std::string_view payload;  // unmasked in place; lives as long as the bytes parsed
    std::size_t size = 0;      // header and payload
};

// Reads the frame at the start of the bytes. Refused: a fragment, a reserved bit, masking that does not fit
// `from`.
frame_status parse_frame(char* bytes, std::size_t size, frame_from from, frame_view& frame);

void append_frame(std::string& out, frame_from from, std::uint8_t opcode, std::string_view payload);

enum class envelope : std::uint8_t { raw, chat };  // chat: {"message":"…"}

inline constexpr std::size_t sequence_size = 17;  // marker and digits

// A payload of exactly `size` bytes with room for a sequence number. Throws std::invalid_argument when size
// is too small.
class payload_template {
  public:
    payload_template(envelope kind, std::size_t size);
    std::string_view with_sequence(std::uint64_t sequence);  // valid until the next call

  private:
    std::string text_;
    std::size_t digits_;
};

std::optional<std::uint64_t> read_sequence(std::string_view payload);

// The request every connection of the bench opens with; the key is RFC 6455's sample (1.3), so the answer is
// known.
std::string upgrade_request(std::string_view target, std::string_view host,
                            std::string_view bearer_token = {});
inline constexpr std::string_view upgrade_accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

}  // namespace madang::bench
