// Nodes, the links between them and their clock, all of them made up: a whole run follows from a seed.
//
// Beats are late, lost and overtake each other; links are cut in one direction or both; nodes are killed,
// start anew, stand still (what comes meanwhile waits, and their clock jumps), drain and leave. What must
// always hold is checked after every event; the first thing that does not is `broken`.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "broker/cluster/membership.hpp"

namespace madang::test {

class cluster_model {
  public:
    using ms = std::chrono::milliseconds;
    using time_point = membership::clock::time_point;
    struct settings {
        std::size_t nodes = 3;
        std::uint32_t expected = 0;
        bool through_bytes = false;  // beats are encoded and decoded
        bool trace = false;
    };
    cluster_model(settings how, std::uint64_t seed);

    // -- Faults. Nodes are numbers.
    // `seeds`: it waits for others. It dials the next node only; if it was started anew, all.
    void start(std::size_t node, bool seeds);
    void kill(std::size_t node);
    void pause(std::size_t node);
    void resume(std::size_t node);
    void drain(std::size_t node);
    void undrain(std::size_t node);
    void leave(std::size_t node);  // and ends soon after
    void remove(std::size_t by, std::size_t node, bool force = false);
    void cut(std::size_t from, std::size_t to, bool is_cut) { cut_[{from, to}] = is_cut; }
    void lose(unsigned percent) { loss_ = percent; }
    void delay(ms least, ms most);
    void heal();  // no cuts, no loss, short delays; who stood still goes on
    void run(ms time);

    // -- What is so
    std::string broken;  // the first thing that was; "": nothing
    const membership* of(std::size_t node) const {
        return nodes_[node].logic ? &*nodes_[node].logic : nullptr;
    }
    bool runs(std::size_t node) const {
        const auto& it = nodes_[node];
        return it.logic && !it.paused && !it.logic->is_cast_out();
    }
    bool paused(std::size_t node) const { return nodes_[node].paused; }
    bool drains(std::size_t node) const { return nodes_[node].drains; }
    node_id id(std::size_t node) const;
    std::size_t size() const { return nodes_.size(); }
    time_point now() const { return now_; }
    std::uint64_t views() const { return views_; }  // that nodes took, and that had other living members
    std::uint64_t random(std::uint64_t below) { return random_() % below; }
    // One view everywhere, of those that run, and of it all that follows. "": so it is.
    std::string agreed() const;
    void say(const std::string& what) const;

  private:
    struct node {
        std::string name;
        std::uint64_t incarnation = 0;
        std::optional<membership> logic;
        bool paused = false, drains = false, leaving = false;
        std::deque<std::shared_ptr<const beat>> waiting;  // while it stands still
        std::optional<cluster_view> had;
    };
    struct event {
        time_point at;
        std::uint64_t order;
        std::size_t to;
        std::uint64_t incarnation;
        std::shared_ptr<const beat> what;  // null: a tick
        friend bool operator>(const event& a, const event& b) {
            return a.at != b.at ? a.at > b.at : a.order > b.order;
        }
    };
    void after_input(std::size_t node);
    void dial(std::size_t node);
    void check();
    void fail(const std::string& what);
    void add(event what) {
        what.order = ++order_;
        events_.push(std::move(what));
    }

    settings how_;
    std::mt19937_64 random_;
    time_point now_{};
    std::uint64_t order_ = 0, views_ = 0;
    std::vector<node> nodes_;
    std::map<std::pair<std::size_t, std::size_t>, bool> cut_, linked_;
    unsigned loss_ = 0;
    ms least_{1}, most_{30};
    std::map<std::pair<std::uint64_t, node_id>, cluster_view> made_;  // by number and proposer
    std::priority_queue<event, std::vector<event>, std::greater<>> events_;
};

}  // namespace madang::test
