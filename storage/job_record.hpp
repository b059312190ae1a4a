// What the jobs' shard keeps, as values and as bytes: pure. Keys' integers are big-endian, so that they sort
// as numbers do. A record of many members is a mask of those that are not as in a blank one, and those; a new
// member has a new bit. A change of what is there is a new store_format_version.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/jobs.hpp"
#include "storage/columns.hpp"

namespace madang {

// A job besides its spec. Alive it has one place: a row that says so in state `ready`, `parked` and
// `scheduled`; `waiting` has none. Leasing changes neither record nor place, which go on saying `ready`: that
// it holds is said elsewhere (job_leases.hpp).
struct job_status {
    std::int64_t ends_ms = 0;  // over: when it is forgotten; 0: never
    job_state state = job_state::waiting;
    bool by_wall = false;        // scheduled: due_ms is Unix time, otherwise elapsed
    std::int64_t due_ms = 0;     // scheduled; a dead letter: when it is forgotten
    std::uint64_t number = 0;    // its row's in column::job_order; 0: its id says when it came
    std::uint64_t sequence = 0;  // its place among those of its queue and priority
    job_time since;              // ready, parked, leased: since when it could begin
    std::uint32_t retries = 0, losses = 0;
    bool cancelled = false;
    bool granted = false;         // has used its share of the rate already
    bool upstream = false;        // over for what came before it: no dead letter
    bool told = false;            // who waited for its end knows; a second end tells nobody
    bool has_checkpoint = false;  // there is a row of it
    std::uint32_t parents = 0;    // jobs and barriers that may still begin it
    std::int64_t began_ms = 0, ended_ms = 0;
    std::string worker;
    std::string args;  // with results before the spec's own; "": the spec's
    std::string result;
    job_error error;
    std::vector<job_attempt> history;  // that failed; the last 10
    std::string schedule;              // that fired it
    std::uint64_t left = 0;            // leases with tokens up to this one hold no more
    friend bool operator==(const job_status&, const job_status&) = default;
};
inline bool is_dead_letter(const job_status& what) noexcept { return is_dead(what.state) && !what.upstream; }
struct job_record {
    job_spec spec;
    job_status status;
};

struct job_lease_record {
    std::uint64_t token = 0, worker_id = 0;
    std::int64_t began_ms = 0;
    std::string worker;
    friend bool operator==(const job_lease_record&, const job_lease_record&) = default;
};
struct given_lease {
    std::string job;
    job_lease_record lease;
    friend bool operator==(const given_lease&, const given_lease&) = default;
};
struct barrier_record {
    barrier_spec spec;
    std::uint32_t ended = 0;
    std::string failed;  // the first job that did; "": none so far
    std::string failed_task;
    job_error error;  // its
    friend bool operator==(const barrier_record&, const barrier_record&) = default;
};
struct queue_counts {
    std::uint64_t ready = 0, scheduled = 0, leased = 0, parked = 0, dead = 0;
    bool none() const noexcept { return (ready | scheduled | leased | parked | dead) == 0; }
    friend bool operator==(const queue_counts&, const queue_counts&) = default;
};
struct schedule_record {
    std::string json, source;
    std::int64_t last_fire_ms = 0;
    std::uint64_t fired = 0, skipped = 0, unfinished = 0;
    friend bool operator==(const schedule_record&, const schedule_record&) = default;
};
struct book_meta {
    // The last ones given. `number`: milliseconds of Unix time << 12, and up from there, as in ids.
    std::uint64_t number = 0, sequence = 0, news = 0;
    std::int64_t elapsed_ms = 0;  // the greatest that a command had
    friend bool operator==(const book_meta&, const book_meta&) = default;
};
// Work on many jobs that takes more than one round.
struct sweep_record {
    enum class work : std::uint8_t { purge = 0, requeue = 1, discard = 2 };
    work what = work::purge;
    std::string queue;        // purge
    std::uint64_t up_to = 0;  // purge: sequence; the others: number
    std::int64_t wall_ms = 0;
    friend bool operator==(const sweep_record&, const sweep_record&) = default;
};
// The last chunk of a book that this one took, or forwent.
struct taken_mark {
    std::uint64_t number = 0, transfer = 0;
    bool forgone = false;
    // Of its jobs' places here, that many, the first behind `base`.
    std::uint64_t base = 0, span = 0;
    friend bool operator==(const taken_mark&, const taken_mark&) = default;
};
struct kept_answer {
    std::int64_t ends_ms = 0;
    std::vector<enqueued_job> jobs;
};
// A unique key's holder, or until when a rate is used up (microseconds, elapsed).
struct term_record {
    std::int64_t ends_ms = 0;  // Unix time; 0: until it is removed
    std::string job;
    std::int64_t next_us = 0;
};

// Over what `into` held.
void encode(const job_spec& spec, const job_status& status, std::string& into);
void encode(const std::vector<std::string>& what, std::string& into);  // ids
void encode(const job_lease_record& what, std::string& into);
void encode(const std::vector<given_lease>& what, std::string& into);
void encode(const barrier_record& what, std::string& into);
void encode(const queue_counts& what, std::string& into);
void encode(const schedule_record& what, std::string& into);
void encode(const book_meta& what, std::string& into);
void encode(const sweep_record& what, std::string& into);
void encode(const taken_mark& what, std::string& into);
void encode(const kept_answer& what, std::string& into);
void encode(const term_record& what, std::string& into);

// Nothing: not what `encode` writes.
std::optional<job_record> decode_job(std::string_view id, std::string_view value);
std::optional<std::vector<std::string>> decode_ids(std::string_view value);
std::optional<job_lease_record> decode_lease(std::string_view value);
std::optional<std::vector<given_lease>> decode_leases(std::string_view value);
std::optional<barrier_record> decode_barrier(std::string_view id, std::string_view value);
std::optional<queue_counts> decode_counts(std::string_view value);
std::optional<schedule_record> decode_schedule(std::string_view value);
std::optional<book_meta> decode_meta(std::string_view value);
std::optional<sweep_record> decode_sweep(std::string_view value);
std::optional<taken_mark> decode_mark(std::string_view value);
std::optional<kept_answer> decode_answer(std::string_view value);
std::optional<term_record> decode_term(std::string_view value);

// A row of one of these columns.
struct job_row {
    column where{};
    std::string key, value;
    bool operator==(const job_row&) const = default;
};

namespace keys {

// The first byte of a key in column::job_rows and column::job_terms. Frozen.
enum class row : char {
    barrier = 'B',         // barrier
    barrier_result = 'R',  // text16(barrier) index:u32
    children = 'F',        // barrier: of a workflow whose answer named it
    checkpoint = 'C',      // job
    dead = 'D',            // wall_ms:i64 job: forgotten then
    due_elapsed = 'E',     // elapsed_ms:i64 job
    due_wall = 'W',        // wall_ms:i64 job
    expiry = 'X',          // wall_ms:i64 job
    parked = 'K',          // text16(limit) place
    lease = 'L',           // job: of format 2
    leases = 'G',          // number:u64, the token of its first
    meta = 'M',
    news = 'N',         // news:u64
    paused = 'P',       // queue
    counts = 'Q',       // queue
    schedule = 'S',     // name
    start = 'A',        // the last start's number:u64
    here = 'H',         // this book's id:u64, and the number:u64 of the last chunk cut
    chunk = 'Y',        // number:u64, one that was cut: text16(node) jobs:u64 chunk
    mark = 'V',         // book:u64, of which chunks were taken
    sweep = 'Z',        // kind:u8 queue
    idempotency = 'I',  // key                      these three in job_terms
    unique = 'U',       // key
    rate = 'T',         // limit
};
std::string job_row(row kind, std::string_view name = {});
std::string job_row(row kind, std::int64_t number, std::string_view name = {});  // times are not negative
std::string barrier_result(std::string_view barrier, std::uint32_t index);
std::string number(std::uint64_t number);                      // in column::job_order
std::optional<std::uint64_t> number_of(std::string_view key);  // its last eight bytes
// Of a UUID of version 7, of the years 2004 to 2109: the 60 bits by which they are in order, milliseconds of
// Unix time first. Nothing: another id, whose job has a row in column::job_order.
std::optional<std::uint64_t> time_of_id(std::string_view id) noexcept;
inline constexpr char first_time[] = "01", last_time[] = "04";  // from one of these ids to before the other

// A queue's jobs in the order in which they are begun, in column::job_ready; those for in-process workers are
// a queue of their own.
std::string ready(std::string_view queue, bool in_process);
std::string parked(std::string_view limit);
void ready(std::string_view queue, bool in_process, std::string& into);  // appends
void parked(std::string_view limit, std::string& into);
// Behind either: what sorts by priority (9 first), then sequence.
struct job_place {
    std::uint8_t priority = 0;
    std::uint64_t sequence = 0;
    friend bool operator==(const job_place&, const job_place&) = default;
    friend bool operator<(const job_place& a, const job_place& b) {
        return a.priority != b.priority ? a.priority > b.priority : a.sequence < b.sequence;
    }
};
std::string placed(std::string_view before, const job_place& where);
void placed(const job_place& where, std::string& into);
std::optional<job_place> place_of(std::string_view key);  // its last nine bytes

}  // namespace keys

// Where a job of this state and spec stands, leased ones where they stood before. False: nowhere, it is
// waiting or over.
bool row_of(const job_spec& spec, const job_status& status, job_row& into);

}  // namespace madang
