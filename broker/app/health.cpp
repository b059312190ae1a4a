// A client for one GET, so that a container needs no other program for its health check.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <string>
#include <string_view>

#include "broker/app/commands.hpp"

namespace madang {
namespace {

constexpr std::string_view well = "HTTP/1.1 200";
constexpr std::size_t longest_answer = 8192;

// In one line what /readyz says in several: "not ready", and why.
std::string reasons_of(std::string_view answer) {
    const auto head = answer.find("\r\n\r\n");
    auto body = answer.substr(head == answer.npos ? answer.size() : head + 4);
    if (!body.starts_with("not ready"))
        return "not ready: " + std::string(answer.substr(0, answer.find('\r')));
    std::string all;
    while (!body.empty()) {
        const auto line = body.substr(0, body.find('\n'));
        all.append(all.empty() ? "" : all == "not ready" ? ": " : "; ").append(line);
        body.remove_prefix(std::min(line.size() + 1, body.size()));
    }
    return all;
}

}  // namespace

int run_health(const std::string& url) {
    constexpr std::string_view scheme = "http://";
    const auto complain = [&](std::string_view what) {
        std::cerr << "madang: health: " << url << ": " << what << "\n";
        return 1;
    };
    if (!url.starts_with(scheme)) return complain("give an address like http://127.0.0.1:8001/readyz"), 2;
    const auto rest = url.substr(scheme.size());
    const auto slash = rest.find('/');
    const auto authority = rest.substr(0, slash);
    const auto path = slash == std::string::npos ? "/" : rest.substr(slash);
    const auto colon = authority.rfind(':');
    std::uint16_t port = 80;
    if (colon != std::string::npos) {
        const auto* end = authority.data() + authority.size();
        if (std::from_chars(authority.data() + colon + 1, end, port).ptr != end)
            return complain("the port is no number"), 2;
    }
    auto host = authority.substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &to.sin_addr) != 1)
        return complain("give a numeric IPv4 address"), 2;

    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return complain("no socket");
    const timeval limit{3, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: " + authority + "\r\nConnection: close\r\n\r\n";
    std::string answer;
    char buffer[512];
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 &&
        send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()))
        for (ssize_t got = 0; !answer.starts_with(well) && answer.size() < longest_answer &&
                              (got = recv(fd, buffer, sizeof buffer, 0)) > 0;)
            answer.append(buffer, static_cast<std::size_t>(got));
    close(fd);
    if (answer.starts_with(well)) return 0;
    if (answer.empty()) return complain("no answer");
    return complain(reasons_of(answer));
}

}  // namespace madang
