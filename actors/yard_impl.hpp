// What yard's source files share: its parts, and sending to them from any thread.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <caf/all.hpp>
#include <caf/io/middleman.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "actors/hub_impl.hpp"
#include "actors/watchdog.hpp"
#include "actors/yard.hpp"

namespace madang {

// The loop whose thread this is, or null.
inline thread_local hub* this_hub = nullptr;

struct actor_config : caf::actor_system_config {
    explicit actor_config(const options& settings) {
        if (!settings.cluster_listen.empty()) load<caf::io::middleman>();
        // Stealing polls, and wakes idle cores some 400 times a second; sharing waits.
        set("scheduler.policy", caf::atom("sharing"));
        set("scheduler.max-threads", std::size_t{2});
    }
};

struct yard::state {
    state(const options& settings, metrics& all)
        : settings(settings),
          counts(all),
          config(settings),
          system(config),
          pool(std::max(1u, settings.sync_threads)) {}

    const options& settings;
    metrics& counts;
    const std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
    actor_config config;
    caf::actor_system system;
    boost::asio::thread_pool pool;
    std::atomic<std::int64_t> pool_waiting{0};
    std::size_t pool_calls = 0;             // waiting or running; guarded by mutex
    std::atomic<std::uint64_t> refused{0};  // publications for want of credit
    std::vector<std::unique_ptr<asio_loop>> loops;
    std::vector<std::unique_ptr<hub>> hubs;
    hub_directory directory;
    std::unique_ptr<watchdog> watch;
    std::vector<std::thread> threads;
    std::atomic<bool> draining{false};
    yard::session_door session_mail_door;  // set before run()
    std::mutex routes_mutex;
    std::shared_ptr<const cluster_routes> routes;  // the last that the loops were told; null: no cluster
    std::mutex mutex;
    std::condition_variable stopped;
    std::size_t running = 0;

    std::shared_ptr<const cluster_routes> present_routes() {
        if (this_hub != nullptr) return this_hub->routes();
        std::lock_guard lock(routes_mutex);
        return routes;
    }
    // Asks this node's store, or the node that owns the group. `group` may be a part of the request, which is
    // used up.
    template <class Request, class Answer>
    void here_or_there(const std::string& group, peer_parcels::call::verb what, Request& request,
                       stream_port::answer<Answer> done);
    void send_call(std::size_t loop, parcels::to_peer parcel);
    // About all that this node has; `done` on one of the loops.
    void groups_here(groups_question what, std::function<void(groups_answer)> done);
    void command_here(command_question what, std::function<void(std::uint64_t)> done);
    void figures_here(std::function<void(figures_answer)> done);
    void session_mail_here(std::string_view body, stream_calls::answer done);
    void answer_for_node(const peer_parcels::call& what, stream_calls::answer done);
    // add(answer) for each of the other nodes that answers, one after the other, and done() at last.
    template <class Answer>
    void ask_every_node(peer_parcels::call::verb what, const std::string& body,
                        std::function<void(Answer&&)> add, std::function<void()> done);
    madang_status send_to_node(std::string_view node, std::size_t loop, std::uint64_t id, event what,
                               std::size_t bytes);
    madang_status send_from_outside(std::size_t to, parcel what, std::size_t bytes) {
        if (directory.credits[to]->exhausted()) {
            refused.fetch_add(1, std::memory_order_relaxed);
            return MADANG_BUSY;
        }
        directory.credits[to]->take(bytes);
        auto mail = std::make_shared<envelope>();
        mail->bytes = bytes;
        mail->parcels.push_back(std::move(what));
        caf::anon_send(directory.hubs[to], std::move(mail));
        return MADANG_OK;
    }
};

}  // namespace madang
