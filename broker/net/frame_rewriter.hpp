// A connection's WebSocket bytes as another transport's: what an SSE stream, a stream of lines, or a
// unidirectional WebSocket client gets of them. Plain: bytes in, bytes out, no I/O.
//
// In come, cut anywhere: the answer to the handshake, then unmasked frames. A text frame is one or more
// lines; each becomes
//   event_stream  data: LINE\n\n      (a raw CR, which ends a line there, becomes a space: in JSON it can
//                                      only be white space)
//   lines         LINE\n
//   websocket     a text message; in fragments where the line came in pieces
// Pings and pongs vanish but for `websocket`. A close frame becomes the protocol's disconnect push, and then
// the body's end. The 101 answer is replaced by `head`; any other answer (a refusal) passes as it is, and so
// does all that follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace madang {

class frame_rewriter {
  public:
    enum class shape : std::uint8_t { event_stream, lines, websocket };
    // How pushes look: as they are, or without their envelope, for unidirectional clients (client_push.hpp);
    // lines of another form, replies and pings, pass as they are.
    enum class envelope : std::uint8_t { kept, stripped };
    struct format {
        shape to = shape::lines;
        envelope pushes = envelope::kept;
        bool chunked = false;  // RFC 9112 7.1; never for websocket
        std::string head;      // the response's, for all but websocket
    };

    explicit frame_rewriter(format how) : format_(std::move(how)) {}

    // Rewrites all of `in`, behind what `out` holds: at most 12 bytes for one of `in`, and the head, a close
    // and a chunk's frame.
    void feed(std::string_view in, std::string& out);
    // The close frame was seen; nothing of what is fed now is written. For websocket: never.
    bool ended() const noexcept { return at_ == at::ended; }
    std::uint16_t close_code() const noexcept { return code_; }  // once ended
    // The handshake was refused with this status; 0: it was not.
    unsigned refused() const noexcept { return refused_; }

  private:
    enum class at : std::uint8_t { status, head, refusal, header, data, control, ended };
    enum class line : std::uint8_t { none, matching, plain, stripped };

    std::size_t take_status(std::string_view in, std::string& out);
    std::size_t take_head(std::string_view in, std::string& out);
    std::size_t take_header(std::string_view in, std::string& out);
    std::size_t take_control(std::string_view in, std::string& out);
    void end_frame(std::string& out);
    void text(std::string_view bytes, std::string& out);
    void part_of_line(std::string_view bytes, std::string& out);
    void end_line(std::string& out);
    void open_line(line how, std::string& out);
    void put(std::string_view bytes, std::string& out);
    void put_fragment(bool last, std::string& out);
    void disconnect(std::string& out);

    format format_;
    at at_ = at::status;
    line line_ = line::none;
    std::uint8_t matched_ = 0;  // of "HTTP/1.1 101", of the empty line, of the push's prefix
    std::uint8_t header_size_ = 0;
    std::uint8_t control_size_ = 0;
    bool has_held_ = false;    // of a stripped line: its last byte, which may be the envelope's
    bool continuing_ = false;  // a fragment of the line was sent
    char held_ = 0;
    std::uint16_t code_ = 0;
    unsigned refused_ = 0;
    std::uint64_t left_ = 0;    // of the frame's payload
    std::size_t fragment_ = 0;  // where in `out` the open line's payload begins, for websocket
    char header_[12] = {};      // a frame's, or the answer's first bytes
    char control_[125] = {};
};

}  // namespace madang
