// Everything a person can set, with its default. One table (options_table.cpp) gives flags, environment
// names, the config file's keys, --help and docs/configuration.md; this struct is what the rest of the server
// reads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace madang {

enum class outbox_policy : std::uint8_t {
    server_default,
    disconnect,
    drop_oldest,
    latest_only
};  // as in the plugin ABI
enum class log_format : std::uint8_t { text, json };

struct options {
    using ms = std::chrono::milliseconds;

    // Where to listen
    std::string listen = "127.0.0.1:8000";           // public; port 0: any free port, printed
    std::string internal_listen = "127.0.0.1:8001";  // metrics and readiness; never on the public listener
    std::string tls_certificate;  // PEM chain; with tls_key: the public listener speaks TLS
    std::string tls_key;
    std::vector<std::string> trusted_proxies;  // addresses or CIDR whose X-Forwarded-* are believed

    // What to run
    std::vector<std::string> plugins;  // files
    std::string plugin_dir;            // every *.so in it, by name
    bool bundled = true;               // the plugins beside the binary
    std::string site;                  // folder served at /; "": the bundled demo; "none": nothing
    std::uint32_t loops = 0;           // I/O threads; 0: one per core
    std::uint32_t sync_threads = 8;    // for sync consumers and views
    std::uint32_t sync_queue =
        1024;  // calls waiting for the pool, per consumer; more: its connection is not read

    // HTTP
    std::size_t http_head_bytes = 16 * 1024;
    std::size_t http_body_bytes = 1024 * 1024;
    ms http_head_timeout{10'000};  // from the first byte (or accept) to the end of the head
    ms http_body_timeout{30'000};
    ms http_idle_timeout{75'000};         // keep-alive
    ms view_timeout{30'000};              // 504 afterwards
    std::uint32_t view_unanswered = 100;  // that a view may still hold after their 504; then 503
    std::vector<std::string> cors_origins;

    // WebSocket
    std::vector<std::string> allowed_origins;    // empty: same origin; "*": any, also none
    ms ws_handshake_timeout{10'000};             // from the request to the consumer's accept; 403 afterwards
    ms ws_ping_interval{25'000};                 // 0: no pings
    ms ws_pong_timeout{8'000};                   // close 3012 afterwards
    std::size_t ws_message_bytes = 1024 * 1024;  // close 1009
    std::size_t ws_outbox_bytes = 1024 * 1024;   // then ws_outbox_policy
    outbox_policy ws_outbox_policy = outbox_policy::disconnect;  // close 3008
    std::uint32_t ws_messages_per_second = 0;                    // 0: unlimited; more: close 3013
    std::uint32_t ws_message_burst = 0;                          // 0: twice the rate
    bool ws_deflate = false;                         // permessage-deflate when the client offers it
    std::uint32_t max_connections = 0;               // 0: what the open-file limit leaves; more: 503
    std::uint32_t max_connections_per_address = 0;   // 0: unlimited; more: 429
    std::uint32_t max_groups_per_connection = 1024;  // more: group_add fails

    // Loops
    std::uint32_t turn_handlers = 8192;          // handlers in one turn
    std::chrono::microseconds turn_time{1'000};  // and time, before outboxes are flushed
    // Publications between two loops that are not handled yet; more: their publishers are not read.
    std::size_t publish_credit_bytes = 8 * 1024 * 1024;
    ms handler_budget{50};  // a slower handler is logged and counted

    // Users
    std::string jwt_hmac_secret;  // HS256; "": no tokens accepted. Never logged or printed

    // Running
    ms drain_timeout{10'000};  // hard deadline of a shutdown
    ms drain_spread{1'000};    // clients are told to reconnect over this time
    log_format format = log_format::text;
    std::string log_level = "info";  // debug, info, warn, error, off
};

}  // namespace madang
