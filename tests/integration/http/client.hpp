// A blocking client on loopback, with deadlines: plain TCP.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>

#include "broker/net/file_handle.hpp"

namespace madang::testing {

inline file_handle connect_to(std::uint16_t port) {
    file_handle fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return fd;
}

inline void send_all(const file_handle& fd, std::string_view bytes) {
    while (!bytes.empty()) {
        auto n = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

// Up to `ends_with`'s appearance at the end, or to the end of the connection. Gives up after 10 s of silence.
inline std::string receive_until(const file_handle& fd, std::string_view ends_with = {}) {
    std::string got;
    char buffer[65536];
    while (ends_with.empty() || !got.ends_with(ends_with)) {
        pollfd wait{fd.get(), POLLIN, 0};
        if (::poll(&wait, 1, 10'000) != 1) {
            ADD_FAILURE() << "no answer; so far: " << got.substr(0, 200);
            break;
        }
        auto n = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (n <= 0) break;
        got.append(buffer, static_cast<std::size_t>(n));
    }
    return got;
}

}  // namespace madang::testing
