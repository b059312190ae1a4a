// What the jobs' loops of two nodes say to each other, as values and bytes.
//
// A mail is version:u8, then parcels: kind:u8 length:u32 and what `members` lists (broker/core/wire.hpp). A
// parcel of a kind that is not known is skipped, and what a later version puts behind a parcel's known end
// too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/core/result.hpp"

namespace madang {

// Of job_port; call_codec.hpp has the bodies.
enum class job_verb : std::uint8_t {
    enqueue,
    cancel,
    find,
    list,
    requeue,
    discard,
    queues,
    pause,
    purge,
    workers,
    schedules,
    put_schedule,
    remove_schedule,
    next_fires
};
// Of those that only look: answered by a node without a quorum too.
constexpr bool is_question(job_verb what) noexcept {
    return what == job_verb::find || what == job_verb::list || what == job_verb::queues ||
           what == job_verb::workers || what == job_verb::schedules || what == job_verb::next_fires;
}

namespace job_parcels {

// -- To the node that keeps the jobs
struct call {
    std::uint64_t ticket = 0;
    job_verb what = job_verb::enqueue;
    std::string body;
};
// A worker of the sender's node, which has proven that it may: its bytes, hello first, without the cookie.
struct worker_came {
    std::uint64_t stream = 0;  // the sender's number for it; never used again over one link
};
struct worker_said {
    std::uint64_t stream = 0;
    std::string bytes;
};
struct worker_took {  // bytes of worker_told that it has
    std::uint64_t stream = 0;
    std::uint64_t bytes = 0;
};
struct worker_left {
    std::uint64_t stream = 0;
};
struct worker_retires {  // its node drains: it is to finish what it has, and go
    std::uint64_t stream = 0;
};
struct answers_read {  // bytes of answers' bodies
    std::uint64_t bytes = 0;
};

// -- From it
struct answer {
    std::uint64_t ticket = 0;
    std::uint32_t code = 0;  // 0: well; otherwise the error's wire code, and the body is its detail
    std::string body;
};
struct worker_told {
    std::uint64_t stream = 0;
    std::string bytes;
};
struct worker_read {  // bytes of worker_said that were read
    std::uint64_t stream = 0;
    std::uint64_t bytes = 0;
};
struct worker_closed {
    std::uint64_t stream = 0;
};

// -- Of a node that has jobs in its book and does not keep them any more, to the one that does; and back
struct move_word {
    std::string bytes;
};

// -- Such a word of somebody who asked the sender's API (job_adopters.hpp), and its answer
struct adopter_said {
    std::uint64_t ticket = 0;
    std::string bytes;
};
struct adopter_told {
    std::uint64_t ticket = 0;
    std::uint32_t code = 0;  // as answer's
    std::string bytes;
};

}  // namespace job_parcels

using job_parcel =
    std::variant<job_parcels::call, job_parcels::answer, job_parcels::worker_came, job_parcels::worker_said,
                 job_parcels::worker_took, job_parcels::worker_left, job_parcels::answers_read,
                 job_parcels::worker_told, job_parcels::worker_read, job_parcels::worker_closed,
                 job_parcels::move_word, job_parcels::worker_retires, job_parcels::adopter_said,
                 job_parcels::adopter_told>;

inline constexpr std::uint8_t job_mail_version = 1;

// Appends; the mail's version first, when it is empty.
void append(std::string& mail, const job_parcel& what);
// Errors: bad_request, naming the kind of parcel that is malformed. Allocates in proportion to the bytes.
result<std::vector<job_parcel>> read_job_mail(std::string_view bytes);

}  // namespace madang
