#include "tests/integration/auth/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

namespace madang::test {

namespace {

// The length of the whole request at the buffer's front, or 0 when it is not all there.
std::size_t request_size(const std::string& buffer) {
    const auto end = buffer.find("\r\n\r\n");
    if (end == std::string::npos) return 0;
    const auto length = buffer.find("Content-Length: ");
    const std::size_t body = length < end ? std::stoul(buffer.substr(length + 16)) : 0;
    return buffer.size() >= end + 4 + body ? end + 4 + body : 0;
}

}  // namespace

scripted_server::scripted_server(script says) : says_(std::move(says)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 128) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 || ::pipe(wake_) != 0)
        throw std::runtime_error("no port on loopback");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
}

scripted_server::~scripted_server() {
    ::close(wake_[1]);
    thread_.join();
    ::close(wake_[0]);
    ::close(listener_);
}

void scripted_server::run() {
    std::map<int, std::string> open;  // what was read and not answered yet
    for (;;) {
        std::vector<pollfd> watched{{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
        for (const auto& [socket, buffer] : open) watched.push_back({socket, POLLIN, 0});
        ::poll(watched.data(), watched.size(), -1);
        if (watched[0].revents != 0) break;
        for (std::size_t i = 2; i < watched.size(); ++i) {
            const int socket = watched[i].fd;
            if (watched[i].revents == 0 || serve(socket, open[socket])) continue;
            ::close(socket);
            open.erase(socket);
        }
        if (watched[1].revents != 0) {
            const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (socket < 0) continue;
            ++connections_;
            open.emplace(socket, std::string());
        }
    }
    for (const auto& [socket, buffer] : open) ::close(socket);
}

bool scripted_server::serve(int socket, std::string& buffer) {
    char bytes[65536];
    const auto got = ::recv(socket, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer.append(bytes, static_cast<std::size_t>(got));
    while (const auto size = request_size(buffer)) {
        ++requests_;
        const auto answer = says_(buffer.substr(0, size));
        buffer.erase(0, size);
        for (std::size_t sent = 0; sent < answer.size();) {
            const auto n = ::send(socket, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
            if (n <= 0) return false;
            sent += static_cast<std::size_t>(n);
        }
        if (answer.find("Connection: close") != std::string::npos) return false;
    }
    return true;
}

std::string ok(const std::string& body, const std::string& more_headers) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_headers +
           "\r\n" + body;
}

}  // namespace madang::test
