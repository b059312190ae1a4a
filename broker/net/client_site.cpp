#include "broker/net/client_site.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/auth/bearer.hpp"
#include "broker/core/close_codes.hpp"
#include "broker/core/percent.hpp"
#include "broker/core/request_id.hpp"
#include "broker/core/utf8.hpp"
#include "broker/net/client_frame.hpp"
#include "broker/net/poll_transport.hpp"
#include "broker/net/rewriting_transport.hpp"
#include "broker/protocol/handshake.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

using shape = frame_rewriter::shape;

namespace {

enum class kind : std::uint8_t { websocket, stream, poll, emulation };

constexpr std::string_view json_only = "the protocol is spoken in JSON only, not in Protobuf";
// {"push":{"disconnect":{"code":3506,"reason":"inappropriate protocol"}}} as Protobuf, behind its length: the
// only sentence of it that we speak, so that such a client does not come back for ever.
constexpr std::string_view go_in_protobuf =
    "\x1f\x22\x1d\x5a\x1b\x08\xb2\x1b\x12\x16"
    "inappropriate protocol";

bool has_header(const http_request& request, std::string_view name) {
    return std::any_of(request.headers.begin(), request.headers.end(),
                       [&](const auto& h) { return h.first == name; });
}

// As Centrifugo's clients ask for it, other than by subprotocol.
bool asks_for_protobuf(const http_request& request) {
    return query_value(request.query, "cf_protocol") == "protobuf" ||
           request.header("content-type") == "application/octet-stream";
}

// No length is known, so the body is chunked where the client can read that (a cut stream then differs from
// an ended one), else it ends with the connection.
std::string stream_head(http_response&& response, const http_request& request) {
    response.set("Cache-Control", "private, no-cache, no-store, must-revalidate, max-age=0");
    response.set("X-Accel-Buffering", "no");  // nginx: pass on what comes, at once
    if (request.version == 11) response.set("Transfer-Encoding", "chunked");
    auto head = response_head(response, 0, request.request_id, false);
    constexpr std::string_view length = "\r\nContent-Length: 0";
    head.erase(head.find(length), length.size());
    return head;
}

}  // namespace

struct client_site::route {
    std::string_view path;
    std::string_view transport;
    std::string_view methods;  // as Allow says it
    kind what;
    shape to;
    bool unidirectional;
    counter count;
};

const client_site::route* client_site::find(std::string_view path) {
    static constexpr route routes[] = {
        {"/connection/websocket", "websocket", "GET", kind::websocket, shape::websocket, false,
         counter::clients_websocket},
        {"/connection/http_stream", "http_stream", "POST", kind::stream, shape::lines, false,
         counter::clients_http_stream},
        {"/connection/sse", "sse", "GET, POST", kind::stream, shape::event_stream, false,
         counter::clients_sse},
        {"/connection/uni_websocket", "uni_websocket", "GET", kind::websocket, shape::websocket, true,
         counter::clients_uni_websocket},
        {"/connection/uni_http_stream", "uni_http_stream", "GET, POST", kind::stream, shape::lines, true,
         counter::clients_uni_http_stream},
        {"/connection/uni_sse", "uni_sse", "GET, POST", kind::stream, shape::event_stream, true,
         counter::clients_uni_sse},
        {"/connection/poll", "poll", "GET", kind::poll, shape::lines, false, counter::clients_poll},
        {"/emulation", "", "POST", kind::emulation, shape::lines, false, counter::clients_poll},
    };
    for (const auto& each : routes)
        if (each.path == path) return &each;
    return nullptr;
}

client_site::client_site(client_services services)
    : services_(std::move(services)),
      origins_(services_.settings.allowed_origins),
      any_origin_(std::find(services_.settings.allowed_origins.begin(),
                            services_.settings.allowed_origins.end(),
                            "*") != services_.settings.allowed_origins.end()),
      registry_(emulation_registry::make(services_.settings.client_inbox_bytes)) {}

http_answer client_site::handle(loop& on, http_request& request, reply_function reply) {
    const auto* where = find(request.path);
    if (where == nullptr) return refuse(on, request, 404, "there is nothing at that address", "not_found");
    const bool websocket = where->what == kind::websocket;
    const bool allowed = origin_allowed(request, websocket);
    if (request.method == "OPTIONS") {
        http_response response;
        response.status = 204;
        response.set("Allow", where->methods);
        if (!allowed || !has_header(request, "origin")) return response;
        add_cors(request, response);
        response.set("Access-Control-Allow-Methods", where->methods);
        if (const auto names = request.joined("access-control-request-headers"); !names.empty())
            response.set("Access-Control-Allow-Headers", names);
        response.set("Access-Control-Max-Age", "600");
        return response;
    }
    if (!allowed) return refuse(on, request, 403, "this origin is not allowed", "origin");
    const auto known = [&] {
        for (auto rest = where->methods; !rest.empty();) {
            const auto end = std::min(rest.find(", "), rest.size());
            if (rest.substr(0, end) == request.method) return true;
            rest.remove_prefix(std::min(rest.size(), end + 2));
        }
        return false;
    };
    auto answer = known() ? serve(*where, on, request, std::move(reply))
                          : refuse(on, request, 405, "the address does not know that method", "method");
    if (auto* response = std::get_if<http_response>(&answer)) {
        if (response->status == 405) response->set("Allow", where->methods);
        add_cors(request, *response);
    }
    return answer;
}

http_answer client_site::serve(const route& where, loop& on, http_request& request, reply_function reply) {
    if (const auto most = services_.settings.client_message_bytes; request.body.size() > most) {
        if (where.what == kind::emulation) on.metrics().add(labelled_counter::emulation_refused, "too_large");
        return error_response(413, "the body is too large" + of_limit("client-message-bytes", most),
                              request.request_id);
    }
    if (where.what != kind::websocket && asks_for_protobuf(request)) {
        if (where.transport != "http_stream") return refuse(on, request, 400, json_only, "protocol");
        on.metrics().add(labelled_counter::connections_refused, "protocol");
        http_response response;
        response.set("Content-Type", "application/octet-stream");
        response.set("Cache-Control", "no-store");
        response.body = go_in_protobuf;
        return response;
    }
    switch (where.what) {
        case kind::websocket:
            return websocket(where, on, request);
        case kind::stream:
            return stream(where, on, request);
        case kind::poll:
            return poll(where, on, request, std::move(reply));
        default:
            return emulate(on, request, std::move(reply));
    }
}

http_answer client_site::websocket(const route& where, loop& on, http_request& request) {
    const auto headers = views_of(request.headers);
    if (!asks_for_websocket(headers)) {
        auto response = refuse(on, request, 426, "this address speaks WebSocket only", "handshake");
        response.set("Upgrade", "websocket");
        response.set("Sec-WebSocket-Version", "13");
        return response;
    }
    auto shaken = read_ws_handshake({request.method, request.version, headers});
    if (shaken.status != 101) {
        auto response = refuse(on, request, shaken.status, shaken.reason, "handshake");
        if (shaken.status == 426) response.set("Sec-WebSocket-Version", "13");
        return response;
    }
    const auto offers = [&](std::string_view name) {
        return std::find(shaken.subprotocols.begin(), shaken.subprotocols.end(), name) !=
               shaken.subprotocols.end();
    };
    const bool json = offers("centrifuge-json");
    const bool protobuf = asks_for_protobuf(request) || (offers("centrifuge-protobuf") && !json);
    std::string first;
    if (auto given = query_value(request.query, "cf_connect"); given && where.unidirectional) {
        if (!valid_utf8(*given)) return refuse(on, request, 400, "cf_connect is not UTF-8", "malformed");
        append_client_frame(first, ws_opcode::text, *given);
    }
    http_response refusal;
    auto ready = arrival(where, on, request, "websocket", refusal);
    if (!ready) return refusal;
    ready->accept_key = std::move(shaken.accept);
    ready->default_subprotocol = json ? "centrifuge-json" : default_subprotocol(shaken.subprotocols);
    if (protobuf) {
        // A refused handshake would look like a lost connection, and the client come back.
        on.metrics().add(labelled_counter::connections_refused, "protocol");
        ready->default_subprotocol = offers("centrifuge-protobuf") ? "centrifuge-protobuf" : "";
        ready->entry.refused = close_code::inappropriate_protocol;
    }
    // What is rewritten on its way must not be compressed before.
    if (services_.settings.ws_deflate && !where.unidirectional)
        ready->deflate = negotiate_deflate(shaken.extensions);
    return take_over{[this, &where, &on, ready, first = std::move(first)](taken_connection&& taken) {
        ready->io = std::move(taken.io);
        if (where.unidirectional)
            ready->io = make_rewriting_transport(
                on, std::move(ready->io), {shape::websocket, frame_rewriter::envelope::stripped, false, {}});
        ready->leftover = first + taken.leftover;
        ready->slot = std::move(taken.slot);
        on.metrics().add(where.count);
        services_.on_arrival(on, std::move(*ready));
    }};
}

http_answer client_site::stream(const route& where, loop& on, http_request& request) {
    std::string first;
    if (request.method == "POST") {
        first = std::move(request.body);
    } else {
        if (auto given = query_value(request.query, "cf_connect")) first = std::move(*given);
        if (first.empty() && !where.unidirectional)
            return refuse(on, request, 400, "the parameter cf_connect is missing", "malformed");
    }
    if (where.unidirectional && first.empty()) first = "{}";
    if (!valid_utf8(first)) return refuse(on, request, 400, "the commands are not UTF-8", "malformed");

    http_response refusal;
    auto ready = arrival(where, on, request, "http", refusal);
    if (!ready) return refusal;
    ready->accept_key = where.transport;
    append_client_frame(ready->leftover, ws_opcode::text, first);
    if (!where.unidirectional) ready->entry.session = make_request_id();

    http_response head;
    head.set("Content-Type", where.to == shape::event_stream ? "text/event-stream; charset=utf-8"
                                                             : "application/json; charset=utf-8");
    add_cors(request, head);
    frame_rewriter::format how{
        where.to, where.unidirectional ? frame_rewriter::envelope::stripped : frame_rewriter::envelope::kept,
        request.version == 11, stream_head(std::move(head), request)};
    return take_over{[this, &where, &on, ready, how = std::move(how)](taken_connection&& taken) {
        // What may stand behind the request is not answered: the connection ends with the stream.
        emulation_registry::ticket ticket;
        if (!ready->entry.session.empty())
            ticket = emulation_registry::enter(registry_, on, ready->entry.session);
        ready->io = make_rewriting_transport(on, std::move(taken.io), how, std::move(ticket));
        ready->slot = std::move(taken.slot);
        on.metrics().add(where.count);
        services_.on_arrival(on, std::move(*ready));
    }};
}

http_answer client_site::poll(const route& where, loop& on, http_request& request, reply_function reply) {
    auto asked = read_poll_request(request.query, services_.settings.client_group_limit);
    if (!asked)
        return refuse(on, request, describe(asked.error().code).http_status, asked.error().detail,
                      "malformed");
    auto commands = poll_commands(*asked);
    if (commands.size() > services_.settings.client_message_bytes)
        return refuse(on, request, 413,
                      "the request is too large" +
                          of_limit("client-message-bytes", services_.settings.client_message_bytes),
                      "malformed");
    http_response refusal;
    auto ready = arrival(where, on, request, "http", refusal);
    if (!ready) return refusal;
    ready->accept_key = where.transport;
    append_client_frame(ready->leftover, ws_opcode::text, commands);

    http_response shown;
    add_cors(request, shown);
    const poll_times times{services_.settings.client_connect_timeout, services_.settings.poll_timeout};
    ready->io = make_poll_transport(
        on, poll_collector(std::move(*asked), services_.settings.poll_answer_bytes), times,
        request.request_id,
        [reply = std::move(reply), headers = std::move(shown.headers)](http_response response) {
            response.headers.insert(response.headers.end(), headers.begin(), headers.end());
            reply(std::move(response));
        });
    on.metrics().add(where.count);
    services_.on_arrival(on, std::move(*ready));
    return awaiting_reply{times.setup + times.wait + services_.settings.poll_grace};
}

namespace {

// By any thread.
http_response emulated_answer(metrics_shard& counts, const result<session_mail_outcome>& came,
                              std::string_view request_id) {
    const auto no = [&](unsigned status, std::string_view text, std::string_view reason) {
        counts.add(labelled_counter::emulation_refused, reason);
        auto response = error_response(status, text, request_id);
        if (status != 404) response.set("Retry-After", "1");
        return response;
    };
    if (!came && came.error().code == errc::not_found)
        return no(404, "there is no such node", "unknown_node");
    if (!came) return no(503, "the session's node cannot be reached", "unreachable");
    if (*came == session_mail_outcome::full) return no(429, "too many commands wait", "full");
    // As centrifuge-js expects it of a session that is gone: its stream has ended or is about to, and tells
    // it so.
    if (*came == session_mail_outcome::unknown)
        counts.add(labelled_counter::emulation_refused, "unknown_session");
    http_response response;
    response.status = 204;
    return response;
}

}  // namespace

http_answer client_site::emulate(loop& on, http_request& request, reply_function reply) {
    const auto body = nlohmann::json::parse(request.body, nullptr, false);
    const auto text = [&](const char* name) -> const std::string* {
        if (!body.is_object()) return nullptr;
        const auto found = body.find(name);
        return found == body.end() ? nullptr : found->get_ptr<const std::string*>();
    };
    const auto* session = text("session");
    const auto* node = text("node");
    const auto* data = text("data");
    if (session == nullptr || node == nullptr || data == nullptr) {
        on.metrics().add(labelled_counter::emulation_refused, "malformed");
        return error_response(400, "the body must be an object with session, node and data, all texts",
                              request.request_id);
    }
    if (*node == services_.node)
        return emulated_answer(on.metrics(), registry_->deliver(*session, *data), request.request_id);
    if (!services_.elsewhere) return emulated_answer(on.metrics(), fail(errc::not_found), request.request_id);
    http_response shown;
    add_cors(request, shown);
    services_.elsewhere(*node, {*session, *data},
                        [&on, reply = std::move(reply), id = request.request_id,
                         headers = std::move(shown.headers)](const result<session_mail_outcome>& came) {
                            auto response = emulated_answer(on.metrics(), came, id);
                            response.headers.insert(response.headers.end(), headers.begin(), headers.end());
                            reply(std::move(response));
                        });
    return awaiting_reply{services_.settings.view_timeout};
}

http_response client_site::refuse(loop& on, const http_request& request, unsigned status,
                                  std::string_view text, std::string_view reason) const {
    on.metrics().add(labelled_counter::connections_refused, reason);
    auto response = error_response(status, text, request.request_id);
    if (status == 401) response.set("WWW-Authenticate", "Bearer");
    return response;
}

bool client_site::origin_allowed(const http_request& request, bool websocket) const {
    const std::string_view scheme =
        websocket ? (request.client.secure ? "wss" : "ws") : (request.client.secure ? "https" : "http");
    if (has_header(request, "origin"))
        return origins_.allows(request.header("origin"), scheme, request.client.host);
    // Browsers leave Origin out of a page's GETs to its own server, and of what another site embeds (an
    // image, say); Fetch Metadata tells the two apart.
    const auto from = request.header("sec-fetch-site");
    if (from == "same-origin")
        return origins_.allows((request.client.secure ? "https://" : "http://") + request.client.host, scheme,
                               request.client.host);
    if (from.empty() || from == "none") return origins_.allows(std::nullopt, scheme, request.client.host);
    return origins_.allows("null", scheme, request.client.host);
}

void client_site::add_cors(const http_request& request, http_response& response) const {
    const auto origin = request.header("origin");
    response.set("Vary", "Origin");
    if (origin.empty()) return;
    response.set("Access-Control-Allow-Origin", any_origin_ ? "*" : origin);
    if (!any_origin_) response.set("Access-Control-Allow-Credentials", "true");
    response.set("Access-Control-Expose-Headers", "X-Request-ID");
}

std::shared_ptr<client_arrival> client_site::arrival(const route& where, loop& on,
                                                     const http_request& request, std::string_view scope_type,
                                                     http_response& refusal) const {
    auto builder = scope_of(request, scope_type);
    if (auto refused = identify(services_.authenticate, on, request, builder)) {
        on.metrics().add(labelled_counter::connections_refused, "token");
        refusal = std::move(*refused);
        add_cors(request, refusal);
        return nullptr;
    }
    auto made = std::make_shared<client_arrival>();
    made->known = builder.build();
    made->entry.client = make_uuid();
    made->entry.transport = where.transport;
    made->entry.unidirectional = where.unidirectional;
    return made;
}

std::string make_uuid() {
    auto hex = make_request_id();
    hex[12] = '4';
    constexpr std::string_view variant = "89ab";
    const auto digit = hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10;
    hex[16] = variant[static_cast<std::size_t>(digit % 4)];
    for (const std::size_t at : {20, 16, 12, 8}) hex.insert(at, 1, '-');
    return hex;
}

}  // namespace madang
