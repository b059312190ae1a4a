// The whole of the actors: loops, hubs, groups and connections of this node, and the channel layer over them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "broker/core/options.hpp"
#include "broker/core/streams.hpp"
#include "plugins/host/ports.hpp"

namespace madang {

class hub;
class loop;
class metrics;
class store;
struct connection_request;

// Made and destroyed by one thread, outside of the loops. The loops run from run() until stop().
class yard final : public layer_port, public stream_port {
  public:
    // All outlive it; the namespaces are complete when run() is called. Throws std::system_error when threads
    // or io_contexts cannot be had.
    yard(const options& settings, metrics& counts, const namespace_table& namespaces);
    ~yard();

    std::size_t loops() const noexcept;
    loop& loop_at(std::size_t index) noexcept;
    hub& hub_at(std::size_t index) noexcept;  // for tests, on its loop's thread
    void run(store& kept);                    // starts the loops' threads; the store outlives *this

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
    const namespace_table& namespaces() const noexcept override;
    const std::string& node() const noexcept;  // this node's id, random

    // The pool for what may block. Of a sync consumer at most one call is in it at a time; views are refused
    // (false) while options::sync_queue calls wait.
    void run_in_pool(std::function<void()> fn);
    bool try_in_pool(std::function<void()> fn);

    // Any thread. Tells every connection to go away, evenly over `spread`; connections opened later at once.
    void drain(std::chrono::milliseconds spread);
    std::size_t connections() const noexcept;  // open now
    // Ends what is left, stops the loops and joins their threads. Returns false when that took longer than
    // `deadline`: the process should then end without destructors.
    bool stop(std::chrono::milliseconds deadline);

  private:
    void leave_stale();
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace madang
