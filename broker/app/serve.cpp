#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iostream>
#include <optional>

#include "broker/app/commands.hpp"
#include "broker/app/reload_plan.hpp"
#include "broker/app/server.hpp"
#include "broker/app/terminal.hpp"
#include "broker/core/configuration.hpp"
#include "broker/core/log.hpp"
#include "broker/core/log_ring.hpp"
#include "broker/core/net_address.hpp"
#include "broker/net/listener.hpp"
#include "broker/net/service_manager.hpp"

namespace madang {
namespace {

using clock = std::chrono::steady_clock;
using terminal::complain;

// As many files as may be: a connection is one.
void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// Signals are taken by the main thread, one after the other, never by a handler.
sigset_t take_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, each);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    return signals;
}

// "http://127.0.0.1:8000"
std::string shown(const options& settings, const std::string& listen, std::uint16_t port, bool tls) {
    const auto colon = listen.rfind(':');
    auto host = listen.substr(0, colon);
    if (host == "0.0.0.0" || host.empty()) host = "127.0.0.1";
    if (host == "[::]") host = "[::1]";
    return (tls && !settings.tls_certificate.empty() ? "https://" : "http://") + host + ":" +
           std::to_string(port);
}

// Waits up to `longest` for a signal; 0 when none came.
int next_signal(const sigset_t& signals, std::chrono::milliseconds longest) {
    const timespec wait{longest.count() / 1000, longest.count() % 1000 * 1'000'000};
    const int got = sigtimedwait(&signals, nullptr, &wait);
    return got > 0 ? got : 0;
}

// Tells the service manager that we live, as long as every loop turns.
class pulse {
  public:
    pulse(const service_notifier& manager, server& node) : manager_(manager), node_(node) {}
    // How long to wait until the next beat.
    std::chrono::milliseconds beat() {
        const std::chrono::microseconds interval = manager_.alive_interval();
        if (interval.count() == 0) return std::chrono::hours{1};
        if (clock::now() >= next_) {
            next_ = clock::now() + interval;
            if (node_.turned()) manager_.alive();
        }
        return std::chrono::ceil<std::chrono::milliseconds>(next_ - clock::now());
    }

  private:
    const service_notifier& manager_;
    server& node_;
    clock::time_point next_{};
};

}  // namespace

int run_serve(const option_values& values) {
    const auto service = take_service_environment();
    const service_notifier manager(service);
    const auto signals = take_signals();
    raise_file_limit();
    auto loaded = resolve_options(values, process_environment());
    if (!loaded) return complain(loaded.error());
    auto running = *loaded;
    auto sockets = take_inherited_sockets(service);
    if (!sockets) return complain(sockets.error());
    if (!sockets->listen.empty()) loaded->settings.listen = bound_address(sockets->listen.front());
    if (!sockets->internal.empty())
        loaded->settings.internal_listen = bound_address(sockets->internal.front());
    const auto settings = loaded->settings;
    const auto tail =
        settings.log_tail_lines == 0
            ? nullptr
            : std::make_shared<log_ring>(log_ring::limits{settings.log_tail_lines, settings.log_tail_bytes});
    start_logging(settings.format, parse_log_level(settings.log_level), tail);
    for (const auto& warning : loaded->warnings) log_warn("config.warning", {{"message", warning}});

    server node(std::move(*loaded), std::move(*sockets), tail);
    if (auto done = node.load(); !done) return stop_logging(), complain(done.error());
    if (auto done = node.start(); !done) {
        node.stop(std::chrono::seconds{1});
        return stop_logging(), complain(done.error());
    }
    if (node.cluster_port() != 0) std::cout << "madang: cluster on port " << node.cluster_port() << "\n";
    const auto address = shown(settings, settings.listen, node.port(), true);
    std::cout << "madang: listening on " << address << "\n"
              << "madang: internal on "
              << shown(settings, settings.internal_listen, node.internal_port(), false) << std::endl;

    manager.ready("listening on " + address);
    pulse heart(manager, node);
    for (;;) {
        const int got = next_signal(signals, heart.beat());
        if (got == 0) continue;
        if (got != SIGHUP) break;
        manager.reloading();
        const auto error = node.reload(running, resolve_options(values, process_environment()));
        if (error.empty())
            log_info("config.reloaded");
        else
            log_error("config.reload_failed", {{"message", error}});
        manager.ready("listening on " + address + (error.empty() ? "" : "; not reloaded: " + error));
    }

    manager.stopping();
    log_info("server.draining", {{"deadline_ms", static_cast<std::int64_t>(settings.drain_timeout.count())}});
    const auto deadline = clock::now() + settings.drain_timeout;
    node.begin_drain();
    while (!node.drained() && clock::now() < deadline) {
        heart.beat();
        const int got = next_signal(signals, std::chrono::milliseconds{20});
        if (got == SIGTERM || got == SIGINT) break;  // asked twice: now
    }
    const bool all_left = node.drained();
    const bool ended = node.stop(std::chrono::milliseconds{500});
    log_info("server.stopped", {{"drained", all_left}});
    std::cout << "madang: stopped" << std::endl;
    stop_logging();
    if (!ended) _exit(0);  // something blocks a loop; whoever waits for us has waited long enough
    return 0;
}

int run_check(const option_values& values, const std::string& running) {
    auto loaded = resolve_options(values, process_environment());
    if (!loaded) return complain(loaded.error());
    std::optional<configuration> before;
    if (!running.empty()) {
        auto other = values;
        other.config = running;
        auto read = resolve_options(other, process_environment());
        if (!read) return complain(read.error());
        before = std::move(*read);
    }
    const auto asked = *loaded;
    start_logging(loaded->settings.format, parse_log_level(loaded->settings.log_level));
    const auto settings = loaded->settings;
    for (const auto& warning : loaded->warnings) std::cerr << "madang: warning: " << warning << "\n";
    server node(std::move(*loaded));
    auto done = node.load();
    if (done) done = node.probe();
    std::string reload = show_reload();
    if (done && before) {
        const auto plan = node.compare(*before, asked);
        if (plan)
            reload += "SIGHUP would take up: " + listed(plan->taken_up) +
                      "\nneeds a restart: " + listed(plan->restart) + "\n";
        else
            done = plan.error();
    }
    stop_logging();
    if (!done) return complain(done.error());
    std::cout << show_options(settings) << node.describe() << reload << "madang: all is well\n";
    return 0;
}

}  // namespace madang
