// What can be asked of a shard: commands, which change it, and queries; and what they answer. Values only.
//
// A command is deterministic: time and randomness come in its fields, so that replaying (or replicating) a
// shard's commands makes the same shard.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/core/namespaces.hpp"
#include "broker/core/streams.hpp"
#include "storage/codec.hpp"

namespace madang {

// A part of a group's stream on its way to another node: all pieces in order are the stream.
struct stream_piece {
    position top;
    std::uint64_t oldest = 1;  // that is kept; top + 1: none
    std::int64_t ends_ms = 0;
    durability kept = durability::buffered;
    std::vector<kept_publication> publications;  // ascending
    struct key {
        std::string name;
        idempotency_record is;
        friend bool operator==(const key&, const key&) = default;
    };
    std::vector<key> keys;
    std::vector<last_seen_entry> seen;
    std::string next;  // where the piece behind this one begins; "": there is none
};

namespace commands {

// Appends to a group's stream.
struct publish {
    std::string group;
    publication what;  // offset 0: apply gives it
    std::string idempotency_key;
    std::uint32_t history_size = 0;  // of the namespace now: more than so many are dropped, oldest first
    std::int64_t history_ttl_ms = 0;
    std::int64_t meta_ttl_ms = 0;
    std::string new_epoch;  // if the stream has to begin
    bool key_only = false;  // remember the key and nothing else: it is no part of a stream
};
// Drops a stream's publications; its epoch and offset stay.
struct remove_history {
    std::string group;
    std::int64_t now_ms = 0;
};
// Idempotent by (group, client).
struct enter {
    std::string group;
    present_client who;
    // Of the process that holds the connection: its entries are stale when it is gone.
    std::string incarnation;
};
struct leave {
    std::string group;
    std::string client;
    std::int64_t now_ms = 0;
    std::string stale_of;  // only what this process, which ended, has left there; "": whatever is
};
// Another epoch for a stream, if there is one; its offsets and publications stay. Idempotent by epoch.
struct renew {
    std::string group;
    std::string new_epoch;
    std::int64_t now_ms = 0;
};
// The stream goes to another node: what is left here has another epoch, under which nobody knows it, so that
// an epoch is given offsets by one node at a time. Idempotent by left_epoch in that nothing is given twice.
struct surrender {
    std::string group;
    std::string given_epoch;  // under which it goes; "": the one it has
    std::string left_epoch;
    std::int64_t now_ms = 0;
};
// Takes the place of the stream, piece by piece. Until the last piece the group has an empty stream of the
// epoch `meanwhile`; so has it after a crash. A piece is refused (unrecoverable_position) when it is not the
// first and the stream is another by then. Questions about the stream are to be asked behind its answer.
struct adopt {
    std::string group;
    stream_piece what;  // `top`, `oldest`, `ends_ms` and `kept` are the last one's
    std::string meanwhile;
    bool first = true;
    bool last = true;
    std::int64_t now_ms = 0;
};

}  // namespace commands

namespace queries {

struct history {
    history_request what;
    std::int64_t now_ms = 0;
    std::int64_t meta_ttl_ms = 0;
    std::string new_epoch;  // a stream that does not exist begins (it is written then), so that a position
                            // can be told
    // Publications, whatever `what` says; with more to give: unrecoverable_position if `since` is set.
    std::size_t most = 0;
};
struct presence {
    presence_request what;
};
struct presence_stats {
    std::string group;
};
struct last_seen {
    std::string group;
    std::size_t limit = 0;
};
// The stream to be handed over, from `from` on: "" or the last piece's `next`. To be asked behind the answer
// of commands::surrender.
struct copy {
    std::string group;
    std::string from;
    std::size_t most_bytes = 0;  // at least one record, whatever it takes
    std::int64_t now_ms = 0;
};
// Names of groups with streams, those that were committed before, in the store's order.
struct streams {
    std::string after;                                   // "" or the last answer's `next`
    std::size_t limit = 0;                               // groups looked at
    std::function<bool(std::string_view group)> wanted;  // any thread
    std::int64_t now_ms = 0;
};

}  // namespace queries

using store_request =
    std::variant<commands::publish, commands::remove_history, commands::enter, commands::leave,
                 commands::renew, queries::history, queries::presence, queries::presence_stats,
                 queries::last_seen, commands::surrender, commands::adopt, queries::copy, queries::streams>;

// By request, in order. publish: `at` is its position; `repeated`: an earlier publish had the same key, its
// position is answered and nothing is to be sent. remove_history, renew: the stream's position; {} without
// one. surrender: the position that goes; {} without a stream. adopt: the stream's position.
struct published {
    position at;
    bool repeated = false;
};
// enter: `changed` when it was not there; leave: when it was, with who that was.
struct presence_change {
    bool changed = false;
    present_client who;
    presence_counts counts;
};
struct stream_names {
    std::vector<std::string> groups;
    std::string next;  // "": these were the last
};
using store_value =
    std::variant<std::monostate, published, position, presence_change, history_page, presence_page,
                 presence_counts, std::vector<last_seen_entry>, stream_piece, stream_names>;
using store_answer = result<store_value>;

}  // namespace madang
