// The kernel's price, and nothing else: one thread, one epoll. Sockets that connected with the same path are
// a group; what any of them sends in one turn goes to all of them in one contiguous write each. On /ws/echo/
// every socket is alone, which makes it the bare epoll echo. It answers the bench's handshake with a constant
// and checks nothing: never for anything but the bench.
#pragma once

#include <cstdint>

namespace madang::bench {

int open_floor(std::uint16_t& port);  // a listening socket on a free loopback port; throws std::system_error
int serve_floor(int listener);        // until killed

}  // namespace madang::bench
