// Frames from a client, decoded as their bytes come in (RFC 6455 5, RFC 7692). No I/O, any one thread at a
// time.
//
// A message that lies whole in what was read goes to the sink where it lies: unmasked in place, checked,
// neither copied nor allocated for. Only what is cut by the end of a read, and fragments, are gathered in
// memory of the decoder's own, which is allocated with the first such byte, grows with the bytes received
// (never with the length declared), and is freed with the message's end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "broker/protocol/ws_frame.hpp"

namespace madang {

// Whom a decoder tells. Views are valid during the call. None of these may destroy the decoder or call it.
class ws_sink {
  public:
    // text (valid UTF-8) or binary. False: stop after this message; see consume.
    virtual bool on_message(ws_opcode opcode, std::string_view bytes) = 0;
    virtual void on_ping(std::string_view bytes) = 0;
    virtual void on_pong(std::string_view bytes) = 0;
    // code: as sent, ws_no_status when there was none. Nothing follows.
    virtual void on_close(std::uint16_t code, std::string_view reason) = 0;
    // A compressed message's sizes, before it is handed on.
    virtual void on_inflated(std::size_t /*wire_bytes*/, std::size_t /*raw_bytes*/) {}

  protected:
    ~ws_sink() = default;
};

enum class ws_compression : std::uint8_t { none, permessage_deflate };

struct ws_consumed {
    std::size_t bytes;  // all of them, unless the sink said stop
    ws_error error{};   // the connection is to be failed with this
};

class ws_decoder {
  public:
    // Messages longer than max_message_bytes (inflated, if compressed) end in 1009. permessage_deflate:
    // negotiated, always with client_no_context_takeover.
    ws_decoder(std::size_t max_message_bytes, ws_compression compression) noexcept;
    ~ws_decoder();
    ws_decoder(ws_decoder&&) noexcept;
    ws_decoder& operator=(ws_decoder&&) noexcept;

    // Overwrites the bytes that it consumes. Those that it does not (the sink said stop) are untouched, and
    // are to be given again, first, when the sink can take more. After a close frame or an error, everything
    // is consumed and ignored (RFC 6455 5.5.1, 7.1.7); an error is returned once. Throws std::bad_alloc and
    // what the sink throws; only destruction is then allowed.
    ws_consumed consume(char* data, std::size_t size, ws_sink& sink);

    // No message and no frame is open, and nothing is allocated.
    bool idle() const noexcept { return !partial_; }
    // Nothing more will be told: a close frame came, or an error.
    bool closed() const noexcept { return closed_; }

  private:
    struct header;
    struct partial;
    struct cursor {
        char* at;
        char* end;
    };
    struct outcome {
        ws_error error{};
        bool stop = false;
    };

    bool read_header(cursor& in, header& h, ws_error& error);
    ws_error check(const header& h) const noexcept;
    outcome begin_frame(const header& h, cursor& in, ws_sink& sink);
    outcome whole_frame(const header& h, std::string_view bytes, bool ascii, ws_sink& sink);
    outcome go_on_with_frame(cursor& in, ws_sink& sink);
    ws_error append(std::string_view bytes);
    outcome end_message(ws_sink& sink);
    outcome inflated(ws_opcode opcode, std::string_view bytes, ws_sink& sink);
    outcome control(ws_opcode opcode, std::string_view bytes, ws_sink& sink);
    partial& make_partial();

    std::unique_ptr<partial> partial_;
    std::size_t max_message_bytes_;
    ws_compression compression_;
    bool closed_ = false;
};

}  // namespace madang
