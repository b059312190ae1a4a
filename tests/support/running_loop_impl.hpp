// The server's own loop on a thread, for tests that need sockets but no actors.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <future>
#include <memory>
#include <thread>

#include "actors/asio_loop_impl.hpp"
#include "monitoring/metrics.hpp"

namespace madang::testing {

class running_loop : public loop {
  public:
    explicit running_loop(std::size_t index = 0)
        : loop_(system_, index, metrics_, settings_), thread_([this] { loop_.run(); }) {}
    ~running_loop() override { stop(); }
    void stop() {
        if (!thread_.joinable()) return;
        loop_.stop();
        thread_.join();
    }
    // Runs fn on the loop and returns what it returns.
    template <class Function>
    auto ask(Function fn) {
        std::promise<decltype(fn())> done;
        post([&] { done.set_value(fn()); });
        return done.get_future().get();
    }
    // How often the loop found something to do: for tests of "no spin".
    std::size_t turns() const { return metrics_.count(histogram::turn_seconds); }

    void post(std::function<void()> fn) override { loop_.post(std::move(fn)); }
    std::size_t index() const noexcept override { return loop_.index(); }
    boost::asio::io_context& context() noexcept override { return loop_.context(); }
    bool touch(flushable& what) override { return loop_.touch(what); }
    bool watch(int fd, descriptor_watcher& who) override { return loop_.watch(fd, who); }
    void watch_writes(int fd, descriptor_watcher& who) override { loop_.watch_writes(fd, who); }
    void unwatch(int fd, descriptor_watcher& who) noexcept override { loop_.unwatch(fd, who); }
    void look_again(descriptor_watcher& who) override { loop_.look_again(who); }
    timer_id schedule(std::chrono::milliseconds delay, std::function<void()> fn) override {
        return loop_.schedule(delay, std::move(fn));
    }
    void cancel(timer_id id) override { loop_.cancel(id); }
    clock::time_point now() const noexcept override { return loop_.now(); }
    metrics_shard& metrics() noexcept override { return metrics_; }

  private:
    options settings_;
    caf::actor_system_config config_;
    caf::actor_system system_{config_};
    metrics_shard metrics_;
    asio_loop loop_;
    std::thread thread_;
};

}  // namespace madang::testing
