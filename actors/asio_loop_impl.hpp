// The loop over Asio and CAF: see loop.hpp for what it promises.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <mutex>
#include <vector>

#include "actors/loop.hpp"
#include "actors/timer_queue.hpp"
#include "broker/core/options.hpp"

namespace madang {

class asio_loop final : public loop, public caf::execution_unit {
  public:
    asio_loop(caf::actor_system& system, std::size_t index, metrics_shard& metrics, const options& settings);
    ~asio_loop() override;

    // Runs turns on the calling thread until stop() was called and nothing is ready any more.
    void run();
    void stop();  // any thread
    // After run() returned, before the actor system goes: what was posted and mailed since then is done,
    // here. False: nothing was.
    bool release_ready();

    // -- loop
    void post(std::function<void()> fn) override;
    std::size_t index() const noexcept override { return index_; }
    boost::asio::io_context& context() noexcept override { return context_; }
    bool touch(flushable& what) override;
    // Like touch, but flushed before those: what they flush may touch outboxes. For the hub.
    bool touch_early(flushable& what);
    bool watch(int fd, descriptor_watcher& who) override;
    void watch_writes(int fd, descriptor_watcher& who) override;
    void unwatch(int fd, descriptor_watcher& who) noexcept override;
    void look_again(descriptor_watcher& who) override { looking_again_.push_back(&who); }
    timer_id schedule(std::chrono::milliseconds delay, std::function<void()> fn) override;
    void cancel(timer_id id) override { timers_.cancel(id); }
    clock::time_point now() const noexcept override;
    metrics_shard& metrics() noexcept override { return metrics_; }

    // -- caf::execution_unit: any thread. Takes over the caller's reference.
    void exec_later(caf::resumable* what) override;

    // When the current turn began, in nanoseconds of `clock`, 0 between turns: for the watchdog. Any thread.
    std::int64_t turn_began() const noexcept { return turn_began_.load(std::memory_order_relaxed); }

  private:
    void run_turn();
    std::size_t run_ready();
    std::size_t run_descriptors();
    void await_descriptors();
    void resume(caf::resumable* what);
    bool has_work() const noexcept {
        return !ready_.empty() || !early_.empty() || !touched_.empty() || descriptors_ready_ ||
               !looking_again_.empty();
    }
    void take_inbox();
    void arm_timer();
    template <class Function>
    std::size_t guarded(Function fn) noexcept;

    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    boost::asio::steady_timer timer_;
    // The connections' sockets are in an epoll set of their own, which Asio watches as one descriptor: they
    // stay registered for life, and one wake-up brings all that are ready.
    boost::asio::posix::stream_descriptor descriptors_;
    bool descriptors_ready_ = false;
    std::array<epoll_event, 256> events_;
    int next_event_ = 0, last_event_ = 0;
    std::vector<descriptor_watcher*> looking_again_;
    const std::size_t index_;
    metrics_shard& metrics_;
    const std::size_t turn_handlers_;
    const std::chrono::nanoseconds turn_time_;
    timer_queue timers_;
    std::int64_t counted_timers_ = 0;  // what the gauge knows
    clock::time_point armed_ = clock::time_point::max();
    std::vector<caf::resumable*> ready_;  // pinned actors with mail, from this thread
    std::vector<caf::resumable*> running_;
    std::vector<flushable*> touched_;
    std::vector<flushable*> early_;
    std::vector<flushable*> flushing_;
    mutable clock::time_point now_{};
    mutable bool now_valid_ = false;
    bool stopping_ = false;
    std::atomic<std::int64_t> turn_began_{0};

    std::mutex inbox_mutex_;
    std::vector<caf::resumable*> inbox_;  // from other threads
    bool signalled_ = false;              // an inbox wake-up is on its way
};

}  // namespace madang
