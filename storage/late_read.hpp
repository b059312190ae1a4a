// What of a request's answer has to come from the disk: planned where the state is, read anywhere.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "storage/codec.hpp"
#include "storage/command.hpp"
#include "storage/kv.hpp"

namespace madang {

struct history_read {
    std::string where;
    position top;
    std::uint64_t from = 1, to = 0;  // inclusive; empty when from > to
    std::size_t count = 0;           // at most so many, from the end that `order` begins at
    direction order = direction::ascending;
    bool exact = false;  // all of it, or unrecoverable_position; otherwise what is there without a gap
    std::int64_t now_ms = 0;
    std::vector<kept_publication> tail;  // the range's end, as far as it is in memory; ascending
};
struct seen_read {
    std::string where;
    std::size_t limit = 0;
    std::vector<std::string> present;                           // who is not listed
    std::vector<std::pair<std::string, std::int64_t>> pending;  // not in the view yet, in their order
};
struct copy_read {
    std::string where;
    stream_piece head;  // without what is read
    std::string from;
    std::size_t most_bytes = 0;
    std::int64_t now_ms = 0;
};
struct names_read {
    queries::streams what;
};
using late_read = std::variant<history_read, seen_read, copy_read, names_read>;

// history_page, std::vector<last_seen_entry>, stream_piece, stream_names; errors: unrecoverable_position,
// storage_failed.
store_answer run(late_read& what, const kv_view& from);

}  // namespace madang
