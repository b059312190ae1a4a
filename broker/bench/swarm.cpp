#include "broker/bench/swarm.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "broker/bench/client_words.hpp"
#include "broker/bench/frames.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

constexpr std::size_t buffer_bytes = 512 * 1024;
constexpr std::size_t starts_per_poll = 256;
constexpr std::int64_t patience = 20'000'000'000;

}  // namespace

swarm::swarm(const target& server, std::vector<swarm_member> members, heard hears)
    : server_(server),
      members_(std::move(members)),
      hears_(std::move(hears)),
      poll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(buffer_bytes),
      peers_(members_.size()),
      done_(members_.size()),
      left_(members_.size()) {}

swarm::~swarm() {
    for (const auto& one : peers_)
        if (one.fd >= 0) close(one.fd);
    close(poll_);
}

void swarm::run() {
    began_ = read_at_ = now_ns();
    while (left_ != 0) {
        for (std::size_t i = 0; i < starts_per_poll && started_ < peers_.size(); ++i) start_one();
        poll(started_ < peers_.size() ? 0 : 100);
        if (now_ns() - read_at_ > patience) throw std::runtime_error("the server no longer answers");
    }
}

void swarm::start_one() {
    const auto index = started_++;
    peers_[index].fd = start_connect(server_.where(), index);
    epoll_event event{EPOLLOUT, {.u64 = index}};
    epoll_ctl(poll_, EPOLL_CTL_ADD, peers_[index].fd, &event);
}

void swarm::poll(int timeout_ms) {
    check_interrupted();
    std::array<epoll_event, 1024> events;
    const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout_ms);
    for (int i = 0; i < n; ++i) {
        const auto index = static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64);
        auto& one = peers_[index];
        if (one.now != state::connecting) {
            read(index);
            continue;
        }
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error)
            throw std::system_error(error, std::system_category(), "connect to " + server_.where().host());
        send_to(index, upgrade_request(members_[index].target, server_.where().host()));
        one.now = state::upgrading;
        epoll_event event{EPOLLIN, {.u64 = index}};
        epoll_ctl(poll_, EPOLL_CTL_MOD, one.fd, &event);
    }
}

// A few kilobytes go into a fresh socket's buffer at once.
void swarm::send_to(std::size_t index, std::string_view bytes) {
    if (send(peers_[index].fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size()))
        fail(index, "lost while sending");
}

void swarm::read(std::size_t index) {
    auto& one = peers_[index];
    std::copy(one.partial.begin(), one.partial.end(), buffer_.begin());
    auto have = one.partial.size();
    const auto n = recv(one.fd, buffer_.data() + have, buffer_.size() - have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) fail(index, "lost");
    read_at_ = now_ns();
    have += static_cast<std::size_t>(n);
    std::size_t used = 0;
    if (one.now == state::upgrading) {
        const std::string_view answer(buffer_.data(), have);
        const auto end = answer.find("\r\n\r\n");
        if (end == std::string_view::npos) {
            one.partial.assign(answer);
            return;
        }
        if (!answer.starts_with("HTTP/1.1 101"))
            fail(index, "refused: " + std::string(answer.substr(0, answer.find("\r\n"))));
        used = end + 4;
        one.now = state::open;
        std::string frames;
        for (const auto& each : members_[index].says)
            append_frame(frames, frame_from::client, text_frame, each);
        send_to(index, frames);
    }
    frame_view frame;
    frame_status status;
    while ((status = parse_frame(buffer_.data() + used, have - used, frame_from::server, frame)) ==
           frame_status::complete) {
        used += frame.size;
        if (frame.opcode == close_frame) fail(index, "closed by the server");
        std::string pong;
        if (frame.opcode == ping_frame)
            append_frame(pong, frame_from::client, pong_frame, frame.payload);
        else if (frame.payload == client_ping)
            append_frame(pong, frame_from::client, text_frame, client_ping);
        if (!pong.empty())
            send_to(index, pong);
        else if (one.now != state::done && hears_(index, frame.payload)) {
            one.now = state::done;
            done_[index] = read_at_;
            --left_;
        }
    }
    if (status == frame_status::refused) fail(index, "sent a fragment or a frame that RFC 6455 forbids");
    one.partial.assign(buffer_.data() + used, have - used);
}

void swarm::fail(std::size_t index, const std::string& why) const {
    throw std::runtime_error("connection " + std::to_string(index) + " of " + members_[index].target +
                             " at " + server_.where().host() + " was " + why);
}

}  // namespace madang::bench
