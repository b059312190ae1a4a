// What a node that gives its jobs away and the one that takes them say to each other, as bytes. Words may be
// lost or come twice; a node hears another's in their order, but for those of a link that ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/errors.hpp"

namespace madang {

// A chunk's name (storage/job_chunk.hpp).
struct job_transfer {
    std::uint64_t book = 0, number = 0, transfer = 0;
    friend bool operator==(const job_transfer&, const job_transfer&) = default;
};

struct job_move_word {
    enum class kind : std::uint8_t {
        piece = 1,      // giver: bytes of the chunk from `at`, of `total`
        forgo = 2,      // giver: was it taken? If not, it must not be
        more = 3,       // taker: it has the bytes before `at`
        taken = 4,      // taker: its book has it, now or before
        refused = 5,    // taker: its book never will have it by that name
        forgone = 6,    // taker: to forgo: likewise
        not_here = 7,   // taker: it is not the jobs' home, or its store refuses for now
        unreadable = 8  // taker: to it these bytes are no chunk
    };
    kind what = kind::piece;
    job_transfer of;
    std::uint64_t at = 0, total = 0;
    std::string bytes;
    friend bool operator==(const job_move_word&, const job_move_word&) = default;
};
constexpr bool is_givers(job_move_word::kind what) noexcept { return what <= job_move_word::kind::forgo; }

std::string encode(const job_move_word& what);
std::optional<job_move_word> decode_job_move_word(std::string_view bytes);  // nothing: no word

}  // namespace madang
