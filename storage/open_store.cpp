#include "broker/core/options.hpp"
#include "broker/core/request_id.hpp"
#include "storage/committing_store.hpp"
#include "storage/memory_kv.hpp"
#include "storage/rocks_kv.hpp"
#include "storage/store.hpp"

namespace madang {

result<std::unique_ptr<store>> open_store(const options& settings, const clock_source& clock,
                                          metrics& counts) {
    store_limits limits;
    limits.shards = settings.store_shards;
    limits.queue_bytes = settings.store_queue_bytes;
    limits.tail_bytes = settings.store_tail_bytes;
    limits.streams = settings.store_streams;
    limits.job_cache_bytes = settings.store_memory_bytes / 4 * 3;
    limits.job_args_bytes = settings.job_args_bytes;
    limits.job_dead_ms = settings.job_dead_ttl.count();
    if (settings.data_dir == "none")
        return make_store(std::make_unique<memory_kv>(settings.store_keys), generation{}, limits, clock,
                          counts);
    rocks_settings rocks;
    rocks.path = settings.data_dir;
    rocks.shards = settings.store_shards;
    rocks.memory_bytes = settings.store_memory_bytes;
    rocks.free_bytes = settings.store_free_bytes;
    rocks.ballast_bytes = settings.store_ballast_bytes;
    rocks.new_epoch = [] { return make_request_id().substr(0, 8); };
    auto bytes = open_rocks_kv(rocks);
    if (!bytes) return bytes.error();
    limits.shards = (*bytes)->shards();
    const auto now = (*bytes)->now();
    return make_store(std::move(*bytes), now, limits, clock, counts);
}

}  // namespace madang
