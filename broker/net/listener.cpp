#include "broker/net/listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstring>
#include <optional>

#include "broker/net/socket_address.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr int backlog = 4096;  // what a burst of connects may leave waiting; capped by net.core.somaxconn
constexpr int accepts_per_turn = 64;  // so that a flood of connects does not hold back the connected
constexpr auto exhausted_pause = 100ms;

// -1 with errno on failure.
file_handle bound_socket(socket_address& address, bool shared) {
    file_handle fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int on = 1;
    if (!fd) return fd;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
    if (::bind(fd.get(), address.get(), address.size) != 0) {
        int why = errno;
        fd.reset();
        errno = why;
    }
    return fd;
}

socket_address bound_to(const file_handle& socket) {
    socket_address where;
    ::getsockname(socket.get(), where.get(), &where.size);
    return where;
}

std::string bind_error(const std::string& address, const std::string& option, int why) {
    std::string text = "cannot listen on " + address + ": ";
    if (why == EADDRINUSE)
        return text + "the port is in use; stop the program that uses it or choose another with " + option;
    if (why == EACCES) return text + "not permitted; choose a port above 1023 with " + option;
    if (why == EADDRNOTAVAIL) return text + "this machine has no such address; choose another with " + option;
    return text + std::strerror(why) + "; choose another with " + option;
}

}  // namespace

std::vector<file_handle> open_listeners(const std::string& address, const std::string& option,
                                        std::size_t count, std::uint16_t& port, std::string& error) {
    const auto wanted = endpoint::parse(address);
    if (!wanted) {
        error =
            "cannot listen on " + address + ": not an address; write HOST:PORT or [IPV6]:PORT for " + option;
        return {};
    }
    auto where = socket_address::of(*wanted);
    // SO_REUSEPORT would quietly share the port with another server of the same user: try without it first.
    if (where.port() != 0 && !bound_socket(where, false)) {
        error = bind_error(address, option, errno);
        return {};
    }
    std::vector<file_handle> result;
    while (result.size() < count) {
        auto fd = bound_socket(where, true);
        if (!fd || ::listen(fd.get(), backlog) != 0) {
            error = bind_error(address, option, errno);
            return {};
        }
        where = bound_to(fd);
        result.push_back(std::move(fd));
    }
    port = where.port();
    return result;
}

std::string bound_address(const file_handle& socket) { return bound_to(socket).text(); }

std::uint16_t bound_port(const file_handle& socket) { return bound_to(socket).port(); }

struct listener::state : std::enable_shared_from_this<state> {
    state(loop& on, file_handle socket, std::string refusal, accepted on_accepted, last_in_queue last)
        : on_loop(on),
          waiter(on.context()),
          refusal(std::move(refusal)),
          on_accepted(std::move(on_accepted)),
          last(last) {
        spare.emplace(open_spare());
        const auto bound = bound_to(socket);
        if (!bound.any()) local_address = bound.host();
        local_port = bound.port();
        waiter.assign(socket.release());
    }

    static file_handle open_spare() { return file_handle(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

    void wait() {
        if (stopped) return;
        waiter.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](boost::system::error_code ec) {
                              if (!ec && !self->stopped) self->accept_ready();
                          });
    }

    void accept_ready() {
        for (int i = 0; i < accepts_per_turn; ++i) {
            if (accept_one()) continue;
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                on_loop.metrics().add(labelled_counter::accept_errors,
                                      errno == EMFILE || errno == ENFILE ? "descriptors" : "memory");
                return back_off();
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) break;
            // ECONNABORTED and the like (accept(2)): that connection is gone, try the next.
        }
        wait();
    }

    // False with errno.
    bool accept_one() {
        socket_address from;
        file_handle fd(
            ::accept4(waiter.native_handle(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) return false;
        auto address = local_address;
        if (address.empty()) {
            socket_address local;
            ::getsockname(fd.get(), local.get(), &local.size);
            address = local.host();
        }
        on_accepted(std::move(fd), peer{from.host(), from.port(), std::move(address), local_port});
        return true;
    }

    void back_off() {
        // The spare descriptor's place lets us take clients off the queue and tell them.
        for (int i = 0; i < accepts_per_turn && spare && *spare; ++i) {
            spare->reset();
            file_handle fd(::accept4(waiter.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            bool got = static_cast<bool>(fd);
            if (got && !refusal.empty()) ::send(fd.get(), refusal.data(), refusal.size(), MSG_NOSIGNAL);
            fd.reset();
            spare.emplace(open_spare());
            if (!got) break;
        }
        if (!spare || !*spare) spare.emplace(open_spare());
        on_loop.schedule(exhausted_pause, [self = shared_from_this()] {
            if (!self->stopped) self->accept_ready();
        });
    }

    void stop() {
        if (stopped) return;
        // Who was let in by the kernel before now is served: closing would reset them.
        if (last == last_in_queue::served) {
            for (int i = 0; i < backlog && accept_one(); ++i) {
            }
        }
        stopped = true;
        boost::system::error_code ignored;
        waiter.close(ignored);
        on_accepted = nullptr;
    }

    loop& on_loop;
    std::string local_address;  // of every accepted socket; "" when bound to any
    std::uint16_t local_port = 0;
    asio::posix::basic_stream_descriptor<asio::io_context::executor_type> waiter;
    std::optional<file_handle> spare;
    std::string refusal;
    accepted on_accepted;
    last_in_queue last;
    bool stopped = false;
};

listener::listener(loop& on, file_handle socket, std::string refusal, accepted on_accepted,
                   last_in_queue last)
    : state_(
          std::make_shared<state>(on, std::move(socket), std::move(refusal), std::move(on_accepted), last)) {}
listener::~listener() { stop(); }
void listener::start() { state_->wait(); }
void listener::stop() { state_->stop(); }

}  // namespace madang
