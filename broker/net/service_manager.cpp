#include "broker/net/service_manager.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "broker/core/log.hpp"

namespace madang {
namespace {

constexpr int most_sockets = 64;

std::string value_of(const service_environment& variables, const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
}

// -1: not a number.
long long number(const std::string& text) {
    long long value = -1;
    const auto [rest, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
    return wrong == std::errc() && rest == text.data() + text.size() ? value : -1;
}

// Without a _PID the variables are for whoever reads them.
bool for_us(const std::string& pid) { return pid.empty() || number(pid) == ::getpid(); }

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == ':')
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

int socket_option(int fd, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool listens_on_tcp(int fd) {
    const int domain = socket_option(fd, SO_DOMAIN);
    return (domain == AF_INET || domain == AF_INET6) && socket_option(fd, SO_TYPE) == SOCK_STREAM &&
           socket_option(fd, SO_ACCEPTCONN) == 1;
}

}  // namespace

service_environment take_service_environment() {
    service_environment taken;
    for (const auto* name :
         {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) {
        if (const char* value = ::getenv(name)) taken[name] = value;
        ::unsetenv(name);
    }
    return taken;
}

result<inherited_sockets> take_inherited_sockets(const service_environment& variables, int first) {
    inherited_sockets taken;
    const auto said = value_of(variables, "LISTEN_FDS");
    if (said.empty() || !variables.contains("LISTEN_PID") || !for_us(value_of(variables, "LISTEN_PID")))
        return taken;
    const auto count = number(said);
    if (count < 0 || count > most_sockets)
        return fail(errc::invalid_option,
                    "LISTEN_FDS is \"" + said + "\": not a number from 0 to " + std::to_string(most_sockets));
    const auto given = value_of(variables, "LISTEN_FDNAMES");
    const auto names =
        given.empty() ? std::vector<std::string>(static_cast<std::size_t>(count), "public") : split(given);
    for (int i = 0; i < count; ++i) {
        const int fd = first + i;
        if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            return fail(errc::invalid_option,
                        "LISTEN_FDS is " + said + ", and descriptor " + std::to_string(fd) + " is not open");
        file_handle socket(fd);
        const auto name =
            static_cast<std::size_t>(i) < names.size() ? names[static_cast<std::size_t>(i)] : "";
        const auto whose = "inherited descriptor " + std::to_string(fd) + " (\"" + name + "\")";
        if (name != "public" && name != "internal")
            return fail(errc::invalid_option,
                        whose +
                            ": its name says nothing; write FileDescriptorName=public or "
                            "FileDescriptorName=internal into its .socket unit");
        if (!listens_on_tcp(fd))
            return fail(
                errc::invalid_option,
                whose + " is no listening TCP socket; give its .socket unit a ListenStream=HOST:PORT");
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        (name == "public" ? taken.listen : taken.internal).push_back(std::move(socket));
    }
    return taken;
}

service_notifier::service_notifier(const service_environment& variables)
    : address_(value_of(variables, "NOTIFY_SOCKET")) {
    const auto wait = number(value_of(variables, "WATCHDOG_USEC"));
    if (wait > 0 && for_us(value_of(variables, "WATCHDOG_PID")))
        alive_interval_ = std::chrono::microseconds{wait} / 4;
}

void service_notifier::ready(std::string_view status) const {
    send("READY=1\nSTATUS=" + std::string(status));
}

void service_notifier::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.tv_sec * 1'000'000LL + now.tv_nsec / 1'000));
}

void service_notifier::stopping() const { send("STOPPING=1\nSTATUS=draining"); }
void service_notifier::alive() const { send("WATCHDOG=1"); }

void service_notifier::send(std::string_view text) const {
    if (address_.empty()) return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    const bool named = address_[0] == '/' || address_[0] == '@';
    if (named && address_.size() < sizeof to.sun_path) {
        std::memcpy(to.sun_path, address_.data(), address_.size());
        if (address_[0] == '@') to.sun_path[0] = '\0';  // abstract: unix(7)
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
        const file_handle socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (socket && ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&to), size) >= 0)
            return;
    } else {
        errno = EINVAL;
    }
    log_warn("service.not_told", {{"socket", address_}, {"message", std::strerror(errno)}});
}

}  // namespace madang
