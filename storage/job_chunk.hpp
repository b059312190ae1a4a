// How jobs go from one node's book to another's: in chunks, each cut out of the one book and put into the
// other as a whole. A chunk is a set of whole workflows (all that may still begin or count each other), so
// that no end of a job crosses books; or what is of no job. As values and bytes: pure.
//
//   giver                                  taker
//   give: out of the book, into one row
//                         -- bytes -->     take: into the book, and the mark (giver's book, number)
//                         <-- taken --
//   given: the row goes
//
// Whoever is killed when, the chunk is in one of three places: the giver's book, its row, the taker's book.
// In doubt (no answer) the giver sends it again, and by the mark the taker knows; or it asks the taker to
// forgo it, after which it can be another's. A mark is one row per book that ever gave something: numbers
// rise, one chunk to a taker at a time, so that the last one says all. Bytes: docs/store-format.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/jobs.hpp"
#include "storage/job_record.hpp"

namespace madang {

inline constexpr std::uint8_t job_chunk_version = 1;
// Tokens of leases are below: a chunk must not use up a book's.
inline constexpr std::uint64_t most_token = std::uint64_t{1} << 62;

struct job_chunk_head {
    std::uint64_t book = 0;      // the giver's
    std::uint64_t number = 0;    // of its chunks; rises, from 1
    std::uint64_t transfer = 0;  // random
    std::uint64_t sequence = 0;  // the last place that the giver's book gave to a job
    job_time cut;                // elapsed times within are of this clock
    friend bool operator==(const job_chunk_head&, const job_chunk_head&) = default;
};
struct moved_job {
    std::shared_ptr<const job_spec> spec;
    job_status status;                      // leased: as `ready`, which its record says
    std::optional<job_lease_record> lease;  // its token is greater than status.left
    std::optional<std::string> checkpoint;  // there is one: status.has_checkpoint
    bool holds_unique = false;              // the key of its spec, until it is over
};
struct moved_barrier {
    barrier_record what;
    std::vector<std::pair<std::uint32_t, std::string>> results;  // by index
};
struct moved_workflow {
    std::vector<moved_job> jobs;  // one that is over is alone
    std::vector<moved_barrier> barriers;
};
struct job_chunk {
    job_chunk_head head;
    std::vector<moved_workflow> workflows;
    std::vector<std::string> paused;                                 // queues
    std::vector<std::pair<std::string, schedule_record>> schedules;  // none unfinished: their jobs count
    std::vector<std::pair<std::string, kept_answer>> answers;        // by idempotency key
    std::vector<std::pair<std::string, term_record>> uniques;        // keys that end by time
    std::vector<std::pair<std::string, std::string>> news;           // group, data

    std::uint64_t jobs() const noexcept;
    bool empty() const noexcept;
};

// The head has a fixed size, so that a chunk's can be replaced.
inline constexpr std::size_t job_chunk_head_bytes = 4 + 6 * 8;
void encode(const job_chunk_head& what, std::string& into);  // over what it held
std::string encode(const job_chunk& what);
std::optional<job_chunk_head> decode_chunk_head(std::string_view bytes);
// Nothing: not what `encode` writes, or what no book can hold.
std::optional<job_chunk> decode_chunk(std::string_view bytes);

}  // namespace madang
