// Transports over an accepted TCP connection, plain and TLS.
#pragma once

#include <memory>

#include "actors/transport.hpp"

namespace boost::asio {
class io_context;
}
typedef struct ssl_ctx_st SSL_CTX;

namespace madang {

class loop;

// Take ownership of `fd`: connected and non-blocking, with TCP_NODELAY from its listener. To be called, used
// and destroyed on the loop's thread. Null when the descriptor cannot be used. Plain: watched by the loop's
// own epoll set.
std::unique_ptr<transport> make_plain_transport(loop& on, int fd);
// The server's side of TLS. The handshake happens within the first reads and writes; its deadline is the
// reader's.
std::unique_ptr<transport> make_tls_transport(boost::asio::io_context& context, int fd,
                                              std::shared_ptr<SSL_CTX> settings);

// Bytes a plain transport occupies, its socket included; for the memory budget's test.
std::size_t plain_transport_bytes() noexcept;

}  // namespace madang
