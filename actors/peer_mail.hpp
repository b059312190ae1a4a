// What nodes say to each other about groups, as values and bytes. One mail per turn and pair of hubs, in the
// order in which things happened at the sender.
//
// A mail is version:u8 view:u64, then parcels: kind:u8 length:u32 and what `members` lists
// (broker/core/wire.hpp). A parcel of a kind that is not known is skipped, and what a later version puts
// behind a parcel's known end too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/batch.hpp"
#include "actors/stream_desk.hpp"
#include "broker/cluster/view.hpp"
#include "broker/core/result.hpp"
#include "broker/core/streams.hpp"
#include "storage/command.hpp"

namespace madang {

namespace peer_parcels {

// -- To the node that owns the group
// The node has members of the group, or none any more: whether the group's publications go to it.
struct interest {
    std::string group;
    bool wanted = true;
};
struct publish {
    std::string group;
    event what;
    std::uint64_t ticket = 0;  // of the sender's; 0: no answer is wanted
    std::string key;           // idempotency
    bool skip_history = false;
    std::uint8_t hops = 0;  // nodes that passed it on since they are not the owner either
};
// A member to tell presence of. `again`: its owner was another node before, so nobody is told of it.
struct enter {
    std::string group;
    std::uint64_t member = 0;
    member_info who;
    bool again = false;
};
struct leave {
    std::string group;
    std::uint64_t member = 0;
};
struct subscribe {
    std::string group;
    std::uint64_t ticket = 0;
    subscribe_spec how;
};

// -- From it
struct deliver {
    std::string group;
    std::vector<event> events;
};
struct published {
    std::string group;
    std::uint64_t ticket = 0;
    bool good = true;
    error refused;  // not good
    position at;
};
struct answer {
    std::string group;
    std::uint64_t ticket = 0;
    bool good = true;
    error refused;
    subscribed what;
};
// The group's stream began anew.
struct lost {
    std::string group;
};

// Of the members that are told of as joined, those that are connected to the node itself: nobody else knows
// of them when it dies. `all`: and none but these.
struct residents {
    std::string group;
    bool all = false;
    std::vector<client_info> came;
    std::vector<std::string> left;  // by client
};

// -- A question of stream_port's, and its answer: about a group, to the node that owns it, or about all that
// a node has
struct call {
    enum class verb : std::uint8_t {
        history,
        remove_history,
        presence,
        presence_stats,
        last_seen,
        groups,
        command,
        figures,
        session_mail
    };
    std::string group;  // "": the node's
    std::uint64_t ticket = 0;
    verb what = verb::history;
    std::string body;  // the request's form: stream_calls.hpp
};
struct told {
    std::string group;
    std::uint64_t ticket = 0;
    bool good = true;
    error refused;
    std::string body;
};

// -- To any node
struct send_event {
    std::uint64_t loop = 0;
    std::uint64_t member = 0;
    event what;
};
// Mail to the receiver was dropped before this one: what it has of the sender's groups has a gap.
struct gap {
    std::uint64_t dropped = 0;  // mails
};

// -- Streams of groups that went from one node to another between the views `before` and `now`:
// hand_over.hpp. To the node that owned them: that group's; or all, once every loop has said so
struct take {
    std::string group;
    view_name before, now;
};
struct take_all {
    view_name before, now;
    std::uint64_t loop = 0, loops = 0;  // of the sender
    bool wanted = true;                 // false: none of them
};
struct took {
    std::string group;
    std::uint64_t ticket = 0;
    std::uint64_t piece = 0;
    bool good = true;  // false: it is not wanted, or could not be kept
};
// From it. `good` false: it has nothing that is whole.
struct handed {
    std::string group;
    view_name now;
    std::uint64_t ticket = 0;
    std::uint64_t piece = 0;  // from 0
    bool good = true;
    bool last = true;
    stream_piece what;  // without `next`
};
struct given_all {
    view_name now;
    std::uint64_t loop = 0, loops = 0;  // of the sender
};

}  // namespace peer_parcels

using peer_parcel =
    std::variant<peer_parcels::interest, peer_parcels::publish, peer_parcels::enter, peer_parcels::leave,
                 peer_parcels::subscribe, peer_parcels::deliver, peer_parcels::published,
                 peer_parcels::answer, peer_parcels::lost, peer_parcels::send_event, peer_parcels::gap,
                 peer_parcels::call, peer_parcels::told, peer_parcels::take, peer_parcels::take_all,
                 peer_parcels::took, peer_parcels::handed, peer_parcels::given_all, peer_parcels::residents>;

// The group that the parcel is about; "" for those that are about none.
const std::string& group_of(const peer_parcel& what);

inline constexpr std::uint8_t peer_mail_version = 1;
inline constexpr std::size_t peer_mail_head = 9;  // bytes before the first parcel

// Appends; the mail's head first, when it is empty.
void append(std::string& mail, std::uint64_t view, const peer_parcel& what);
// Of a batch that was made for this node's members already: its events, but for those that are only for them.
void append_deliver(std::string& mail, std::uint64_t view, const batch& what);

struct peer_mail {
    struct item {
        peer_parcel what;
        std::size_t bytes = 0;  // that it was encoded in: what its sender counts
    };
    std::uint64_t view = 0;
    std::vector<item> parcels;
    std::size_t unknown_bytes = 0;  // of parcels that were skipped
};
// Errors: bad_request, naming the kind of parcel that is malformed. Allocates in proportion to the bytes.
result<peer_mail> read_peer_mail(std::string_view bytes);

}  // namespace madang
