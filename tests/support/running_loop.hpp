// A real loop for tests that need sockets, without actors: an io_context on a thread of its own.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <map>
#include <thread>
#include <vector>

#include "actors/loop.hpp"
#include "monitoring/metrics.hpp"

namespace madang::testing {

// A turn is one handler and what else is ready; flushed afterwards.
class running_loop : public loop {
  public:
    explicit running_loop(std::size_t index = 0) : index_(index), thread_([this] { run(); }) {}
    ~running_loop() override {
        stop();
        timers_.clear();
    }
    void stop() {
        if (!thread_.joinable()) return;
        boost::asio::post(context_, [this] { stopping_ = true; });
        thread_.join();
    }
    // Runs fn on the loop and returns what it returns.
    template <class Function>
    auto ask(Function fn) {
        std::promise<decltype(fn())> done;
        post([&] { done.set_value(fn()); });
        return done.get_future().get();
    }

    void post(std::function<void()> fn) override { boost::asio::post(context_, std::move(fn)); }
    std::size_t index() const noexcept override { return index_; }
    boost::asio::io_context& context() noexcept override { return context_; }
    bool touch(flushable& what) override {
        if (!mark(what)) return false;
        touched_.push_back(&what);
        return true;
    }
    timer_id schedule(std::chrono::milliseconds delay, std::function<void()> fn) override {
        auto slot = ++last_slot_;
        auto& timer = timers_.try_emplace(slot, context_).first->second;
        timer.expires_after(delay);
        timer.async_wait([this, slot, fn = std::move(fn)](boost::system::error_code ec) {
            if (ec || timers_.erase(slot) == 0) return;
            fn();
        });
        return {slot, 1};
    }
    void cancel(timer_id id) override { timers_.erase(id.slot); }
    clock::time_point now() const noexcept override { return clock::now(); }
    metrics_shard& metrics() noexcept override { return metrics_; }
    // How often the loop found something to do: for tests of "no spin".
    std::size_t turns() const { return turns_.load(); }

  private:
    void run() {
        auto work = boost::asio::make_work_guard(context_);
        while (!stopping_) {
            context_.run_one();
            ++turns_;
            context_.poll();
            auto touched = std::move(touched_);
            touched_.clear();
            for (auto* what : touched) {
                unmark(*what);
                what->flush();
            }
        }
    }
    const std::size_t index_;
    boost::asio::io_context context_{1};
    std::vector<flushable*> touched_;
    std::map<std::uint32_t, boost::asio::steady_timer> timers_;
    std::uint32_t last_slot_ = 0;
    bool stopping_ = false;
    std::atomic<std::size_t> turns_{0};
    metrics_shard metrics_;
    std::thread thread_;
};

}  // namespace madang::testing
