// What one loop's hub tells another's. Messages of one node: they never leave it.
//
// A hub gathers its parcels for each other loop during a turn and sends them as one envelope at the turn's
// end, so that order is kept per pair of loops and a turn costs one actor message per loop, however much it
// holds.
#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/batch.hpp"
#include "actors/member_table.hpp"
#include "actors/peer_mail.hpp"
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
struct stale {  // to a group's home
    stale_entry who;
};
struct question {  // to a group's home, about its stream
    std::string group;
    store_request what;
    std::function<void(store_answer&&)> done;  // on that loop
};
struct lost {  // from a group's home: its stream began anew
    std::string group;
};
struct answer {  // from a group's home to a subscriber's loop
    std::shared_ptr<subscribe_ticket> whom;
    std::shared_ptr<result<subscribed>> what;
};
// From a hub to its group's actor, which says it back: what was sent to the group before is handled.
struct behind {};
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

// Between the hub that speaks with another node and the group's home.
struct from_peer {
    std::size_t peer;    // in cluster_routes::peers
    std::uint64_t link;  // over which it came
    peer_mail::item what;
};
struct to_peer {
    std::size_t peer;
    peer_parcel what;
};

// To a plugin's actor: sent to the channel of a background consumer.
struct background_event {
    std::size_t plugin;  // in hub_directory::plugins
    std::size_t which;   // of its background consumers
    event what;
};
// From an instance of one; never in an envelope.
struct background_idle {
    std::size_t which;
};
struct background_gone {
    std::size_t which;
};

}  // namespace parcels

using parcel = std::variant<parcels::publish, parcels::join, parcels::leave, parcels::joined, parcels::left,
                            parcels::deliver, parcels::rejoin, parcels::stale, parcels::question,
                            parcels::lost, parcels::stored, parcels::answer, parcels::send_event,
                            parcels::background_event, parcels::from_peer, parcels::to_peer>;

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
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::behind)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::send_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::background_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::background_idle)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(madang::parcels::background_gone)
