// A loop without threads, sockets or real time: tests run its turns by hand and move its clock.
#pragma once

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/loop.hpp"
#include "monitoring/metrics.hpp"

namespace madang::testing {

// post() may be called from any thread; everything else belongs to the test's thread.
class fake_loop : public loop {
  public:
    explicit fake_loop(std::size_t index = 0) : index_(index) {}

    void post(std::function<void()> fn) override {
        std::lock_guard lock(mutex_);
        posted_.push_back(std::move(fn));
    }
    std::size_t index() const noexcept override { return index_; }
    boost::asio::io_context& context() noexcept override { return context_; }
    bool touch(flushable& what) override {
        if (!mark(what)) return false;
        touched_.push_back(&what);
        return true;
    }
    // Nothing under test with this loop has a real descriptor.
    bool watch(int, descriptor_watcher&) override { return false; }
    void watch_writes(int, descriptor_watcher&) override {}
    void unwatch(int, descriptor_watcher&) noexcept override {}
    void look_again(descriptor_watcher&) override {}
    timer_id schedule(std::chrono::milliseconds delay, std::function<void()> fn) override {
        auto id = timer_id{++last_slot_, 1};
        timers_.push_back({now_ + delay, id.slot, std::move(fn)});
        return id;
    }
    void cancel(timer_id id) override {
        std::erase_if(timers_, [&](const timer& t) { return t.slot == id.slot; });
    }
    clock::time_point now() const noexcept override { return now_; }
    metrics_shard& metrics() noexcept override { return metrics_; }

    // One turn: what was posted before it, then one flush of each touched object. False when there was
    // nothing to do.
    bool run_turn() {
        std::deque<std::function<void()>> ready;
        {
            std::lock_guard lock(mutex_);
            ready.swap(posted_);
        }
        bool worked = !ready.empty() || !touched_.empty();
        for (auto& fn : ready) fn();
        ready.clear();
        while (!touched_.empty()) {
            auto* what = touched_.front();
            touched_.pop_front();
            unmark(*what);
            what->flush();
            ++flushes_;
        }
        return worked;
    }
    // Turns until nothing is left to do. Returns how many there were.
    std::size_t run() {
        std::size_t turns = 0;
        while (run_turn()) ++turns;
        return turns;
    }
    // Moves the clock, firing timers in order of their time, each in a turn of its own.
    void advance(std::chrono::milliseconds by) {
        auto end = now_ + by;
        run();
        for (;;) {
            auto next = std::min_element(timers_.begin(), timers_.end(),
                                         [](const timer& a, const timer& b) { return a.due < b.due; });
            if (next == timers_.end() || next->due > end) break;
            now_ = std::max(now_, next->due);
            auto fn = std::move(next->fn);
            timers_.erase(next);
            fn();
            run();
        }
        now_ = end;
    }
    std::size_t timers() const { return timers_.size(); }
    std::size_t flushes() const { return flushes_; }

  private:
    struct timer {
        clock::time_point due;
        std::uint32_t slot;
        std::function<void()> fn;
    };
    boost::asio::io_context context_;
    std::mutex mutex_;
    std::deque<std::function<void()>> posted_;
    std::deque<flushable*> touched_;
    std::vector<timer> timers_;
    clock::time_point now_{std::chrono::hours(1)};
    std::uint32_t last_slot_ = 0;
    std::size_t flushes_ = 0;
    metrics_shard metrics_;
    std::size_t index_;
};

}  // namespace madang::testing
