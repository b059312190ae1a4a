#include "tests/integration/server/harness/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "broker/bench/frames.hpp"

namespace madang::test {

namespace {

// Takes a whole answer off the front of the bytes.
std::optional<http_answer> take_answer(std::string& bytes) {
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string::npos || bytes.size() < 12) return std::nullopt;
    http_answer answer;
    std::from_chars(bytes.data() + 9, bytes.data() + 12, answer.status);
    for (auto at = bytes.find("\r\n") + 2; at < end + 2;) {
        const auto line_end = bytes.find("\r\n", at);
        const auto line = bytes.substr(at, line_end - at);
        at = line_end + 2;
        const auto colon = line.find(':');
        if (colon == std::string::npos) continue;
        auto name = line.substr(0, colon);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return std::tolower(c); });
        answer.headers[name] = line.substr(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
    }
    std::size_t length = 0;
    if (answer.status != 101) {
        const auto& text = answer.headers["content-length"];
        std::from_chars(text.data(), text.data() + text.size(), length);
    }
    if (bytes.size() < end + 4 + length) return std::nullopt;
    answer.body = bytes.substr(end + 4, length);
    bytes.erase(0, end + 4 + length);
    return answer;
}

}  // namespace

peer::peer(std::uint16_t port, const std::string& from, int receive_buffer)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) throw std::system_error(errno, std::system_category(), "socket");
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (receive_buffer) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    inet_pton(AF_INET, from.c_str(), &here.sin_addr);
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(port);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&here), sizeof here) != 0 ||
        (connect(fd_, reinterpret_cast<sockaddr*>(&there), sizeof there) != 0 && errno != EINPROGRESS)) {
        const int why = errno;
        close(fd_);
        throw std::system_error(why, std::system_category(), "connect");
    }
}

peer::~peer() { hang_up(); }

void peer::raw(std::string_view bytes) { out_.append(bytes); }

void peer::request(std::string_view target, std::string_view headers, std::string_view method,
                   std::string_view body) {
    out_.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n").append(headers);
    if (!body.empty()) out_.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    out_.append("\r\n").append(body);
}

void peer::upgrade(std::string_view target, std::string_view headers) {
    upgrading_ = true;
    std::string all(headers);
    if (all.find("Origin:") == std::string::npos) all += "Origin: http://127.0.0.1\r\n";
    request(target, all +
                        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
}

void peer::frame(std::uint8_t opcode, std::string_view payload) {
    bench::append_frame(out_, bench::frame_from::client, opcode, payload);
}

void peer::pump() {
    if (fd_ < 0) return;
    while (!out_.empty()) {
        const auto n = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) break;
        if (n < 0) {
            out_.clear();  // the other side is gone; what it said before may still be there
            break;
        }
        out_.erase(0, static_cast<std::size_t>(n));
    }
    if (!reading || ended) return;
    char piece[64 * 1024];
    for (;;) {
        const auto n = recv(fd_, piece, sizeof piece, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) break;
        if (n <= 0) {
            ended = true;
            was_reset = n < 0;
            break;
        }
        in_.append(piece, static_cast<std::size_t>(n));
    }
    if (upgrading_ && !answer) answer = take_answer(in_);
    if (open()) take_frames();
}

void peer::take_frames() {
    std::size_t at = 0;
    while (!closed && !malformed && at < in_.size()) {
        bench::frame_view next;
        const auto status =
            bench::parse_frame(in_.data() + at, in_.size() - at, bench::frame_from::server, next);
        if (status == bench::frame_status::partial) break;
        if (status == bench::frame_status::refused) {
            malformed = true;
            break;
        }
        at += next.size;
        if (next.opcode == bench::ping_frame) {
            if (answers_pings) frame(bench::pong_frame, next.payload);
        } else if (next.opcode == bench::close_frame) {
            closed = 1005;
            if (next.payload.size() >= 2)
                closed = static_cast<std::uint16_t>(static_cast<std::uint8_t>(next.payload[0]) << 8 |
                                                    static_cast<std::uint8_t>(next.payload[1]));
            if (next.payload.size() > 2) reason = next.payload.substr(2);
            frame(bench::close_frame, next.payload);
        } else {
            ++received;
            messages.push_back({next.opcode, std::string(next.payload)});
        }
    }
    in_.erase(0, at);
    if (closed) after_close += std::exchange(in_, {}).size();
    if (!out_.empty()) pump();
}

void peer::reset() {
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    hang_up();
}

void peer::finish() { shutdown(fd_, SHUT_WR); }

void peer::hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
}

std::optional<http_answer> peer::next_answer() { return take_answer(in_); }

bool drive(std::span<peer* const> peers, const std::function<bool()>& until, milliseconds longest) {
    const auto end = steady::now() + longest;
    std::vector<pollfd> waiting;
    for (;;) {
        waiting.clear();
        for (peer* each : peers) {
            each->pump();
            if (each->alive())
                waiting.push_back(
                    {each->fd(),
                     static_cast<short>((each->reading ? POLLIN : 0) | (each->unsent() ? POLLOUT : 0)), 0});
        }
        if (until()) return true;
        if (steady::now() > end) return false;
        // Not for ever: the condition may be about something else than these sockets.
        poll(waiting.data(), waiting.size(), 10);
    }
}

bool drive(peer& one, const std::function<bool()>& until, milliseconds longest) {
    peer* const all[] = {&one};
    return drive(all, until, longest);
}

http_answer fetch(std::uint16_t port, std::string_view target, std::string_view headers,
                  std::string_view method, std::string_view body, const std::string& from) {
    peer client(port, from);
    client.request(target, headers, method, body);
    std::optional<http_answer> answer;
    drive(client, [&] { return (answer = client.next_answer()) || client.ended; });
    return answer.value_or(http_answer{});
}

}  // namespace madang::test
