#include "actors/away_desk.hpp"

#include <utility>

namespace madang {
namespace {

error out_of_reach() {
    return fail(errc::busy, "the group's node cannot be reached, or too much is on its way to it");
}

}  // namespace

void away_desk::send(const std::string& group, event&& what, std::shared_ptr<publish_ticket> ticket) {
    const auto refuse = [&] {
        host_.count_refused();
        if (ticket && ticket->done) ticket->done(out_of_reach());
    };
    peer_parcels::publish parcel;
    parcel.group = group;
    parcel.what = std::move(what);
    if (ticket) {
        parcel.key = ticket->key;
        parcel.skip_history = ticket->skip_history;
    }
    const bool asked = ticket && ticket->done;
    if (asked && publishing_.size() >= tickets_limit) return refuse();
    if (asked) parcel.ticket = next_ticket_++;
    const auto id = parcel.ticket;
    if (!host_.to_owner(std::move(parcel))) return refuse();
    if (asked) publishing_.emplace(id, publishing{group, std::move(ticket)});
}

void away_desk::joined(const std::string& group, std::uint64_t member,
                       std::shared_ptr<const member_info> info, std::shared_ptr<subscribe_ticket> asked) {
    if (info && info->presence) {
        host_.to_owner(peer_parcels::enter{group, member, *info, false});
        present_[group][member] = std::move(info);
    }
    if (asked) ask(group, std::move(asked));
}

// Without a link it waits for owner_changed.
void away_desk::ask(const std::string& group, std::shared_ptr<subscribe_ticket> what) {
    if (subscribing_.size() >= tickets_limit) return host_.answer_away(std::move(what), out_of_reach());
    const auto id = next_ticket_++;
    host_.to_owner(peer_parcels::subscribe{group, id, what->how});
    subscribing_.emplace(id, subscribing{group, std::move(what)});
}

void away_desk::left(const std::string& group, std::uint64_t member) {
    const auto found = present_.find(group);
    if (found == present_.end() || found->second.erase(member) == 0) return;
    if (found->second.empty()) present_.erase(found);
    host_.to_owner(peer_parcels::leave{group, member});
}

void away_desk::came(peer_parcels::published&& what) {
    auto waiting = publishing_.extract(what.ticket);
    if (waiting.empty()) return;
    const auto& done = waiting.mapped().ticket->done;
    if (what.good)
        done(std::move(what.at));
    else
        done(std::move(what.refused));
}

void away_desk::came(peer_parcels::answer&& what) {
    auto waiting = subscribing_.extract(what.ticket);
    if (waiting.empty()) return;
    if (what.good)
        host_.answer_away(std::move(waiting.mapped().ask), std::move(what.what));
    else
        host_.answer_away(std::move(waiting.mapped().ask), std::move(what.refused));
}

std::map<std::string, away_desk::taken> away_desk::owners_changed(
    const std::function<change(const std::string& group)>& how) {
    std::map<std::string, taken> here;
    std::vector<std::shared_ptr<publish_ticket>> refused;
    std::erase_if(publishing_, [&](auto& each) {
        if (how(each.second.group) == change::none) return false;
        refused.push_back(std::move(each.second.ticket));
        return true;
    });
    std::vector<subscribing> again;
    std::erase_if(subscribing_, [&](auto& each) {
        auto& [group, ask] = each.second;
        const auto what = how(group);
        if (what == change::here) here[group].asks.push_back(std::move(ask));
        if (what == change::other) again.push_back(std::move(each.second));
        return what != change::none;
    });
    std::erase_if(present_, [&](auto& each) {
        const auto what = how(each.first);
        for (auto& [member, info] : each.second) {
            if (what == change::here) here[each.first].members.emplace_back(member, std::move(info));
            if (what == change::other) host_.to_owner(peer_parcels::enter{each.first, member, *info, true});
        }
        return what == change::here;
    });
    for (auto& each : again) ask(each.group, std::move(each.ask));
    for (const auto& each : refused) {
        host_.count_refused();
        each->done(
            fail(errc::busy, "the group's node is gone; whether it took the publication is not known"));
    }
    return here;
}

}  // namespace madang
