// What can be asked of a shard: commands, which change it, and queries; and what they answer. Values only.
//
// A command is deterministic: time and randomness come in its fields, so that replaying (or replicating) a
// shard's commands makes the same shard.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/namespaces.hpp"
#include "broker/core/streams.hpp"

namespace madang {

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
    std::string
        incarnation;  // of the process that holds the connection: its entries are stale when it is gone
};
struct leave {
    std::string group;
    std::string client;
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
    std::size_t most =
        0;  // publications, whatever `what` says; with more to give: unrecoverable_position if `since` is set
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

}  // namespace queries

using store_request =
    std::variant<commands::publish, commands::remove_history, commands::enter, commands::leave,
                 queries::history, queries::presence, queries::presence_stats, queries::last_seen>;

// By request, in order. publish: `at` is its position; `repeated`: an earlier publish had the same key, its
// position is answered and nothing is to be sent.
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
using store_value = std::variant<std::monostate, published, position, presence_change, history_page,
                                 presence_page, presence_counts, std::vector<last_seen_entry>>;
using store_answer = result<store_value>;

}  // namespace madang
