#include "broker/cluster/membership.hpp"

#include <algorithm>
#include <set>

#include "broker/cluster/beat_codec.hpp"

namespace madang {
namespace {

bool same_ids(const auto& a, const auto& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x.who == y.who; });
}
bool same_graph(const sighting& a, const sighting& b) {
    return a.who == b.who && a.view == b.view && a.proposer == b.proposer && a.hears == b.hears;
}

}  // namespace

membership::membership(settings how, clock::time_point now)
    : how_(std::move(how)), start_(now), now_(now), looked_at_(now) {
    how_.heartbeat = std::min(how_.heartbeat, how_.timeout / 3);
    tick(now);
}

// ---- Inputs

void membership::pass(time_point now) {
    now = std::max(now, now_);
    // This node itself stood still: what the others sent meanwhile may not have been read yet.
    if (now - now_ > how_.timeout / 2) {
        const auto earliest = now - how_.timeout + 2 * how_.heartbeat;
        for (auto& [name, each] : peers_)
            if (each.heard) each.heard_at = std::max(each.heard_at, earliest);
    }
    now_ = now;
}

// Null: not to be listened to.
membership::peer* membership::known(const node_id& who) {
    if (who.name == how_.self.name) {
        if (who.incarnation > how_.self.incarnation) cast_out();
        return nullptr;
    }
    if (is_removed(who)) return nullptr;
    auto& found = peers_[who.name];
    if (found.who.incarnation > who.incarnation) return nullptr;
    if (found.who != who) found = {};
    found.who = who;
    return &found;
}

void membership::heard(const beat& what, clock::time_point now) {
    pass(now);
    auto* from = known(what.from);
    if (!from) {
        if (yields_to(what)) cast_out();
        return settle();
    }
    const bool was_heard = is_heard(*from);
    from->linked = true;
    from->heard_at = now_;
    if (from->last && from->last->stamp >= what.stamp) return settle();  // overtaken by a later one

    bool news = !was_heard || !from->last || from->last->state != what.state ||
                from->last->view != what.view || !same_ids(from->last->hears, what.hears);
    from->last = what;
    from->beat_at = now_;
    from->answers = 0;
    for (const auto& each : what.hears) {
        if (each.who == how_.self) from->answers = each.stamp;
        if (each.who.name == how_.self.name && each.who.incarnation > how_.self.incarnation) cast_out();
    }
    if (what.state == node_state::left) left_.emplace(what.from, now_);
    for (const auto& each : what.others) {
        if (each.who.name == how_.self.name) continue;
        auto& seen = sighted_[each.who.name];
        if (seen.who.incarnation > each.who.incarnation) continue;
        if (seen.who == each.who && seen.stamp >= each.stamp) continue;
        news = news || !same_graph(seen, each);
        seen = each;
        greatest_ = std::max(greatest_, each.view);
    }
    note(what.view);
    if (what.view.beats(view_) && what.view.has_living(how_.self) && state_ != node_state::left) {
        go_by(what.view);
        news = true;
    }
    compare(*from);
    for (const auto& each : what.removed) news = note_removed(each) || news;  // `from` may be gone now
    if (news) look();
    settle();
}

void membership::alive(const node_id& peer, clock::time_point now) {
    pass(now);
    auto* from = known(peer);
    if (from) {
        const bool was_heard = is_heard(*from);
        from->linked = true;
        from->heard_at = now_;
        if (!was_heard) look();
    }
    settle();
}

void membership::lost(const node_id& peer, clock::time_point now) {
    pass(now);
    if (const auto at = peers_.find(peer.name); at != peers_.end() && at->second.who == peer)
        at->second.linked = false;
    settle();
}

void membership::drain(clock::time_point now) {
    pass(now);
    if (state_ != node_state::left) state_ = node_state::draining;
    look();
    settle();
}

void membership::resume(clock::time_point now) {
    pass(now);
    if (state_ == node_state::draining) state_ = node_state::up;
    look();
    settle();
}

void membership::leave(clock::time_point now) {
    pass(now);
    state_ = node_state::left;
    look();
    settle();
}

membership::removal membership::remove(std::string_view name, clock::time_point now, bool force) {
    if (name == how_.self.name) return removal::itself;
    const auto* found = view_.find(name);
    if (!found || is_removed(found->who)) return removal::unknown;
    if (is_living(found->state) && !force) return removal::lives;
    pass(now);
    note_removed(node_id(found->who));
    look();
    settle();
    return removal::done;
}

void membership::tick(clock::time_point now) {
    pass(now);
    std::erase_if(peers_, [&](const auto& each) {
        return !each.second.linked && now_ - each.second.heard_at > list_left_for * how_.timeout &&
               !view_.find(each.first);
    });
    std::erase_if(left_,
                  [&](const auto& each) { return now_ - each.second > 3 * list_left_for * how_.timeout; });
    std::erase_if(answered_, [&](const auto& each) { return each.second.until <= now_; });
    const bool news = std::ranges::any_of(
        peers_, [&](const auto& each) { return each.second.heard != is_heard(each.second); });
    if (news || unlike_since_ || view_.number == 0 || now_ - looked_at_ >= how_.heartbeat) look();
    settle();
}

bool membership::is_heard(const peer& who) const noexcept {
    return who.last && who.last->state != node_state::left && now_ - who.heard_at < how_.timeout;
}

bool membership::is_removed(const node_id& who) const noexcept {
    const auto at = removed_.find(who.name);
    return at != removed_.end() && who.incarnation <= at->second;
}

std::vector<node_id> membership::removed() const {
    std::vector<node_id> all;
    for (const auto& [name, incarnation] : removed_) all.push_back({name, incarnation});
    return all;
}

// Of two that removed each other, and of which none has a quorum, one goes: it starts anew and is let in.
bool membership::yields_to(const beat& what) const {
    const auto casts_out = [&](const node_id& each) {
        return each.name == how_.self.name && each.incarnation >= how_.self.incarnation;
    };
    if (!is_removed(what.from) || !is_living(what.state)) return false;
    if (std::ranges::none_of(what.removed, casts_out)) return false;
    if (how_.expected != 0 && has_quorum(now_)) return false;
    const auto living = [](const cluster_view& view) {
        return std::ranges::count_if(view.members, [](const auto& each) { return is_living(each.state); });
    };
    const auto theirs = living(what.view), ours = living(view_);
    return theirs > ours || (theirs == ours && what.from.name < how_.self.name);
}

void membership::cast_out() {
    cast_out_ = true;
    state_ = node_state::left;  // who does not know yet need not count on it
}

// Whether that was news.
bool membership::note_removed(const node_id& who) {
    if (is_removed(who)) return false;
    if (who.name == how_.self.name) {
        if (who.incarnation >= how_.self.incarnation) cast_out();
        return false;
    }
    removed_[who.name] = who.incarnation;
    if (removed_.size() > beat_list_limit)  // the one that is longest gone
        removed_.erase(std::ranges::min_element(removed_, {}, [](const auto& each) { return each.second; }));
    if (const auto at = peers_.find(who.name); at != peers_.end() && is_removed(at->second.who))
        peers_.erase(at);
    return true;
}

void membership::note(const cluster_view& view) {
    greatest_ = std::max(greatest_, view.number);
    for (const auto& each : view.members)
        if (each.state == node_state::left) left_.emplace(each.who, now_);
}

void membership::go_by(cluster_view view) {
    view_ = std::move(view);
    note(view_);
    changed_ = true;
    vouches_ = false;
    if (state_ == node_state::joining) state_ = node_state::up;  // nothing is handed over to it
    for (auto& [name, each] : peers_) compare(each);
}

void membership::compare(peer& with) const { with.same_view = with.last && with.last->view == view_; }

// ---- Outputs

std::optional<beat> membership::take_beat(clock::time_point now) {
    pass(now);
    const bool due = !said_at_ || now_ - *said_at_ >= how_.heartbeat;
    if (!due && !std::exchange(may_be_news_, false)) return {};
    beat what;
    what.from = how_.self;
    what.state = state_;
    what.vouches = vouches_;
    what.address = how_.address;
    for (const auto& [name, each] : peers_)
        if (is_heard(each)) what.hears.push_back({each.who, each.last->stamp});
    what.removed = removed();
    what.others = sightings();
    if (!due && what.state == said_.state && what.vouches == said_.vouches && what.removed == said_.removed &&
        view_.number == said_.view.number && view_.proposer == said_.view.proposer &&
        same_ids(what.hears, said_.hears) && same_ids(what.others, said_.others))
        return {};

    using us = std::chrono::microseconds;
    const auto since = std::chrono::duration_cast<us>(now_ - start_).count();
    what.stamp = std::max(static_cast<std::uint64_t>(since) + 1, said_.stamp + 1);  // 0 is no stamp
    what.view = view_;
    if (what.vouches)
        for (const auto& [name, each] : peers_)
            if (is_heard(each))
                answered_[name] = {each.who, {view_.number, view_.proposer, {}}, each.beat_at + how_.timeout};
    said_ = what;
    said_at_ = now_;
    return what;
}

// Those whom somebody that this node hears does not hear.
std::vector<sighting> membership::sightings() const {
    std::vector<sighting> found;
    std::size_t ids = 0;
    for (const auto& each : rows_) {
        if (each.assumed || each.who == how_.self) continue;
        const bool missed = std::ranges::any_of(peers_, [&](const auto& entry) {
            const auto& [name, other] = entry;
            return is_heard(other) && name != each.who.name &&
                   !std::ranges::binary_search(other.last->hears, each.who, {}, &heard_node::who);
        });
        if (!missed) continue;
        ids += each.hears.size();
        if (found.size() == sightings_limit || ids > sighting_ids_limit) break;
        found.push_back({each.who, each.stamp, each.address, each.view, each.proposer, each.hears});
    }
    return found;
}

membership::time_point membership::next_tick() const noexcept {
    auto next = said_at_ ? *said_at_ + how_.heartbeat : now_;
    const auto also = [&](time_point at) {
        if (at > now_) next = std::min(next, at);
    };
    for (const auto& [name, each] : peers_)
        if (each.heard) also(each.heard_at + how_.timeout);
    if (unlike_since_) also(*unlike_since_ + how_.heartbeat);
    if (view_.number == 0 || !vouches_) also(start_ + how_.timeout);
    if (!vouches_)
        for (const auto& [name, each] : answered_) also(each.until);
    return next;
}

std::vector<std::string> membership::to_dial(clock::time_point now) const {
    std::set<std::string> found;
    const auto add = [&](const node_id& who, const std::string& address) {
        if (who.name == how_.self.name || address.empty() || address == how_.address || is_removed(who))
            return;
        const auto at = peers_.find(who.name);
        const bool live = at != peers_.end() && at->second.linked && now - at->second.heard_at < how_.timeout;
        if (!live) found.insert(address);
    };
    const auto add_all = [&](const cluster_view& view) {
        for (const auto& each : view.members)
            if (each.state != node_state::left) add(each.who, each.address);
    };
    add_all(view_);
    for (const auto& [name, each] : peers_) {
        if (!each.last) continue;
        if (each.last->state != node_state::left) add(each.who, each.last->address);
        if (is_heard(each)) add_all(each.last->view);
    }
    for (const auto& [name, each] : sighted_) add(each.who, each.address);
    return {found.begin(), found.end()};
}

std::vector<membership::peer_status> membership::peers(clock::time_point now) const {
    std::map<std::string, peer_status> found;
    const auto since = [&](time_point at) { return std::chrono::duration_cast<ms>(now - at); };
    for (const auto& each : view_.members)
        if (each.who.name != how_.self.name)
            found[each.who.name] = {each.who, each.state, each.address, false, since(start_)};
    for (const auto& [name, each] : peers_) {
        const auto at = found.find(name);
        if (at == found.end() && !is_heard(each)) continue;
        if (at == found.end() || at->second.who.incarnation < each.who.incarnation)
            found[name] = {each.who,
                           each.last ? each.last->state : node_state::joining,
                           each.last ? each.last->address : "",
                           false,
                           {}};
        found[name].heard = is_heard(each);
        found[name].silent = since(each.heard_at);
    }
    std::vector<peer_status> list;
    for (auto& [name, each] : found) list.push_back(std::move(each));
    return list;
}

}  // namespace madang
