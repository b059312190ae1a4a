// One WebSocket connection: its consumer, its memberships, its outbox. Everything but the actor around it.
//
//     handshake --accept--> open --close frame sent or received--> closing --flushed, or timed out--> ended
//         \--close, time-out, failure--> refused (403, 500, 503) --flushed--> ended
//
// A background consumer has one too, without a client: background --failure, the server's end--> ended.
//
// No CAF, no Asio: transport, loop and services are seams, so tests drive it over memory (tests/unit/actors).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/batch.hpp"
#include "actors/delivery.hpp"
#include "actors/loop.hpp"
#include "actors/member_table.hpp"
#include "actors/outbox.hpp"
#include "actors/transport.hpp"
#include "broker/core/scope.hpp"
#include "broker/core/working_for.hpp"
#include "broker/protocol/deflate.hpp"
#include "broker/protocol/rate_limit.hpp"
#include "broker/protocol/ws_decoder.hpp"
#include "plugins/host/ports.hpp"

namespace madang {

class connection;
class sync_consumer;
struct client_command;
struct member_info;
struct session_entry;
struct subscribe_ticket;

// A consumer class as the server runs it: the plugin's table and the options that apply, worked out once at
// start.
struct consumer_route {
    const madang_consumer_class* consumer = nullptr;
    std::string plugin;         // id, for logs and metrics
    std::string name;           // of the consumer class
    std::string label;          // plugin/name
    std::uint32_t handler = 0;  // its number among the plugins' handlers; 0: none
    outbox::limits outbox_limits;
    std::size_t message_bytes = 0;
    std::uint32_t messages_per_second = 0;  // 0: unlimited
    std::uint32_t message_burst = 0;        // 0: twice that
    std::chrono::milliseconds handler_budget{0};
    std::chrono::milliseconds handshake_timeout{0};
    std::chrono::milliseconds ping_interval{0};  // 0: no pings
    std::chrono::milliseconds pong_timeout{0};
    std::uint32_t max_groups = 0;
    std::uint32_t sync_queue = 0;
    std::string channel;  // of a background consumer; else ""
};

// Holds a place among the allowed connections until it is destroyed.
class connection_permit {
  public:
    virtual ~connection_permit() = default;
    virtual void idle() {}  // a background consumer's: it would take another event
};

// A handshake that was checked and routed, waiting for its consumer's answer. Or a background consumer's
// beginning: then without transport, and its permit is held until the connection is destroyed.
struct connection_request {
    std::unique_ptr<transport> io;
    std::string leftover;  // bytes that came behind the request's head
    scope known;
    const consumer_route* route = nullptr;  // outlives every connection
    std::string accept_key;                 // Sec-WebSocket-Accept
    std::string default_subprotocol;        // when the consumer names none; "" for none
    std::optional<deflate_parameters> deflate;
    std::unique_ptr<connection_permit> permit;
    std::shared_ptr<const session_entry> entry;  // of a client session; else null
};

// A connection's consumer where it is a client session (actors/client_consumer_impl.hpp).
class client_member {
  public:
    // Events of a group that it is in with delivery::client_held.
    virtual void on_held(const batch& what, std::size_t from, std::size_t to) = 0;
    virtual void on_command(const client_command& what) = 0;
    virtual bool knows_position(std::string_view group) const noexcept = 0;  // of that group's stream
    virtual void on_stream_lost(std::string_view group) = 0;
    virtual std::string_view client() const noexcept = 0;   // its id
    virtual std::string_view session() const noexcept = 0;  // "" for what is not emulated
    virtual std::string_view user() const noexcept = 0;     // "" until it is known
    // How it told the group's presence of itself; null: it did not.
    virtual std::shared_ptr<const member_info> info(std::string_view group) const = 0;

  protected:
    ~client_member() = default;
};

// What a connection needs of its loop besides I/O: hub implements it. Loop's thread.
class connection_services {
  public:
    virtual void exit(connection& who) noexcept = 0;  // it ended
    virtual std::string channel_name(std::uint64_t id) const = 0;
    // `info`: how it is told to the group's presence; null: as a consumer's connection is.
    virtual madang_status group_add(connection& who, std::string_view group, delivery how,
                                    std::shared_ptr<const member_info> info) = 0;
    // As group_add with delivery::client_held, and the stream's answer to `ask`.
    virtual madang_status subscribe(connection& who, std::string_view group,
                                    std::shared_ptr<const member_info> info,
                                    std::shared_ptr<subscribe_ticket> ask) = 0;
    virtual madang_status group_discard(connection& who, std::string_view group) = 0;
    virtual void leave_all(connection& who) noexcept = 0;
    // True while publications of this loop wait for another loop's credit. A connection that saw it after
    // handling a message stops reading; `resume_publisher` is called on it when there is credit again.
    virtual bool congested() const noexcept = 0;
    virtual void wait_for_credit(connection& who) = 0;
    // Runs fn on the pool for sync consumers.
    virtual void run_in_pool(std::function<void()> fn) = 0;
    // Any thread: later, on the loop, fn(the connection of that id), unless it is gone by then.
    virtual void post(std::uint64_t id, std::function<void(connection&)> fn) = 0;
    // Its user became known (a client session's, at connect): for the server's commands.
    virtual void user_known(connection& who) = 0;

  protected:
    ~connection_services() = default;
};

// The actor around a connection, which owns it.
class connection_keeper {
  public:
    virtual std::uint64_t id() const noexcept = 0;  // unique on this node while the process lives
    virtual void retain() noexcept = 0;             // loop's thread: something will call the connection later
    virtual void release() noexcept = 0;            // may destroy the connection
    virtual void ended() = 0;  // nothing more to do: the actor quits, not before the turn's end

  protected:
    ~connection_keeper() = default;
};

class connection final : public connection_port,
                         public group_member,
                         public request_source,
                         private flushable,
                         private transport_waiter,
                         private ws_sink {
  public:
    connection(connection_request&& request, loop& on, connection_services& services,
               connection_keeper& keeper);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // -- Inputs. Loop's thread.
    void start();
    void on_event(const event& e);  // sent to its channel
    void resume_publisher();
    // From the server's API. Only client sessions know more than disconnect.
    void on_command(const client_command& what);
    // Calls fn as one of the consumer's functions.
    void run(std::string_view where, const std::function<void()>& fn);
    // A background consumer: it is in a call, or others wait before the next.
    bool busy() const noexcept;
    void became_idle();
    // The server shuts down: close 1001, client sessions 3001 (503 before accept).
    void go_away();
    // The actor was killed or failed: like a lost connection.
    void abandon() noexcept;

    // -- connection_port: for async consumers; sync_consumer calls them on their behalf.
    const scope& get_scope() const noexcept override { return scope_; }
    std::string_view channel() const noexcept override;
    madang_status accept(std::string_view subprotocol, std::span<const name_value> headers) override;
    madang_status close(std::uint16_t code, std::string_view reason) override;
    madang_status send(madang_frame kind, const payload& message) override;
    madang_status group_add(std::string_view group, madang_delivery how) override;
    madang_status group_discard(std::string_view group) override;
    madang_status timer_start(std::uint64_t id, std::uint64_t delay_ms, std::uint64_t repeat_ms) override;
    void timer_cancel(std::uint64_t id) override;
    void report_error(std::string_view where, std::string_view what) override;
    std::function<void(std::function<void()>)> poster() override { return in_this_trace(plain_poster()); }
    std::optional<publication> current_publication() const override;

    // -- request_source
    payload request_id() const override;
    work_trace trace() const override;

    // -- group_member
    void deliver(const batch& what, std::size_t from, std::size_t to, delivery how) override;

    const consumer_route& route() const noexcept { return *route_; }
    bool background() const noexcept { return !route_->channel.empty(); }
    const std::shared_ptr<const session_entry>& entry() const noexcept { return entry_; }
    client_member* client() const noexcept { return client_; }
    void set_client(client_member* who) noexcept { client_ = who; }  // by its consumer, while that lives
    std::function<void(std::function<void()>)> plain_poster();       // of nobody's trace
    madang_status join(std::string_view group, delivery how, std::shared_ptr<const member_info> info);
    madang_status subscribe(std::string_view group, std::shared_ptr<const member_info> info,
                            std::shared_ptr<subscribe_ticket> ask);
    std::string_view user() const noexcept;  // "" anonymous
    loop& on() noexcept { return loop_; }
    connection_services& services() noexcept { return services_; }
    connection_keeper& keeper() noexcept { return keeper_; }
    // send(), of what the outbox's policy may drop: a sync consumer forwards an event.
    madang_status send_publication(madang_frame kind, const payload& message);
    // A sync consumer's call came back.
    void sync_result(madang_status status, std::string_view where);

  private:
    enum class state : std::uint8_t { handshake, background, open, closing, ended };
    enum class pause : std::uint8_t { outbox = 1, credit = 2, sync_queue = 4 };
    struct handshake;
    // Events of which the consumer is told in one call, or one by one.
    struct event_run {
        const event* first;
        std::size_t size;
        madang_events told;
    };
    struct user_timer {
        std::uint64_t id;
        std::uint64_t repeat_ms;
        timer_id timer;
    };

    template <class Function>
    void guarded(Function fn) noexcept;
    template <class Function>
    void call(std::string_view where, Function fn);
    void after_call();
    // The event of which the consumer is being told; null: none.
    const event* current() const noexcept {
        return run_ == nullptr ? nullptr : run_->first + std::min(run_->told.at, run_->size - 1);
    }
    // On whose behalf the consumer is called: of the request that sent the event it handles, else its own.
    std::string_view sent_by() const noexcept {
        const auto* about = current();
        return about != nullptr && about->origin ? request_id_of(about->origin.bytes())
                                                 : scope_.get(scope_field::request_id);
    }
    void leave_for(state next) noexcept;
    madang_status may_join(std::string_view group) const noexcept;
    void count_failure(std::string_view where);
    void handler_failed(std::string_view where);  // counts it, and closes
    void note_slow(std::string_view where, std::uint64_t ticks, std::size_t calls = 1);

    void on_readable(bool alive) override;
    void on_writable(bool alive) override;
    void flush() override;
    bool on_message(ws_opcode opcode, std::string_view bytes) override;
    bool receive_traced(madang_frame kind, const payload& message);
    open_span message_span(std::size_t bytes) const;
    void on_ping(std::string_view bytes) override;
    void on_pong(std::string_view bytes) override;
    void on_close(std::uint16_t code, std::string_view reason) override;
    void on_inflated(std::size_t wire_bytes, std::size_t raw_bytes) override;

    void arm_read();
    void feed(char* data, std::size_t size);
    void feed_unread();
    bool must_pause();
    void resume(pause reason);
    void fire_timer(std::uint64_t id);

    madang_status queue(const payload& owner, std::string_view frames, outbox::role role);
    void queue_control(std::string_view bytes);
    void touch_outbox();
    void hand_out(const batch& what, std::size_t from, std::size_t to, delivery how);
    void hand_to_client(const batch& what, std::size_t from, std::size_t to, bool joins);
    void hand_to_consumer(const batch& what, std::size_t from, std::size_t to);
    void tell_consumer(event_run&& run);
    void count_outbox() noexcept;
    void write_out();
    void refuse(std::string_view response, std::uint16_t code);
    void begin_close(std::uint16_t code, std::string_view reason);
    void finish_when_flushed();
    void disconnect_consumer();
    void end() noexcept;
    void schedule_ping(std::chrono::milliseconds delay);
    void ping();

    // What a delivery touches comes first.
    loop& loop_;
    const consumer_route* route_;
    std::unique_ptr<transport> io_;
    madang_consumer* consumer_ = nullptr;
    outbox outbox_;
    std::size_t counted_outbox_ = 0;  // what the gauge knows
    state state_ = state::handshake;
    std::uint8_t deflate_bits_ = 0;  // 0: not negotiated
    std::uint8_t calls_ = 0;         // depth of calls into the consumer
    std::uint8_t paused_ = 0;        // of pause
    bool in_event_ = false;          // what is sent now is a publication, for the outbox's policy
    bool writing_ = false;           // a wait is under way
    bool reading_ = false;
    bool delivering_ = false;   // touching the loop is put off
    bool undelivered_ = false;  // the outbox was filled meanwhile
    bool connect_called_ = false;
    bool consumer_gone_ = false;
    bool heard_ = false;  // anything since the last ping
    bool wrote_ = false;  // it took any of our bytes since then
    bool pinged_ = false;
    bool peer_closed_ = false;     // nothing it sends is read any more
    bool close_received_ = false;  // because its close frame came
    bool shut_ = false;
    std::uint16_t code_ = 1006;            // for disconnect
    std::shared_ptr<sync_consumer> sync_;  // null for async consumers
    connection_services& services_;
    connection_keeper& keeper_;
    ws_decoder decoder_;
    timer_id life_timer_;  // handshake's, ping's or close's deadline
    std::string unread_;   // received, not decoded: paused, or before accept
    scope scope_;
    std::unique_ptr<handshake> handshake_;
    std::unique_ptr<connection_permit> permit_;
    std::shared_ptr<const session_entry> entry_;
    client_member* client_ = nullptr;
    event_run* run_ = nullptr;  // of which the consumer is being told
    std::unique_ptr<std::vector<user_timer>> timers_;
    std::optional<rate_limit> limiter_;
    mutable std::string channel_;
    mutable payload request_id_;  // made when something is sent
};

}  // namespace madang
