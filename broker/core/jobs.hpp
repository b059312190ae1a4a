// Jobs: what a task is, what one run of it is, and the seam between those who ask for jobs (plugins, the HTTP
// API, workers) and those who keep them (actors/, storage/). Words and defaults are Celery's.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/namespaces.hpp"
#include "broker/core/result.hpp"

namespace madang {

// A time that jobs wait for. Of what is `after` something (countdown, retry) only the time that passes
// counts, whatever is done to the machine's clock; what is `at` a time (eta, schedules) follows that clock.
struct job_time {
    std::int64_t wall_ms = 0;     // Unix time
    std::int64_t elapsed_ms = 0;  // advances with the steady clock, never goes back, also not over a restart
    friend bool operator==(const job_time&, const job_time&) = default;
};

// Frozen numbers: they stand in the store. Celery's word for each: name_of().
enum class job_state : std::uint8_t {
    waiting = 0,    // PENDING: for a job before it (chain, chord)
    scheduled = 1,  // PENDING (RETRY when retries > 0): for its time
    ready = 2,      // PENDING (RETRY): for a worker
    parked = 3,     // PENDING (RETRY): for a concurrency limit
    leased = 4,     // RECEIVED; STARTED when its worker has said so
    success = 5,
    failure = 6,   // a dead letter
    revoked = 7,   // cancelled, expired, or a job before it failed
    rejected = 8,  // by its task: a dead letter
    ignored = 9,
};
constexpr bool is_over(job_state what) noexcept { return what >= job_state::success; }
constexpr bool is_dead(job_state what) noexcept {
    return what == job_state::failure || what == job_state::rejected;
}
// PENDING, RECEIVED, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, REJECTED, IGNORED
std::string_view name_of(job_state what, std::uint32_t retries, bool started) noexcept;

// What happens when an attempt fails. delay n = min(backoff_max, backoff * 2^n), jitter: uniform in 0..delay.
struct retry_rule {
    std::int32_t max_retries = 3;  // -1: for ever
    std::uint32_t delay_ms = 180'000;
    std::uint32_t backoff_ms = 0;  // 0: `delay_ms` each time
    std::uint32_t backoff_max_ms = 600'000;
    bool jitter = true;
    friend bool operator==(const retry_rule&, const retry_rule&) = default;
};

// How many of what shares `key` may begin per time, and run at once, in the whole server.
struct job_limit {
    std::string key;         // "": no limit
    std::uint32_t rate = 0;  // begins per rate_ms; 0: unlimited
    std::uint32_t rate_ms = 0;
    std::uint32_t at_once = 0;  // 0: unlimited
    friend bool operator==(const job_limit&, const job_limit&) = default;
};

// Where a job's end is counted: the header of a chord, or a group.
struct barrier_place {
    std::string barrier;  // "": none
    std::uint32_t index = 0;
    friend bool operator==(const barrier_place&, const barrier_place&) = default;
};

// One job as it was asked for: does not change, but for `priority` and `queue` by an operator.
struct job_spec {
    std::string id;        // 1-128 bytes of printable ASCII without space; a UUID where nobody said
    bool id_made = false;  // just now, by the server: nobody else has it. Not kept
    std::string task;      // 1-255 bytes, likewise
    std::string queue;
    std::uint8_t priority = 0;      // 0-9; 9 goes first
    bool waits = false;             // begins when a job before it says so, not by itself
    std::string args = "[]";        // a JSON array
    std::string kwargs = "{}";      // a JSON object
    std::string headers;            // a JSON object or ""
    std::string correlation_id;     // of the request that it came from
    std::string parent, root;       // jobs; root: of the workflow, or the job itself
    std::int64_t enqueued_ms = 0;   // Unix time
    std::int64_t eta_ms = 0;        // not before this Unix time; 0: now
    std::int64_t countdown_ms = 0;  // not before so much has passed; of the two one at most
    std::int64_t expires_ms = 0;    // Unix time after which it is not begun any more: revoked; 0: never
    std::string unique;             // while another has it, this one is not taken; "": none
    std::int64_t unique_ms = 0;     // how long that holds; 0: until it is over
    retry_rule retry;
    std::uint32_t soft_limit_ms = 0;  // 0: none
    std::uint32_t hard_limit_ms = 0;
    bool late_ack = true;  // false: its worker's death is a failure, not a second run
    bool ignore_result = false;
    bool in_process = false;
    bool immutable = false;               // takes no results
    std::int64_t result_ms = 86'400'000;  // what is known of it stays so long after its end
    job_limit limit;
    std::string notify_group;  // told of progress and end; "": nobody
    // Begun when this one succeeds, with its result before their own arguments (not those that are
    // immutable); when it does not: over with it.
    std::vector<std::string> next;
    // Begun when it fails, with [{"id":…,"task":…,"error":{…}}] before theirs.
    std::vector<std::string> on_error;
    barrier_place part_of;  // told of its end
    // Where a workflow's answer names this one: the ids of all its jobs. Not told by find().
    std::vector<std::string> children;
    friend bool operator==(const job_spec&, const job_spec&) = default;
};

// Counts the ends of several jobs; at the last one `bodies` begin with the array of results, or fail, when
// one failed, naming the first that did.
struct barrier_spec {
    std::string id;
    std::uint32_t expected = 0;
    std::vector<std::string> bodies;      // none: a group, of which only the results are wanted
    barrier_place part_of;                // without bodies: the outer one is told the array
    std::vector<std::string> children{};  // as a job's
    friend bool operator==(const barrier_spec&, const barrier_spec&) = default;
};

// Why an attempt, or a job, failed.
struct job_error {
    std::string type;  // "std::runtime_error", "TimeLimitExceeded", "WorkerLostError", …
    std::string message;
    std::string trace;
    friend bool operator==(const job_error&, const job_error&) = default;
};
struct job_attempt {
    std::int64_t began_ms = 0, ended_ms = 0;  // Unix time
    std::string worker;                       // its name
    job_error error;                          // type "": it succeeded, or was handed back
    friend bool operator==(const job_attempt&, const job_attempt&) = default;
};

// What is known of a job.
struct job_view {
    job_spec spec;
    job_state state = job_state::ready;
    std::uint32_t retries = 0;  // attempts that failed and were, or will be, made again
    std::uint32_t losses = 0;   // attempts whose worker died: no retries
    bool started = false;
    bool cancelled = false;   // asked for, while it runs
    bool dead = false;        // in the dead letter queue
    std::int64_t due_ms = 0;  // scheduled: about when, Unix time
    std::int64_t began_ms = 0, ended_ms = 0;
    std::string worker;
    std::string result;                // JSON; success
    job_error error;                   // the last one
    std::vector<job_attempt> history;  // the last 10
    std::string progress;              // JSON, the last report, or ""
};

class argument_schemas;  // broker/jobs/argument_schemas.hpp

// A plugin's task, as it was registered: from JSON with Celery's option names (docs/jobs.md).
struct task_options {
    std::string name;
    std::string plugin;
    std::string queue = "default";
    std::uint8_t priority = 0;
    retry_rule retry;
    std::vector<std::string> autoretry_for{"*"};  // error types; "*": any
    std::vector<std::string> dont_autoretry_for;
    std::uint32_t soft_limit_ms = 0, hard_limit_ms = 0;
    std::int64_t expires_ms = 0;  // after it was enqueued
    bool late_ack = true;
    bool reject_on_worker_lost = false;  // to the dead letters at the first loss
    bool ignore_result = false;
    bool track_started = false;
    std::uint32_t handler = 0;  // its number among this server's handlers (plugin_host); 0: none
    bool in_process = false;
    std::int64_t result_ms = 86'400'000;  // -1: as long as --job-result-ttl says
    std::uint32_t rate = 0, rate_ms = 0;
    std::uint32_t at_once = 0;
    std::string limit_by;     // a keyword argument: the limits hold for each of its values by itself
    std::string args_schema;  // JSON Schema of the args array, "": any
    std::string kwargs_schema;
    // Both, compiled by parse_task_options; null: arguments are not checked.
    std::shared_ptr<const argument_schemas> schemas;
};

// ---- Asking

// `json`: a signature
// {"task":…,"args":[…],"kwargs":{…},"queue":…,"priority":…,"countdown":…,"eta":…,"expires":…,
// "id":…,"unique":…,"headers":…,"link":[…],"link_error":[…],"notify":{…},"immutable":…} or a workflow
// {"chain":[…]},
// {"group":[…]}, {"chord":{"header":[…],"body":…}}, nested; docs/jobs.md has the members.
struct enqueue_request {
    std::vector<std::string> jobs;  // all or none; each a JSON text
    std::string idempotency_key;  // a second one within 5 minutes is answered as the first, and does nothing
    std::string correlation_id;
    std::string parent;             // job
    std::optional<durability> how;  // nothing: --jobs-durability
};
struct enqueued_job {
    std::string id;          // a chain's: its last job's; a chord's: its body's; a group's: its barrier's
    bool duplicate = false;  // another job has the unique key: that one's id
    std::vector<std::string> children;  // all ids of a workflow, in the order in which they were written
};
struct enqueued {
    std::vector<enqueued_job> jobs;
    bool repeated = false;  // the idempotency key was there
};

struct job_filter {
    std::optional<job_state> state;  // nothing: any
    bool dead = false;               // dead letters only
    std::string queue, task;         // "": any
    std::string text;                // in id, task, arguments or error
    std::size_t limit = 100;
    std::string after;  // the page before's `next`
};
struct job_page {
    std::vector<job_view> jobs;  // newest first
    std::string next;            // "": that was all
};
struct queue_view {
    std::string name;
    std::uint64_t ready = 0, scheduled = 0, leased = 0, parked = 0, dead = 0;
    std::int64_t oldest_ms = 0;  // Unix time since when the oldest ready one is due; 0: none
    bool paused = false;
};
struct worker_view {
    std::string id, name;  // name: HOST:PID or "in-process"
    std::vector<std::string> queues;
    std::uint32_t concurrency = 0, running = 0, prefetched = 0;
    std::uint64_t done = 0, child_restarts = 0;
    std::int64_t since_ms = 0;
    bool stopping = false;
};

// When something is to be enqueued again and again: JSON {"task":…, …as a signature, "every":"30s" |
// "cron":"…",
// "timezone":…,"catch_up":…,"overlap":"skip"|"queue"|"all","dst_missing":…,"dst_repeated":…,"enabled":…}.
struct schedule_view {
    std::string name;
    std::string json;
    std::string source;                               // "config", "plugin:ID", "api"
    std::int64_t last_fire_ms = 0, next_fire_ms = 0;  // Unix time; 0: none
    std::uint64_t fired = 0, skipped = 0;
    bool enabled = true;
};

// Any thread; never blocks. An answer comes exactly once (but not after the server stopped), at once or
// later, on any thread; it must not block and is cheap. A null answer: nobody asks. Errors: bad_request (the
// field's path and what is wrong with it), unknown_task, too_large, busy, storage_full, storage_failed,
// not_found.
class job_port {
  public:
    template <class T>
    using answer = std::function<void(result<T>)>;

    virtual void enqueue(enqueue_request what, answer<enqueued> done) = 0;
    // Those that have not begun are revoked; those that run are told, then limited, then killed. The id that
    // a workflow was answered with: all its jobs. How many were not over.
    virtual void cancel(std::vector<std::string> ids, std::string reason, answer<std::size_t> done) = 0;
    // Waits, at most so long, until it is over.
    virtual void find(std::string id, std::chrono::milliseconds wait, answer<job_view> done) = 0;
    virtual void list(job_filter what, answer<job_page> done) = 0;
    // Dead letters, back to their queues (retries and losses count anew), or gone. How many there were of
    // them.
    virtual void requeue(std::vector<std::string> ids, answer<std::size_t> done) = 0;
    virtual void discard(std::vector<std::string> ids, answer<std::size_t> done) = 0;
    virtual void queues(answer<std::vector<queue_view>> done) = 0;
    virtual void pause(std::string queue, bool paused, answer<bool> done) = 0;  // what it was
    virtual void purge(std::string queue,
                       answer<std::size_t> done) = 0;  // revokes what is ready or scheduled there
    virtual void workers(answer<std::vector<worker_view>> done) = 0;
    virtual void tasks(answer<std::vector<task_options>> done) = 0;
    virtual void schedules(answer<std::vector<schedule_view>> done) = 0;
    virtual void put_schedule(std::string name, std::string json, answer<schedule_view> done) = 0;
    virtual void remove_schedule(std::string name, answer<bool> done) = 0;
    // The next fires of a schedule that is there, or, with `json`, would be.
    virtual void next_fires(std::string name, std::string json, std::size_t count,
                            answer<std::vector<std::int64_t>> done) = 0;

  protected:
    ~job_port() = default;
};

}  // namespace madang
