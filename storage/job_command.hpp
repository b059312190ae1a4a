// What can be asked of the jobs' shard: commands, which change it, queries, and what comes out of both.
// Values only; deterministic as storage/command.hpp says. All jobs are one shard, because workflows, unique
// keys and limits cross queues: one command is then one write.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/jobs.hpp"

namespace madang {

// A worker's right to run a job. The token is never used again, also not after a restart; whoever names
// another than the job's present one is answered stale_lease, and nothing changes.
struct job_lease {
    std::string job;
    std::uint64_t token = 0;
};

namespace job_commands {

// All or none. Specs are validated already; ids of `next`, `on_error`, bodies and barriers are all within, or
// exist. Refused: bad_request ("id" in use by a job that is not over, or whose result is kept).
struct enqueue {
    std::vector<std::shared_ptr<const job_spec>> jobs;
    std::vector<barrier_spec> barriers;
    // What is answered, now and when the idempotency key comes again; where it names a job whose unique key
    // another has, that one instead. Empty: the ids of those jobs that do not wait.
    std::vector<enqueued_job> answers;
    std::string idempotency_key;
    std::string schedule;      // fired by it; "": none
    std::int64_t fire_ms = 0;  // for which time: at most once each, and the schedule's last fire now
    job_time now;
};
// A worker takes so many more jobs, of these queues (those first in order that have any), highest priority
// first. Adds to what it offered before, with the queues as now. Not durable: after a restart
// (job_effects::restarted) offers are made anew.
struct offer {
    std::string worker;  // its name for people
    std::uint64_t worker_id = 0;
    std::vector<std::string> queues;  // empty: all
    bool in_process = false;          // takes jobs whose spec says so; others do not
    std::uint32_t jobs = 0;
    job_time now;
};
struct withdraw {  // what it offered and did not get
    std::uint64_t worker_id = 0;
};
// The attempt began (track_started, or whenever a worker cares to say so). Not durable.
struct started {
    job_lease which;
    job_time now;
};
// The job succeeded: result, unique key, next jobs, barrier and news in the same write.
struct succeed {
    job_lease which;
    std::string result;  // JSON
    job_time now;
};
// The attempt ended otherwise. retry and dead: it failed, and counts. requeued: by its own word, as often as
// it likes. handed_back: not begun; to the place where it was.
struct fail {
    enum class verdict : std::uint8_t { retry, dead, rejected, ignored, handed_back, requeued };
    job_lease which;
    job_error error;
    verdict what = verdict::dead;
    std::int64_t retry_after_ms = 0;  // retry, requeued
    job_time now;
};
// Workers died with these. Back to their places (parked and limits let go), or dead when that was loss number
// `most_losses`, or at once when late_ack is false or `dead`.
struct lose {
    std::vector<job_lease> which;
    job_error error;  // WorkerLostError
    std::uint32_t most_losses = 0;
    bool dead = false;
    job_time now;
    // false: the server died, for which no job is to blame; to its place, but for those that must not run
    // twice or that ended so, with this error's type, all the times that are remembered.
    bool counted = true;
};
struct checkpoint {
    job_lease which;
    std::string data;  // given with the next lease; gone when the job is over
};
// Those not over: revoked when not leased; leased ones are marked durably (revoked instead of begun again)
// and told as effect. What a workflow was answered with stands for all its jobs. Refused: bad_request (a
// group within one), limit_exceeded (several workflows are too much for one write).
struct cancel {
    std::vector<std::string> jobs;
    std::string reason;
    job_time now;
};
struct pause {
    std::string queue;
    bool paused = true;
};
struct purge {
    std::string queue;
    job_time now;
};
struct requeue {  // dead ones; "*" alone: all (some per round)
    std::vector<std::string> jobs;
    job_time now;
};
struct discard {  // likewise
    std::vector<std::string> jobs;
    job_time now;
};
// Makes due what is due, revokes what expired, forgets what is past its time; a bounded number at a time
// (then job_effects::next is now).
struct tick {
    job_time now;
};
struct put_schedule {  // over one of that name, whose fires and counts stay
    std::string name;
    std::string json;  // validated
    std::string source;
    std::int64_t from_ms = 0;  // a new one's last fire
};
struct remove_schedule {
    std::string name;
};
// A fire that was left out (overlap, catch-up window): the last fire is now.
struct skip_fire {
    std::string name;
    std::int64_t fire_ms = 0;
    std::uint32_t count = 1;
};
struct told {  // news that were published
    std::vector<std::uint64_t> news;
};

// -- From one node's book to another's: see job_chunk.hpp.

// Gets ready for `give`, some of the book at a time. Not durable. False: once more.
struct look {
    job_time now;
};
// Cuts the next chunk out of the book and keeps it as one row, in the same write: none of what is in it is
// in the book any more, whoever is served from it meanwhile. To be synced before anybody is sent the chunk.
// Costs what all `look`s that are missing cost. Refused: busy (a sweep goes on).
struct give {
    std::string to;              // the node, kept with the chunk
    std::uint64_t book = 0;      // random: the book's, if it has no id yet
    std::uint64_t transfer = 0;  // random: the chunk's
    std::size_t most_jobs = 1000;
    std::size_t most_bytes = 1 << 20;  // a workflow that is more goes alone
    job_time now;
};
// Puts a chunk into this book, with the mark that it was taken. Of a chunk that was taken already nothing
// happens again. To be synced before its giver is told. Refused: bad_request (no chunk).
struct take {
    std::shared_ptr<const std::string> bytes;
    job_time now;
};
// Its giver knows that it was taken: it is forgotten.
struct given {
    std::uint64_t number = 0;
};
// Was it taken here? Where it was not, it never will be: so that it can be given to another. To be synced.
struct forgo {
    std::uint64_t book = 0, number = 0, transfer = 0;
};
// The node that it was cut for has forgone it: another's now, by a new number. To be synced. `renamed`: the
// node knows of later chunks of this book, which is an old copy: the book has a new id from now on.
struct give_again {
    std::uint64_t number = 0;
    std::string to;
    std::uint64_t transfer = 0;  // random
    std::uint64_t book = 0;      // random; 0: the book keeps its id
};
// The same, and this node is to have it: back into its book.
struct take_back {
    std::uint64_t number = 0;
    job_time now;
};

}  // namespace job_commands

namespace job_queries {

struct find {
    std::string job;
};
struct list {
    job_filter what;
};
struct queues {};
struct schedules {};
struct chunks {};  // that were cut and not given yet
struct chunk {
    std::uint64_t number = 0;
};

}  // namespace job_queries

using job_request =
    std::variant<job_commands::enqueue, job_commands::offer, job_commands::withdraw, job_commands::started,
                 job_commands::succeed, job_commands::fail, job_commands::lose, job_commands::checkpoint,
                 job_commands::cancel, job_commands::pause, job_commands::purge, job_commands::requeue,
                 job_commands::discard, job_commands::tick, job_commands::put_schedule,
                 job_commands::remove_schedule, job_commands::skip_fire, job_commands::told,
                 job_queries::find, job_queries::list, job_queries::queues, job_queries::schedules,
                 job_commands::look, job_commands::give, job_commands::take, job_commands::given,
                 job_commands::forgo, job_commands::give_again, job_commands::take_back, job_queries::chunks,
                 job_queries::chunk>;

struct stored_schedule {
    std::string name, json, source;
    std::int64_t last_fire_ms = 0;
    std::uint64_t fired = 0, skipped = 0;
    std::uint64_t unfinished = 0;  // jobs fired by it that are not over
};

// One that was cut out of this book for another's.
struct kept_chunk {
    std::uint64_t book = 0, number = 0, transfer = 0;
    std::string to;
    std::shared_ptr<const std::string> bytes;  // null in the list of all
    std::uint64_t jobs = 0;
};
struct given_chunk {
    std::optional<kept_chunk> cut;  // nothing: the book is empty
    std::uint64_t left = 0;         // jobs behind it in the book
};
struct taken_chunk {
    enum class outcome : std::uint8_t {
        taken,     // now
        repeated,  // before
        refused,   // it was forgone, or this book took later ones of that book
    };
    outcome what = outcome::taken;
    std::uint64_t jobs = 0;
    std::uint64_t skipped = 0;    // whose ids, or the ids of whose workflows, were in use: they are lost
    std::uint64_t schedules = 0;  // that are other than before: to be loaded again
};

// By request, in order. enqueue: enqueued; lose, cancel, purge, requeue, discard: how many; pause: bool, what
// it was; remove_schedule: bool; find: job_view, behind a pointer because all answers are as large as the
// largest (error not_found); list: job_page, which may be short of its limit, or empty, and yet name a next
// one (a bounded number of jobs is looked at). look: bool; give: given_chunk; take, take_back: taken_chunk;
// given: bool, whether it was there; forgo: bool, whether it was taken; give_again, chunk: kept_chunk (error
// not_found), all three behind a pointer; chunks: kept_chunks.
using job_value =
    std::variant<std::monostate, enqueued, std::uint64_t, bool, std::shared_ptr<job_view>, job_page,
                 std::vector<queue_view>, std::vector<stored_schedule>, std::shared_ptr<given_chunk>,
                 std::shared_ptr<kept_chunk>, taken_chunk, std::vector<kept_chunk>>;
using job_answer = result<job_value>;

// What a lease hands to its worker.
struct job_assignment {
    std::uint64_t worker_id = 0;
    std::uint64_t token = 0;
    std::shared_ptr<const job_spec> spec;
    std::string args;  // with the results of the jobs before it; "": the spec's
    std::uint32_t retries = 0, losses = 0;
    std::string checkpoint;
    std::int64_t due_elapsed_ms = 0;  // since when it was ready
};
// To be published to a group, once, then job_commands::told.
struct job_news {
    std::uint64_t id = 0;
    std::string group;
    std::string data;  // JSON {"event":"job","id":…,"task":…,"state":…,"result":…|"error":…}
};
inline constexpr std::string_view group_task = "madang.group";  // of the record that a group leaves
struct job_ended {  // a job; or a group, for those who wait for it
    std::shared_ptr<const job_spec> spec;
    job_state state;
    std::uint32_t retries = 0;
    std::int64_t began_ms = 0, ended_ms = 0;
    std::string error_type;
};
// What one round did, in order of rounds, after it was committed (not: synced): to store::watch_jobs'
// function, on the store's thread.
struct job_effects {
    std::vector<job_assignment> assigned;
    std::vector<job_lease> cancelled;  // running ones that are to stop
    std::vector<job_news> news;
    std::vector<job_ended> ended;
    // When a tick is of use next: the sooner of the two; INT64_MAX: not until something is enqueued.
    job_time next{INT64_MAX, INT64_MAX};
    // Offers are forgotten: at start, and when a commit failed. Leases hold: at start those of earlier
    // processes are `held`, and whoever does not claim them within a grace is lost.
    bool restarted = false;
    // Not restarted: those that came with a chunk from another book. They are held likewise, and their
    // workers are told nothing of it: they claim them here, or are lost.
    struct held_lease {
        job_lease which;
        std::string worker;
        std::uint64_t worker_id = 0;
    };
    std::vector<held_lease> held;
};

}  // namespace madang
