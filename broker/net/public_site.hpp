// What the public listener serves, in this order: the client protocol's addresses, /healthz, /readyz,
// WebSocket routes, plugins' views, files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "broker/core/options.hpp"
#include "broker/core/result.hpp"
#include "broker/net/cors.hpp"
#include "broker/net/http_dispatcher.hpp"
#include "broker/net/static_files.hpp"
#include "broker/protocol/deflate.hpp"
#include "broker/protocol/origin.hpp"
#include "plugins/host/plugin.hpp"

namespace madang {

class admin_site;
class api_site;

// A handshake that was checked and routed: what its connection needs to answer it. Whoever takes it owns it.
struct upgrade {
    std::unique_ptr<transport> io;
    std::string leftover;  // bytes that came behind the request's head
    scope known;
    const websocket_route* route = nullptr;  // outlives every connection
    std::string accept_key;                  // Sec-WebSocket-Accept; see ws_accept_response
    // The route's first that was offered, or "bearer" (broker/auth); "" for none.
    std::string default_subprotocol;
    std::optional<deflate_parameters> deflate;
    connection_slot slot;  // the connection's place among those allowed
};

// Who sent a request; id and json empty: nobody known.
struct request_user {
    std::string id;
    std::string json;          // an object
    std::string session_json;  // an object, or ""; there may be a session without a user
};

struct site_services {
    const options& settings;
    const websocket_route_list& websocket_routes;
    const http_route_list& views;
    std::optional<static_files> files;  // none: nothing at /
    // Any thread. A failure means that credentials were given and are not good: 401, for WebSockets and for
    // views, or with errc::busy that they cannot be looked at just now: 503. Its detail is not shown to the
    // client. A request without credentials is an anonymous user, not a failure.
    std::function<result<request_user>(const http_request&)> authenticate;
    // Runs fn on the pool for sync views; false when its queue is full (503).
    std::function<bool(std::function<void()>)> pool;
    std::function<void(loop&, upgrade&&)> on_upgrade;  // on the loop
    std::function<std::string()> not_ready;            // any thread; why not, a line each; empty: it is
    // Something to be known of: event name, request id, text.
    std::function<void(std::string_view event, std::string_view request_id, std::string_view text)> warn;
    http_dispatcher* clients = nullptr;  // of /connection/… and /emulation (client_site); null: nothing there
};

// Sets the scope's user and session. Nothing, or the answer to a request whose credentials are no good
// (counted).
std::optional<http_response> identify(
    const std::function<result<request_user>(const http_request&)>& authenticate, loop& on,
    const http_request& request, scope_builder& builder);

// Immutable once made; any loop's thread.
class public_site final : public http_dispatcher {
  public:
    // Throws std::invalid_argument naming an origin pattern that is none.
    explicit public_site(site_services services);

    http_answer handle(loop& on, http_request& request, reply_function reply) override;

  private:
    http_answer route(loop& on, http_request& request, reply_function reply);
    http_answer handshake(loop& on, http_request& request, std::span<const name_value> headers);
    http_answer call_view(loop& on, http_request& request, const http_route_list::found& found,
                          reply_function reply);
    http_answer serve_file(http_request& request);
    void note_slow(loop& on, const http_route& route, std::string_view request_id,
                   std::chrono::steady_clock::duration took) const;

    site_services services_;
    cors_policy cors_;
    origin_policy default_origins_;
    std::unordered_map<const websocket_route*, origin_policy> route_origins_;
};

// /metrics, /healthz, /readyz and, with `api`, /api, with `admin`, /admin: for operators, orchestrators and
// backends, on the internal listener.
class internal_site final : public http_dispatcher {
  public:
    // `api` and `admin` outlive *this; null: there is nothing at /api, at /admin.
    // `cluster`: JSON, at /cluster; null: this server is in none. `not_ready`: as of site_services.
    // `remarks`: lines behind "ready".
    internal_site(std::function<std::string()> metrics_text, std::function<std::string()> not_ready,
                  api_site* api = nullptr, std::function<std::string()> cluster = {},
                  std::function<std::string()> remarks = {}, admin_site* admin = nullptr)
        : metrics_text_(std::move(metrics_text)),
          not_ready_(std::move(not_ready)),
          api_(api),
          cluster_(std::move(cluster)),
          remarks_(std::move(remarks)),
          admin_(admin) {}
    http_answer handle(loop& on, http_request& request, reply_function reply) override;

  private:
    std::function<std::string()> metrics_text_;
    std::function<std::string()> not_ready_;
    api_site* api_;
    std::function<std::string()> cluster_;
    std::function<std::string()> remarks_;
    admin_site* admin_;
};

}  // namespace madang
