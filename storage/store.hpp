// The one door to durable state: commands go in, and come out when they are as durable as was asked.
//
// Groups belong to shards (a hash of the name; the count is fixed when a data directory is made). One writer
// applies all that has arrived and commits it as one write (group commit). Two stores: RocksDB's, and one in
// memory with the same behaviour (tests, --data-dir none).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/clock.hpp"
#include "broker/core/namespaces.hpp"
#include "broker/core/result.hpp"
#include "storage/command.hpp"

namespace madang {

struct options;
class metrics;

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

    // Healthy, or storage_full / storage_failed with what is wrong: for readiness. Heals by itself.
    virtual result<void> health() const = 0;

    // Entries of processes that ended without leaving, found at start: group and client. They count as
    // present until a commands::leave for them.
    virtual std::vector<std::pair<std::string, std::string>> stale_presence() const = 0;
};

// settings.data_dir says which. Creates the folder; refuses (invalid_option, one line that names the mend)
// what another process holds, a newer format, and damage that would serve wrong data. `clock` and `counts`
// outlive the store.
result<std::unique_ptr<store>> open_store(const options& settings, const clock_source& clock,
                                          metrics& counts);

}  // namespace madang
