// What one loop's hub tells another's. Messages of one node: they never leave it.
//
// A hub gathers its parcels for each other loop during a turn and sends them as one envelope at the turn's
// end, so that order is kept per pair of loops and a turn costs one actor message per loop, however much it
// holds.
#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/batch.hpp"
#include "actors/member_table.hpp"
#include "actors/stream_desk.hpp"

namespace madang {

namespace parcels {

// To a group's home.
struct publish {
    std::string group;
    event what;
    std::shared_ptr<publish_ticket> ticket;  // null: nobody asks what became of it
};
struct join {
    std::string group;
    std::uint64_t member;
    std::size_t loop;
    caf::strong_actor_ptr who;
    std::shared_ptr<const member_info> info;  // null: not told to presence
    std::shared_ptr<subscribe_ticket> ask;    // null: no answer is wanted
};
struct leave {
    std::string group;
    std::uint64_t member;
    caf::strong_actor_ptr who;
};
// From a group's home to a loop with members.
struct joined {
    std::string group;
    std::uint64_t member;
    std::uint64_t from;
};
struct left {
    std::string group;
    std::uint64_t member;
    std::uint64_t until;
    member_table::pending batches;
};
struct deliver {
    batch_ptr what;
};
struct rejoin {  // the group's actor was restarted and knows nobody
    std::string group;
};
struct stale {  // to a group's home: an entry of a process that ended
    std::string group;
    std::string client;
};
// From the store's thread to the loop that asked.
struct stored {
    std::shared_ptr<desk_batch> what;
    std::vector<store_answer> answers;
};
// To a connection's loop.
struct send_event {
    std::uint64_t member;
    event what;
};

}  // namespace parcels

using parcel =
    std::variant<parcels::publish, parcels::join, parcels::leave, parcels::joined, parcels::left,
                 parcels::deliver, parcels::rejoin, parcels::stale, parcels::stored, parcels::send_event>;

struct envelope {
    std::size_t from = no_loop;  // the sending loop
    std::size_t bytes = 0;       // of publications, for credit
    std::vector<parcel> parcels;
    static constexpr std::size_t no_loop = static_cast<std::size_t>(-1);
};
using envelope_ptr = std::shared_ptr<envelope>;

}  // namespace madang

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::envelope_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::publish)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::join)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::leave)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::send_event)
