#include "tests/torture/rude_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace madang::test {

namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

[[noreturn]] void refuse(const char* what) { throw std::system_error(errno, std::system_category(), what); }

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

void cut(int& fd) {
    if (fd < 0) return;
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(std::exchange(fd, -1));
}

// One connection through the proxy: two sockets, and what each has yet to get.
struct pair {
    int fd[2] = {-1, -1};  // the client's, the server's
    std::string unsent[2];
    steady::time_point next;  // when something is done to it
    bool stalled = false;     // until `next`
};

bool is_half(const pair& which) { return which.fd[0] < 0 || which.fd[1] < 0; }

class switchboard {
  public:
    switchboard(int listener, std::uint16_t to, double peace, std::uint64_t seed, rude_proxy::figures& counts)
        : poll_(epoll_create1(EPOLL_CLOEXEC)),
          listener_(listener),
          to_(to),
          dice_(seed),
          peace_(1 / peace),
          counts_(counts) {
        epoll_event event{EPOLLIN, {.fd = listener}};
        epoll_ctl(poll_, EPOLL_CTL_ADD, listener, &event);
    }
    ~switchboard() {
        for (auto& each : pairs_) end(*each);
        close(poll_);
    }

    void turn(bool kind) {
        epoll_event ready[256];
        const int count = epoll_wait(poll_, ready, 256, 10);
        for (int i = 0; i < count; ++i) {
            if (ready[i].data.fd == listener_) {
                accept_all();
            } else if (const auto found = of_.find(ready[i].data.fd); found != of_.end()) {
                auto& which = *found->second;
                if ((which.stalled || is_half(which)) && (ready[i].events & (EPOLLHUP | EPOLLERR)))
                    end(which);
                else
                    pass(which, ready[i].data.fd);
            }
        }
        const auto now = steady::now();
        for (auto& each : pairs_)
            if (each->fd[0] >= 0 || each->fd[1] >= 0) bother(*each, now, kind);
        std::erase_if(pairs_, [](const auto& each) { return each->fd[0] < 0 && each->fd[1] < 0; });
    }

  private:
    steady::time_point later() {
        return steady::now() +
               std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(peace_(dice_)));
    }

    void watch(int fd, std::uint32_t events, int how) {
        epoll_event event{events, {.fd = fd}};
        epoll_ctl(poll_, how, fd, &event);
    }

    void accept_all() {
        for (int client;
             (client = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
            auto made = std::make_unique<pair>();
            made->fd[0] = client;
            made->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            const int on = 1;
            for (const int fd : made->fd) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            // Not from 127.0.0.1: while nobody listens there, a connection could meet itself.
            setsockopt(made->fd[1], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
            auto here = loopback(0);
            here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 2);
            const auto there = loopback(to_);
            if (bind(made->fd[1], reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
                (connect(made->fd[1], reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0 &&
                 errno != EINPROGRESS)) {
                for (int& fd : made->fd) cut(fd);
                continue;
            }
            ++counts_.connections;
            made->next = later();
            for (const int fd : made->fd) {
                of_[fd] = made.get();
                watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
            }
            pairs_.push_back(std::move(made));
        }
    }

    void end(pair& which) {
        for (int& fd : which.fd) drop(fd);
    }
    void drop(int& fd) {
        if (fd >= 0) of_.erase(fd);
        cut(fd);
    }

    // Reads from the ready side as long as the other takes it; writes to it what it has yet to get.
    void pass(pair& which, int ready) {
        if (which.stalled) return;
        const int side = which.fd[0] == ready ? 0 : 1;
        for (const int from : {1 - side, side}) {
            const int to = 1 - from;
            if (which.fd[to] < 0) continue;  // half-open: what is said to it is not heard
            auto& unsent = which.unsent[to];
            for (;;) {
                while (!unsent.empty()) {
                    const auto n = send(which.fd[to], unsent.data(), unsent.size(), MSG_NOSIGNAL);
                    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) break;
                    if (n < 0) return end(which);
                    unsent.erase(0, static_cast<std::size_t>(n));
                }
                if (!unsent.empty() || which.fd[from] < 0) break;
                char piece[16 * 1024];
                const auto n = recv(which.fd[from], piece, sizeof piece, 0);
                if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) break;
                if (n <= 0) return end(which);
                unsent.append(piece, static_cast<std::size_t>(n));
            }
        }
        for (int i = 0; i < 2; ++i)
            if (which.fd[i] >= 0)
                watch(
                    which.fd[i],
                    (which.unsent[1 - i].empty() ? EPOLLIN : 0u) | (which.unsent[i].empty() ? 0u : EPOLLOUT),
                    EPOLL_CTL_MOD);
    }

    void bother(pair& which, steady::time_point now, bool kind) {
        const bool half = is_half(which);
        if (kind && (half || which.stalled)) return end(which);
        if (kind || now < which.next) return;
        which.next = later();
        if (half) return end(which);
        if (which.stalled) {
            which.stalled = false;
            for (const int fd : which.fd) watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        switch (dice_() % 4) {
            case 0:
                ++counts_.cut;
                return end(which);
            case 1:
            case 2: {
                // One side is gone and the other is not told.
                ++counts_.half_open;
                const auto side = dice_() % 2;
                drop(which.fd[side]);
                watch(which.fd[1 - side], 0, EPOLL_CTL_MOD);
                return;
            }
            default:
                ++counts_.stalled;
                which.stalled = true;
                for (const int fd : which.fd) watch(fd, 0, EPOLL_CTL_MOD);
        }
    }

    const int poll_;
    const int listener_;
    const std::uint16_t to_;
    std::mt19937_64 dice_;
    std::exponential_distribution<double> peace_;
    rude_proxy::figures& counts_;
    std::vector<std::unique_ptr<pair>> pairs_;
    std::unordered_map<int, pair*> of_;
};

}  // namespace

rude_proxy::rude_proxy(std::uint16_t to, double peace_seconds, std::uint64_t seed)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (listener_ < 0 || bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        listen(listener_, 4096) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        refuse("a proxy's listener");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, to, peace_seconds, seed] { run(to, peace_seconds, seed); });
}

rude_proxy::~rude_proxy() {
    stop_ = true;
    thread_.join();
    close(listener_);
}

void rude_proxy::run(std::uint16_t to, double peace_seconds, std::uint64_t seed) {
    switchboard board(listener_, to, peace_seconds, seed, counts_);
    while (!stop_) board.turn(kind_);
}

}  // namespace madang::test
