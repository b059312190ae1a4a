// Everything a person can set, with its default. One table (options_table.cpp) gives flags, environment
// names, the config file's keys, --help and docs/configuration.md; this struct is what the rest of the server
// reads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "broker/core/namespaces.hpp"

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
    // Calls waiting for the pool, per consumer; more: its connection is not read.
    std::uint32_t sync_queue = 1024;
    std::uint32_t background_queue = 1024;  // events waiting, per background consumer; more: lost

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

    // Storage
    std::string data_dir = "madang-data";               // "none": in memory, gone with the process
    std::uint32_t store_shards = 16;                    // when a data directory is made; fixed from then on
    std::size_t store_memory_bytes = 64 * 1024 * 1024;  // RocksDB's memtables and block cache
    // Publications kept in memory, the latest of each stream.
    std::size_t store_tail_bytes = 64 * 1024 * 1024;
    std::size_t store_queue_bytes = 64 * 1024 * 1024;    // commands not yet committed; more: busy
    std::size_t store_free_bytes = 256 * 1024 * 1024;    // less free space: what needs the disk is refused
    std::size_t store_ballast_bytes = 64 * 1024 * 1024;  // a file to delete when the disk is full
    std::uint32_t store_streams = 100'000;               // streams whose state is kept in memory
    ms presence_grace{3'000};  // after a crash: until those who did not come back are said to have left
    ms presence_retry{1'000};  // until presence that could not be written is written again
    std::uint32_t store_keys = 1'000'000;  // idempotency keys that a store in memory remembers
    std::string backup_dir;                // where the server API's `backup` writes; "": it does not

    // Client protocol (/connection/…)
    bool client_anonymous = true;                  // connections without token or session
    std::size_t client_message_bytes = 64 * 1024;  // close 1009, 413
    ms client_connect_timeout{10'000};             // close 3502
    ms client_ping_interval{25'000};
    ms client_pong_timeout{8'000};                   // close 3012
    ms client_expired_grace{25'000};                 // close 3005, or unsubscribe 2501
    std::uint32_t client_group_limit = 128;          // subscriptions per connection; error 106
    std::uint32_t client_history_limit = 300;        // publications per history request
    std::uint32_t client_recovery_limit = 300;       // publications per recovery; more: recovered false
    std::uint32_t client_commands_waiting = 256;     // unanswered per connection; more: close 3013
    ms poll_timeout{25'000};                         // of /connection/poll
    std::uint32_t client_presence_limit = 1000;      // clients in one answer to presence; more: error 106
    std::uint32_t client_news_held = 4096;           // per subscription while it is being made; close 3010
    std::size_t client_waiting_bytes = 1024 * 1024;  // of unanswered commands; close 3013
    std::size_t client_inbox_bytes = 256 * 1024;     // commands from /emulation that wait; 429
    std::size_t poll_answer_bytes = 1024 * 1024;     // publications in an answer to a poll; then the next one
    ms poll_grace{5'000};                            // for a poll's session to end; 504

    // Users
    std::string jwt_hmac_secret;  // HS256/384/512; "": none accepted. Never logged or printed
    std::string jwt_public_key;   // PEM file: RS, ES or EdDSA
    std::string jwt_jwks_url;     // where keys by id are
    ms jwt_jwks_age{3'600'000};   // how long they are believed
    std::string jwt_audience;     // "": not checked
    std::string jwt_issuer;       // "": not checked
    ms jwt_leeway{10'000};
    std::size_t jwt_bytes = 8 * 1024;         // of a token
    ms jwt_jwks_pause{5'000};                 // between the beginnings of two fetches of the key set
    ms jwt_jwks_timeout{5'000};               // of one
    std::size_t jwt_jwks_bytes = 256 * 1024;  // of the whole document
    std::uint32_t jwt_jwks_keys = 64;         // in it, those of other kinds too
    std::uint32_t jwt_jwks_waiting = 1024;    // tokens that wait for a fetch
    std::string django_secret_key;            // SECRET_KEY of a Django site with signed-cookie sessions
    std::string django_session_cookie = "sessionid";
    ms django_session_age{1'209'600'000};
    std::size_t django_cookie_bytes = 8 * 1024;    // browsers keep 4 KiB
    std::size_t django_session_bytes = 64 * 1024;  // the JSON, decompressed
    // NAME:RIGHTS:KEY, RIGHTS of read, publish, manage, enqueue, all, joined by '+'.
    std::vector<std::string> api_keys;
    std::uint32_t api_batch_limit = 1000;             // commands of a batch, groups of a broadcast; error 106
    std::uint32_t api_answer_limit = 10'000;          // publications, clients or groups in one answer
    std::size_t api_answer_bytes = 16 * 1024 * 1024;  // of one request's answer; error 106

    // Backend (proxies)
    std::string proxy_connect;  // URLs
    std::string proxy_refresh;
    std::string proxy_subscribe;
    std::string proxy_sub_refresh;
    std::string proxy_publish;
    std::string proxy_rpc;
    std::vector<std::string> proxy_headers{"Cookie", "Authorization",
                                           "X-Request-ID"};  // copied to the backend
    ms proxy_timeout{1'000};
    std::uint32_t proxy_connections = 32;  // at a time, per backend host
    std::uint32_t proxy_queue = 1024;      // requests waiting; more: error 100
    std::size_t proxy_answer_bytes = 1024 * 1024;
    std::uint32_t proxy_breaker_failures = 10;  // in a row; then nothing is asked for proxy_breaker_pause
    ms proxy_breaker_pause{5'000};

    // Jobs
    std::uint32_t workers = 0;               // child processes of this server's own worker; 0: one per core
    bool worker_process = true;              // false: jobs wait for `madang worker`
    std::string worker_socket;               // "": workers.sock in the data directory
    std::vector<std::string> worker_queues;  // empty: all
    std::string worker_autoscale;            // MAX,MIN children; "": as many as `workers`
    std::uint32_t worker_prefetch = 64;      // jobs given to a worker per child, at most
    std::uint32_t worker_max_tasks = 0;      // jobs after which a child is made anew; 0: never
    std::size_t worker_max_memory = 0;       // bytes resident after a job; then likewise; 0: no limit
    ms worker_timeout{3'000};                // silent so long: its jobs are given to others
    std::uint32_t worker_connections = 256;  // worker processes; more are refused
    std::uint32_t in_process_threads = 0;    // of tasks that run in the server; 0: one per core
    durability jobs_durability = durability::synced;
    std::vector<std::string> job_routes;         // PATTERN=QUEUE, the first that fits
    std::size_t job_args_bytes = 1024 * 1024;    // arguments of one job; error 413
    std::size_t job_result_bytes = 1024 * 1024;  // more: the job fails (ResultTooLarge)
    std::size_t job_checkpoint_bytes = 4 * 1024 * 1024;
    std::uint32_t job_bulk = 10'000;     // jobs of one request, workflow steps included; error 106
    std::uint32_t job_loss_limit = 3;    // worker deaths until it is a dead letter
    ms job_delay_limit{31'536'000'000};  // countdown and eta at most so far ahead
    ms job_result_ttl{86'400'000};
    ms job_dead_ttl{2'592'000'000};  // dead letters are kept so long
    ms job_wait_timeout{30'000};     // of a request that waits for a job's end
    ms job_cancel_grace{5'000};      // after asking: soft limit's signal; once more: kill
    // Queues with a label of their own in the metrics; the others are "other".
    std::uint32_t job_queue_metrics = 50;

    // Cluster
    std::string cluster_listen;  // "": no cluster. Loopback without certificates, mutual TLS otherwise
    // Addresses of other nodes, HOST:PORT; a name may stand for several.
    std::vector<std::string> cluster_join;
    std::string cluster_name = "madang";  // nodes of another name are refused
    std::string node_name;                // "": the host's name
    std::string cluster_advertise;        // what others dial; "": the listener's address
    std::string cluster_certificate;      // PEM: this node's, its key, and the cluster's own authority
    std::string cluster_key;
    std::string cluster_ca;
    // Nodes that there should be; more than half are a quorum. 0: none is asked.
    std::uint32_t cluster_size = 0;
    ms cluster_heartbeat{500};
    ms cluster_timeout{3'000};              // silent so long: dead
    ms cluster_handshake_timeout{5'000};    // TLS and hello together
    std::uint32_t cluster_handshakes = 64;  // at a time; more are closed
    std::uint32_t cluster_nodes = 64;       // links; more are refused
    // Under way to one node; more: dropped, counted, told.
    std::size_t cluster_credit_bytes = 16 * 1024 * 1024;
    ms cluster_hand_over_timeout{5'000};  // a stream is waited for so long when its group's owner changes
    std::uint32_t cluster_hand_over_waiting = 8'192;  // requests that wait for streams, per loop; more: busy
    std::size_t cluster_hand_over_bytes = 16 * 1024 * 1024;  // and of their bytes

    // Running
    ms drain_timeout{10'000};  // hard deadline of a shutdown
    ms drain_spread{1'000};    // clients are told to reconnect over this time
    log_format format = log_format::text;
    std::string log_level = "info";                // debug, info, warn, error, off
    std::uint32_t log_tail_lines = 5'000;          // that the admin page can show; 0: none are kept
    std::size_t log_tail_bytes = 2 * 1024 * 1024;  // of them

    // Tracing
    std::string trace_endpoint;        // URL; "": off
    std::uint32_t trace_one_in = 100;  // of what comes without a trace
    std::uint32_t trace_queue = 8192;  // spans
    std::uint32_t trace_batch = 512;   // spans
    ms trace_interval{1'000};
    ms trace_timeout{5'000};
};

}  // namespace madang
