// systemd, or whoever speaks as it does: the sockets that it opened for us, and what it is told of us. Both
// are environment variables, inherited descriptors and datagrams: sd_listen_fds(3), sd_notify(3).
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/result.hpp"
#include "broker/net/file_handle.hpp"

namespace madang {

using service_environment = std::map<std::string, std::string>;

// NOTIFY_SOCKET, WATCHDOG_... and LISTEN_..., which the process's environment has no more: children are not
// the service. Before there is a second thread.
service_environment take_service_environment();

// Listening TCP sockets, which children do not inherit.
struct inherited_sockets {
    std::vector<file_handle> listen;    // named "public", or nothing was named
    std::vector<file_handle> internal;  // named "internal"
};

// Those of LISTEN_FDS, from descriptor `first` on; none when LISTEN_PID is another process. The error's
// detail names the variable or descriptor and the mend.
result<inherited_sockets> take_inherited_sockets(const service_environment& variables, int first = 3);

// Says nothing without NOTIFY_SOCKET. Used by one thread; a datagram that cannot be sent is logged and no
// more.
class service_notifier {
  public:
    explicit service_notifier(const service_environment& variables);

    // Also after a reload; `status` is one line for `systemctl status`.
    void ready(std::string_view status) const;
    void reloading() const;
    void stopping() const;
    void alive() const;
    // How often alive() is due: a quarter of the time after which the service counts as hung. 0: never.
    std::chrono::microseconds alive_interval() const noexcept { return alive_interval_; }

  private:
    void send(std::string_view text) const;
    std::string address_;
    std::chrono::microseconds alive_interval_{0};
};

}  // namespace madang
