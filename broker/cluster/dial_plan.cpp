#include "broker/cluster/dial_plan.hpp"

#include <algorithm>
#include <utility>

namespace madang {

dial_plan::dial_plan(std::vector<std::string> seeds, std::string self, std::size_t places_limit,
                     std::function<std::uint64_t()> random)
    : self_(std::move(self)), places_limit_(places_limit), random_(std::move(random)) {
    for (auto& each : seeds) targets_[std::move(each)].seed = true;
}

dial_plan::clock::duration dial_plan::jittered(clock::duration pause) {
    return pause / 2 + pause * static_cast<std::int64_t>(random_() % 1024) / 2048;
}

void dial_plan::want(const std::vector<std::string>& addresses) {
    for (auto& [address, it] : targets_) it.wanted = false;
    for (const auto& each : addresses) targets_[each].wanted = true;
    std::erase_if(targets_, [](const auto& each) {
        return !each.second.seed && !each.second.wanted && each.second.under_way == 0;
    });
}

std::vector<std::string> dial_plan::due(clock::time_point now) {
    std::vector<std::string> list;
    for (auto& [address, it] : targets_) {
        if (it.under_way > 0 || it.due > now || !(it.seed || it.wanted)) continue;
        it.under_way = 1;
        it.looking = true;
        it.failed = false;
        list.push_back(address);
    }
    return list;
}

std::vector<std::string> dial_plan::resolved(const std::string& address,
                                             const std::vector<std::string>& places, const is_linked& linked,
                                             clock::time_point now) {
    const auto found = targets_.find(address);
    if (found == targets_.end() || !found->second.looking) return {};
    auto& it = found->second;
    it.looking = false;
    --it.under_way;
    const auto before = std::exchange(it.places, {});
    std::vector<std::string> list;
    for (const auto& where : places) {
        if (it.places.size() == places_limit_) break;
        const auto known = std::ranges::find(before, where, &place::where);
        const auto node = known == before.end() ? std::string() : known->node;
        it.places.push_back({where, node});
        if (node.empty() || (node != self_ && !linked(node))) list.push_back(where);
    }
    it.failed = places.empty();
    it.under_way += list.size();
    if (list.empty()) settle(it, now);
    return list;
}

void dial_plan::met(const std::string& address, const std::string& where, const std::string& node) {
    const auto found = targets_.find(address);
    if (found == targets_.end()) return;
    const auto it = std::ranges::find(found->second.places, where, &place::where);
    if (it != found->second.places.end()) it->node = node;
}

bool dial_plan::ended(const std::string& address, bool linked, clock::time_point now) {
    const auto found = targets_.find(address);
    if (found == targets_.end() || found->second.under_way == 0) return false;
    auto& it = found->second;
    it.failed = it.failed || !linked;
    return --it.under_way == 0 && settle(it, now);
}

bool dial_plan::settle(target& it, clock::time_point now) {
    if (!it.failed) {
        it.failures = 0;
        it.due = now + jittered(dial_look_again);
        return false;
    }
    const auto pause = std::min(dial_pause_most, dial_pause_least * (1 << std::min(it.failures, 10U)));
    it.due = now + jittered(pause);
    return it.failures++ == 0;
}

bool dial_plan::failing(const std::string& address) const {
    const auto found = targets_.find(address);
    return found != targets_.end() && found->second.failures != 0;
}

void dial_plan::lost(std::string_view node, clock::time_point now) {
    for (auto& [address, it] : targets_) {
        if (std::ranges::find(it.places, node, &place::node) == it.places.end()) continue;
        it.failures = 0;
        it.due = std::min(it.due, now + jittered(dial_pause_least));
    }
}

}  // namespace madang
