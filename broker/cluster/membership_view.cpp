// Membership: from who hears whom to a view, and to a quorum.
#include <algorithm>
#include <tuple>

#include "broker/cluster/beat_codec.hpp"
#include "broker/cluster/cliques.hpp"
#include "broker/cluster/membership.hpp"

namespace madang {

// ---- The graph

std::optional<membership::row> membership::row_of(const node_id& who) const {
    std::optional<row> found;
    if (const auto at = peers_.find(who.name);
        at != peers_.end() && at->second.who == who && at->second.last) {
        const auto& last = *at->second.last;
        found = row{who, {}, false, last.stamp, last.view.number, last.view.proposer, last.address};
        for (const auto& each : last.hears) found->hears.push_back(each.who);
    }
    if (const auto at = sighted_.find(who.name);
        at != sighted_.end() && at->second.who == who && (!found || at->second.stamp > found->stamp)) {
        const auto& seen = at->second;
        found = row{who, seen.hears, false, seen.stamp, seen.view, seen.proposer, seen.address};
    }
    return found;
}

// Fills rows_ with this node, those that it hears, those that they hear, and so on: what is known of a node
// counts as long as somebody hears it.
void membership::reach() {
    row self{how_.self, {}, false, 0, view_.number, view_.proposer, how_.address};
    for (const auto& [name, each] : peers_)
        if (each.heard) self.hears.push_back(each.who);
    std::map<std::string, row> found;
    std::vector<std::string> queue{how_.self.name};
    found[how_.self.name] = std::move(self);
    while (!queue.empty()) {
        const auto hears = found[queue.back()].hears;
        queue.pop_back();
        for (const auto& who : hears) {
            if (who.name == how_.self.name || is_removed(who) || left_.contains(who)) continue;
            if (const auto at = found.find(who.name);
                at != found.end() && at->second.who.incarnation >= who.incarnation)
                continue;
            if (const auto at = peers_.find(who.name);
                at != peers_.end() && at->second.who.incarnation > who.incarnation)
                continue;
            found[who.name] = row_of(who).value_or(row{who, {}, true, 0, 0, "", ""});
            queue.push_back(who.name);
        }
    }
    std::erase_if(sighted_, [&](const auto& each) { return !found.contains(each.first); });
    rows_.clear();
    for (auto& [name, each] : found) rows_.push_back(std::move(each));
}

void membership::look() {
    looked_at_ = now_;
    may_be_news_ = true;
    for (auto& [name, each] : peers_) each.heard = is_heard(each);
    rows_.clear();
    if (state_ == node_state::left) return;
    reach();
    hearing_graph graph(rows_.size());
    std::size_t self = 0;
    for (std::size_t a = 0; a < rows_.size(); ++a) {
        const auto hears = [&](const row& by, const row& whom) {
            return std::ranges::binary_search(by.hears, whom.who);
        };
        if (rows_[a].who == how_.self) self = a;
        graph.goes_by[a] = {rows_[a].view, rows_[a].proposer};
        for (std::size_t b = 0; b < a; ++b) {
            const bool there = hears(rows_[a], rows_[b]), back = hears(rows_[b], rows_[a]);
            if ((there && back) || (there && rows_[b].assumed) || (back && rows_[a].assumed))
                graph.link(a, b);
        }
    }
    const auto parts = cliques_of(graph);
    const auto part =
        std::ranges::find_if(parts, [&](const auto& each) { return std::ranges::binary_search(each, self); });
    if (part->front() == self)
        propose(*part, part == parts.begin(), is_undisputed(graph, self));
    else
        unlike_since_.reset();
}

// ---- Views

void membership::propose(const std::vector<std::size_t>& part, bool is_first, bool undisputed) {
    auto members = wanted(part);
    const bool passed_by = std::ranges::any_of(part, [&](std::size_t each) {
        const auto at = peers_.find(rows_[each].who.name);
        return at != peers_.end() && at->second.last->view.beats(view_);
    });
    if ((members == view_.members && !passed_by) || !may_begin(part, is_first)) return unlike_since_.reset();
    if (!unlike_since_ || members != proposing_) {
        proposing_ = members;
        unlike_since_ = now_;
    }
    if (!undisputed && now_ - *unlike_since_ < how_.heartbeat) return;
    unlike_since_.reset();
    go_by({greatest_ + 1, how_.self.name, std::move(members)});
}

// A node that was in no view yet does not make one of its own while others could take it in.
bool membership::may_begin(const std::vector<std::size_t>& part, bool is_first) const {
    if (std::ranges::any_of(part, [&](std::size_t each) { return rows_[each].view != 0; })) return true;
    const bool alone = part.size() == 1;
    return is_first && !(alone && how_.seeds && now_ - start_ < how_.timeout);
}

std::vector<view_member> membership::wanted(const std::vector<std::size_t>& part) const {
    std::map<std::string, view_member> found;
    const auto add = [&](const node_id& who, node_state said, const std::string& address) {
        // Nothing is handed over to a node that joins: it is up with the view that takes it in.
        found[who.name] = {who, said == node_state::draining ? said : node_state::up, address};
    };
    std::vector<const cluster_view*> views{&view_};
    for (const auto each : part) {
        const auto& who = rows_[each].who;
        if (who == how_.self) {
            add(who, state_, how_.address);
            continue;
        }
        const auto& last = *peers_.at(who.name).last;
        add(who, last.state, last.address);
        views.push_back(&last.view);
    }
    const auto in_part = [&](const std::string& name) {
        return std::ranges::any_of(part, [&](std::size_t each) { return rows_[each].who.name == name; });
    };
    for (const auto* view : views)
        for (const auto& each : view->members) {
            if (in_part(each.who.name) || is_removed(each.who)) continue;
            const auto left = left_.find(each.who);
            if (left != left_.end() && now_ - left->second >= list_left_for * how_.timeout) continue;
            const auto state = left != left_.end() ? node_state::left : node_state::dead;
            auto& listed = found.try_emplace(each.who.name, each).first->second;
            if (listed.who.incarnation <= each.who.incarnation) listed = {each.who, state, each.address};
        }
    std::vector<view_member> members;
    for (auto& [name, each] : found) members.push_back(std::move(each));
    while (members.size() > beat_list_limit) {  // the one that is longest gone
        const auto age = [](const view_member& each) {
            return is_living(each.state) ? ~std::uint64_t{0} : each.who.incarnation;
        };
        members.erase(std::ranges::min_element(members, {}, age));
    }
    return members;
}

// ---- Quorum

bool membership::can_vouch() {
    if (!view_.has_living(how_.self) || !is_living(state_)) return false;
    if (!remembers_) {  // whom it may have answered before it started anew
        std::size_t stand_by = 1;
        for (const auto& [name, each] : peers_) stand_by += each.same_view && view_.has_living(each.who);
        remembers_ = now_ - start_ >= how_.timeout || (how_.expected != 0 && stand_by >= how_.expected);
        if (!remembers_) return false;
    }
    return std::ranges::all_of(answered_, [&](const auto& entry) {
        const auto& [name, each] = entry;
        if (each.until <= now_ || !view_.beats(each.view) || left_.contains(each.who)) return true;
        const auto at = peers_.find(name);
        if (at == peers_.end()) return false;
        const auto& [who, last] = std::tie(at->second.who, at->second.last);
        return who.incarnation > each.who.incarnation ||
               (who == each.who && last && last->view.beats(each.view));
    });
}

void membership::settle() {
    // Once it vouches for a view it does so until the next: who counts on it for an older one becomes none.
    const bool vouched = vouches_;
    vouches_ = (vouches_ && is_living(state_)) || can_vouch();
    may_be_news_ = may_be_news_ || vouches_ != vouched;
}

membership::time_point membership::quorum_until() const noexcept {
    if (how_.expected == 0) return time_point::max();
    if (!vouches_) return time_point::min();
    const std::size_t others = how_.expected / 2;
    if (others == 0) return time_point::max();
    std::vector<time_point> ends;
    for (const auto& [name, each] : peers_)
        if (each.same_view && each.last->vouches && each.answers != 0 && is_living(each.last->state) &&
            view_.has_living(each.who))
            ends.push_back(start_ + std::chrono::microseconds(each.answers - 1) + how_.timeout -
                           how_.heartbeat / 2);
    if (ends.size() < others) return time_point::min();
    std::ranges::nth_element(ends, ends.begin() + static_cast<std::ptrdiff_t>(others) - 1,
                             std::ranges::greater());
    return ends[others - 1];
}

}  // namespace madang
