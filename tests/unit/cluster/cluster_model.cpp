#include "tests/unit/cluster/cluster_model.hpp"

#include <algorithm>
#include <cstdio>

#include "broker/cluster/beat_codec.hpp"
#include "broker/cluster/shard_map.hpp"

namespace madang::test {
namespace {

constexpr cluster_model::ms tick_every{100};  // as the links' thread does

std::string text(const cluster_view& view) {
    auto all = std::to_string(view.number) + view.proposer + "{";
    for (const auto& each : view.members)
        all += each.who.name + std::to_string(each.who.incarnation) +
               std::string(1, "judlx"[int(each.state)]) + " ";
    return all + "}";
}

bool is_same(const cluster_view& a, const cluster_view& b) {
    return a.number == b.number && a.proposer == b.proposer && a.members == b.members;
}
std::vector<view_member> living(const cluster_view& view) {
    std::vector<view_member> found;
    for (const auto& each : view.members)
        if (is_living(each.state)) found.push_back(each);
    return found;
}

}  // namespace

cluster_model::cluster_model(settings how, std::uint64_t seed) : how_(how), random_(seed), nodes_(how.nodes) {
    now_ += std::chrono::hours(1);
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        nodes_[i].name = std::string(1, static_cast<char>('a' + i));
}

void cluster_model::say(const std::string& what) const {
    if (how_.trace)
        std::printf("%8.3f %s\n", std::chrono::duration<double>(now_.time_since_epoch()).count() - 3600,
                    what.c_str());
}

void cluster_model::fail(const std::string& what) {
    say("BROKEN " + what);
    if (broken.empty())
        broken = "at " +
                 std::to_string(std::chrono::duration_cast<ms>(now_.time_since_epoch()).count() - 3'600'000) +
                 " ms: " + what;
}

node_id cluster_model::id(std::size_t node) const { return {nodes_[node].name, nodes_[node].incarnation}; }
void cluster_model::delay(ms least, ms most) {
    least_ = least;
    most_ = most;
}

// ---- Faults

void cluster_model::start(std::size_t node, bool seeds) {
    auto& it = nodes_[node];
    kill(node);
    ++it.incarnation;
    say("start " + it.name + (seeds ? " with seeds" : ""));
    membership::settings with;
    with.self = id(node);
    with.address = it.name + ":1";
    with.expected = how_.expected;
    with.seeds = seeds;
    it.logic.emplace(with, now_);
    it.paused = it.drains = it.leaving = false;
    it.had.reset();
    after_input(node);
    add({now_ + ms(random(100)), 0, node, it.incarnation, nullptr});
}

void cluster_model::kill(std::size_t node) {
    auto& it = nodes_[node];
    if (!it.logic) return;
    say("kill " + it.name);
    it.logic.reset();
    it.waiting.clear();
    it.paused = it.leaving = false;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (!linked_[{node, i}]) continue;
        linked_[{node, i}] = linked_[{i, node}] = false;
        if (nodes_[i].logic && !nodes_[i].paused && !cut_[{node, i}]) {
            nodes_[i].logic->lost(id(node), now_);
            after_input(i);
        }
    }
}

void cluster_model::pause(std::size_t node) {
    say("pause " + nodes_[node].name);
    nodes_[node].paused = true;
}

void cluster_model::resume(std::size_t node) {
    auto& it = nodes_[node];
    say("resume " + it.name);
    it.paused = false;
    add({now_, 0, node, it.incarnation, nullptr});
    if (random(2) == 0) {  // its timer comes before what it has to read
        it.logic->tick(now_);
        after_input(node);
    }
    for (const auto& each : std::exchange(it.waiting, {})) {
        it.logic->heard(*each, now_);
        after_input(node);
    }
}

void cluster_model::drain(std::size_t node) {
    say("drain " + nodes_[node].name);
    nodes_[node].drains = true;
    nodes_[node].logic->drain(now_);
    after_input(node);
}

void cluster_model::undrain(std::size_t node) {
    say("undrain " + nodes_[node].name);
    nodes_[node].drains = false;
    nodes_[node].logic->resume(now_);
    after_input(node);
}

void cluster_model::leave(std::size_t node) {
    say("leave " + nodes_[node].name);
    nodes_[node].leaving = true;
    nodes_[node].logic->leave(now_);
    after_input(node);
}

void cluster_model::remove(std::size_t by, std::size_t node, bool force) {
    if (nodes_[by].logic->remove(nodes_[node].name, now_, force) == membership::removal::done)
        say("remove " + nodes_[node].name + " by " + nodes_[by].name);
    after_input(by);
}

void cluster_model::heal() {
    say("heal");
    cut_.clear();
    loss_ = 0;
    delay(ms(1), ms(30));
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (nodes_[i].paused) resume(i);
}

// ---- Time

void cluster_model::run(ms time) {
    const auto end = now_ + time;
    while (broken.empty() && !events_.empty() && events_.top().at <= end) {
        const auto next = events_.top();
        events_.pop();
        now_ = next.at;
        auto& it = nodes_[next.to];
        if (!it.logic || it.incarnation != next.incarnation) continue;
        if (next.what && it.paused) {
            it.waiting.push_back(next.what);
        } else if (next.what) {
            const auto removed = it.logic->removed();
            const bool is_sure = how_.expected != 0 && !it.logic->is_cast_out() &&
                                 it.logic->has_quorum(now_) &&
                                 std::ranges::find(removed, next.what->from) != removed.end();
            it.logic->heard(*next.what, now_);
            if (is_sure && it.logic->is_cast_out())
                fail(it.name + " has a quorum and was cast out by one that it removed");
        } else if (!it.paused) {
            it.logic->tick(now_);
            dial(next.to);
            add({now_ + tick_every, 0, next.to, next.incarnation, nullptr});
        }
        if (!it.paused) after_input(next.to);
        check();
    }
    now_ = end;
    check();
}

void cluster_model::dial(std::size_t node) {
    if (nodes_[node].leaving || random(3) != 0) return;
    const auto link = [&](std::size_t to) {
        if (to == node || !nodes_[to].logic || nodes_[to].paused || cut_[{node, to}] || cut_[{to, node}])
            return;
        linked_[{node, to}] = linked_[{to, node}] = true;
    };
    for (const auto& each : nodes_[node].logic->to_dial(now_)) link(static_cast<std::size_t>(each[0] - 'a'));
    link((node + 1) % nodes_.size());
    if (nodes_[node].incarnation > 1)
        for (std::size_t to = 0; to < nodes_.size(); ++to) link(to);
}

void cluster_model::after_input(std::size_t node) {
    auto& it = nodes_[node];
    if (it.logic->take_changed()) {
        const auto& view = it.logic->view();
        if (!it.had || living(*it.had) != living(view)) ++views_;
        say(it.name + " goes by " + text(view));
        if (it.had && !view.beats(*it.had)) fail("the number of " + it.name + "'s view did not rise");
        it.had = view;
        const auto* proposer = view.find(view.proposer);
        if (!proposer) return fail("a view without its proposer");
        const auto& made = made_.try_emplace({view.number, proposer->who}, view).first->second;
        if (made != view) fail("two views of one number and proposer: " + text(view) + " and " + text(made));
        if (!std::ranges::is_sorted(view.members, {}, &view_member::who)) fail("members out of order");
        if (!view.has_living(id(node))) fail(it.name + " goes by a view without it");
    }
    auto what = it.logic->take_beat(now_);
    if (!what) return;
    auto shared = std::make_shared<const beat>(std::move(*what));
    if (how_.through_bytes) {
        const auto again = decode_beat(encode(*shared));
        if (!again || *again != *shared) return fail("a beat does not survive its bytes");
    }
    for (std::size_t to = 0; to < nodes_.size(); ++to) {
        if (!linked_[{node, to}] || cut_[{node, to}] || random(100) < loss_) continue;
        const auto late = least_ + ms(random(static_cast<std::uint64_t>((most_ - least_).count()) + 1));
        add({now_ + late, 0, to, nodes_[to].incarnation, shared});
    }
    if (it.leaving) {
        it.logic.reset();  // its links are closed behind its last beat
        for (std::size_t to = 0; to < nodes_.size(); ++to) linked_[{node, to}] = linked_[{to, node}] = false;
        it.leaving = false;
    }
}

// ---- What must hold

// At most one view has believers.
void cluster_model::check() {
    if (how_.expected == 0) return;
    const auto believes = [&](const node& each) { return each.logic && each.logic->has_quorum(now_); };
    for (const auto& a : nodes_)
        for (const auto& b : nodes_) {
            if (&a >= &b || !a.logic || !b.logic || is_same(a.logic->view(), b.logic->view())) continue;
            if (believes(a) && believes(b))
                fail(a.name + " and " + b.name + " believe in a quorum of " + text(a.logic->view()) +
                     " and of " + text(b.logic->view()));
        }
}

std::string cluster_model::agreed() const {
    std::size_t running = 0;
    const cluster_view* view = nullptr;
    std::string all;
    for (std::size_t i = 0; i < size(); ++i)
        if (runs(i)) {
            ++running;
            all += nodes_[i].name + " has " + text(of(i)->view()) + "; ";
        }
    for (std::size_t i = 0; i < size(); ++i) {
        if (!runs(i)) continue;
        if (!view) view = &of(i)->view();
        if (*view != of(i)->view()) return "not one view: " + all;
        const auto* listed = view->find(nodes_[i].name);
        if (!listed || listed->who != id(i)) return nodes_[i].name + " is not listed: " + all;
        if (listed->state != (nodes_[i].drains ? node_state::draining : node_state::up))
            return nodes_[i].name + " has the wrong state: " + all;
        if (how_.expected != 0 && of(i)->has_quorum(now_) != (running > how_.expected / 2))
            return nodes_[i].name + " is wrong about the quorum: " + all;
    }
    if (!view) return "";
    for (std::size_t i = 0; i < size(); ++i) {
        const auto* listed = view->find(nodes_[i].name);
        if (listed && !nodes_[i].logic && is_living(listed->state))
            return nodes_[i].name + " is a ghost: " + all;
    }
    const shard_map shards(*view, 64);
    for (std::size_t i = 0; i < size(); ++i)
        if (runs(i) && nodes_[i].drains && !shards.of(nodes_[i].name).empty())
            return "a drained node owns something";
    return "";
}

}  // namespace madang::test
