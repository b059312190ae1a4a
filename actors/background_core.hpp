// What a plugin's supervisor knows of its background consumers. No actors, no sockets; time is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "actors/batch.hpp"
#include "actors/restart_policy.hpp"

namespace madang {

// Consumers are known by their place. One is running from started() to ended(); events for it wait while it
// is not, or while others wait before them, at most as many as its queue has room for.
class background_core {
  public:
    using clock = std::chrono::steady_clock;

    explicit background_core(std::vector<std::size_t> queues);

    std::size_t size() const noexcept { return consumers_.size(); }
    void started(std::size_t which, std::uint64_t instance) { consumers_[which].instance = instance; }
    std::optional<std::uint64_t> running(std::size_t which) const noexcept {
        return consumers_[which].instance;
    }
    // How long to wait before it is made anew.
    std::chrono::milliseconds ended(std::size_t which, clock::time_point now);

    // False: there is no room, it is lost.
    bool wait(std::size_t which, event&& what);
    // The one that has waited longest.
    std::optional<event> next(std::size_t which);
    std::size_t waiting(std::size_t which) const noexcept { return consumers_[which].waiting.size(); }

  private:
    struct consumer {
        std::size_t queue;
        std::optional<std::uint64_t> instance = {};
        std::deque<event> waiting = {};
        restart_policy restarts{};
    };
    std::vector<consumer> consumers_;
};

}  // namespace madang
