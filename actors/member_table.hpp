// Which of a loop's connections are members of which groups, and how a batch reaches them. No actors, no
// sockets.
//
// A batch goes to each loop once; from here on it is plain calls on the loop's own thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/batch.hpp"
#include "actors/delivery.hpp"

namespace madang {

struct local_group;

// A connection as its groups see it.
class group_member {
  public:
    // Events [from, to) of the batch. May join, leave and end members, itself too.
    virtual void deliver(const batch& what, std::size_t from, std::size_t to, delivery how) = 0;
    std::uint64_t member_id() const noexcept { return member_id_; }
    std::size_t membership_count() const noexcept { return memberships_.size(); }
    bool is_in(std::string_view group) const noexcept;  // or on its way in or out

  protected:
    ~group_member() = default;
    std::uint64_t member_id_ = 0;

  private:
    friend class member_table;
    struct membership {
        local_group* group;
        std::uint32_t index;  // in group->members
    };
    std::vector<membership> memberships_;
};

// One per loop, used on its thread. Joining and leaving take effect at the group's home, in order with what
// is published there; the home answers with joined() and left(), which open and close the range of
// publications a member receives.
class member_table {
  public:
    member_table();
    ~member_table();

    enum class change : std::uint8_t { none, tell_home };
    // tell_home: send the group's home a join (or leave) for this member. none: it is known there already (or
    // not at all).
    change add(group_member& who, std::string_view group, delivery how);
    change remove(group_member& who, std::string_view group);
    // The member's connection is over: it is out of every group at once. Calls fn(group's name) for each
    // whose home has to be sent a leave.
    template <class Function>
    void remove_all(group_member& who, Function fn);

    // The home's answers. Ignored for members that are gone.
    void joined(group_member& who, std::string_view group, std::uint64_t from);
    // until: the first publication not for it. flushed: every batch before that was handed out already.
    enum class pending : std::uint8_t { no, yes };
    void left(group_member& who, std::string_view group, std::uint64_t until, pending batches);

    // Hands the batch to the group's members; returns to how many. Whoever joins meanwhile is not among them.
    std::size_t deliver(const batch& what);

    // The group's home was restarted: it knows nobody and counts from the beginning. Forgets what the old one
    // said and who was leaving, and calls fn(member) for each that wants to be in the group: it is to join
    // again.
    template <class Function>
    void restarted(std::string_view group, Function fn);

    // fn(member, how&) for each that wants to be in the group; fn changes no membership.
    template <class Function>
    void each(std::string_view group, Function fn);

    std::size_t groups() const noexcept { return groups_.size(); }

  private:
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
    };
    local_group* find(std::string_view group) const noexcept;
    void erase_member(local_group& group, std::uint32_t index);
    void tidy(local_group& group);

    std::unordered_map<std::string, std::unique_ptr<local_group>, hash, std::equal_to<>> groups_;
};

struct local_group {
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
    struct entry {
        group_member* who;   // null: left during a delivery
        std::uint64_t from;  // `never` until the home answered
        std::uint64_t until;
        std::uint32_t back;  // in who->memberships_
        delivery how;
        bool wanted;          // false after remove, until left() closes it
        std::uint32_t joins;  // told to the home and not answered: then there is a range to come
    };
    std::string name;
    std::vector<entry> members;
    std::uint32_t delivering = 0;  // depth; entries keep their places meanwhile
    bool holes = false;
};

template <class Function>
void member_table::remove_all(group_member& who, Function fn) {
    while (!who.memberships_.empty()) {
        auto [group, index] = who.memberships_.back();
        if (group->members[index].wanted) fn(std::string_view{group->name});
        erase_member(*group, index);
        tidy(*group);
    }
}

template <class Function>
void member_table::each(std::string_view group, Function fn) {
    auto* g = find(group);
    if (g == nullptr) return;
    for (auto& m : g->members)
        if (m.who != nullptr && m.wanted) fn(*m.who, m.how);
}

template <class Function>
void member_table::restarted(std::string_view group, Function fn) {
    auto* g = find(group);
    if (g == nullptr) return;
    for (std::size_t i = g->members.size(); i-- > 0;) {  // backwards: erasing moves the last one into the gap
        auto& m = g->members[i];
        if (m.who == nullptr) continue;
        m.from = m.until = local_group::never;
        m.joins = 1;
        if (m.wanted)
            fn(*m.who);
        else
            erase_member(*g, static_cast<std::uint32_t>(i));
    }
    tidy(*g);
}

}  // namespace madang
