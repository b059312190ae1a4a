// What plain and TLS transports share: an Asio socket that outlives its transport until the last wait is
// over. Private to broker/net's .cpp files: it shows Asio.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "actors/transport.hpp"

namespace madang {

// Reference-counted without atomics: on its loop's thread only. A concrete executor keeps it small
// (any_io_executor would add 56 bytes).
struct shared_socket {
    using socket_type =
        boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

    explicit shared_socket(boost::asio::io_context& context) : socket(context) {}
    int fd() { return socket.native_handle(); }
    void close() {
        if (closed) return;
        closed = true;
        boost::system::error_code ignored;
        socket.close(ignored);
    }

    socket_type socket;
    std::uint32_t references = 0;
    bool closed = false;

    friend void intrusive_ptr_add_ref(shared_socket* s) noexcept { ++s->references; }
    friend void intrusive_ptr_release(shared_socket* s) noexcept {
        if (--s->references == 0) delete s;
    }
};
using socket_pointer = boost::intrusive_ptr<shared_socket>;

// Takes ownership of a connected, non-blocking descriptor. Null (and the descriptor closed) when Asio refuses
// it.
socket_pointer adopt_socket(boost::asio::io_context& context, int fd);

// Waits until the descriptor is ready, then tells the waiter: which = what it was waiting for, as the
// transport sees it (a TLS read may have to wait for the descriptor to become writable).
enum class waiting_for : std::uint8_t { read, write };
void wait_on(const socket_pointer& socket, boost::asio::socket_base::wait_type readiness,
             transport_waiter& waiter, waiting_for which);
// Tells the waiter soon, from the loop.
void tell_soon(const socket_pointer& socket, transport_waiter& waiter, waiting_for which);

transport::result receive(shared_socket& socket, char* data, std::size_t size);
transport::result send(shared_socket& socket, const iovec* parts, int count);

}  // namespace madang
