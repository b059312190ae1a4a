#include "broker/net/socket.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <climits>

namespace madang {

namespace {

void tell(transport_waiter& waiter, waiting_for which, bool alive) {
    if (which == waiting_for::read) {
        waiter.on_readable(alive);
    } else {
        waiter.on_writable(alive);
    }
}

transport::result failure() {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return {transport::outcome::would_block, 0};
    return {errno == ECONNRESET || errno == EPIPE ? transport::outcome::closed : transport::outcome::failed,
            0};
}

}  // namespace

socket_pointer adopt_socket(boost::asio::io_context& context, int fd) {
    socket_pointer socket(new shared_socket(context));
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    bool v6 =
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 && address.ss_family == AF_INET6;
    boost::system::error_code ec;
    socket->socket.assign(v6 ? boost::asio::ip::tcp::v6() : boost::asio::ip::tcp::v4(), fd, ec);
    if (ec) {
        ::close(fd);
        return {};
    }
    socket->socket.non_blocking(true, ec);
    return socket;
}

void wait_on(const socket_pointer& socket, boost::asio::socket_base::wait_type readiness,
             transport_waiter& waiter, waiting_for which) {
    if (socket->closed) return tell_soon(socket, waiter, which);
    // Asio keeps the operation's memory in the thread's recycling allocator.
    socket->socket.async_wait(readiness, [socket, &waiter, which](boost::system::error_code ec) {
        tell(waiter, which, !ec && !socket->closed);
    });
}

void tell_soon(const socket_pointer& socket, transport_waiter& waiter, waiting_for which) {
    boost::asio::post(socket->socket.get_executor(),
                      [socket, &waiter, which] { tell(waiter, which, !socket->closed); });
}

transport::result receive(shared_socket& socket, char* data, std::size_t size) {
    if (socket.closed) return {transport::outcome::failed, 0};
    auto n = ::recv(socket.fd(), data, size, 0);
    if (n > 0) return {transport::outcome::done, static_cast<std::size_t>(n)};
    if (n == 0) return {transport::outcome::closed, 0};
    return failure();
}

transport::result send(shared_socket& socket, const iovec* parts, int count) {
    if (socket.closed) return {transport::outcome::failed, 0};
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);  // sendmsg(2) does not write to it
    message.msg_iovlen = static_cast<std::size_t>(std::min(count, IOV_MAX));
    auto n = ::sendmsg(socket.fd(), &message, MSG_NOSIGNAL);
    if (n > 0) return {transport::outcome::done, static_cast<std::size_t>(n)};
    if (n == 0) return {transport::outcome::would_block, 0};
    return failure();
}

}  // namespace madang
