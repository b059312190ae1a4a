// A loop's switchboard: its connections, their memberships, the groups whose home it is, and the mail to
// other loops.
#pragma once

#include <caf/actor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/asio_loop_impl.hpp"
#include "actors/connection.hpp"
#include "actors/credit.hpp"
#include "actors/member_table.hpp"
#include "actors/parcel_impl.hpp"
#include "actors/restart_policy.hpp"

namespace madang {

class group_actor;

// What hubs know of each other, made before the first loop runs and constant from then on.
struct hub_directory {
    std::vector<caf::actor> hubs;                  // by loop
    std::vector<std::unique_ptr<credit>> credits;  // by receiving loop
    std::string node;                              // random, for channel names
    std::function<void(std::function<void()>)> pool;
};

// Used on its loop's thread. Around it stands hub_actor, which receives envelopes.
class hub final : public connection_services, private flushable {
  public:
    hub(asio_loop& on, hub_directory& all);
    ~hub();

    std::size_t home_of(std::string_view group) const noexcept;

    // -- connection_services
    void exit(connection& who) noexcept override;
    std::string channel_name(std::uint64_t id) const override;
    madang_status group_add(connection& who, std::string_view group, madang_delivery how) override;
    madang_status group_discard(connection& who, std::string_view group) override;
    void leave_all(connection& who) noexcept override;
    bool congested() const noexcept override;
    void wait_for_credit(connection& who) override;
    void run_in_pool(std::function<void()> fn) override { all_.pool(std::move(fn)); }

    // -- From this loop's thread
    madang_status group_send(std::string_view group, event what);
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
    void tell(std::size_t loop, parcel what);
    asio_loop& on() noexcept { return loop_; }
    std::size_t loops() const noexcept { return all_.credits.size(); }

  private:
    enum class create : std::uint8_t { no, yes };
    void flush() override;
    void handle(parcel& what);
    template <class Parcel>
    void at_home(const std::string& group, Parcel& what, create missing);
    void restart_group(const std::string& name);
    void rejoin(const std::string& group);

    asio_loop& loop_;
    hub_directory& all_;
    member_table members_;
    struct seat {
        connection* who;
        caf::strong_actor_ptr actor;  // keeps an idle connection's actor alive
    };
    std::unordered_map<std::uint64_t, seat> connections_;
    struct home {
        caf::actor actor;             // null while it waits to be restarted
        std::vector<parcel> waiting;  // what came meanwhile, bounded
        restart_policy restarts;
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
    };
    std::unordered_map<std::string, home, hash, std::equal_to<>> homes_;  // groups of which this is the home
    std::vector<std::pair<caf::strong_actor_ptr, group_actor*>> touched_groups_;
    std::vector<envelope_ptr> outgoing_;  // by loop
    std::vector<std::uint64_t> waiting_publishers_;
};

caf::actor spawn_hub_actor(hub& around);
caf::actor spawn_group_actor(hub& home, std::string name);
// Spawns the connection's actor on the hub's loop and starts it; returns its id. That loop's thread.
std::uint64_t open_connection(hub& at, connection_request&& request);

}  // namespace madang
