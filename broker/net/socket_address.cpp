#include "broker/net/socket_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

namespace madang {
namespace {

// inet_ntop prints through sprintf: that was 2 % of what a new connection costs.
std::string v4_text(const std::uint8_t* octets) {
    std::string text = std::to_string(octets[0]);
    for (int i = 1; i < 4; ++i) text.append(1, '.').append(std::to_string(octets[i]));
    return text;
}

const sockaddr_in& as_v4(const socket_address& from) {
    return reinterpret_cast<const sockaddr_in&>(from.storage);
}
const sockaddr_in6& as_v6(const socket_address& from) {
    return reinterpret_cast<const sockaddr_in6&>(from.storage);
}

}  // namespace

socket_address socket_address::of(const endpoint& where) {
    socket_address made;
    const auto text = where.address.text();
    if (where.address.is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(made.storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(where.port);
        ::inet_pton(AF_INET, text.c_str(), &v4.sin_addr);
        made.size = sizeof v4;
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(made.storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(where.port);
        ::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr);
        made.size = sizeof v6;
    }
    return made;
}

std::uint16_t socket_address::port() const {
    return ntohs(storage.ss_family == AF_INET6 ? as_v6(*this).sin6_port : as_v4(*this).sin_port);
}

bool socket_address::any() const {
    return storage.ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&as_v6(*this).sin6_addr)
                                         : as_v4(*this).sin_addr.s_addr == INADDR_ANY;
}

std::string socket_address::host() const {
    if (storage.ss_family != AF_INET6)
        return v4_text(reinterpret_cast<const std::uint8_t*>(&as_v4(*this).sin_addr));
    const auto& v6 = as_v6(*this).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) return v4_text(v6.s6_addr + 12);
    char room[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET6, &v6, room, sizeof room);
    return room;
}

std::string socket_address::text() const {
    const auto own = host();
    return (own.find(':') == own.npos ? own : "[" + own + "]") + ":" + std::to_string(port());
}

}  // namespace madang
