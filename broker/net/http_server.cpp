#include "broker/net/http_server.hpp"

#include <boost/intrusive/list.hpp>

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
    std::unique_ptr<listener> door;
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
    auto sockets = open_listeners(parts_.address, parts_.option, parts_.loops.size(), port, why);
    if (sockets.empty()) return fail(errc::system_failure, why);
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        auto here = std::make_shared<on_loop>(*parts_.loops[i], *this);
        loops_.push_back(here);
        auto accepted = [raw = here.get()](file_handle fd, const listener::peer& from) {
            raw->accept(std::move(fd), from);
        };
        auto socket = std::make_shared<file_handle>(std::move(sockets[i]));
        here->on.post([here, socket, accepted, refusal = std::string(parts_.tls ? "" : exhausted_answer)] {
            here->door = std::make_unique<listener>(here->on, std::move(*socket), refusal, accepted);
            here->door->start();
        });
    }
    return port;
}

void http_server::stop_accepting() {
    for (auto& here : loops_) {
        here->on.post([here] {
            if (here->door) here->door->stop();
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
