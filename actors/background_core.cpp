#include "actors/background_core.hpp"

#include <utility>

namespace madang {

background_core::background_core(std::vector<std::size_t> queues) {
    for (const auto queue : queues) consumers_.push_back({queue});
}

std::chrono::milliseconds background_core::ended(std::size_t which, clock::time_point now) {
    auto& its = consumers_[which];
    its.instance.reset();
    return its.restarts.next_delay(now);
}

bool background_core::wait(std::size_t which, event&& what) {
    auto& its = consumers_[which];
    if (its.waiting.size() >= its.queue) return false;
    its.waiting.push_back(std::move(what));
    return true;
}

std::optional<event> background_core::next(std::size_t which) {
    auto& waiting = consumers_[which].waiting;
    if (waiting.empty()) return std::nullopt;
    std::optional<event> first(std::move(waiting.front()));
    waiting.pop_front();
    return first;
}

}  // namespace madang
