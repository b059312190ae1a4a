// A sync consumer: its calls run on the pool, one at a time; what it asks of its connection comes back to the
// loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/batch.hpp"
#include "broker/core/working_for.hpp"
#include "plugins/host/ports.hpp"

namespace madang {

class connection;
class loop;

// Shared by the connection and the call that runs. The loop's thread enqueues and drains; the pool's thread
// runs a call and is the consumer's connection_port meanwhile. What the port is asked is done on the loop, in
// order, soon: its statuses say only what can be known at once.
class sync_consumer final : public connection_port,
                            public request_source,
                            public std::enable_shared_from_this<sync_consumer> {
  public:
    // A call into the plugin: given the consumer (null in the one that creates it), returns its status.
    struct call {
        const char* where;
        std::function<madang_status(madang_consumer*&)> run;
        bool droppable = false;  // an event: the outbox's policy applies when the queue is full
        std::optional<publication> about = {};  // of which it tells
    };

    explicit sync_consumer(connection& owner);

    // -- Loop's thread
    enum class queued : std::uint8_t { yes, dropped_oldest, full };
    queued enqueue(call what, std::size_t limit, bool drop_oldest);
    std::size_t waiting() const noexcept { return calls_.size(); }
    bool idle() const noexcept { return !running_ && calls_.empty(); }
    std::size_t drop_events();  // that wait; returns how many
    // Does what the port was asked, and starts the next call when one ended. Called from connection::on_wake.
    void drain();

    // -- Pool's thread: connection_port
    const scope& get_scope() const noexcept override;
    std::string_view channel() const noexcept override { return channel_; }
    madang_status accept(std::string_view subprotocol, std::span<const name_value> headers) override;
    madang_status close(std::uint16_t code, std::string_view reason) override;
    madang_status send(madang_frame kind, const payload& message) override;
    madang_status group_add(std::string_view group, madang_delivery how) override;
    madang_status group_discard(std::string_view group) override;
    madang_status timer_start(std::uint64_t id, std::uint64_t delay_ms, std::uint64_t repeat_ms) override;
    void timer_cancel(std::uint64_t id) override;
    void report_error(std::string_view where, std::string_view what) override;
    std::function<void(std::function<void()>)> poster() override { return in_this_trace(poster_); }
    std::optional<publication> current_publication() const override { return about_; }
    payload request_id() const override { return request_id_; }

  private:
    using request = std::function<void(connection&)>;
    void ask(request what);
    void wake();
    void run_next();
    void run_in_pool(call what);

    connection& owner_;  // retained while a call runs, until its result was drained
    loop& loop_;         // outlives the connection
    const std::string channel_;
    const std::function<void(std::function<void()>)> poster_;
    const payload request_id_;
    const std::uint32_t handler_;          // its number in the metrics
    const bool background_;                // without a client
    std::optional<publication> about_;     // the running call's
    madang_consumer* consumer_ = nullptr;  // the running call's, and
    bool in_event_ = false;                // the running call's: what it sends is a publication
    bool created_ = false;                 // the first, which makes it, has run
    std::deque<call> calls_;               // loop's thread
    bool running_ = false;                 // loop's thread

    std::mutex mutex_;  // guards what the two threads hand each other
    std::vector<request> requests_;
    struct finished {
        const char* where;
        madang_status status;
    };
    std::vector<finished> finished_;
    bool woken_ = false;
    bool closed_ = false;  // close was asked: what is sent afterwards is MADANG_CLOSED
};

}  // namespace madang
