// The one door to durable state: commands go in, and come out when they are as durable as was asked.
//
// Groups belong to shards (a hash of the name; the count is fixed when a data directory is made). One writer
// applies all that has arrived and commits it as one write (group commit). Two stores: RocksDB's, and one in
// memory with the same behaviour (tests, --data-dir none).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/clock.hpp"
#include "broker/core/namespaces.hpp"
#include "broker/core/result.hpp"
#include "storage/command.hpp"
#include "storage/job_command.hpp"

namespace madang {

struct options;
class metrics;

// Who is present in a group by the word of a process that ended without leaving.
struct stale_entry {
    std::string group, client;
    std::string incarnation;  // of that process
    friend bool operator==(const stale_entry&, const stale_entry&) = default;
};

// Any thread, but for open_store and the destructor.
class store {
  public:
    using answers = std::function<void(std::vector<store_answer>)>;

    virtual ~store() = default;  // commits what was submitted, answers it, and marks a clean stop

    // Applies the requests in order, all of one submitter's batches for a group in the order submitted, and
    // calls `done` once (never from within), on a thread of the store's: with one answer per request, when
    // all changes of this batch are as durable as `how`, and what its queries tell of a synced stream is
    // synced. Batches with changes are answered in their order, per durability; one of queries only may be
    // answered later than what was submitted after it, when the disk is needed. Never blocks. `done` must be
    // quick and not throw.
    //  - Errors of single requests: unrecoverable_position, bad_request, storage_failed (a damaged record).
    //  - Of all changes: busy (too much is waiting: nothing was applied), storage_full (below the free-space
    //    mark, but for batches that only leave and remove history; or the disk is full), storage_failed. A
    //    change that was answered with an error is not there, also not later; reads go on. A failed sync is
    //    not an error: its batch is answered once the store has healed (storage_failed when it is destroyed
    //    before, and nobody knows).
    virtual void submit(std::vector<store_request> batch, durability how, answers done) = 0;

    // The same for the jobs' shard, in the same rounds and writes. Of its errors besides: not_found,
    // stale_lease. storage_full: below the free-space mark what runs may end, and nothing new begins;
    // enqueue, checkpoint, requeue and put_schedule are refused. A list in a batch is of what was before the
    // batch.
    using job_answers = std::function<void(std::vector<job_answer>)>;
    virtual void submit_jobs(std::vector<job_request> batch, durability how, job_answers done) = 0;
    // Before the first submit_jobs: who is told what each round did, in their order; quick, does not throw.
    // Its first call has `restarted` and what was held.
    virtual void watch_jobs(std::function<void(job_effects&&)> see) = 0;
    // The greatest elapsed_ms that a command had, of those that are kept: job_time goes on from there.
    virtual std::int64_t jobs_elapsed_ms() const = 0;

    // Healthy, or storage_full / storage_failed with what is wrong: for readiness. Heals by itself.
    virtual result<void> health() const = 0;

    // Found at start. They count as present until a commands::leave for them (with their incarnation, so that
    // who entered again since stays).
    virtual std::vector<stale_entry> stale_presence() const = 0;

    // Makes a copy in the folder `to`, which must not exist, of all that is committed by now, while work goes
    // on; calls `done` on a thread of the store's. Any file system, though one and the same costs least
    // (links). Errors: not_available (a store in memory), busy (another is being made), invalid_option (the
    // folder), storage_full, storage_failed.
    virtual void back_up(std::filesystem::path to, std::function<void(result<void>)> done) = 0;
};

// settings.data_dir says which. Creates the folder; refuses (invalid_option, one line that names the mend)
// what another process holds, a newer format, and damage that would serve wrong data. `clock` and `counts`
// outlive the store.
result<std::unique_ptr<store>> open_store(const options& settings, const clock_source& clock,
                                          metrics& counts);

}  // namespace madang
