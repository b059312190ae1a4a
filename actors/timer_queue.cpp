#include "actors/timer_queue.hpp"

#include <algorithm>

namespace madang {
namespace {

std::int64_t ticks_up(timer_queue::clock::time_point when) {
    auto since = when.time_since_epoch();
    auto ticks = since / timer_queue::tick;
    return ticks * timer_queue::tick < since ? ticks + 1 : ticks;
}

}  // namespace

timer_id timer_queue::schedule(clock::time_point now, std::chrono::milliseconds delay,
                               std::function<void()> fn) {
    std::uint32_t index;
    if (free_head_ != none) {
        index = free_head_;
        free_head_ = slots_[index].next_free;
    } else {
        index = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    }
    slots_[index].fn = std::move(fn);
    heap_.push_back({ticks_up(now + delay), index, slots_[index].generation});
    std::push_heap(heap_.begin(), heap_.end(), later);
    ++live_;
    return {index, slots_[index].generation};
}

void timer_queue::free_slot(std::uint32_t index) {
    auto& s = slots_[index];
    s.fn = nullptr;
    if (++s.generation == 0) s.generation = 1;
    s.next_free = free_head_;
    free_head_ = index;
    --live_;
}

void timer_queue::cancel(timer_id id) {
    if (id.generation == 0 || id.slot >= slots_.size() || slots_[id.slot].generation != id.generation) return;
    free_slot(id.slot);
    // Cancelled entries stay in the heap until they are due, unless they come to outnumber the living.
    if (heap_.size() > 64 && heap_.size() > 4 * live_) drop_cancelled();
}

void timer_queue::drop_cancelled() {
    std::erase_if(heap_, [this](const entry& e) { return !is_live(e); });
    std::make_heap(heap_.begin(), heap_.end(), later);
}

std::optional<timer_queue::clock::time_point> timer_queue::next_deadline() const {
    if (heap_.empty()) return std::nullopt;
    return clock::time_point{heap_.front().due * tick};
}

std::size_t timer_queue::fire(clock::time_point now) {
    const std::int64_t limit = now.time_since_epoch() / tick;
    std::vector<entry> due;
    while (!heap_.empty() && heap_.front().due <= limit) {
        std::pop_heap(heap_.begin(), heap_.end(), later);
        due.push_back(heap_.back());
        heap_.pop_back();
    }
    std::size_t fired = 0;
    for (std::size_t i = 0; i < due.size(); ++i) {
        const auto& e = due[i];
        if (!is_live(e)) continue;  // cancelled, perhaps by one that fired just before
        auto fn = std::move(slots_[e.slot].fn);
        free_slot(e.slot);
        try {
            fn();
        } catch (...) {
            heap_.insert(heap_.end(), due.begin() + static_cast<std::ptrdiff_t>(i) + 1, due.end());
            std::make_heap(heap_.begin(), heap_.end(), later);
            throw;
        }
        ++fired;
    }
    return fired;
}

}  // namespace madang
