// The store's threads around the shards' logic: one writer that applies and commits all that has arrived, one
// that syncs, one that reads from the disk what is not in memory.
#pragma once

#include <cstdint>
#include <memory>

#include "storage/facts.hpp"
#include "storage/kv.hpp"
#include "storage/store.hpp"

namespace madang {

struct store_limits {
    std::uint32_t shards = 16;
    std::size_t queue_bytes = 64 << 20;  // submitted and not answered; more: busy
    // In memory, of all shards together: publications, streams.
    std::size_t tail_bytes = 64 << 20;
    std::size_t streams = 100'000;
    std::size_t round_bytes = 4 << 20;         // of one commit
    std::size_t job_cache_bytes = 48 << 20;    // in memory
    std::size_t job_args_bytes = 1 << 20;      // of what a job begins with after others
    std::int64_t job_dead_ms = 2'592'000'000;  // a dead letter is kept so long
};

// `clock` (for durations; the writer's and the syncing thread read it) and `counts` outlive the store.
result<std::unique_ptr<store>> make_store(std::unique_ptr<kv> bytes, const generation& now,
                                          const store_limits& limits, const clock_source& clock,
                                          metrics& counts);

}  // namespace madang
