#include "actors/member_table.hpp"

#include <algorithm>

namespace madang {

member_table::member_table() = default;
member_table::~member_table() = default;

local_group* member_table::find(std::string_view group) const noexcept {
    auto found = groups_.find(group);
    return found == groups_.end() ? nullptr : found->second.get();
}

namespace {

// A connection is in few groups: a scan of its own list beats any index.
template <class Memberships>
auto membership_of(Memberships& all, std::string_view group) {
    return std::find_if(all.begin(), all.end(), [&](const auto& m) { return m.group->name == group; });
}

// A thousand members do not fit the caches together with what the kernel touches to send to them: a member's
// next lines are fetched while others are served.
constexpr std::size_t prefetch_distance = 2;
void prefetch(const group_member* who) noexcept {
    if (who == nullptr) return;
    const auto* bytes = reinterpret_cast<const char*>(who);
    for (int line = 0; line < 4; ++line) __builtin_prefetch(bytes + 64 * line);
}

}  // namespace

bool group_member::is_in(std::string_view group) const noexcept {
    return membership_of(memberships_, group) != memberships_.end();
}

member_table::change member_table::add(group_member& who, std::string_view group, delivery how) {
    auto known = membership_of(who.memberships_, group);
    if (known != who.memberships_.end()) {
        auto& e = known->group->members[known->index];
        e.how = how;
        if (e.wanted) return change::none;
        e.wanted = true;
        ++e.joins;
        return change::tell_home;
    }
    auto* g = find(group);
    if (g == nullptr) {
        auto made = std::make_unique<local_group>();
        made->name = group;
        g = made.get();
        groups_.emplace(g->name, std::move(made));
    }
    const auto index = static_cast<std::uint32_t>(g->members.size());
    const auto back = static_cast<std::uint32_t>(who.memberships_.size());
    g->members.push_back({&who, local_group::never, local_group::never, back, how, true, 1});
    who.memberships_.push_back({g, index});
    return change::tell_home;
}

member_table::change member_table::remove(group_member& who, std::string_view group) {
    auto known = membership_of(who.memberships_, group);
    if (known == who.memberships_.end()) return change::none;
    auto& e = known->group->members[known->index];
    if (!e.wanted) return change::none;
    e.wanted = false;
    return change::tell_home;
}

void member_table::joined(group_member& who, std::string_view group, std::uint64_t from) {
    auto known = membership_of(who.memberships_, group);
    if (known == who.memberships_.end()) return;
    auto& e = known->group->members[known->index];
    if (e.joins != 0) --e.joins;
    // One that left and joined again before its leaving took effect is as if it had stayed.
    if (e.until == local_group::never) e.from = from;
    e.until = local_group::never;
}

void member_table::left(group_member& who, std::string_view group, std::uint64_t until, pending batches) {
    auto known = membership_of(who.memberships_, group);
    if (known == who.memberships_.end()) return;
    auto* g = known->group;
    if (batches == pending::yes) {
        g->members[known->index].until = until;
        return;  // deliver() removes it behind that batch
    }
    if (g->members[known->index].joins != 0) {  // it joined again meanwhile; the answer to that is on its way
        g->members[known->index].from = local_group::never;
        return;
    }
    erase_member(*g, known->index);
    tidy(*g);
}

std::size_t member_table::deliver(const batch& what) {
    auto* g = find(what.group());
    if (g == nullptr) return 0;
    const std::uint64_t first = what.first();
    const std::uint64_t end = first + what.size();
    std::size_t reached = 0;
    ++g->delivering;
    const std::size_t count = g->members.size();
    for (std::size_t i = 0; i < count; ++i) {
        const auto e = g->members[i];
        if (i + prefetch_distance < count) prefetch(g->members[i + prefetch_distance].who);
        if (e.who == nullptr) continue;
        const std::size_t from = e.from <= first ? 0 : e.from >= end ? what.size() : e.from - first;
        const std::size_t to = e.until >= end ? what.size() : e.until <= first ? 0 : e.until - first;
        if (from < to) {
            e.who->deliver(what, from, to, e.how);
            ++reached;
        }
        auto& after = g->members[i];
        if (after.who != nullptr && after.until <= end) {
            if (after.joins != 0)
                after.from = after.until = local_group::never;
            else
                erase_member(*g, static_cast<std::uint32_t>(i));
        }
    }
    --g->delivering;
    tidy(*g);
    return reached;
}

// Takes the member out of both lists. During a delivery the entry stays, empty.
void member_table::erase_member(local_group& group, std::uint32_t index) {
    auto& e = group.members[index];
    auto& list = e.who->memberships_;
    const std::uint32_t back = e.back;
    if (back + 1 != list.size()) {
        list[back] = list.back();
        list[back].group->members[list[back].index].back = back;
    }
    list.pop_back();
    if (list.empty()) list.shrink_to_fit();
    if (group.delivering != 0) {
        e.who = nullptr;
        group.holes = true;
        return;
    }
    if (index + 1 != group.members.size()) {
        e = group.members.back();
        e.who->memberships_[e.back].index = index;
    }
    group.members.pop_back();
}

void member_table::tidy(local_group& group) {
    if (group.delivering != 0) return;
    if (group.holes) {
        group.holes = false;
        std::erase_if(group.members, [](const auto& e) { return e.who == nullptr; });
        for (std::uint32_t i = 0; i < group.members.size(); ++i) {
            auto& e = group.members[i];
            e.who->memberships_[e.back].index = i;
        }
    }
    if (group.members.empty()) groups_.erase(groups_.find(group.name));
}

}  // namespace madang
