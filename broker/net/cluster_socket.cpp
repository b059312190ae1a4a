#include "broker/net/cluster_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <vector>

#include "broker/cluster/peer_hello.hpp"
#include "broker/net/socket_address.hpp"

namespace madang {
namespace {

constexpr int unsent_most = 256 * 1024;  // in the kernel, before a beat

}  // namespace

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
    auto name = socket_address::of(where);
    file_handle fd(::socket(name.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return {};
    tune_link(fd.get());
    if (::connect(fd.get(), name.get(), name.size) != 0 && errno != EINPROGRESS) return {};
    return fd;
}

}  // namespace madang
