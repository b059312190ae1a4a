// Every metric, once. The registry, the exposition and docs/metrics.md are made from these rows, and a test
// holds the dashboards to them. Ids of groups, users and connections are never labels: their number is
// unbounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

// X(identifier, name, label, value, help): rows of one name stand together; label "" for a counter without
// one.
#define MADANG_COUNTERS(X)                                                                                   \
    X(connections_opened, "madang_connections_opened_total", "", "",                                         \
      "WebSocket connections accepted by a consumer")                                                        \
    X(messages_in, "madang_messages_in_total", "", "", "Whole messages received from clients")               \
    X(messages_out, "madang_messages_out_total", "", "",                                                     \
      "Messages handed to sockets (deliveries, replies, sends)")                                             \
    X(bytes_in, "madang_bytes_in_total", "", "", "Bytes read from sockets of WebSocket connections")         \
    X(bytes_out, "madang_bytes_out_total", "", "", "Bytes written to sockets of WebSocket connections")      \
    X(publications, "madang_publications_total", "", "", "Events sent to groups")                            \
    X(publications_refused, "madang_publications_refused_total", "", "",                                     \
      "Events not accepted because a bounded queue was full (MADANG_BUSY)")                                  \
    X(deliveries, "madang_deliveries_total", "", "", "Events that reached a member of their group")          \
    X(channel_sends, "madang_channel_sends_total", "", "", "Events sent to single channels")                 \
    X(drops_disconnect, "madang_outbox_drops_total", "policy", "disconnect",                                 \
      "Messages lost because a client's outbox was full, by policy")                                         \
    X(drops_oldest, "madang_outbox_drops_total", "policy", "drop_oldest", "")                                \
    X(drops_latest_only, "madang_outbox_drops_total", "policy", "latest_only", "")                           \
    X(rate_limited, "madang_rate_limited_total", "", "",                                                     \
      "Connections closed (3013) for sending too many messages")                                             \
    X(readers_paused, "madang_readers_paused_total", "", "",                                                 \
      "Times that a connection's reading was paused until its messages were accepted")                       \
    X(pings_sent, "madang_pings_sent_total", "", "", "WebSocket pings sent")                                 \
    X(pongs_received, "madang_pongs_received_total", "", "", "WebSocket pongs received")                     \
    X(pong_timeouts, "madang_pong_timeouts_total", "", "", "Connections closed (3012) for want of a pong")   \
    X(deflate_raw_bytes, "madang_deflate_raw_bytes_total", "", "", "Bytes compressed, before")               \
    X(deflate_wire_bytes, "madang_deflate_wire_bytes_total", "", "", "Bytes compressed, after")              \
    X(inflate_wire_bytes, "madang_inflate_wire_bytes_total", "", "", "Bytes decompressed, before")           \
    X(inflate_raw_bytes, "madang_inflate_raw_bytes_total", "", "", "Bytes decompressed, after")              \
    X(http_1xx, "madang_http_requests_total", "status", "1xx", "HTTP requests answered, by class of status") \
    X(http_2xx, "madang_http_requests_total", "status", "2xx", "")                                           \
    X(http_3xx, "madang_http_requests_total", "status", "3xx", "")                                           \
    X(http_4xx, "madang_http_requests_total", "status", "4xx", "")                                           \
    X(http_5xx, "madang_http_requests_total", "status", "5xx", "")                                           \
    X(http_connections, "madang_http_connections_total", "", "",                                             \
      "TCP connections accepted by the public listener")                                                     \
    X(http_timeouts, "madang_http_timeouts_total", "", "",                                                   \
      "HTTP connections closed by a head or body timeout")                                                   \
    X(view_timeouts, "madang_view_timeouts_total", "", "",                                                   \
      "HTTP requests answered 504: the view did not reply")                                                  \
    X(view_refusals, "madang_view_refusals_total", "", "",                                                   \
      "HTTP requests answered 503: the pool is full, or the view leaves too many unanswered")                \
    X(timers_fired, "madang_timers_fired_total", "", "", "Timers of loops and consumers that fired")         \
    X(log_debug, "madang_log_lines_total", "level", "debug", "Log lines written, by level")                  \
    X(log_info, "madang_log_lines_total", "level", "info", "")                                               \
    X(log_warn, "madang_log_lines_total", "level", "warn", "")                                               \
    X(log_error, "madang_log_lines_total", "level", "error", "")                                             \
    X(process_cpu, "process_cpu_seconds_total", "", "",                                                      \
      "CPU time of this process, user and system, in seconds")                                               \
    X(clients_websocket, "madang_client_connections_total", "transport", "websocket",                        \
      "Connections of the client protocol, by transport; a long poll is one each")                           \
    X(clients_http_stream, "madang_client_connections_total", "transport", "http_stream", "")                \
    X(clients_sse, "madang_client_connections_total", "transport", "sse", "")                                \
    X(clients_uni_websocket, "madang_client_connections_total", "transport", "uni_websocket", "")            \
    X(clients_uni_http_stream, "madang_client_connections_total", "transport", "uni_http_stream", "")        \
    X(clients_uni_sse, "madang_client_connections_total", "transport", "uni_sse", "")                        \
    X(clients_poll, "madang_client_connections_total", "transport", "poll", "")                              \
    X(store_commits, "madang_store_commits_total", "", "",                                                   \
      "Writes of the store: each commits what had arrived")                                                  \
    X(store_changes, "madang_store_changes_total", "", "", "Changes that the store applied")                 \
    X(store_disk_reads, "madang_store_disk_reads_total", "", "", "Requests whose answer was not in memory")  \
    X(jobs_enqueued, "madang_jobs_enqueued_total", "", "", "Jobs taken, a workflow's steps included")        \
    X(job_attempts, "madang_job_attempts_total", "", "", "Jobs handed to a worker")                          \
    X(job_retries, "madang_job_retries_total", "", "", "Attempts that failed and are made again")            \
    X(job_losses, "madang_job_losses_total", "", "", "Jobs whose worker died or fell silent")                \
    X(job_stale_ends, "madang_job_stale_ends_total", "", "",                                                 \
      "Ends that came from a worker whose lease was lost; refused")                                          \
    X(job_news, "madang_job_news_total", "", "", "Progress and ends of jobs published to whom they notify")  \
    X(schedule_fires, "madang_schedule_fires_total", "outcome", "fired",                                     \
      "Fires of schedules; skipped: for the overlap policy or the catch-up window")                          \
    X(schedule_skips, "madang_schedule_fires_total", "outcome", "skipped", "")                               \
    X(spans_exported, "madang_trace_spans_total", "outcome", "exported",                                     \
      "Spans of traces; dropped: too many waited; failed: the receiver refused them")                        \
    X(spans_dropped, "madang_trace_spans_total", "outcome", "dropped", "")                                   \
    X(spans_failed, "madang_trace_spans_total", "outcome", "failed", "")                                     \
    X(background_drops, "madang_background_drops_total", "", "",                                             \
      "Events to background consumers lost because too many waited")                                         \
    X(store_keys_forgotten, "madang_store_keys_forgotten_total", "", "",                                     \
      "Idempotency keys that a store in memory forgot before their time, for want of room")                  \
    X(presence_repaired, "madang_presence_repaired_total", "", "",                                           \
      "Entries of presence written after the store had refused them")                                        \
    X(streams_lost, "madang_streams_lost_total", "", "",                                                     \
      "Subscriptions told that their stream lost something or began anew (2500, 3010)")                      \
    X(cluster_bytes_in, "madang_cluster_bytes_in_total", "", "", "Bytes that came over links, before TLS")   \
    X(cluster_bytes_out, "madang_cluster_bytes_out_total", "", "", "Bytes sent over links, before TLS")      \
    X(cluster_views, "madang_cluster_views_total", "", "", "Views of the cluster that this node went by")    \
    X(cluster_drops, "madang_cluster_drops_total", "", "",                                                   \
      "Messages to other nodes that were dropped, a batch of publications as one: their credit was used "    \
      "up, or no link was there")                                                                            \
    X(job_calls_forwarded, "madang_job_calls_forwarded_total", "", "",                                       \
      "Requests about jobs that were sent on to the node that keeps them")                                   \
    X(job_home_changes, "madang_job_home_changes_total", "", "",                                             \
      "Times that this node heard of another node keeping the cluster's jobs")                               \
    X(jobs_moved, "madang_jobs_moved_total", "", "", "Jobs given to the node that keeps them")               \
    X(cluster_streams_given, "madang_cluster_streams_given_total", "", "",                                   \
      "Streams handed over to the node that owns their group now")                                           \
    X(cluster_streams_taken, "madang_cluster_streams_taken_total", "", "",                                   \
      "Streams taken over, with their epoch, from the node that owned their group before")                   \
    X(reloads, "madang_reloads_total", "outcome", "ok",                                                      \
      "Reloads (SIGHUP), by outcome; failed: what was in force before stays")                                \
    X(reloads_failed, "madang_reloads_total", "outcome", "failed", "")

// X(identifier, name, label, known, help): rare events whose label values are known at run time only;
// bounded. `known`: those that are there from the start, at 0, since Prometheus sees no increase in a value's
// first appearance. Plugins' are begun when they are loaded.
#define MADANG_LABELLED_COUNTERS(X)                                                                          \
    X(connections_refused, "madang_connections_refused_total", "reason",                                     \
      "limit,address_limit,handshake_timeout,handshake,origin,token,not_found",                              \
      "Handshakes and connections refused")                                                                  \
    X(closes, "madang_closes_total", "code", "1000,1001,1006,1009,1011,3008,3010,3012,3013",                 \
      "WebSocket connections closed, by close code")                                                         \
    X(accept_errors, "madang_accept_errors_total", "reason", "descriptors,memory",                           \
      "Failed accepts, e.g. for want of file descriptors")                                                   \
    X(rejected_heads, "madang_rejected_heads_total", "reason", "",                                           \
      "HTTP requests refused while they were read (400, 408, 413, 417, 431), by reason")                     \
    X(tokens_refused, "madang_tokens_refused_total", "reason", "", "Bearer tokens refused, by reason")       \
    X(plugin_errors, "madang_plugin_errors_total", "plugin", "",                                             \
      "Failed calls into a plugin's consumers, views and rpc handlers")                                      \
    X(slow_handlers, "madang_slow_handlers_total", "plugin", "",                                             \
      "Handlers that took longer than their budget")                                                         \
    X(actor_restarts, "madang_actor_restarts_total", "actor",                                                \
      "hub,group,plugin,background,jobs,job_worker,job_child", "Restarts by a supervisor, by kind of actor") \
    X(sessions_refused, "madang_sessions_refused_total", "reason", "",                                       \
      "Django session cookies that were not believed, by reason; their requests are anonymous")              \
    X(jwks_fetches, "madang_jwks_fetches_total", "outcome", "ok",                                            \
      "Fetches of the JSON Web Key Set, by outcome: ok, or why the old keys stay")                           \
    X(proxy_requests, "madang_proxy_requests_total", "outcome",                                              \
      "result,error,disconnect,status,malformed,breaker_open",                                               \
      "Questions to the backend: result, error and disconnect are its answers, the rest why there was none") \
    X(proxy_failures, "madang_proxy_failures_total", "proxy",                                                \
      "connect,refresh,subscribe,sub_refresh,publish,rpc",                                                   \
      "Questions to the backend without a good answer, by proxy")                                            \
    X(emulation_refused, "madang_emulation_refused_total", "reason", "",                                     \
      "Requests to /emulation refused: malformed, too large, unknown node or session, no link, full queue")  \
    X(api_requests, "madang_api_requests_total", "method", "",                                               \
      "Commands of the server API that were carried out, those of a batch one by one, by method")            \
    X(api_errors, "madang_api_errors_total", "method", "",                                                   \
      "Commands of the server API answered with an error")                                                   \
    X(api_refused, "madang_api_refused_total", "reason", "",                                                 \
      "Requests and commands of the server API refused: for their key, a right, their form or a limit")      \
    X(admin_actions, "madang_admin_actions_total", "action",                                                 \
      "sign_in,sign_out,job_cancel,job_requeue,job_discard,queue_pause,queue_resume",                        \
      "Changes asked for on the admin page, and who came and went, by action")                               \
    X(admin_refused, "madang_admin_refused_total", "reason", "key,limit,right,origin,session,token",         \
      "Requests of the admin page refused before they were looked at, by reason")                            \
    X(store_refused, "madang_store_refused_total", "reason", "busy,storage_full",                            \
      "Changes that the store refused, by reason")                                                           \
    X(jobs_refused, "madang_jobs_refused_total", "reason", "busy,no_quorum,storage_full",                    \
      "Requests about jobs that were refused, by reason")                                                    \
    X(jobs_ended, "madang_jobs_ended_total", "state", "SUCCESS,FAILURE,REVOKED,REJECTED,IGNORED",            \
      "Jobs that are over, by state")                                                                        \
    X(job_child_restarts, "madang_job_child_restarts_total", "reason", "crash,memory,tasks,limit,stop",      \
      "Child processes of workers that ended, by reason")                                                    \
    X(store_backups, "madang_store_backups_total", "outcome", "ok",                                          \
      "Backups of the running store, by outcome: ok, or why there is none")                                  \
    X(cluster_refused, "madang_cluster_refused_total", "reason",                                             \
      "certificate,expired,tls,version,name,nodes,mail",                                                     \
      "Connections to the cluster listener that were refused, by reason")                                    \
    X(cluster_link_ends, "madang_cluster_link_ends_total", "reason",                                         \
      "bye,closed,silent,stalled,protocol,replaced,dropped,local,stopped", "Links that ended, by reason")    \
    X(cluster_streams_anew, "madang_cluster_streams_anew_total", "reason",                                   \
      "nothing,timeout,link,owners,store",                                                                   \
      "Streams that were waited for from another node and began anew, by reason")

// X(identifier, name, help)
#define MADANG_GAUGES(X)                                                                                    \
    X(connections_open, "madang_connections_open", "WebSocket connections open now")                        \
    X(http_connections_open, "madang_http_connections_open",                                                \
      "TCP connections of the public listener open now")                                                    \
    X(groups, "madang_groups", "Groups with at least one member")                                           \
    X(spans_waiting, "madang_trace_spans_waiting", "Spans that wait to be exported, or are under way")      \
    X(members, "madang_group_members", "Memberships: the sum of all groups' members")                       \
    X(outbox_bytes, "madang_outbox_bytes", "Bytes waiting in outboxes for slow clients")                    \
    X(publish_credit_used, "madang_publish_credit_used_bytes",                                              \
      "Publications on their way between loops, in bytes")                                                  \
    X(readers_paused_now, "madang_connections_paused", "Connections that are not being read at the moment") \
    X(timers, "madang_timers", "Timers set")                                                                \
    X(sync_queue, "madang_sync_queue", "Calls waiting for the thread pool of sync consumers and views")     \
    X(loops, "madang_loops", "I/O threads")                                                                 \
    X(draining, "madang_draining", "1 while the server shuts down, otherwise 0")                            \
    X(jwks_keys, "madang_jwks_keys", "Keys of the JSON Web Key Set in use")                                 \
    X(fetches, "madang_http_fetches", "Requests to backends and key sets that wait or run")                 \
    X(process_resident, "process_resident_memory_bytes", "Resident memory of this process (RSS), in bytes") \
    X(process_fds, "process_open_fds", "Open file descriptors")                                             \
    X(process_max_fds, "process_max_fds", "Limit of open file descriptors")                                 \
    X(process_threads, "process_threads", "Threads of this process")                                        \
    X(process_start, "process_start_time_seconds", "Start of this process, in seconds since 1970")          \
    X(store_queue_bytes, "madang_store_queue_bytes",                                                        \
      "Requests handed to the store and not yet committed, in bytes")                                       \
    X(store_tail_bytes, "madang_store_tail_bytes", "Publications that the store keeps in memory, in bytes") \
    X(store_streams, "madang_store_streams", "Streams whose state the store keeps in memory")               \
    X(store_present, "madang_store_present", "Connections present, in all groups together")                 \
    X(store_free_bytes, "madang_store_free_bytes", "Free space where the data directory is, in bytes")      \
    X(store_healthy, "madang_store_healthy", "1 while the store accepts changes, otherwise 0")              \
    X(background_consumers, "madang_background_consumers", "Background consumers that run")                 \
    X(job_workers, "madang_job_workers", "Worker processes connected")                                      \
    X(job_children, "madang_job_children", "Child processes and threads that can run jobs")                 \
    X(jobs_running, "madang_jobs_running", "Jobs that are with a worker")                                   \
    X(presence_unwritten, "madang_presence_unwritten",                                                      \
      "Entries of presence that the store refused and that are to be written again")                        \
    X(cluster_links, "madang_cluster_links", "Links to other nodes")                                        \
    X(cluster_nodes_up, "madang_cluster_nodes_up",                                                          \
      "Nodes that are up in this node's view; 0 alone without one")                                         \
    X(cluster_quorum, "madang_cluster_quorum",                                                              \
      "1 while this node is with more than half of cluster-size, otherwise 0")                              \
    X(job_home, "madang_job_home",                                                                          \
      "1 while this node keeps the cluster's jobs and gives them to workers, otherwise 0")                  \
    X(job_workers_relayed, "madang_job_workers_relayed",                                                    \
      "Workers of this node whose connection goes on to the node that keeps the jobs")                      \
    X(job_calls_away, "madang_job_calls_away", "Requests about jobs that another node is to answer")        \
    X(jobs_to_move, "madang_jobs_to_move",                                                                  \
      "Jobs of this node that are to go to the node that keeps them, as far as is known")                   \
    X(cluster_streams_awaited, "madang_cluster_streams_awaited",                                            \
      "Streams that this node waits for from the nodes that owned them")                                    \
    X(ready, "madang_ready", "1 while /readyz answers 200, otherwise 0")                                    \
    X(connection_slots, "madang_connection_slots",                                                          \
      "Connections that max-connections or the open-file limit allows")                                     \
    X(connection_slots_used, "madang_connection_slots_used",                                                \
      "Connections of the public listener that count for that limit")                                       \
    X(store_free_limit, "madang_store_free_limit_bytes",                                                    \
      "Free space below which the store refuses (store-free-bytes)")                                        \
    X(cluster_size, "madang_cluster_size", "Nodes that there should be (cluster-size); 0: not said")        \
    X(breakers_open, "madang_proxy_breakers_open",                                                          \
      "Backends that are left alone after failures, until a question to them is answered")

// X(identifier, name, label, label, help): of things whose names are known at run time only; read at a
// scrape, where who reads bounds their number. Label "": there is no second one.
#define MADANG_LABELLED_GAUGES(X)                                                                \
    X(job_queue_depth, "madang_job_queue_depth", "queue", "state",                               \
      "Jobs in a queue, by state: ready, scheduled, leased, parked, dead; at most a second old") \
    X(job_queue_oldest, "madang_job_queue_oldest_seconds", "queue", "",                          \
      "How long the oldest ready job of a queue has been due, in seconds")                       \
    X(certificate_end, "madang_certificate_end_timestamp_seconds", "listener", "",               \
      "When the certificate in use ends, in seconds since 1970; listener: public, cluster")

// X(identifier, name, scale, first, buckets, help): values times `scale` are counted in buckets whose upper
// bounds (inclusive) are 2^first, 2^(first+1), …, `buckets` of them, and +Inf. Seconds have scale 1e6 (bounds
// in microseconds) or 1e3. A range ends above the option that bounds the value, so that +Inf means trouble:
// turns (turn-time 1 ms) and handlers (handler-budget 50 ms) at 0.25 and 0.5 s, handlers of a turn
// (turn-handlers 8192) at 32768, handshakes (ws-handshake-timeout 10 s) at 17 s, requests and waits for the
// pool (view-timeout 30 s) at 34 s, writes (ws-outbox-bytes 1 MiB) at 1 MiB, backends (5 s and less) at 34 s.
// The store's: from a commit to memory to a disk's worst second; an fsync of real disks is never below 32 us.
// A hand-over of a job begins with what two cores do (docs/benchmarks.md); runs and lags end where a queue's
// age says more.
#define MADANG_HISTOGRAMS(X)                                                                                 \
    X(turn_seconds, "madang_turn_seconds", 1e6, 3, 16, "Length of a loop's turn, in seconds")                \
    X(turn_handlers, "madang_turn_handlers", 1, 0, 16, "Handlers run in one turn")                           \
    X(handler_seconds, "madang_handler_seconds", 1e6, 0, 20, "Time in a consumer's handler, in seconds")     \
    X(handshake_seconds, "madang_handshake_seconds", 1e6, 5, 20,                                             \
      "From the end of a WebSocket request's head to the consumer's accept, in seconds")                     \
    X(http_seconds, "madang_http_request_seconds", 1e6, 6, 20,                                               \
      "From the end of an HTTP request's head to its answer's hand-over, in seconds")                        \
    X(sync_wait_seconds, "madang_sync_wait_seconds", 1e6, 6, 20,                                             \
      "Waiting time for the thread pool, in seconds")                                                        \
    X(write_bytes, "madang_write_bytes", 1, 6, 15, "Bytes of one gathered write to a socket")                \
    X(fetch_seconds, "madang_http_fetch_seconds", 1e6, 8, 18,                                                \
      "From asking a backend or key set to the end of its answer, failed ones too, in seconds")              \
    X(store_batch, "madang_store_batch_requests", 1, 0, 16, "Requests committed by one write of the store")  \
    X(store_commit_seconds, "madang_store_commit_seconds", 1e6, 3, 20, "One write of the store, in seconds") \
    X(store_sync_seconds, "madang_store_sync_seconds", 1e6, 5, 20,                                           \
      "One fsync of the store's log, in seconds")                                                            \
    X(job_start_seconds, "madang_job_start_seconds", 1e6, 7, 20,                                             \
      "From when a job is due to its hand-over to a worker, in seconds")                                     \
    X(job_run_seconds, "madang_job_run_seconds", 1e3, 0, 20, "Run time of one attempt, in seconds")          \
    X(schedule_lag_seconds, "madang_schedule_lag_seconds", 1e3, 0, 20,                                       \
      "From a schedule's time to its fire, in seconds")

namespace madang {

#define MADANG_ROW(identifier, ...) identifier,
enum class counter : std::uint8_t { MADANG_COUNTERS(MADANG_ROW) };
enum class labelled_counter : std::uint8_t { MADANG_LABELLED_COUNTERS(MADANG_ROW) };
enum class gauge : std::uint8_t { MADANG_GAUGES(MADANG_ROW) };
enum class labelled_gauge : std::uint8_t { MADANG_LABELLED_GAUGES(MADANG_ROW) };
enum class histogram : std::uint8_t { MADANG_HISTOGRAMS(MADANG_ROW) };
#undef MADANG_ROW

struct counter_row {
    std::string_view name, label, value, help;
};
struct labelled_counter_row {
    std::string_view name, label, known, help;
};
struct gauge_row {
    std::string_view name, help;
};
struct labelled_gauge_row {
    std::string_view name, label, second_label, help;
};
struct histogram_row {
    std::string_view name;
    double scale;
    unsigned first;
    unsigned buckets;
    std::string_view help;

    constexpr double upper_bound(unsigned bucket) const {
        return static_cast<double>(1ull << (first + bucket)) / scale;
    }
};

#define MADANG_ROW(identifier, ...) {__VA_ARGS__},
inline constexpr counter_row counter_rows[] = {MADANG_COUNTERS(MADANG_ROW)};
inline constexpr labelled_counter_row labelled_counter_rows[] = {MADANG_LABELLED_COUNTERS(MADANG_ROW)};
inline constexpr gauge_row gauge_rows[] = {MADANG_GAUGES(MADANG_ROW)};
inline constexpr labelled_gauge_row labelled_gauge_rows[] = {MADANG_LABELLED_GAUGES(MADANG_ROW)};
inline constexpr histogram_row histogram_rows[] = {MADANG_HISTOGRAMS(MADANG_ROW)};
#undef MADANG_ROW

inline constexpr std::string_view build_info_help = "Always 1; the label tells the version that runs";

inline constexpr std::size_t counter_count = std::size(counter_rows);
inline constexpr std::size_t labelled_counter_count = std::size(labelled_counter_rows);
inline constexpr std::size_t gauge_count = std::size(gauge_rows);
inline constexpr std::size_t labelled_gauge_count = std::size(labelled_gauge_rows);
inline constexpr std::size_t histogram_count = std::size(histogram_rows);

// Calls `each` with every label value that is there from the start.
template <class Each>
void for_each_known(const labelled_counter_row& row, Each each) {
    for (auto rest = row.known; !rest.empty();) {
        const auto comma = rest.find(',');
        each(rest.substr(0, comma));
        rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
    }
}

// The counter of an HTTP status' class; status in 100-599.
constexpr counter http_status_class(unsigned status) {
    return static_cast<counter>(static_cast<unsigned>(counter::http_1xx) + (status / 100 - 1) % 5);
}

}  // namespace madang
