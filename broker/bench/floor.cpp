#include "broker/bench/floor.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "broker/bench/frames.hpp"

namespace madang::bench {

namespace {

struct group;

struct peer {
    int fd;
    bool open = false;  // handshake done
    group* in = nullptr;
    std::string partial;  // the start of a frame or of the request
    std::string unsent;   // after a short write; then later output queues behind it
};

struct group {
    std::vector<peer*> members;
    std::string turn;  // frames to send when the turn ends
};

class floor_server {
  public:
    explicit floor_server(int listener) : listener_(listener), poll_(epoll_create1(EPOLL_CLOEXEC)) {
        epoll_event event{EPOLLIN, {.ptr = nullptr}};
        epoll_ctl(poll_, EPOLL_CTL_ADD, listener_, &event);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 1024> events;
        for (;;) {
            const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < n; ++i) {
                auto* who = static_cast<peer*>(events[i].data.ptr);
                if (!who) {
                    accept_all();
                } else {
                    if (events[i].events & EPOLLOUT) write(*who, {});
                    if (events[i].events & ~EPOLLOUT) read(*who);
                }
            }
            for (auto* touched : touched_) {
                for (auto* member : touched->members) write(*member, touched->turn);
                touched->turn.clear();
            }
            touched_.clear();
            gone_.clear();
        }
    }

  private:
    void accept_all() {
        for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
            const int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            auto& who = peers_[fd] = std::make_unique<peer>(peer{.fd = fd, .partial = {}, .unsent = {}});
            epoll_event event{EPOLLIN, {.ptr = who.get()}};
            epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
        }
    }

    void read(peer& who) {
        std::copy(who.partial.begin(), who.partial.end(), buffer_.begin());
        std::size_t have = who.partial.size();
        const auto n = recv(who.fd, buffer_.data() + have, buffer_.size() - have, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return drop(who);
        have += static_cast<std::size_t>(n);
        std::size_t used = 0;
        if (!who.open && !(used = open(who, {buffer_.data(), have}))) {
            who.partial.assign(buffer_.data(), have);
            return;
        }
        frame_view frame;
        frame_status status;
        while ((status = parse_frame(buffer_.data() + used, have - used, frame_from::client, frame)) ==
               frame_status::complete) {
            used += frame.size;
            if (frame.opcode != text_frame && frame.opcode != binary_frame) continue;
            if (who.in->turn.empty()) touched_.push_back(who.in);
            append_frame(who.in->turn, frame_from::server, frame.opcode, frame.payload);
        }
        if (status == frame_status::refused) return drop(who);
        who.partial.assign(buffer_.data() + used, have - used);
    }

    // Returns the size of the request, 0 while it is incomplete.
    std::size_t open(peer& who, std::string_view request) {
        const auto end = request.find("\r\n\r\n");
        if (end == std::string_view::npos) return 0;
        std::string path(request.substr(4, request.find(' ', 4) - 4));
        if (path == "/ws/echo/") path += std::to_string(who.fd);
        who.in = &groups_[path];
        who.in->members.push_back(&who);
        who.open = true;
        std::string answer =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        answer.append("Sec-WebSocket-Accept: ").append(upgrade_accept).append("\r\n\r\n");
        write(who, answer);
        return end + 4;
    }

    void write(peer& who, std::string_view bytes) {
        const bool waiting = !who.unsent.empty();
        if (waiting) {
            who.unsent.append(bytes);
            bytes = who.unsent;
        }
        const auto n = send(who.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        const auto sent = n > 0 ? static_cast<std::size_t>(n) : 0;
        if (waiting) {
            who.unsent.erase(0, sent);
        } else if (sent < bytes.size()) {
            who.unsent.assign(bytes.substr(sent));
        }
        if (waiting != !who.unsent.empty()) {
            epoll_event event{EPOLLIN | (waiting ? 0u : EPOLLOUT), {.ptr = &who}};
            epoll_ctl(poll_, EPOLL_CTL_MOD, who.fd, &event);
        }
    }

    void drop(peer& who) {
        if (who.in) std::erase(who.in->members, &who);
        auto found = peers_.find(who.fd);
        close(who.fd);
        gone_.push_back(std::move(found->second));  // its events of this turn may still be in hand
        peers_.erase(found);
    }

    int listener_;
    int poll_;
    std::vector<char> buffer_ = std::vector<char>(256 * 1024);
    std::unordered_map<int, std::unique_ptr<peer>> peers_;
    std::unordered_map<std::string, group> groups_;
    std::vector<group*> touched_;
    std::vector<std::unique_ptr<peer>> gone_;
};

}  // namespace

int open_floor(std::uint16_t& port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (fd < 0 || bind(fd, generic, size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, generic, &size) != 0)
        throw std::system_error(errno, std::system_category(), "the floor's socket");
    port = ntohs(address.sin_port);
    return fd;
}

int serve_floor(int listener) { floor_server(listener).run(); }

}  // namespace madang::bench
