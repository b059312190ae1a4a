// A loop: one I/O thread. It runs turns: everything that is ready, then one flush of everything that was
// touched.
//
// A loop is an Asio io_context, and a CAF execution unit for the actors that are pinned to it; this header
// shows neither library's types beyond a forward declaration.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace boost::asio {
class io_context;
}

namespace madang {

class metrics_shard;
class tracer;
struct options;

// Something that gathers output during a turn. Whoever calls loop::touch keeps the object alive until flush
// was called, which happens exactly once per touch-ed turn, at the turn's end, on the loop's thread.
class flushable {
  public:
    virtual void flush() = 0;

  protected:
    ~flushable() = default;

  private:
    friend class loop;
    bool touched_ = false;
};

// Whom a loop tells that a descriptor became ready. Edge-triggered: told once per change, so what is not read
// until it would block is not told again.
class descriptor_watcher {
  public:
    struct readiness {
        bool readable;
        bool writable;
        bool ended;  // the peer closed, or the socket failed: reading says which
    };
    virtual void on_ready(readiness now) = 0;

  protected:
    ~descriptor_watcher() = default;
};

// Names one scheduled call; stale and default ids are ignored by cancel.
struct timer_id {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
};

class loop {
  public:
    using clock = std::chrono::steady_clock;

    virtual ~loop() = default;

    // -- Any thread
    // Runs fn on the loop in one of its next turns. Unbounded: for rare things (replies, shutdown), never per
    // message.
    virtual void post(std::function<void()> fn) = 0;
    virtual std::size_t index() const noexcept = 0;
    virtual boost::asio::io_context& context() noexcept = 0;  // broker/net's sockets and acceptors live on it

    // -- The loop's thread
    bool in_this_thread() const noexcept;
    // flush() at the end of this turn. Returns true when it was not touched yet (the caller then takes its
    // reference).
    virtual bool touch(flushable& what) = 0;
    // Watches a descriptor for reading until unwatch, with one system call for its whole life (Asio's
    // async_wait makes one per wait). False: the system refused. watch_writes adds writing, from then on.
    virtual bool watch(int fd, descriptor_watcher& who) = 0;
    virtual void watch_writes(int fd, descriptor_watcher& who) = 0;
    // Before the descriptor is closed: `who` is not told any more. Closing alone does not take it out of the
    // loop's set as long as another process, a worker between fork and exec, has it too (epoll(7)).
    virtual void unwatch(int fd, descriptor_watcher& who) noexcept = 0;
    // Calls who.on_ready, with nothing new, in this turn or the next; unwatch forgets it.
    virtual void look_again(descriptor_watcher& who) = 0;
    // Calls fn once, not before `delay`, rounded up to 10 ms so that many timers share a wake-up.
    virtual timer_id schedule(std::chrono::milliseconds delay, std::function<void()> fn) = 0;
    virtual void cancel(timer_id id) = 0;
    // The time at the beginning of the turn: cheap.
    virtual clock::time_point now() const noexcept = 0;
    virtual metrics_shard& metrics() noexcept = 0;

    // Who keeps the spans of what is done here, and outlives it; null: nothing is traced. Set before it runs.
    void trace_by(tracer* who) noexcept { tracer_ = who; }
    tracer* tracing() const noexcept { return tracer_; }

    // Whom the loop is calling now, for the watchdog; `who` outlives the loop.
    void note_running(const std::string* who) noexcept { running_.store(who, std::memory_order_relaxed); }
    // Any thread.
    const std::string* running() const noexcept { return running_.load(std::memory_order_relaxed); }

  protected:
    static bool mark(flushable& what) noexcept {
        if (what.touched_) return false;
        return what.touched_ = true;
    }
    static void unmark(flushable& what) noexcept { what.touched_ = false; }

  private:
    std::atomic<const std::string*> running_{nullptr};
    tracer* tracer_ = nullptr;
};

}  // namespace madang
