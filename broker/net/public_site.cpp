#include "broker/net/public_site.hpp"

#include <algorithm>

#include "broker/auth/bearer.hpp"
#include "broker/net/admin_site.hpp"
#include "broker/net/view_call.hpp"
#include "broker/protocol/handshake.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

namespace {

bool reads(const http_request& request) { return request.method == "GET" || request.method == "HEAD"; }

http_response plain(unsigned status, std::string_view text) {
    http_response response;
    response.status = status;
    response.set("Content-Type", "text/plain; charset=utf-8");
    response.set("Cache-Control", "no-store");
    response.body = text;
    return response;
}

http_response not_allowed(const http_request& request, std::string_view allow) {
    auto response = error_response(405, "the address does not know that method", request.request_id);
    response.set("Allow", allow);
    return response;
}

// /healthz and /readyz, on both listeners.
std::optional<http_response> health(const http_request& request,
                                    const std::function<std::string()>& not_ready,
                                    const std::function<std::string()>& remarks = {}) {
    bool alive = request.path == "/healthz";
    if (!alive && request.path != "/readyz") return std::nullopt;
    if (!reads(request)) return not_allowed(request, "GET, HEAD");
    if (alive) return plain(200, "alive\n");
    if (const auto why = not_ready ? not_ready() : std::string(); !why.empty())
        return plain(503, "not ready\n" + why);
    return plain(200, remarks ? "ready\n" + remarks() : "ready\n");
}

}  // namespace

public_site::public_site(site_services services)
    : services_(std::move(services)),
      cors_(services_.settings.cors_origins),
      default_origins_(services_.settings.allowed_origins) {
    for (const auto& [pattern, route] : services_.websocket_routes) {
        if (!route->settings.allowed_origins.empty())
            route_origins_.emplace(route.get(), origin_policy(route->settings.allowed_origins));
    }
}

http_answer public_site::handle(loop& on, http_request& request, reply_function reply) {
    if (services_.clients && (request.path.starts_with("/connection/") || request.path == "/emulation"))
        return services_.clients->handle(on, request, std::move(reply));
    if (cors_.empty()) return route(on, request, std::move(reply));
    if (auto preflight = cors_.preflight(request)) return std::move(*preflight);
    auto decorated = [this, reply = std::move(reply),
                      shown = header_list(request.headers)](http_response response) {
        http_request origin;
        origin.headers = shown;
        cors_.decorate(origin, response);
        reply(std::move(response));
    };
    auto answer = route(on, request, std::move(decorated));
    if (auto* response = std::get_if<http_response>(&answer)) cors_.decorate(request, *response);
    return answer;
}

http_answer public_site::route(loop& on, http_request& request, reply_function reply) {
    if (auto answer = health(request, services_.not_ready)) return std::move(*answer);
    if (!request.header("upgrade").empty()) {
        const auto headers = views_of(request.headers);
        if (asks_for_websocket(headers)) return handshake(on, request, headers);
    }
    if (auto found = services_.views.find(request.path))
        return call_view(on, request, *found, std::move(reply));
    if (services_.websocket_routes.find(request.path)) {
        auto response = error_response(426, "this address speaks WebSocket only", request.request_id);
        response.set("Upgrade", "websocket");
        response.set("Sec-WebSocket-Version", "13");
        return response;
    }
    return serve_file(request);
}

std::optional<http_response> identify(
    const std::function<result<request_user>(const http_request&)>& authenticate, loop& on,
    const http_request& request, scope_builder& builder) {
    if (!authenticate) return std::nullopt;
    auto user = authenticate(request);
    if (user) {
        builder.set(scope_field::user_id, user->id);
        builder.set(scope_field::user_json, user->json);
        builder.set(scope_field::session_json, user->session_json);
        return std::nullopt;
    }
    on.metrics().add(labelled_counter::tokens_refused, user.error().detail);
    if (user.error().code == errc::busy) {
        auto response = error_response(503, "credentials cannot be checked just now", request.request_id);
        response.set("Retry-After", "1");
        return response;
    }
    auto response = error_response(401, "the credentials are not valid", request.request_id);
    response.set("WWW-Authenticate", "Bearer");
    return response;
}

http_answer public_site::handshake(loop& on, http_request& request, std::span<const name_value> headers) {
    auto refuse = [&](unsigned status, std::string_view text, std::string_view reason) {
        on.metrics().add(labelled_counter::connections_refused, reason);
        return error_response(status, text, request.request_id);
    };
    auto found = services_.websocket_routes.find(request.path);
    if (!found) return refuse(404, "there is nothing at that address", "not_found");
    const auto& route = **found->value;

    auto shaken = read_ws_handshake({request.method, request.version, headers});
    if (shaken.status != 101) {
        auto response = refuse(shaken.status, shaken.reason, "handshake");
        if (shaken.status == 426) response.set("Sec-WebSocket-Version", "13");
        if (shaken.status == 405) response.set("Allow", "GET");
        return response;
    }
    auto own = route_origins_.find(&route);
    const auto& origins = own == route_origins_.end() ? default_origins_ : own->second;
    auto named = std::any_of(headers.begin(), headers.end(), [](auto& h) { return h.name == "origin"; });
    auto origin = named ? std::optional(request.header("origin")) : std::nullopt;
    if (!origins.allows(origin, request.client.secure ? "wss" : "ws", request.client.host))
        return refuse(403, "this origin is not allowed", "origin");

    auto builder = scope_of(request, "websocket");
    if (auto response = identify(services_.authenticate, on, request, builder)) {
        on.metrics().add(labelled_counter::connections_refused, "token");
        return std::move(*response);
    }
    for (const auto& [name, value] : found->arguments) builder.add(scope_list::url_args, name, value);
    auto offered = without_tokens(shaken.subprotocols);  // consumers do not see tokens
    for (auto protocol : offered) builder.add(scope_list::subprotocols, protocol, {});

    auto ready = std::make_shared<upgrade>();
    ready->known = builder.build();
    ready->route = &route;
    ready->accept_key = std::move(shaken.accept);
    ready->default_subprotocol = default_subprotocol(shaken.subprotocols);
    for (const auto& preferred : route.settings.subprotocols) {
        if (std::find(offered.begin(), offered.end(), preferred) == offered.end()) continue;
        ready->default_subprotocol = preferred;
        break;
    }
    bool deflate =
        route.settings.deflate > 0 || (route.settings.deflate == 0 && services_.settings.ws_deflate);
    if (deflate) ready->deflate = negotiate_deflate(shaken.extensions);
    return take_over{[this, &on, ready](taken_connection&& taken) {
        ready->io = std::move(taken.io);
        ready->leftover = std::move(taken.leftover);
        ready->slot = std::move(taken.slot);
        services_.on_upgrade(on, std::move(*ready));
    }};
}

http_answer public_site::call_view(loop& on, http_request& request, const http_route_list::found& found,
                                   reply_function reply) {
    std::string_view wanted = request.method;
    std::string allow;
    std::shared_ptr<const http_route> chosen;
    for (bool as_get : {false, true}) {
        if (as_get && (chosen || wanted != "HEAD")) break;
        for (const auto& route : *found.value) {
            for (const auto& method : route->methods) {
                if (method == (as_get ? "GET" : wanted)) chosen = route;
                if (!as_get) allow += (allow.empty() ? "" : ", ") + method;
            }
        }
    }
    if (!chosen) return not_allowed(request, allow);

    auto busy = [&](std::string_view text) {
        on.metrics().add(counter::view_refusals);
        auto response = error_response(503, text, request.request_id);
        response.set("Retry-After", "1");
        return response;
    };
    const auto most = static_cast<std::int32_t>(services_.settings.view_unanswered);
    if (chosen->unanswered >= most) return busy("too many requests were left unanswered");

    auto builder = scope_of(request, "http");
    if (auto response = identify(services_.authenticate, on, request, builder)) return std::move(*response);
    for (const auto& [name, value] : found.arguments) builder.add(scope_list::url_args, name, value);
    auto failed = [this, &metrics = on.metrics()](const http_route& route, std::string_view id,
                                                  std::string_view why) {
        metrics.add(labelled_counter::plugin_errors, route.owner->id);
        if (services_.warn)
            services_.warn("view.failed", id, route.owner->id + "/" + route.name + ": " + std::string(why));
    };
    auto call = std::make_shared<view_call>(chosen, builder.build(), request.body, std::move(reply),
                                            std::move(failed));
    if (chosen->view.kind == MADANG_SYNC) {
        const auto run = [call, chosen, &metrics = on.metrics()] {
            const std::chrono::duration<double> took = call->run();
            metrics.observe_pooled(chosen->handler, histogram::handler_seconds, took.count());
        };
        if (!services_.pool || !services_.pool(run)) return busy("too many requests are waiting");
    } else {
        note_slow(on, *chosen, request.request_id, call->run());
    }
    auto given_up = [this, call, chosen, most] {
        if (call->give_up() != most || !services_.warn) return;
        services_.warn("view.unanswered", call->get_scope().get(scope_field::request_id),
                       chosen->owner->id + "/" + chosen->name + " leaves " + std::to_string(most) +
                           " requests unanswered: it gets no more until it replies");
    };
    return awaiting_reply{services_.settings.view_timeout, std::move(given_up)};
}

void public_site::note_slow(loop& on, const http_route& route, std::string_view request_id,
                            std::chrono::steady_clock::duration took) const {
    auto budget = route.settings.handler_budget_ms
                      ? std::chrono::milliseconds(route.settings.handler_budget_ms)
                      : services_.settings.handler_budget;
    on.metrics().observe_handler(route.handler, histogram::handler_seconds,
                                 std::chrono::duration<double>(took).count());
    if (took <= budget) return;
    on.metrics().add(labelled_counter::slow_handlers, route.owner->id);
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    if (services_.warn)
        services_.warn(
            "view.slow", request_id,
            route.owner->id + "/" + route.name + " held its loop for " + std::to_string(ms) + " ms");
}

http_answer public_site::serve_file(http_request& request) {
    auto found = services_.files ? services_.files->serve(request) : std::nullopt;
    if (!found) return error_response(404, "there is nothing at that address", request.request_id);
    if (!reads(request)) return not_allowed(request, "GET, HEAD");
    return std::move(*found);
}

http_answer internal_site::handle(loop& on, http_request& request, reply_function reply) {
    if (auto answer = health(request, not_ready_, remarks_)) return std::move(*answer);
    if (api_ && api_site::serves(request.path)) return api_->handle(on, request, std::move(reply));
    if (admin_ && admin_site::serves(request.path)) return admin_->handle(on, request, std::move(reply));
    const bool cluster = request.path == "/cluster";
    if (request.path != "/metrics" && !cluster)
        return error_response(404, "there is nothing at that address", request.request_id);
    if (!reads(request)) return not_allowed(request, "GET, HEAD");
    http_response response;
    if (cluster && !cluster_)
        return error_response(501, "this server is in no cluster (--cluster-listen)", request.request_id);
    if (cluster) {
        response.set("Content-Type", "application/json");
        response.body = cluster_();
        return response;
    }
    response.set("Content-Type",
                 "text/plain; version=0.0.4; charset=utf-8");  // Prometheus' exposition format
    response.body = metrics_text_();
    return response;
}

}  // namespace madang
