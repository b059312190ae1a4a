// How nodes come to one view of who is in: inputs are links, beats and time, effects are views and beats. No
// sockets, no clock, no threads.
//
// Every node tells every other, with each beat, what it sees: its view, its own state, and whom it hears; and
// it passes on what those say whom some others do not hear. So all nodes that hang together see the same
// graph of who hears whom, and part it in the same way (cliques.hpp). The smallest name of each part proposes
// its view: the part's nodes with the states that they say of themselves, and a number greater than any it
// saw. Who hears of a greater view that has it as a living member takes that. A cut between two nodes of
// three thus costs one of them its place, not the cluster its sense; and who is outside sees itself alone.
//
// A part in which everybody who is reached hears everybody is proposed at once; anything else only when it
// has looked the same for a heartbeat, since news of it may be under way.
//
// Quorum is exact: nodes that believe at the same instant to have it go by the same view (has_quorum).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/cluster/view.hpp"

namespace madang {

struct heard_node {
    node_id who;
    std::uint64_t stamp = 0;  // of its last beat: tells it how old the answer is, by its own clock
    friend bool operator==(const heard_node&, const heard_node&) = default;
};
// A node's beat as another passes it on to those who do not hear it, without what they do not need.
struct sighting {
    node_id who;
    std::uint64_t stamp = 0;
    std::string address;
    std::uint64_t view = 0;  // number and proposer of the view that it goes by
    std::string proposer;
    std::vector<node_id> hears;
    friend bool operator==(const sighting&, const sighting&) = default;
};
inline constexpr std::size_t sightings_limit = 256;      // in a beat
inline constexpr std::size_t sighting_ids_limit = 4096;  // nodes that all sightings of a beat name in `hears`

// What a node tells the others with each beat. Its lists are ordered by name, one entry per name.
struct beat {
    node_id from;
    node_state state = node_state::joining;  // of itself: joining, up, draining, left
    bool vouches = false;                    // its view may count on it for quorum
    std::uint64_t stamp = 0;  // us on its own steady clock since it started, and greater in each beat
    std::string address;
    cluster_view view;              // what it goes by
    std::vector<heard_node> hears;  // whom it heard within the timeout, itself not among them
    std::vector<node_id> removed;   // by an operator (`madang cluster remove`): not to be taken in again
    std::vector<sighting> others;   // whom some of those that it hears do not hear
    friend bool operator==(const beat&, const beat&) = default;
};

class membership {
  public:
    using clock = std::chrono::steady_clock;
    using ms = std::chrono::milliseconds;
    struct settings {
        node_id self;
        std::string address;
        ms heartbeat{500};           // more than a third of the timeout: a third of it
        ms timeout{3'000};           // silent so long: not heard any more
        std::uint32_t expected = 0;  // --cluster-size: quorum is more than half of it; 0: no quorum is asked
        bool seeds = false;          // others are named: alone, it waits `timeout` for them before it is up
    };

    explicit membership(settings how, clock::time_point now);

    // -- Inputs. `now` never goes back.
    void heard(const beat& what, clock::time_point now);     // also proves that its link lives
    void alive(const node_id& peer, clock::time_point now);  // bytes came, without a beat
    void lost(const node_id& peer, clock::time_point now);   // its link broke; it may come back at once
    void drain(clock::time_point now);                       // this node: owns nothing from the next view on
    void resume(clock::time_point now);                      // behind drain(): it is up again
    // This node goes in order: it takes part in nothing any more, its beats only say so.
    void leave(clock::time_point now);
    // An operator's word: it is taken in again only when it was started anew. One that lives is refused
    // (lives) unless `force`; then it is cast out as soon as it hears of it.
    enum class removal : std::uint8_t { done, unknown, itself, lives };
    removal remove(std::string_view name, clock::time_point now, bool force = false);
    void tick(clock::time_point now);  // at least every heartbeat / 2

    // -- What follows
    const cluster_view& view() const noexcept { return view_; }  // number 0, nobody: none yet
    node_state state() const noexcept { return state_; }         // of this node
    // Changed since the last call; then everything that depends on the view is made anew.
    bool take_changed() noexcept { return std::exchange(changed_, false); }
    // What is to be told to every peer now; nothing when no beat is due. Due every heartbeat, and at once
    // when what it says has changed: to be asked after every input.
    std::optional<beat> take_beat(clock::time_point now);
    clock::time_point next_tick() const noexcept;

    // Whether more than half of `expected` nodes, this one among them, stand by the view. True without
    // `expected`.
    //
    // A node counts another that is a living member of its view, and that answered a beat of the last
    // `timeout` (by the own clock, less half a heartbeat for clocks that do not run alike) by vouching for
    // the same view. A node vouches for a view only when nobody can count on it for an older one any more:
    // each that it answered in the last `timeout` said since that it goes by a newer one, or left, or started
    // anew. One that has just started knows nothing of its answers before, and vouches after `timeout`, or as
    // soon as all expected nodes say that they go by its view. So no two nodes that go by different views
    // have a quorum at the same instant, whatever was delayed, cut, paused or killed, as long as there are no
    // more names than `expected` and no two live processes of one name. A node that was cut off believes
    // until its quorum_until, and the others wait for that. After each change of view nobody has a quorum for
    // a few messages' time: who shows it to people should wait a heartbeat before saying "minority".
    bool has_quorum(clock::time_point now) const noexcept { return now < quorum_until(); }
    // Until when has_quorum holds if nothing more is heard: for who must check it later, or elsewhere.
    clock::time_point quorum_until() const noexcept;
    // Another process of this name has a greater incarnation, or an operator removed this one: others do not
    // take it in again before it starts anew. It is as if it had left.
    bool is_cast_out() const noexcept { return cast_out_; }
    // By an operator: up to these incarnations. Changed with the view, if not before.
    std::vector<node_id> removed() const;

    // Addresses to be dialed: of nodes of any view that is gone by here or at a peer (of the dead as well,
    // for their return), and of those that peers hear, that have no live link.
    std::vector<std::string> to_dial(clock::time_point now) const;
    // For status pages: all but this node, ordered by name.
    struct peer_status {
        node_id who;
        node_state state;
        std::string address;
        bool heard;    // by this node
        ms silent{0};  // since when; as long as this node runs, if it never heard it
    };
    std::vector<peer_status> peers(clock::time_point now) const;

  private:
    using time_point = clock::time_point;
    struct peer {
        node_id who;  // its latest incarnation
        time_point heard_at;
        time_point beat_at;  // when `last` came
        std::optional<beat> last;
        bool linked = false;
        bool heard = false;         // when this was last looked at
        bool same_view = false;     // `last` goes by our view
        std::uint64_t answers = 0;  // our latest stamp that `last` names; 0: none
    };
    // Somebody may count on this node for that view until then.
    struct answered {
        node_id who;
        cluster_view view;  // without members
        time_point until;
    };
    struct row {  // of the graph
        node_id who;
        std::vector<node_id> hears;
        bool assumed = false;  // nothing is known of whom it hears: those who hear it
        std::uint64_t stamp = 0, view = 0;
        std::string proposer, address;
    };

    static constexpr int list_left_for = 20;  // timeouts

    void pass(time_point now);
    peer* known(const node_id& who);
    bool is_heard(const peer& who) const noexcept;
    bool is_removed(const node_id& who) const noexcept;
    bool note_removed(const node_id& who);
    bool yields_to(const beat& what) const;
    void cast_out();
    void note(const cluster_view& view);
    void go_by(cluster_view view);
    void compare(peer& with) const;
    std::vector<sighting> sightings() const;
    // membership_view.cpp
    void look();    // at the graph, after news or time; proposes
    void settle();  // after every input: whether this node vouches
    void reach();
    std::optional<row> row_of(const node_id& who) const;
    void propose(const std::vector<std::size_t>& part, bool is_first, bool undisputed);
    bool may_begin(const std::vector<std::size_t>& part, bool is_first) const;
    std::vector<view_member> wanted(const std::vector<std::size_t>& part) const;
    bool can_vouch();

    settings how_;
    time_point start_, now_, looked_at_;
    node_state state_ = node_state::joining;
    cluster_view view_;
    std::uint64_t greatest_ = 0;  // number of a view that was seen
    bool changed_ = false;
    bool cast_out_ = false;
    bool vouches_ = false;
    bool remembers_ = false;  // answered_ is all that its name answered within the timeout

    std::map<std::string, peer, std::less<>> peers_;
    std::map<std::string, sighting, std::less<>> sighted_;
    std::map<std::string, std::uint64_t, std::less<>> removed_;  // up to this incarnation
    std::map<node_id, time_point> left_;                         // since when that is known
    std::map<std::string, answered, std::less<>> answered_;

    std::vector<row> rows_;                   // ordered by name; of all that can be reached
    std::vector<view_member> proposing_;      // what the part's view should be
    std::optional<time_point> unlike_since_;  // since when it is that, and not our view
    bool may_be_news_ = false;                // since the last beat
    beat said_;
    std::optional<time_point> said_at_;
};

}  // namespace madang
