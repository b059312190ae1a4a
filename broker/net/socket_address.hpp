// An address and port in the kernel's form.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "broker/core/net_address.hpp"

namespace madang {

struct socket_address {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;  // the room, until accept(2) and their like say what is there

    static socket_address of(const endpoint& where);
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    std::uint16_t port() const;
    bool any() const;          // 0.0.0.0 or [::]
    std::string host() const;  // without brackets; IPv4-mapped IPv6 as IPv4
    std::string text() const;  // "192.0.2.1:80", "[2001:db8::1]:80"
};

}  // namespace madang
