// A loop's switchboard: its connections, their memberships, the groups whose home it is, and the mail to
// other loops.
#pragma once

#include <atomic>
#include <caf/actor.hpp>
#include <caf/atom.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/asio_loop_impl.hpp"
#include "actors/away_desk.hpp"
#include "actors/cluster_routes_impl.hpp"
#include "actors/connection.hpp"
#include "actors/credit.hpp"
#include "actors/member_table.hpp"
#include "actors/parcel_impl.hpp"
#include "actors/resident_list.hpp"
#include "actors/restart_policy.hpp"
#include "actors/stream_calls.hpp"
#include "actors/stream_desk.hpp"
#include "actors/stream_giver.hpp"
#include "actors/stream_taker.hpp"

namespace madang {

class group_actor;
class store;

// What hubs know of each other, made before the first loop runs and constant from then on.
struct hub_directory {
    std::vector<caf::actor> hubs;                  // by loop
    std::vector<std::unique_ptr<credit>> credits;  // by receiving loop
    std::string node;                              // random, for channel names
    std::string node_name;                         // for people
    std::function<void(std::function<void()>)> pool;
    store* kept = nullptr;  // outlives the hubs
    std::atomic<std::size_t> asked{
        0};  // answers that the store still owes: the hubs wait for them at their end
    const reloadable<namespace_table>* namespaces = nullptr;
    bool clustered = false;           // the streams' lives are their homes' business
    std::vector<caf::actor> plugins;  // those with background consumers
    struct background_address {
        std::size_t loop;
        std::size_t plugin;
        std::size_t which;
    };
    std::map<std::string, background_address, std::less<>> backgrounds;  // by channel
    stream_calls calls;                                                  // of other nodes
    // Those of them that are about all that this node has.
    std::function<void(const peer_parcels::call& what, stream_calls::answer done)> answer_for_node;
    const std::atomic<bool>* draining = nullptr;
    std::function<bool()> quiet;  // no client is connected
    std::chrono::milliseconds presence_retry{1'000};
    stream_taker::limits hand_over;
    std::atomic<std::size_t> giving{0};  // moves of shards, per loop, whose streams are not all given yet

    std::size_t home_of(std::string_view group) const noexcept {
        return credits.size() == 1 ? 0 : std::hash<std::string_view>{}(group) % credits.size();
    }
    // Last thing of an answer: *this may be gone afterwards.
    void answered() {
        if (asked.fetch_sub(1, std::memory_order_acq_rel) == 1) asked.notify_all();
    }
};

// Asks this node's store on behalf of another node; `done` is called on a thread of the store's, or at once.
void answer_call(hub_directory& all, const peer_parcels::call& what, stream_calls::answer done);

// Used on its loop's thread. Around it stands hub_actor, which receives envelopes.
class hub final : public connection_services,
                  private stream_desk_host,
                  private away_desk_host,
                  private hand_over_host,
                  private flushable {
  public:
    hub(asio_loop& on, hub_directory& all);
    ~hub();

    std::size_t home_of(std::string_view group) const noexcept { return all_.home_of(group); }

    // -- connection_services
    void exit(connection& who) noexcept override;
    std::string channel_name(std::uint64_t id) const override;
    madang_status group_add(connection& who, std::string_view group, delivery how,
                            std::shared_ptr<const member_info> info) override;
    madang_status subscribe(connection& who, std::string_view group, std::shared_ptr<const member_info> info,
                            std::shared_ptr<subscribe_ticket> ask) override;
    madang_status group_discard(connection& who, std::string_view group) override;
    void leave_all(connection& who) noexcept override;
    bool congested() const noexcept override;
    void wait_for_credit(connection& who) override;
    void run_in_pool(std::function<void()> fn) override { all_.pool(std::move(fn)); }
    void post(std::uint64_t id, std::function<void(connection&)> fn) override;
    void user_known(connection& who) override;

    // -- From this loop's thread
    madang_status group_send(std::string_view group, event what,
                             std::shared_ptr<publish_ticket> ticket = nullptr);
    std::size_t command(const client_selector& whom, const client_command& what);
    // What this loop adds to the node's figures; `users` gathers the different ones.
    void add_figures(node_figures& to, std::unordered_set<std::string>& users) const;
    // The groups at home here, with their numbers of members.
    void add_groups(std::map<std::string, std::uint64_t>& to, const std::string& pattern,
                    std::size_t limit) const;
    madang_status channel_send(std::size_t loop, std::uint64_t member, event what);
    madang_status background_send(const hub_directory::background_address& to, event what);
    void credit_returned();  // some loop's credit is available again
    std::size_t connections() const noexcept { return connections_.size(); }
    std::vector<std::uint64_t> connection_ids() const;
    connection* find(std::uint64_t id) const noexcept;
    // For tests, which end them: a group's actor, when this is its home, and a connection's. Null when there
    // is none.
    caf::actor actor_of(std::string_view group) const;
    caf::actor actor_of(std::uint64_t connection) const;

    // -- From the actors
    void open(envelope& mail);
    void seat_connection(connection& who, caf::strong_actor_ptr actor);
    void group_touched(group_actor& which);  // hand_out() at the turn's end
    void group_passed(group_actor& which);   // its oldest parcels::behind
    void group_emptied(group_actor& which);
    void group_exited(group_actor& which);
    void member_left(const std::string& group, std::uint64_t member) {
        if (away(group))
            away_.left(group, member);
        else
            desk_.left(group, member);
    }
    // A loop of this node, or a peer's place behind them.
    void tell(std::size_t loop, parcel what);

    // -- Other nodes. Who owns which group, and how its node is reached; null until there is a cluster.
    void routes_changed(std::shared_ptr<const cluster_routes> now);
    void mail_came(std::size_t peer, std::uint64_t link, std::string_view bytes);
    void credit_came(std::size_t peer, std::uint64_t link, std::size_t bytes);
    const std::shared_ptr<const cluster_routes>& routes() const noexcept { return routes_; }

    asio_loop& on() noexcept { return loop_; }
    std::size_t loops() const noexcept override { return all_.credits.size(); }
    bool draining() const noexcept { return all_.draining->load(); }
    bool quiet() const { return all_.quiet(); }

  private:
    using user_index = std::unordered_multimap<std::string, std::uint64_t>;
    struct seat {
        connection* who;
        caf::strong_actor_ptr actor;  // keeps an idle connection's actor alive
        user_index::iterator user;    // its entry in by_user_, or end()
    };
    enum class create : std::uint8_t { no, yes };
    void flush() override;
    void handle(parcel& what);
    void go_behind(const std::string& group, parcel what);
    void at_turns_end(parcel&& what);
    template <class Parcel>
    void at_home(const std::string& group, Parcel& what, create missing);
    void restart_group(const std::string& name);
    void rejoin(const std::string& group);
    enum class losers : std::uint8_t { all, those_who_know_a_position };
    void tell_lost(const std::string& group, losers who);
    void repair_presence();
    void index_user(seat& where, std::uint64_t id);
    void tell_join(std::uint64_t member, std::string_view group, std::shared_ptr<const member_info> info,
                   std::shared_ptr<subscribe_ticket> ask);
    void join_home(parcels::join& what);
    std::shared_ptr<const member_info> presence_of(connection& who, std::string_view group) const;
    std::vector<connection*> selected(const client_selector& whom) const;

    // -- other nodes (hub_peers.cpp)
    std::size_t owner_of(std::string_view group) const noexcept {
        return routes_ ? routes_->owner_of(group) : cluster_routes::here;
    }
    bool away(std::string_view group) const noexcept { return owner_of(group) != cluster_routes::here; }
    std::size_t place_of(std::size_t peer) const noexcept { return loops() + peer; }
    bool send_peer(std::size_t peer, const peer_parcel& what);
    bool send_peer(std::size_t peer, const batch& what);
    template <class Append>
    bool send_peer(std::size_t peer, bool droppable, Append append);
    void tell_peer(std::size_t peer, parcel& what);
    void tell_residents(std::size_t peer, const batch& what);
    void tell_residents(std::size_t peer, const std::string& group);  // all
    void tell_here(std::vector<resident_list::news>&& what);
    resident_list::owner peer_as_owner(std::size_t peer) const {
        return {peer, routes_->peers[peer].who.incarnation};
    }
    void peer_said(std::size_t peer, std::uint64_t link, peer_mail::item& item);
    bool may_come(std::size_t peer, std::uint64_t link) const noexcept;
    void came_early(std::size_t peer, std::uint64_t link, std::size_t bytes, std::function<void()> take);
    template <class Value, class Reply, class Asked>
    auto replier(std::size_t peer, std::uint64_t link, const Asked& what, Value Reply::*place);
    void drop_interests(std::size_t peer);
    void rejoin_peers(const std::string& group);  // its actor was restarted
    void post_mail(std::size_t peer);
    void publish_away(parcels::publish& what);
    bool to_owner(peer_parcel&& what) override;
    void answer_away(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) override {
        answer(std::move(whom), std::move(what));
    }
    bool linked(std::size_t peer, std::uint64_t link) const noexcept {
        return routes_ && routes_->stands(peer, link);
    }

    // -- streams on their way between nodes (hub_hand_over.cpp)
    void move_streams();
    void ask_stream(const std::string& group, std::shared_ptr<subscribe_ticket> ask);
    bool hold_publish(parcels::publish& what);
    bool hold_question(parcels::question& what);
    bool send_to(std::size_t peer, peer_parcel&& what) override { return send_peer(peer, what); }
    bool has_credit(std::size_t peer) const override;
    void ask_store(const std::string& group, store_request&& what, hand_over_host::answer done) override;
    void ask_store_last(store_request&& what, hand_over_host::answer done) override;
    std::uint32_t shards() const override { return routes_->owners.shards(); }
    std::size_t loop() const override { return loop_.index(); }
    std::function<bool(std::string_view group)> is_home_here() const override;
    bool keeps_stream(std::string_view group) const override { return desk_.keeps(group); }
    std::string fresh_epoch() override { return random_epoch(); }
    std::int64_t unix_now_ms() const override { return now_ms(); }
    std::int64_t steady_now_ms() const override;
    bool is_settled(const std::string& group, std::uint64_t tenure) const override {
        return desk_.is_settled(group, tenure);
    }
    bool has_begun(const std::string& group, std::uint64_t tenure) const override {
        return desk_.has_begun(group, tenure);
    }
    void stream_taken(const std::string& group, const position& at) override;
    void stream_anew(const std::string& group, std::string_view reason) override;
    void awaited_changed(std::int64_t by) override;
    void wake_taker() override;
    void stream_given() override;
    void all_is_given() override;
    void wake_giver() override;

    // -- stream_desk_host
    void hand_to_group(const std::string& group, event&& what) override;
    void submit(std::shared_ptr<desk_batch> what, durability how) override;
    void touched() override { loop_.touch_early(*this); }
    void answer(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) override;
    std::int64_t now_ms() const override;
    std::string random_epoch() override;
    // What was asked before the first view, or of a group that became another node's, is of no tenure that is
    // now.
    std::uint64_t tenure_of(const std::string& group) const override {
        constexpr std::uint64_t before_views = UINT64_MAX, elsewhere = UINT64_MAX - 1;
        if (!all_.clustered) return 0;
        if (away(group)) return elsewhere;
        const auto tenure = routes_ ? routes_->tenure_of(group) : 0;
        return tenure != 0 ? tenure : before_views;
    }
    void count_refused() override;
    void stream_began(const std::string& group) override;
    void tell_began(const std::string& group);
    void presence_unwritten(std::size_t count) override;
    void count_repaired() override;

    asio_loop& loop_;
    hub_directory& all_;
    member_table members_;
    user_index by_user_;  // connections of users that are known
    std::unordered_map<std::uint64_t, seat> connections_;
    stream_desk desk_;
    struct home {
        caf::actor actor;                    // null while it waits to be restarted
        const group_actor* group = nullptr;  // what `actor` is
        std::vector<parcel> waiting;         // what came meanwhile, bounded
        // Answers, and news that the stream began anew, each with a parcels::behind in the actor's mailbox: a
        // turn may end before the actor has what the hub sent it, and an answer must not overtake that.
        std::deque<parcel> behind;
        restart_policy restarts;
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
    };
    std::unordered_map<std::string, home, hash, std::equal_to<>> homes_;  // groups of which this is the home
    std::vector<std::pair<caf::strong_actor_ptr, group_actor*>> touched_groups_;
    std::vector<parcels::answer> answers_;  // of this turn, behind its batches
    std::vector<std::string> began_;        // groups whose stream began anew, behind those
    std::vector<envelope_ptr> outgoing_;    // by loop
    std::vector<std::uint64_t> waiting_publishers_;
    std::shared_ptr<const cluster_routes> routes_;
    away_desk away_{*this};
    struct peer_box {
        std::string mail;                           // of this turn
        std::size_t handled = 0;                    // bytes of theirs, to be told
        std::uint64_t dropped = 0;                  // parcels since the last that went
        std::uint64_t over = 0;                     // the latest link that is gone
        std::unordered_set<std::string> interests;  // groups at home here that they have members of
    };
    std::vector<peer_box> boxes_;  // by peer
    resident_list residents_;
    stream_taker taker_;
    stream_giver giver_{*this};
    bool taker_waking_ = false, giver_waking_ = false;  // their timers are set
    struct early_mail {
        std::size_t peer;
        std::uint64_t link;
        std::function<void()> take;
    };
    std::vector<early_mail> early_;  // over links that this loop was not told of yet
    std::size_t early_bytes_ = 0;
    std::size_t unwritten_ = 0;  // entries of presence
    bool repairing_ = false;     // its timer is set
};

using start_atom = caf::atom_constant<caf::atom("start")>;
using drain_atom = caf::atom_constant<caf::atom("drain")>;

caf::actor spawn_hub_actor(hub& around);
// Its background consumers; start_atom makes them, drain_atom ends them behind the last client. The routes
// outlive it.
caf::actor spawn_plugin_actor(hub& home, std::vector<const consumer_route*> routes);
std::pair<caf::actor, group_actor*> spawn_group_actor(hub& home, std::string name);
// Spawns the connection's actor on the hub's loop and starts it; returns its id. That loop's thread.
std::uint64_t open_connection(hub& at, connection_request&& request);

}  // namespace madang
