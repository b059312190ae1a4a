// A client over a raw socket, HTTP and then WebSocket: never blocks, keeps all that came, and can misbehave.
// One thread drives any number of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/server/harness/child.hpp"

namespace madang::test {

struct http_answer {
    int status = 0;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

struct message {
    std::uint8_t opcode = 0;
    std::string payload;
};

class peer {
  public:
    // Connects from `from`, an address of this machine. Throws std::system_error when there is no socket.
    explicit peer(std::uint16_t port, const std::string& from = "127.0.0.1", int receive_buffer = 0);
    peer(const peer&) = delete;
    ~peer();  // closes

    void raw(std::string_view bytes);  // into the stream as they are, as soon as there is room
    void request(std::string_view target, std::string_view headers = {}, std::string_view method = "GET",
                 std::string_view body = {});
    void upgrade(std::string_view target, std::string_view headers = {});
    void text(std::string_view payload) { frame(1, payload); }
    void frame(std::uint8_t opcode, std::string_view payload);

    void pump();     // sends what is unsent, reads what is there
    void reset();    // RST
    void finish();   // FIN: half-closed
    void hang_up();  // close(2)
    bool alive() const { return fd_ >= 0 && !ended; }
    int fd() const { return fd_; }
    bool unsent() const { return !out_.empty(); }

    // Over WebSocket messages come here; pings and the close are answered by themselves.
    bool open() const { return answer && answer->status == 101; }
    std::optional<http_answer> next_answer();  // of pipelined or kept-alive requests

    std::optional<http_answer> answer;  // to upgrade()
    std::deque<message> messages;
    std::optional<std::uint16_t> closed;  // the code of the close frame; 1005: without one
    std::string reason;
    std::size_t after_close = 0;  // bytes that came after the close frame
    bool malformed = false;       // what came is no frame of a server
    bool ended = false;           // FIN or RST came
    bool was_reset = false;
    bool reading = true;  // false: stalled
    bool answers_pings = true;
    std::uint64_t received = 0;  // messages, also those taken out

  private:
    void take_frames();

    int fd_ = -1;
    bool upgrading_ = false;
    std::string in_;
    std::string out_;
};

// Drives them until it is so; false after `longest`.
bool drive(std::span<peer* const> peers, const std::function<bool()>& until, milliseconds longest = 60s);
bool drive(peer& one, const std::function<bool()>& until, milliseconds longest = 60s);

// The whole of an exchange; status 0 when no answer came.
http_answer fetch(std::uint16_t port, std::string_view target, std::string_view headers = {},
                  std::string_view method = "GET", std::string_view body = {},
                  const std::string& from = "127.0.0.1");

}  // namespace madang::test
