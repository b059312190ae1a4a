// A service manager's end of NOTIFY_SOCKET.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace madang::test {

class notify_socket {
  public:
    // Abstract, so that nothing is left in the file system: the kernel chooses a name.
    notify_socket() {
        const sockaddr_un any{AF_UNIX, {}};
        ::bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof any.sun_family);
        sockaddr_un named{};
        socklen_t size = sizeof named;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&named), &size);
        name_.assign(named.sun_path, size - offsetof(sockaddr_un, sun_path));
        name_[0] = '@';
    }
    explicit notify_socket(const std::string& path) : name_(path) {
        sockaddr_un named{AF_UNIX, {}};
        path.copy(named.sun_path, sizeof named.sun_path - 1);
        ::bind(fd_, reinterpret_cast<const sockaddr*>(&named), sizeof named);
    }
    notify_socket(const notify_socket&) = delete;
    ~notify_socket() { ::close(fd_); }

    const std::string& name() const { return name_; }  // for the environment

    // The next datagram; nothing when none came in time.
    std::optional<std::string> next(std::chrono::milliseconds longest) {
        pollfd ready{fd_, POLLIN, 0};
        if (::poll(&ready, 1, static_cast<int>(longest.count())) != 1) return std::nullopt;
        char text[4096];
        const auto size = ::recv(fd_, text, sizeof text, 0);
        return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }

  private:
    int fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    std::string name_;
};

}  // namespace madang::test
