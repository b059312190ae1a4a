// The composition root: every part of a running server, made in order and ended in the other one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "broker/core/configuration.hpp"
#include "broker/core/result.hpp"
#include "broker/net/service_manager.hpp"

namespace madang {

class log_ring;
struct reload_plan;

// Made, used and destroyed by one thread.
class server {
  public:
    // `sockets`: in place of the addresses to listen on. `log`: what start_logging keeps; null: nothing.
    explicit server(configuration settings, inherited_sockets sockets = {},
                    std::shared_ptr<const log_ring> log = nullptr);
    ~server();

    // Loads the plugins, reads certificates and the site's folder: everything that can be wrong without a
    // port. The error's detail is one line that names the mend.
    result<void> load();
    // Whether the addresses can be listened on, by doing so for a moment.
    result<void> probe();
    // Starts the loops and listens.
    result<void> start();
    std::uint16_t port() const noexcept;
    std::uint16_t internal_port() const noexcept;
    std::uint16_t cluster_port() const noexcept;  // 0: not in a cluster

    // Whether every loop has turned since the last call; asks them anew.
    bool turned();

    // Takes up what of `asked` can change while we run, which `running` then has, and reads certificates
    // again.
    // "" or why something stays as it was: what is wrong with `asked`, and then all does; or a certificate,
    // and then that does.
    std::string reload(configuration& running, const result<configuration>& asked);
    // What that would do; after load().
    result<reload_plan> compare(const configuration& running, const configuration& asked) const;

    // The end, in steps, so that the caller can look at its signals in between. begin_drain: not ready, no
    // new connections, clients are told to go. drained: nobody is left. stop: ends what is left; false when a
    // loop did not end within `deadline` (something blocks it): the process should then _exit.
    void begin_drain();
    bool drained() const;
    bool stop(std::chrono::milliseconds deadline);

    // One line per plugin and per route, for `madang check`.
    std::string describe() const;

  private:
    result<void> load_schedules();
    result<void> load_users();
    std::string take_up(configuration& running, const configuration& asked);
    void start_tracing();
    result<void> probe_store();
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace madang
