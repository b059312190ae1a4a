#include "actors/resident_list.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace madang {

std::vector<resident_list::news> resident_list::came(const owner& from, peer_parcels::residents&& what) {
    auto& list = groups_[what.group];
    auto known = std::find_if(list.begin(), list.end(), [&](const auto& each) { return each.of == from; });
    if (known == list.end()) known = list.insert(list.end(), {from, false, {}});
    std::vector<news> told;
    std::map<std::string, client_info> before;
    if (what.all) before.swap(known->clients);
    for (auto& each : what.came) {
        if (before.erase(each.client) != 0 && known->gone)
            told.push_back({what.group, event::kind::join, each});
        auto client = each.client;
        known->clients.insert_or_assign(std::move(client), std::move(each));
    }
    for (const auto& each : what.left) known->clients.erase(each);
    if (!std::exchange(known->gone, false))
        for (auto& [client, each] : before) told.push_back({what.group, event::kind::leave, std::move(each)});
    return told;
}

std::vector<resident_list::news> resident_list::owners_changed(
    const std::function<fate(const std::string& group, const owner& who)>& fate_of) {
    std::vector<news> told;
    for (auto at = groups_.begin(); at != groups_.end();) {
        auto& [group, list] = *at;
        for (auto known = list.begin(); known != list.end();) {
            const auto what = fate_of(group, known->of);
            const bool leave = what == fate::gone || what == fate::other;
            if (leave && !std::exchange(known->gone, true))
                for (const auto& [client, who] : known->clients)
                    told.push_back({group, event::kind::leave, who});
            const bool over = what == fate::other || (what == fate::moved && !known->gone);
            known = over ? list.erase(known) : std::next(known);
        }
        at = list.empty() ? groups_.erase(at) : std::next(at);
    }
    return told;
}

}  // namespace madang
