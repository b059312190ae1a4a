#include "broker/net/cluster_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <vector>

#include "broker/cluster/peer_hello.hpp"

namespace madang {
namespace {

constexpr int unsent_most = 256 * 1024;  // in the kernel, before a beat

}  // namespace

socket_name socket_name::of(const endpoint& where) {
    socket_name name;
    const auto text = where.address.text();
    if (where.address.is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(name.storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(where.port);
        ::inet_pton(AF_INET, text.c_str(), &v4.sin_addr);
        name.size = sizeof v4;
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(name.storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(where.port);
        ::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr);
        name.size = sizeof v6;
    }
    return name;
}

std::string socket_name::text() const {
    char room[INET6_ADDRSTRLEN] = "?";
    if (storage.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, room, sizeof room);
        return "[" + std::string(room) + "]:" + std::to_string(ntohs(v6.sin6_port));
    }
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &v4.sin_addr, room, sizeof room);
    return std::string(room) + ":" + std::to_string(ntohs(v4.sin_port));
}

bool is_loopback(const ip_address& address) {
    static const auto list = address_list::parse(std::vector<std::string>{"127.0.0.0/8", "::1"});
    return list->contains(address);
}

bool is_link_address(const std::string& text) {
    const auto colon = text.rfind(':');
    unsigned port = 0;
    const char* end = text.data() + text.size();
    return colon != std::string::npos && colon > 0 && text.size() <= node_address_limit &&
           std::ranges::all_of(text, [](char each) { return each > ' ' && each < 0x7f; }) &&
           std::from_chars(text.data() + colon + 1, end, port).ptr == end && colon + 1 < text.size() &&
           port > 0 && port < 65'536;
}

void tune_link(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_most, sizeof unsent_most);
}

file_handle begin_dial(const endpoint& where) {
    auto name = socket_name::of(where);
    file_handle fd(::socket(name.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return {};
    tune_link(fd.get());
    if (::connect(fd.get(), name.get(), name.size) != 0 && errno != EINPROGRESS) return {};
    return fd;
}

}  // namespace madang
