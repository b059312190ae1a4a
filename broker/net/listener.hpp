// Accepting connections: one listener per loop, all on one address (SO_REUSEPORT), so that the kernel spreads
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/loop.hpp"
#include "broker/net/file_handle.hpp"

namespace madang {

// `count` listening sockets on "host:port" or "[v6]:port". Port 0: any free one, the same for all; read back
// into `port`. Empty on failure; `error` then is one line that names the address and the mend (`option` is
// the flag to use).
std::vector<file_handle> open_listeners(const std::string& address, const std::string& option,
                                        std::size_t count, std::uint16_t& port, std::string& error);

// What an open socket is bound to, as open_listeners takes it.
std::string bound_address(const file_handle& socket);
std::uint16_t bound_port(const file_handle& socket);

// Who is in the queue when a listener stops: served by it, or left to whoever else has its socket.
enum class last_in_queue { served, left };

// On its loop's thread. When the process is out of descriptors it tells the newest clients so and backs off:
// no spin, and nobody connected is lost.
class listener {
  public:
    struct peer {
        std::string address;  // textual; IPv4-mapped IPv6 as IPv4
        std::uint16_t port = 0;
        std::string local_address;
        std::uint16_t local_port = 0;
    };
    using accepted = std::function<void(file_handle fd, const peer& from)>;  // fd: connected, non-blocking

    // `refusal` is written to a client for whom there is no descriptor left; empty: just closed.
    listener(loop& on, file_handle socket, std::string refusal, accepted on_accepted,
             last_in_queue last = last_in_queue::served);
    ~listener();  // stops
    void start();
    void stop();

  private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace madang
