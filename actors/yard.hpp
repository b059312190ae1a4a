// The whole of the actors: loops, hubs, groups and connections of this node, and the channel layer over them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "broker/core/options.hpp"
#include "broker/core/reloadable.hpp"
#include "broker/core/streams.hpp"
#include "plugins/host/ports.hpp"

namespace caf {
class actor;
class actor_system;
}  // namespace caf

namespace madang {

class hub;
class loop;
class metrics;
struct cluster_routes;
class store;
struct connection_request;
struct consumer_route;
struct session_mail;
enum class session_mail_outcome : std::uint8_t;

// Made and destroyed by one thread, outside of the loops. The loops run from run() until stop().
class yard final : public layer_port, public stream_port {
  public:
    // All outlive it. Of the namespaces, none that there was when run() was called ever goes. Throws
    // std::system_error when threads or io_contexts cannot be had.
    yard(const options& settings, metrics& counts, const reloadable<namespace_table>& namespaces);
    ~yard();

    std::size_t loops() const noexcept;
    loop& loop_at(std::size_t index) noexcept;
    hub& hub_at(std::size_t index) noexcept;  // for tests, on its loop's thread
    caf::actor_system& system() noexcept;     // for the other actors of this process; they go before *this
    // A plugin's background consumers, before run(); the routes outlive *this.
    void add_plugin(std::vector<const consumer_route*> backgrounds);
    // What the loops go by from now on, in the order of the calls. Any thread; after run().
    void routes_changed(std::shared_ptr<const cluster_routes> now);
    // Moves of shards, per loop, whose streams are still on their way to who owns them by now.
    std::size_t giving() const noexcept;
    const std::vector<caf::actor>& hub_actors() const noexcept;  // by loop
    void run(store& kept);  // starts the loops' threads; the store outlives *this

    // Takes over a checked handshake. On `on`'s thread.
    void open(loop& on, connection_request&& request);

    // -- layer_port: any thread. On a loop always accepted (its readers are paused instead); elsewhere
    // MADANG_BUSY when the receiving loop's credit is used up.
    madang_status group_send(std::string_view group, std::string_view type, const payload& body) override;
    madang_status channel_send(std::string_view channel, std::string_view type, const payload& body) override;
    std::uint64_t now_ms() const noexcept override;

    // -- stream_port: any thread.
    void publish(publish_request what, answer<position> done) override;
    void history(history_request what, answer<history_page> done) override;
    void remove_history(std::string group, answer<position> done) override;
    void presence(presence_request what, answer<presence_page> done) override;
    void presence_stats(std::string group, answer<presence_counts> done) override;
    void last_seen(std::string group, std::size_t limit, answer<std::vector<last_seen_entry>> done) override;
    void groups(std::string pattern, std::size_t limit,
                answer<std::map<std::string, std::uint64_t>> done) override;
    void command(client_selector whom, client_command what, answer<std::size_t> done) override;
    void figures(answer<std::vector<node_figures>> done) override;
    // store::back_up; an answer like those of a stream_port.
    void back_up(std::filesystem::path to, answer<void> done);
    const namespace_table& namespaces() const noexcept override;
    const std::string& node() const noexcept;  // this node's id, random

    // Commands of emulated sessions (client_site) that came in at another node than the session's own. The
    // door is this node's, set before run(), and called on any loop. Of one caller's loop, or thread outside
    // of them, the door there gets them in order. Errors: not_found (no such node), busy (no link, or too
    // much is on its way).
    using session_door = std::function<session_mail_outcome(std::string_view session, std::string_view text)>;
    void on_session_mail(session_door door);
    void send_to_session(std::string_view node, session_mail what, answer<session_mail_outcome> done);

    // The pool for what may block. Of a sync consumer at most one call is in it at a time; views are refused
    // (false) while options::sync_queue calls wait.
    void run_in_pool(std::function<void()> fn);
    bool try_in_pool(std::function<void()> fn);

    // Any thread. Tells every connection to go away, evenly over `spread`; connections opened later at once.
    void drain(std::chrono::milliseconds spread);
    // Only those that are there now: this node goes on.
    void send_away(std::chrono::milliseconds spread);
    // Background consumers are stopped behind the last connection.
    std::size_t connections() const noexcept;  // open now
    std::size_t backgrounds() const noexcept;  // running now
    // Ends what is left, stops the loops and joins their threads. Returns false when that took longer than
    // `deadline`: the process should then end without destructors.
    bool stop(std::chrono::milliseconds deadline);

  private:
    void leave_stale();
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace madang
