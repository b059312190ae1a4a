#include "broker/net/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <charconv>
#include <cstring>
#include <optional>

#include "monitoring/metrics.hpp"

namespace madang {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr int backlog = 4096;  // what a burst of connects may leave waiting; capped by net.core.somaxconn
constexpr int accepts_per_turn = 64;  // so that a flood of connects does not hold back the connected
constexpr auto exhausted_pause = 100ms;

// inet_ntop prints through sprintf: that was 2 % of what a new connection costs.
std::string v4_text(const std::uint8_t* octets) {
    std::string text = std::to_string(octets[0]);
    for (int i = 1; i < 4; ++i) text.append(1, '.').append(std::to_string(octets[i]));
    return text;
}

struct socket_address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    std::uint16_t port() const {
        return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                                                   : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
    }
    void set_port(std::uint16_t port) {
        if (storage.ss_family == AF_INET6) {
            reinterpret_cast<sockaddr_in6&>(storage).sin6_port = htons(port);
        } else {
            reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
        }
    }
    bool any() const {  // 0.0.0.0 or [::]
        return storage.ss_family == AF_INET6
                   ? IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr)
                   : reinterpret_cast<const sockaddr_in&>(storage).sin_addr.s_addr == INADDR_ANY;
    }
    std::string text() const {
        if (storage.ss_family != AF_INET6)
            return v4_text(reinterpret_cast<const std::uint8_t*>(
                &reinterpret_cast<const sockaddr_in&>(storage).sin_addr));
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&v6)) return v4_text(v6.s6_addr + 12);
        char buffer[INET6_ADDRSTRLEN] = "";
        ::inet_ntop(AF_INET6, &v6, buffer, sizeof buffer);
        return buffer;
    }
};

bool parse_listen_address(const std::string& text, socket_address& result) {
    auto colon = text.rfind(':');
    if (colon == std::string::npos) return false;
    auto host = text.substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    std::uint16_t port = 0;
    const char* end = text.data() + text.size();
    auto [rest, ec] = std::from_chars(text.data() + colon + 1, end, port);
    if (ec != std::errc() || rest != end || colon + 1 == text.size()) return false;
    auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
    if (bracketed && ::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        result.size = sizeof v6;
    } else if (!bracketed && ::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        result.size = sizeof v4;
    } else {
        return false;
    }
    result.set_port(port);
    return true;
}

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
    where.size = sizeof where.storage;
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
    socket_address where;
    if (!parse_listen_address(address, where)) {
        error =
            "cannot listen on " + address + ": not an address; write HOST:PORT or [IPV6]:PORT for " + option;
        return {};
    }
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

std::string bound_address(const file_handle& socket) {
    const auto where = bound_to(socket);
    const auto host = where.text();
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" +
           std::to_string(where.port());
}

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
        if (!bound.any()) local_address = bound.text();
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
        from.size = sizeof from.storage;
        file_handle fd(
            ::accept4(waiter.native_handle(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) return false;
        auto address = local_address;
        if (address.empty()) {
            socket_address local;
            local.size = sizeof local.storage;
            ::getsockname(fd.get(), local.get(), &local.size);
            address = local.text();
        }
        on_accepted(std::move(fd), peer{from.text(), from.port(), std::move(address), local_port});
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
