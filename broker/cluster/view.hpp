// Who is in the cluster, as one node sees it: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/ascii.hpp"

namespace madang {

// A process that is, or was, a node. A name that starts again has a greater incarnation: Unix ms of its
// start, and greater than any that it had (the data directory remembers).
struct node_id {
    std::string name;  // is_node_name
    std::uint64_t incarnation = 0;
    friend bool operator==(const node_id&, const node_id&) = default;
    friend auto operator<=>(const node_id&, const node_id&) = default;
};

// 1-64 of a-z A-Z 0-9 . _ -
constexpr bool is_node_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 64) return false;
    for (const char each : name)
        if (!is_name_character(each)) return false;
    return true;
}

enum class node_state : std::uint8_t {
    joining = 0,   // has links, owns nothing yet
    up = 1,        // owns shards
    draining = 2,  // serves who is there, owns nothing any more
    left = 3,      // went in order
    dead = 4,      // went without a word, or cannot be reached by the others
};
constexpr std::string_view to_string(node_state what) noexcept {
    switch (what) {
        case node_state::joining:
            return "joining";
        case node_state::up:
            return "up";
        case node_state::draining:
            return "draining";
        case node_state::left:
            return "left";
        case node_state::dead:
            return "dead";
    }
    return "?";
}

// Owns or serves: what the present tense "member" means.
constexpr bool is_living(node_state what) noexcept {
    return what == node_state::joining || what == node_state::up || what == node_state::draining;
}

struct view_member {
    node_id who;
    node_state state = node_state::joining;
    std::string address;  // "host:port" of its cluster listener, for others' dialing
    friend bool operator==(const view_member&, const view_member&) = default;
};

// Which view is meant.
struct view_name {
    std::uint64_t number = 0;
    std::string proposer;
    friend bool operator==(const view_name&, const view_name&) = default;
};

// Views are numbered, and never changed once made; who hears of a greater one that has it as a living member
// takes that. Ordered by name, one entry per name; those that left or died stay listed for a while.
struct cluster_view {
    std::uint64_t number = 0;  // greater than any that a member had before
    std::string proposer;  // the node that made it: it breaks a tie of two of one number (the smaller wins)
    std::vector<view_member> members;
    friend bool operator==(const cluster_view&, const cluster_view&) = default;

    view_name name() const { return {number, proposer}; }
    // Null: not in it. Valid while *this is.
    const view_member* find(std::string_view name) const noexcept {
        for (const auto& each : members)
            if (each.who.name == name) return &each;
        return nullptr;
    }
    // With this incarnation, and neither left nor dead.
    bool has_living(const node_id& who) const noexcept {
        const auto* found = find(who.name);
        return found && found->who == who && is_living(found->state);
    }
    // Whether who goes by `other` has to take this one instead.
    bool beats(const cluster_view& other) const noexcept {
        return number != other.number ? number > other.number : proposer < other.proposer;
    }
};

}  // namespace madang
