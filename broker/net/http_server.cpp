#include "broker/net/http_server.hpp"

#include <fcntl.h>

#include <boost/intrusive/list.hpp>
#include <cerrno>
#include <cstring>

#include "broker/core/request_id.hpp"
#include "broker/net/socket_transport.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

namespace {

constexpr std::string_view exhausted_answer =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

using session_list = boost::intrusive::list<http_session, boost::intrusive::constant_time_size<false>>;

}  // namespace

// On its loop's thread, but for construction.
struct http_server::on_loop {
    loop& on;
    http_server& server;
    std::vector<std::unique_ptr<listener>> doors;
    session_list sessions;

    on_loop(loop& l, http_server& s) : on(l), server(s) {}
    ~on_loop() { sessions.clear(); }

    void accept(file_handle fd, const listener::peer& from) {
        const auto& parts = server.parts_;
        connection_slot slot;
        auto verdict = connection_limits::verdict::admitted;
        // A proxy's connections are counted for the clients it names.
        bool proxy = !parts.trusted_proxies.empty() && parts.trusted_proxies.contains(from.address);
        if (parts.limits) verdict = parts.limits->admit(proxy ? std::string_view{} : from.address, slot);
        if (parts.counted) on.metrics().add(counter::http_connections);

        auto settings = parts.tls ? parts.tls->current() : nullptr;
        auto io = settings ? make_tls_transport(on.context(), fd.release(), settings)
                           : make_plain_transport(on, fd.release());
        if (!io) return;
        auto session =
            std::make_shared<http_session>(on, server.environment_, std::move(io), from, std::move(slot));
        sessions.push_back(*session);
        if (verdict == connection_limits::verdict::admitted) return session->start();

        bool full = verdict == connection_limits::verdict::full;
        on.metrics().add(labelled_counter::connections_refused, full ? "limit" : "address_limit");
        if (settings)
            return session->close();  // a handshake only to say no would cost more than the answer is worth
        const auto id = make_request_id();
        auto refusal = error_response(
            full ? 503 : 429,
            full ? "no more connections are accepted" : "too many connections from this address", id);
        refusal.set("X-Request-ID", id);
        refusal.set("Retry-After", "5");
        session->refuse(std::move(refusal));
    }

    // Sessions leave the list while it is walked.
    template <class Function>
    void each(Function fn) {
        for (auto at = sessions.begin(); at != sessions.end();) fn(*at++);
    }
};

http_server::http_server(parts p)
    : parts_(std::move(p)), environment_{parts_.settings,  parts_.dispatcher,     parts_.trusted_proxies,
                                         parts_.limits,    parts_.tls != nullptr, parts_.counted,
                                         parts_.access_log} {}

http_server::~http_server() = default;

result<std::uint16_t> http_server::start() {
    std::uint16_t port = 0;
    std::string why;
    std::vector<file_handle> own;
    if (parts_.sockets.empty()) {
        own = open_listeners(parts_.address, parts_.option, parts_.loops.size(), port, why);
        if (own.empty()) return fail(errc::system_failure, why);
    } else {
        port = bound_port(parts_.sockets.front());
    }
    for (auto* each : parts_.loops) loops_.push_back(std::make_shared<on_loop>(*each, *this));
    for (std::size_t i = 0; i < own.size(); ++i) listen(loops_[i], std::move(own[i]), last_in_queue::served);
    for (const auto& shared : parts_.sockets)
        for (auto& here : loops_) {
            file_handle again(::fcntl(shared.get(), F_DUPFD_CLOEXEC, 3));
            if (!again)
                return fail(errc::system_failure,
                            parts_.option + ": an inherited socket cannot be shared by the loops: " +
                                std::strerror(errno));
            listen(here, std::move(again), last_in_queue::left);
        }
    parts_.sockets.clear();
    return port;
}

void http_server::listen(const std::shared_ptr<on_loop>& here, file_handle socket, last_in_queue last) {
    auto accepted = [raw = here.get()](file_handle fd, const listener::peer& from) {
        raw->accept(std::move(fd), from);
    };
    auto handed = std::make_shared<file_handle>(std::move(socket));
    here->on.post([here, handed, accepted, last, refusal = std::string(parts_.tls ? "" : exhausted_answer)] {
        here->doors.push_back(
            std::make_unique<listener>(here->on, std::move(*handed), refusal, accepted, last));
        here->doors.back()->start();
    });
}

void http_server::stop_accepting() {
    for (auto& here : loops_) {
        here->on.post([here] {
            for (auto& door : here->doors) door->stop();
        });
    }
}

void http_server::drain(std::chrono::milliseconds deadline) {
    environment_.draining = true;
    stop_accepting();
    for (auto& here : loops_) {
        here->on.post([here, deadline] {
            here->each([](http_session& s) { s.drain(); });
            here->on.schedule(deadline, [here] { here->each([](http_session& s) { s.close(); }); });
        });
    }
}

void http_server::close_all() {
    stop_accepting();
    for (auto& here : loops_) here->on.post([here] { here->each([](http_session& s) { s.close(); }); });
}

std::size_t http_server::sessions() const { return environment_.sessions.load(); }

}  // namespace madang
