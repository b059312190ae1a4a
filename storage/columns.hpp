// The column families, once: what a key and a value is made of, and how long it stays. The grammar's words
// are docs/store-format.md's; codec.hpp writes and reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace madang {

// Numbered as in the store's files: numbers are never used again.
enum class column : std::uint8_t {
    facts = 0,
    streams = 1,
    publications = 2,
    idempotency = 3,
    presence = 4,
    seen = 5,
    jobs = 6,
    job_order = 7,
    job_ready = 8,
    job_rows = 9,
    job_terms = 10,
};

// Whether a value begins with the time at which it ends (i64, Unix ms; 0: never): then a compaction drops it.
enum class lifetime : std::uint8_t { until_removed, until_its_time };

struct column_row {
    column id;
    std::string_view name;  // in RocksDB; facts is its "default"
    std::string_view key;
    std::string_view value;
    lifetime kept;
};

// `where` is shard:u16 text16(group): all that a group has in a column stands together.
inline constexpr column_row column_rows[] = {
    {column::facts, "default", "name", "see facts.hpp", lifetime::until_removed},
    {column::streams, "streams", "where", "ends:i64 flags:u8 generation:u32 top:u64 oldest:u64 epoch:text32",
     lifetime::until_its_time},
    {column::publications, "publications", "where offset:u64",
     "ends:i64 time:i64 parts:u8 data:text32 [client user conn_info chan_info : text32] [n:u32 (name value : "
     "text32)*]",
     lifetime::until_its_time},
    {column::idempotency, "idempotency", "where key", "ends:i64 offset:u64 epoch:text32",
     lifetime::until_its_time},
    {column::presence, "presence", "where client", "since:i64 user conn_info chan_info incarnation : text32",
     lifetime::until_removed},
    {column::seen, "seen", "where user", "time:i64", lifetime::until_removed},
    // The jobs' shard: see job_record.hpp. job_order has those jobs whose ids do not say when they came.
    {column::jobs, "jobs", "job", "ends:i64 status spec", lifetime::until_its_time},
    {column::job_order, "job_order", "number:u64", "ends:i64 job", lifetime::until_its_time},
    {column::job_ready, "job_ready", "text16(queue) in_process:u8 (9-priority):u8 sequence:u64",
     "since:i64 job", lifetime::until_removed},
    {column::job_rows, "job_rows", "kind:u8 …", "by kind", lifetime::until_removed},
    {column::job_terms, "job_terms", "kind:u8 name", "ends:i64 …", lifetime::until_its_time},
};
inline constexpr std::size_t column_count = sizeof column_rows / sizeof *column_rows;

constexpr const column_row& describe(column what) noexcept {
    return column_rows[static_cast<std::size_t>(what)];
}

}  // namespace madang
