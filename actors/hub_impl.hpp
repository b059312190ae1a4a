// A loop's switchboard: its connections, their memberships, the groups whose home it is, and the mail to
// other loops.
#pragma once

#include <atomic>
#include <caf/actor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/asio_loop_impl.hpp"
#include "actors/connection.hpp"
#include "actors/credit.hpp"
#include "actors/member_table.hpp"
#include "actors/parcel_impl.hpp"
#include "actors/restart_policy.hpp"
#include "actors/stream_desk.hpp"

namespace madang {

class group_actor;
class store;

// What hubs know of each other, made before the first loop runs and constant from then on.
struct hub_directory {
    std::vector<caf::actor> hubs;                  // by loop
    std::vector<std::unique_ptr<credit>> credits;  // by receiving loop
    std::string node;                              // random, for channel names
    std::function<void(std::function<void()>)> pool;
    store* kept = nullptr;  // outlives the hubs
    std::atomic<std::size_t> asked{
        0};  // answers that the store still owes: the hubs wait for them at their end
    const namespace_table* namespaces = nullptr;

    // Last thing of an answer: *this may be gone afterwards.
    void answered() {
        if (asked.fetch_sub(1, std::memory_order_acq_rel) == 1) asked.notify_all();
    }
};

// Used on its loop's thread. Around it stands hub_actor, which receives envelopes.
class hub final : public connection_services, private stream_desk_host, private flushable {
  public:
    hub(asio_loop& on, hub_directory& all);
    ~hub();

    std::size_t home_of(std::string_view group) const noexcept;

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
    void group_emptied(group_actor& which);
    void group_exited(group_actor& which);
    void member_left(const std::string& group, std::uint64_t member) { desk_.left(group, member); }
    void tell(std::size_t loop, parcel what);
    asio_loop& on() noexcept { return loop_; }
    std::size_t loops() const noexcept { return all_.credits.size(); }

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
    template <class Parcel>
    void at_home(const std::string& group, Parcel& what, create missing);
    void restart_group(const std::string& name);
    void rejoin(const std::string& group);
    void index_user(seat& where, std::uint64_t id);
    void tell_join(std::uint64_t member, std::string_view group, std::shared_ptr<const member_info> info,
                   std::shared_ptr<subscribe_ticket> ask);
    void join_home(parcels::join& what);
    std::shared_ptr<const member_info> presence_of(connection& who, std::string_view group) const;
    std::vector<connection*> selected(const client_selector& whom) const;

    // -- stream_desk_host
    void hand_to_group(const std::string& group, event&& what) override;
    void submit(std::shared_ptr<desk_batch> what, durability how) override;
    void touched() override { loop_.touch_early(*this); }
    void answer(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) override;
    std::int64_t now_ms() const override;
    std::string random_epoch() override;
    void count_refused() override;

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
        restart_policy restarts;
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
    };
    std::unordered_map<std::string, home, hash, std::equal_to<>> homes_;  // groups of which this is the home
    std::vector<std::pair<caf::strong_actor_ptr, group_actor*>> touched_groups_;
    std::vector<parcels::answer> answers_;  // of this turn, behind its batches
    std::vector<envelope_ptr> outgoing_;    // by loop
    std::vector<std::uint64_t> waiting_publishers_;
};

caf::actor spawn_hub_actor(hub& around);
std::pair<caf::actor, group_actor*> spawn_group_actor(hub& home, std::string name);
// Spawns the connection's actor on the hub's loop and starts it; returns its id. That loop's thread.
std::uint64_t open_connection(hub& at, connection_request&& request);

}  // namespace madang
