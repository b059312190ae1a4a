#include "broker/core/options_table.hpp"

#include "broker/core/option_parse.hpp"

namespace madang {

namespace {

constexpr std::uint64_t ki = 1024, mi = 1024 * ki, gi = 1024 * mi;
constexpr std::uint64_t second = 1000, minute = 60 * second, hour = 60 * minute;
constexpr std::uint64_t million = 1'000'000;
using o = options;
using form = option_form;

const option_row rows[] = {
    {"Where to listen",
     "listen",
     &o::listen,
     "Public address and port; port 0 takes any free one and prints it",
     {.form = form::address}},
    {"Where to listen",
     "internal-listen",
     &o::internal_listen,
     "Address and port of metrics and readiness; keep it off public networks",
     {.form = form::address}},
    {"Where to listen",
     "tls-certificate",
     &o::tls_certificate,
     "PEM file with the certificate and its chain; with tls-key the public listener speaks TLS. Read again "
     "on SIGHUP",
     {.zero = "no TLS", .form = form::path}},
    {"Where to listen",
     "tls-key",
     &o::tls_key,
     "PEM file with the certificate's private key",
     {.zero = "no TLS", .form = form::path}},
    {"Where to listen",
     "trusted-proxy",
     &o::trusted_proxies,
     "Address or CIDR block of a proxy whose X-Forwarded-For and -Proto are believed",
     {.zero = "none is believed", .form = form::addresses, .plural = "trusted-proxies"}},
    {"What to run",
     "plugin",
     &o::plugins,
     "Plugin file to load",
     {.zero = "none but the bundled ones", .form = form::path, .plural = "plugins"}},
    {"What to run",
     "plugin-dir",
     &o::plugin_dir,
     "Folder whose *.so files are loaded, in the order of their names",
     {.zero = "none", .form = form::path}},
    {"What to run", "bundled", &o::bundled, "Load the plugins that lie beside the binary", {}},
    {"What to run",
     "site",
     &o::site,
     "Folder of static files served at /; `none` serves nothing",
     {.zero = "the bundled demo", .form = form::path}},
    {"What to run", "loops", &o::loops, "I/O threads", {.least = 0, .most = 1024, .zero = "one per core"}},
    {"What to run",
     "sync-threads",
     &o::sync_threads,
     "Threads for sync consumers and views",
     {.least = 1, .most = 1024}},
    {"What to run",
     "sync-queue",
     &o::sync_queue,
     "Calls that may wait for those threads, per consumer",
     {.least = 1,
      .most = million,
      .limit = "its connection is not read until they are done (madang_readers_paused_total)"}},
    {"HTTP",
     "http-head-bytes",
     &o::http_head_bytes,
     "Request line and headers",
     {.least = ki, .most = mi, .limit = "431 (madang_rejected_heads_total)"}},
    {"HTTP",
     "http-body-bytes",
     &o::http_body_bytes,
     "Body of a request",
     {.least = 0, .most = gi, .zero = "no bodies", .limit = "413 (madang_http_requests_total)"}},
    {"HTTP",
     "http-head-timeout",
     &o::http_head_timeout,
     "From the first byte, or the accept, to the end of the head",
     {.least = 100, .most = hour, .limit = "408 or closed (madang_http_timeouts_total)"}},
    {"HTTP",
     "http-body-timeout",
     &o::http_body_timeout,
     "From the end of the head to the end of the body",
     {.least = 100, .most = hour, .limit = "408 (madang_http_timeouts_total)"}},
    {"HTTP",
     "http-idle-timeout",
     &o::http_idle_timeout,
     "Between requests on a kept-alive connection",
     {.least = 100, .most = hour, .limit = "closed silently"}},
    {"HTTP",
     "view-timeout",
     &o::view_timeout,
     "For a view's reply",
     {.least = 10, .most = hour, .limit = "504 (madang_view_timeouts_total)"}},
    {"HTTP",
     "view-unanswered",
     &o::view_unanswered,
     "Requests that one view may hold unanswered after their 504; their memory is freed when it replies",
     {.least = 1, .most = million, .limit = "503 until it replies (madang_view_refusals_total)"}},
    {"HTTP",
     "cors-origin",
     &o::cors_origins,
     "Origin that may read answers (CORS); `*` is any",
     {.zero = "none", .plural = "cors-origins"}},
    {"WebSocket",
     "allowed-origin",
     &o::allowed_origins,
     "Origin that may connect, e.g. `https://example.com`; `*` is any, and none at all",
     {.zero = "the same origin only",
      .limit = "403 (madang_connections_refused_total)",
      .plural = "allowed-origins"}},
    {"WebSocket",
     "ws-handshake-timeout",
     &o::ws_handshake_timeout,
     "From the request to the consumer's accept",
     {.least = 100, .most = hour, .limit = "403 (madang_connections_refused_total)"}},
    {"WebSocket",
     "ws-ping-interval",
     &o::ws_ping_interval,
     "Between pings",
     {.least = 0, .most = hour, .zero = "no pings"}},
    {"WebSocket",
     "ws-pong-timeout",
     &o::ws_pong_timeout,
     "From a ping to its pong",
     {.least = 100, .most = hour, .limit = "close 3012 (madang_pong_timeouts_total)"}},
    {"WebSocket",
     "ws-message-bytes",
     &o::ws_message_bytes,
     "A whole message from a client, decompressed",
     {.least = 1, .most = gi, .limit = "close 1009 (madang_closes_total)"}},
    {"WebSocket",
     "ws-outbox-bytes",
     &o::ws_outbox_bytes,
     "Unsent bytes kept for a slow client",
     {.least = ki, .most = gi, .limit = "as ws-outbox-policy says (madang_outbox_drops_total)"}},
    {"WebSocket",
     "ws-outbox-policy",
     &o::ws_outbox_policy,
     "When an outbox is full: `disconnect` (close 3008), `drop-oldest` or `latest-only` of the publications",
     {.limit = "counted by policy (madang_outbox_drops_total)"}},
    {"WebSocket",
     "ws-messages-per-second",
     &o::ws_messages_per_second,
     "Messages from one connection, on average",
     {.least = 0, .most = million, .zero = "unlimited", .limit = "close 3013 (madang_rate_limited_total)"}},
    {"WebSocket",
     "ws-message-burst",
     &o::ws_message_burst,
     "Messages that one connection may send at once",
     {.least = 0,
      .most = million,
      .zero = "twice the rate",
      .limit = "close 3013 (madang_rate_limited_total)"}},
    {"WebSocket",
     "ws-deflate",
     &o::ws_deflate,
     "Compress (permessage-deflate) when the client offers it",
     {}},
    {"WebSocket",
     "max-connections",
     &o::max_connections,
     "Connections altogether",
     {.least = 0,
      .most = 100 * million,
      .zero = "what the open-file limit leaves",
      .limit = "503 (madang_connections_refused_total)"}},
    {"WebSocket",
     "max-connections-per-address",
     &o::max_connections_per_address,
     "Connections from one address",
     {.least = 0,
      .most = 100 * million,
      .zero = "unlimited",
      .limit = "429 (madang_connections_refused_total)"}},
    {"WebSocket",
     "max-groups-per-connection",
     &o::max_groups_per_connection,
     "Groups that one connection may be in",
     {.least = 1, .most = million, .limit = "group_add fails"}},
    {"Loops",
     "turn-handlers",
     &o::turn_handlers,
     "Handlers run before outboxes are flushed (madang_turn_handlers)",
     {.least = 1, .most = million}},
    {"Loops",
     "turn-time",
     &o::turn_time,
     "Time spent before outboxes are flushed (madang_turn_seconds)",
     {.least = 10, .most = 10 * million}},
    {"Loops",
     "publish-credit-bytes",
     &o::publish_credit_bytes,
     "Publications from one loop to another not yet handled",
     {.least = 64 * ki,
      .most = gi,
      .limit = "their publishers are not read until there is room (madang_readers_paused_total)"}},
    {"Loops",
     "handler-budget",
     &o::handler_budget,
     "Time for one call of a handler",
     {.least = 1, .most = hour, .limit = "logged, counted (madang_slow_handlers_total)"}},
    {"Users",
     "jwt-hmac-secret",
     &o::jwt_hmac_secret,
     "Secret of HS256 tokens, at least 32 bytes (RFC 7518 3.2). Give it by environment or file: flags show "
     "in `ps`",
     {.zero = "no tokens are accepted", .limit = "401 (madang_tokens_refused_total)", .form = form::secret}},
    {"Running",
     "drain-timeout",
     &o::drain_timeout,
     "Hard deadline of a shutdown",
     {.least = 0, .most = hour, .zero = "stop at once", .limit = "what is still open is cut off"}},
    {"Running",
     "drain-spread",
     &o::drain_spread,
     "Time over which a shutdown tells clients to reconnect (close 1001)",
     {.least = 0, .most = hour, .zero = "all at once"}},
    {"Running", "log-format", &o::format, "`text` for a terminal, or `json` lines; to stderr either way", {}},
    {"Running",
     "log-level",
     &o::log_level,
     "`debug`, `info`, `warn`, `error` or `off`",
     {.form = form::level}},
};

std::string in_place_of(std::string_view name, char dash, bool upper) {
    std::string result(name);
    for (char& c : result) {
        if (c == '-') c = dash;
        if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return result;
}

}  // namespace

std::span<const option_row> option_table() { return rows; }

std::string option_row::flag() const { return "--" + std::string(name); }

std::string option_row::environment_name() const {
    return "MADANG_" + in_place_of(rules.plural.empty() ? name : rules.plural, '_', true);
}

std::string option_row::key() const {
    return in_place_of(rules.plural.empty() ? name : rules.plural, '_', false);
}

std::string_view option_row::kind() const {
    switch (place.index()) {
        case 0:
            return rules.form == option_form::secret    ? "SECRET"
                   : rules.form == option_form::address ? "ADDRESS:PORT"
                   : rules.form == option_form::path    ? "PATH"
                                                        : "TEXT";
        case 1:
            return rules.form == option_form::path        ? "PATH,…"
                   : rules.form == option_form::addresses ? "ADDRESS,…"
                                                          : "TEXT,…";
        case 2:
            return "BOOLEAN";
        case 3:
            return "NUMBER";
        case 4:
            return "SIZE";
        case 5:
        case 6:
            return "DURATION";
        default:
            return "TEXT";
    }
}

std::string option_row::range() const {
    if (rules.most == 0) return {};
    const auto text = [&](std::uint64_t value) {
        if (place.index() == 4) return size_text(value);
        if (place.index() == 5) return duration_text(std::chrono::milliseconds(value));
        if (place.index() == 6) return duration_text(std::chrono::microseconds(value));
        return std::to_string(value);
    };
    return text(rules.least) + " to " + text(rules.most);
}

}  // namespace madang
