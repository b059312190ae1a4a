// Many WebSockets at once, each of which says its message when it is connected and is done when it has heard
// what it waits for.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bench/child.hpp"

namespace madang::bench {

struct swarm_member {
    std::string target;  // of the request, "/connection/websocket"
    std::vector<std::string> says;
};

class swarm {
  public:
    // Told of each message from the server; true: that was all. May throw.
    using heard = std::function<bool(std::size_t member, std::string_view message)>;

    swarm(const target& server, std::vector<swarm_member> members, heard hears);
    ~swarm();  // closes all
    swarm(const swarm&) = delete;

    // Starts every connection at once, as fast as connect(2) goes, and returns when all are done. Throws
    // std::runtime_error when the server refuses, closes, or one hears nothing more for 20 s.
    void run();

    // Monotonic, ns.
    std::int64_t began() const { return began_; }                    // the first connect
    const std::vector<std::int64_t>& done() const { return done_; }  // by member

  private:
    enum class state : std::uint8_t { connecting, upgrading, open, done };
    struct peer {
        int fd = -1;
        state now = state::connecting;
        std::string partial;  // the start of a frame or of the answer
    };

    void start_one();
    void poll(int timeout_ms);
    void send_to(std::size_t index, std::string_view bytes);
    void read(std::size_t index);
    [[noreturn]] void fail(std::size_t index, const std::string& why) const;

    const target& server_;
    std::vector<swarm_member> members_;
    heard hears_;
    int poll_;
    std::vector<char> buffer_;
    std::vector<peer> peers_;
    std::vector<std::int64_t> done_;
    std::size_t started_ = 0;
    std::size_t left_;
    std::int64_t began_ = 0;
    std::int64_t read_at_ = 0;
};

}  // namespace madang::bench
