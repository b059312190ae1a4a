#include "storage/presence_table.hpp"

namespace madang {

presence_table::~presence_table() {
    for (const auto& [group, in] : groups_) totals_.present -= in.clients.size();
}

void presence_table::members::count(const std::string& user, int change) {
    if (user.empty()) {
        anonymous += static_cast<std::uint64_t>(change);
        return;
    }
    const auto found = users.try_emplace(user, 0).first;
    found->second += static_cast<std::uint32_t>(change);
    if (found->second == 0) users.erase(found);
}

const presence_table::members* presence_table::of(std::string_view group) const {
    const auto found = groups_.find(group);
    return found == groups_.end() ? nullptr : &found->second;
}

std::optional<present_client> presence_table::exchange(std::string_view group, const std::string& client,
                                                       std::optional<present_client> now) {
    auto found = groups_.find(group);
    if (found == groups_.end()) {
        if (!now) return {};
        found = groups_.try_emplace(std::string(group)).first;
    }
    auto& in = found->second;
    std::optional<present_client> before;
    auto at = in.clients.lower_bound(client);
    const bool there = at != in.clients.end() && at->first == client;
    if (there) {
        in.count(at->second.who.user, -1);
        before = std::move(at->second);
    }
    if (now) {
        in.count(now->who.user, 1);
        if (there)
            at->second = std::move(*now);
        else
            in.clients.emplace_hint(at, client, std::move(*now));
        totals_.present += !there;
    } else if (there) {
        in.clients.erase(at);
        --totals_.present;
        if (in.clients.empty()) groups_.erase(found);
    }
    return before;
}

bool presence_table::has_user(std::string_view group, std::string_view user) const {
    const auto* in = of(group);
    return in && in->users.contains(user);
}

std::vector<std::string> presence_table::users(std::string_view group) const {
    std::vector<std::string> result;
    if (const auto* in = of(group))
        for (const auto& [user, connections] : in->users) result.push_back(user);
    return result;
}

presence_counts presence_table::counts(std::string_view group) const {
    const auto* in = of(group);
    return in ? counts_of(*in) : presence_counts{};
}

presence_page presence_table::page(const presence_request& what) const {
    presence_page result;
    const auto* in = of(what.group);
    if (!in) return result;
    auto at = what.after.empty() ? in->clients.begin() : in->clients.upper_bound(what.after);
    for (; at != in->clients.end() && result.clients.size() < what.limit; ++at)
        result.clients.push_back(at->second);
    result.more = at != in->clients.end();
    return result;
}

}  // namespace madang
