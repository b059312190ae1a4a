// What yard's two source files share: its parts, and sending to them from any thread.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <caf/all.hpp>
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
    actor_config() {
        // Stealing polls, and wakes idle cores some 400 times a second; sharing waits.
        set("scheduler.policy", caf::atom("sharing"));
        set("scheduler.max-threads", std::size_t{2});
    }
};

struct yard::state {
    state(const options& settings, metrics& all)
        : settings(settings), counts(all), system(config), pool(std::max(1u, settings.sync_threads)) {}

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
    std::mutex mutex;
    std::condition_variable stopped;
    std::size_t running = 0;

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
