#include "actors/connection.hpp"

#include <algorithm>
#include <cassert>
#include <random>

#include "actors/handler_clock.hpp"
#include "actors/sync_consumer.hpp"
#include "broker/core/close_codes.hpp"
#include "broker/core/log.hpp"
#include "broker/core/names.hpp"
#include "broker/protocol/compressed_frame.hpp"
#include "broker/protocol/handshake.hpp"
#include "broker/protocol/ws_encoder.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds close_timeout{5'000};   // for the peer's close frame, and for the rest of the outbox
constexpr milliseconds linger_timeout{2'000};  // for the peer's FIN behind ours (RFC 6455 7.1.1)
constexpr std::size_t read_size = 64 * 1024;
constexpr int reads_per_turn = 4;  // of one connection, so that a flood does not hold back the others
constexpr int parts_per_write = 64;
constexpr std::size_t max_timers = 16;  // abi.h: timer_start
constexpr std::size_t unread_limit = 64 * 1024;  // before accept

// One read at a time per thread, decoded in place before the next.
char* read_buffer() {
    thread_local std::unique_ptr<char[]> buffer(new char[read_size]);
    return buffer.get();
}

madang_str to_abi(std::string_view s) { return {s.data(), s.size()}; }
madang_payload* to_abi(const payload& p) { return reinterpret_cast<madang_payload*>(p.get()); }

}  // namespace

// Answers a handshake that is not accepted.
static std::string http_refusal(unsigned status, std::string_view reason, std::string_view request_id) {
    const std::string_view text = status == 403 ? "Forbidden" : status == 503 ? "Service Unavailable" : "Internal Server Error";
    std::string body{reason};
    body += "\n";
    return "HTTP/1.1 " + std::to_string(status) + " " + std::string(text) +
           "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\nX-Request-ID: " + std::string(request_id) + "\r\n\r\n" + body;
}

struct connection::handshake {
    std::string accept_key;
    std::string default_subprotocol;
    std::string extensions;
    loop::clock::time_point began;
};

connection::connection(connection_request&& request, loop& on, connection_services& services,
                       connection_keeper& keeper)
    : loop_(on),
      services_(services),
      keeper_(keeper),
      route_(request.route),
      io_(std::move(request.io)),
      scope_(std::move(request.known)),
      decoder_(request.route->message_bytes,
               request.deflate ? ws_compression::permessage_deflate : ws_compression::none),
      unread_(std::move(request.leftover)),
      handshake_(std::make_unique<handshake>()),
      permit_(std::move(request.permit)),
      deflate_bits_(request.deflate ? request.deflate->server_max_window_bits : 0) {
    handshake_->accept_key = std::move(request.accept_key);
    handshake_->default_subprotocol = std::move(request.default_subprotocol);
    if (request.deflate) handshake_->extensions = std::move(request.deflate->response);
    handshake_->began = loop_.now();
    if (route_->messages_per_second != 0) limiter_.emplace(route_->messages_per_second, route_->message_burst);
}

connection::~connection() { assert(consumer_ == nullptr); }

// A failure of ours (std::bad_alloc, say) costs this connection and no other.
template <class Function>
void connection::guarded(Function fn) noexcept {
    try {
        fn();
    } catch (const std::exception& e) {
        log_error("ws.exception", {{"what", e.what()}, {"request_id", scope_.get(scope_field::request_id)}});
        code_ = close_code::internal;
        calls_ = 0;
        end();
    }
}

// ---------------------------------------------------------------------------------------------- the consumer

// Every call into an async consumer goes through here: timed, its failure contained, and what it asked for that must not
// happen under its feet (its own end) done when it returned.
template <class Function>
void connection::call(std::string_view where, Function fn) {
    if (consumer_ == nullptr) return;
    ++calls_;
    loop_.note_running(&route_->label);
    const auto begin = handler_clock::now();
    const madang_status status = fn(consumer_);
    note_slow(where, handler_clock::now() - begin);
    --calls_;
    if (status != MADANG_OK) handler_failed(where);
    if (calls_ == 0) after_call();
}

void connection::note_slow(std::string_view where, std::uint64_t ticks) {
    static const double per_tick = 1 / handler_clock::ticks_per_second();
    const double seconds = static_cast<double>(ticks) * per_tick;
    loop_.metrics().observe(histogram::handler_seconds, seconds);
    if (seconds * 1e3 <= static_cast<double>(route_->handler_budget.count())) return;
    loop_.metrics().add(labelled_counter::slow_handlers, route_->plugin);
    log_warn("handler.slow", {{"plugin", route_->plugin},
                              {"consumer", route_->name},
                              {"handler", where},
                              {"ms", static_cast<std::int64_t>(seconds * 1e3)},
                              {"budget_ms", static_cast<std::int64_t>(route_->handler_budget.count())},
                              {"request_id", scope_.get(scope_field::request_id)}});
}

void connection::handler_failed(std::string_view where) {
    loop_.metrics().add(labelled_counter::plugin_errors, route_->plugin);
    log_error("handler.failed", {{"plugin", route_->plugin},
                                 {"consumer", route_->name},
                                 {"handler", where},
                                 {"request_id", scope_.get(scope_field::request_id)}});
    if (state_ == state::handshake)
        refuse(http_refusal(500, "the consumer failed", scope_.get(scope_field::request_id)), close_code::internal);
    else
        begin_close(close_code::internal, "internal error");
}

void connection::report_error(std::string_view where, std::string_view what) {
    log_error("handler.error", {{"plugin", route_->plugin},
                                {"consumer", route_->name},
                                {"handler", where},
                                {"error", what},
                                {"request_id", scope_.get(scope_field::request_id)}});
}

void connection::after_call() {
    if (state_ == state::closing || state_ == state::ended) disconnect_consumer();
    if (state_ == state::open && !unread_.empty() && paused_ == 0) feed_unread();
}

void connection::sync_result(madang_status status, std::string_view where) {
    if (status != MADANG_OK && state_ != state::ended && !consumer_gone_) handler_failed(where);
    resume(pause::sync_queue);
    if (calls_ == 0) after_call();
}

void connection::start() {
    member_id_ = keeper_.id();
    loop_.metrics().gauge_add(gauge::connections_open, 1);
    const auto& type = *route_->consumer;
    life_timer_ = loop_.schedule(route_->handshake_timeout, [this] {
        life_timer_ = {};
        refuse(http_refusal(403, "the consumer did not answer in time", scope_.get(scope_field::request_id)),
               close_code::lost);
        if (calls_ == 0) after_call();
    });
    arm_read();
    if (type.kind == MADANG_SYNC) {
        sync_ = std::make_shared<sync_consumer>(*this);
        sync_->enqueue({"create", [this_class = &type, port = static_cast<connection_port*>(sync_.get())](auto& consumer) {
                            consumer = this_class->create(this_class->context, reinterpret_cast<madang_connection*>(port));
                            return consumer != nullptr ? MADANG_OK : MADANG_FAILED;
                        }}, route_->sync_queue, false);
    } else {
        ++calls_;
        consumer_ = type.create(type.context, reinterpret_cast<madang_connection*>(static_cast<connection_port*>(this)));
        --calls_;
        if (consumer_ == nullptr) {
            handler_failed("create");
            consumer_gone_ = true;
            return;
        }
    }
    for (std::size_t i = 0; i < type.groups_count; ++i)
        group_add({type.groups[i].data, type.groups[i].size}, MADANG_TO_HANDLER);
    connect_called_ = true;
    if (sync_)
        sync_->enqueue({"connect", [c = &type](auto& consumer) { return c->connect(consumer); }}, route_->sync_queue, false);
    else
        call("connect", [&](madang_consumer* c) { return type.connect(c); });
}

void connection::hand_event(const event& e) {
    const auto& type = *route_->consumer;
    if (consumer_gone_) return;
    if (sync_) {
        const bool drop_oldest = route_->outbox_limits.policy != outbox_policy::disconnect;
        switch (sync_->enqueue({"event", [c = &type, e](auto& consumer) {
                                    return c->event(consumer, to_abi(e.type), to_abi(e.body));
                                }, true}, route_->sync_queue, drop_oldest)) {
            case sync_consumer::queued::yes: break;
            case sync_consumer::queued::dropped_oldest: loop_.metrics().add(counter::drops_oldest); break;
            case sync_consumer::queued::full:
                loop_.metrics().add(counter::drops_disconnect);
                begin_close(close_code::slow, "too slow");
                if (calls_ == 0) after_call();
        }
        return;
    }
    in_event_ = true;
    call(e.type, [&](madang_consumer* c) { return type.event(c, to_abi(e.type), to_abi(e.body)); });
    in_event_ = false;
}

void connection::on_event(const event& e) { hand_event(e); }

void connection::deliver(const batch& what, std::size_t from, std::size_t to, madang_delivery how) {
    auto& metrics = loop_.metrics();
    if (how == MADANG_TO_SOCKET) {
        if (state_ != state::open) return;
        metrics.add(counter::deliveries, to - from);
        if (deflate_bits_ == 0) {
            metrics.add(counter::messages_out, to - from);
            queue(what.block(), what.frames(from, to), outbox::role::publication);
        } else {
            in_event_ = true;
            for (auto i = from; i < to && state_ == state::open; ++i) send(MADANG_TEXT, what.events()[i].body);
            in_event_ = false;
        }
        if (calls_ == 0) after_call();
        return;
    }
    metrics.add(counter::deliveries, to - from);
    if (sync_ || consumer_ == nullptr) {
        for (auto i = from; i < to && !consumer_gone_; ++i) hand_event(what.events()[i]);
        return;
    }
    // The fast way for async consumers: as hand_event, but the clock is read once per event and the books are kept once
    // per batch.
    const auto event_function = route_->consumer->event;
    static const double per_tick = 1 / handler_clock::ticks_per_second();
    static const auto ticks_per_ms = static_cast<std::uint64_t>(handler_clock::ticks_per_second() / 1e3);
    const auto budget = ticks_per_ms * static_cast<std::uint64_t>(route_->handler_budget.count());
    const auto begin = handler_clock::now();
    auto last = begin;
    std::size_t called = 0;
    std::string_view failed;
    loop_.note_running(&route_->label);
    ++calls_;
    in_event_ = true;
    for (auto i = from; i < to && state_ != state::closing && state_ != state::ended; ++i) {
        const auto& e = what.events()[i];
        const auto status = event_function(consumer_, to_abi(e.type), to_abi(e.body));
        const auto now = handler_clock::now();
        if (now - last > budget) note_slow(e.type, now - last);
        last = now;
        ++called;
        if (status != MADANG_OK) {
            failed = e.type;
            break;
        }
    }
    in_event_ = false;
    --calls_;
    if (called != 0)
        metrics.observe(histogram::handler_seconds, static_cast<double>(last - begin) * per_tick / static_cast<double>(called),
                        called);
    if (!failed.empty()) handler_failed(failed);
    if (calls_ == 0) after_call();
}

void connection::fire_timer(std::uint64_t id) {
    auto found = std::find_if(timers_->begin(), timers_->end(), [&](const auto& t) { return t.id == id; });
    if (found == timers_->end()) return;
    if (found->repeat_ms != 0)
        found->timer = loop_.schedule(milliseconds{found->repeat_ms}, [this, id] { fire_timer(id); });
    else
        timers_->erase(found);
    const auto& type = *route_->consumer;
    if (sync_)
        sync_->enqueue({"timer", [c = &type, id](auto& consumer) { return c->timer(consumer, id); }}, route_->sync_queue,
                       false);
    else
        call("timer", [&](madang_consumer* c) { return type.timer(c, id); });
}

// Once: disconnect, out of every group, destroy.
void connection::disconnect_consumer() {
    if (consumer_gone_ || calls_ != 0) return;
    consumer_gone_ = true;
    const auto& type = *route_->consumer;
    const auto code = code_;
    if (timers_) {
        for (auto& t : *timers_) loop_.cancel(t.timer);
        timers_.reset();
    }
    if (sync_) {
        sync_->enqueue({"disconnect", [c = &type, code](auto& consumer) {
                            const auto status = consumer != nullptr ? c->disconnect(consumer, code) : MADANG_OK;
                            if (consumer != nullptr) c->destroy(consumer);
                            consumer = nullptr;
                            return status;
                        }}, static_cast<std::size_t>(-1), false);
    } else {
        if (connect_called_) {
            ++calls_;
            const auto begin = handler_clock::now();
            if (type.disconnect(consumer_, code) != MADANG_OK) {
                loop_.metrics().add(labelled_counter::plugin_errors, route_->plugin);
                log_error("handler.failed", {{"plugin", route_->plugin},
                                             {"consumer", route_->name},
                                             {"handler", "disconnect"},
                                             {"request_id", scope_.get(scope_field::request_id)}});
            }
            note_slow("disconnect", handler_clock::now() - begin);
            --calls_;
        }
        type.destroy(std::exchange(consumer_, nullptr));
    }
    services_.leave_all(*this);
}

// ---------------------------------------------------------------------------------------------- the port

std::string_view connection::channel() const noexcept {
    if (channel_.empty()) channel_ = services_.channel_name(member_id_);
    return channel_;
}

madang_status connection::accept(std::string_view subprotocol, std::span<const name_value> headers) {
    if (state_ != state::handshake) return state_ == state::open ? MADANG_INVALID : MADANG_CLOSED;
    if (subprotocol.empty()) {
        subprotocol = handshake_->default_subprotocol;
    } else {
        bool offered = false;
        for (std::size_t i = 0; i < scope_.count(scope_list::subprotocols); ++i)
            offered = offered || scope_.at(scope_list::subprotocols, i).name == subprotocol;
        if (!offered) return MADANG_INVALID;
    }
    std::vector<name_value> extra{{"X-Request-ID", scope_.get(scope_field::request_id)}};
    extra.insert(extra.end(), headers.begin(), headers.end());
    const auto response = ws_accept_response(handshake_->accept_key, subprotocol, handshake_->extensions, extra);
    if (!response) return MADANG_INVALID;
    queue_control(*response);
    auto& metrics = loop_.metrics();
    metrics.observe(histogram::handshake_seconds,
                    std::chrono::duration<double>(loop::clock::now() - handshake_->began).count());
    metrics.add(counter::connections_opened);
    handshake_.reset();
    state_ = state::open;
    loop_.cancel(life_timer_);
    life_timer_ = {};
    if (route_->ping_interval.count() != 0) {
        // The first at a random point of the interval's second half, so that connections made together spread out.
        thread_local std::minstd_rand random{std::random_device{}()};
        const auto half = route_->ping_interval.count() / 2;
        schedule_ping(milliseconds{half + std::uniform_int_distribution<std::int64_t>{0, half}(random)});
    }
    log_debug("ws.open", {{"plugin", route_->plugin},
                          {"path", scope_.get(scope_field::path)},
                          {"request_id", scope_.get(scope_field::request_id)}});
    return MADANG_OK;
}

madang_status connection::close(std::uint16_t code, std::string_view reason) {
    if (code == 0) code = close_code::normal;
    if (!ws_sendable_close_code(code)) return MADANG_INVALID;
    switch (state_) {
        case state::handshake:
            refuse(http_refusal(403, "refused", scope_.get(scope_field::request_id)), close_code::lost);
            break;
        case state::open: begin_close(code, reason); break;
        default: return MADANG_CLOSED;
    }
    if (calls_ == 0) after_call();
    return MADANG_OK;
}

madang_status connection::send(madang_frame kind, const payload& message) {
    if (state_ != state::open) return state_ == state::handshake ? MADANG_INVALID : MADANG_CLOSED;
    loop_.metrics().add(counter::messages_out);
    const auto role = in_event_ ? outbox::role::publication : outbox::role::answer;
    if (kind == MADANG_BINARY) return queue(message.root(), message.binary_frame(), role);
    if (deflate_bits_ == 0) return queue(message.root(), message.text_frame(), role);
    const auto frame = compressed_text_frame(message, deflate_bits_);
    loop_.metrics().add(counter::deflate_raw_bytes, message.bytes().size());
    loop_.metrics().add(counter::deflate_wire_bytes, frame.size());
    return queue(message, frame, role);
}

madang_status connection::group_add(std::string_view group, madang_delivery how) {
    if (!valid_group_name(group)) return MADANG_INVALID;
    if (state_ == state::ended || consumer_gone_) return MADANG_CLOSED;
    if (membership_count() >= route_->max_groups) return MADANG_BUSY;
    return services_.group_add(*this, group, how);
}

madang_status connection::group_discard(std::string_view group) {
    if (!valid_group_name(group)) return MADANG_INVALID;
    return services_.group_discard(*this, group);
}

madang_status connection::timer_start(std::uint64_t id, std::uint64_t delay_ms, std::uint64_t repeat_ms) {
    constexpr std::uint64_t longest = 1000ull * 3600 * 24 * 365;
    if (delay_ms > longest || repeat_ms > longest) return MADANG_INVALID;
    if (consumer_gone_) return MADANG_CLOSED;
    if (!timers_) timers_ = std::make_unique<std::vector<user_timer>>();
    auto found = std::find_if(timers_->begin(), timers_->end(), [&](const auto& t) { return t.id == id; });
    if (found == timers_->end()) {
        if (timers_->size() == max_timers) return MADANG_BUSY;
        found = timers_->insert(timers_->end(), {id, 0, {}});
    }
    loop_.cancel(found->timer);
    found->repeat_ms = repeat_ms;
    found->timer = loop_.schedule(milliseconds{delay_ms}, [this, id] { fire_timer(id); });
    return MADANG_OK;
}

void connection::timer_cancel(std::uint64_t id) {
    if (!timers_) return;
    auto found = std::find_if(timers_->begin(), timers_->end(), [&](const auto& t) { return t.id == id; });
    if (found == timers_->end()) return;
    loop_.cancel(found->timer);
    timers_->erase(found);
}

// ---------------------------------------------------------------------------------------------- reading

void connection::arm_read() {
    if (reading_ || state_ == state::ended || paused_ != 0) return;
    reading_ = true;
    keeper_.retain();
    io_->wait_readable(*this);
}

void connection::on_readable(bool alive) {
    reading_ = false;
    if (alive) guarded([&] {
        char* buffer = read_buffer();
        for (int i = 0; i < reads_per_turn && state_ != state::ended && paused_ == 0; ++i) {
            const auto got = io_->read_some(buffer, read_size);
            if (got.what == transport::outcome::would_block) break;
            if (got.what != transport::outcome::done) {
                lost();
                break;
            }
            heard_ = true;
            loop_.metrics().add(counter::bytes_in, got.bytes);
            feed(buffer, got.bytes);
            if (got.bytes < read_size) break;
        }
        arm_read();
    });
    keeper_.release();
}

void connection::feed(char* data, std::size_t size) {
    if (state_ == state::handshake || !unread_.empty()) {
        if (unread_.size() + size > unread_limit && state_ == state::handshake) return lost();
        unread_.append(data, size);
        if (state_ == state::open && paused_ == 0 && calls_ == 0) feed_unread();
        return;
    }
    if (shut_) return;
    const auto used = decoder_.consume(data, size, *this);
    if (used.error) {
        begin_close(used.error.code, used.error.reason);
        peer_closed_ = true;  // nothing it sends is read any more
        if (calls_ == 0) after_call();
        touch_outbox();
    } else if (used.bytes < size && state_ != state::ended) {
        unread_.assign(data + used.bytes, size - used.bytes);
    }
}

void connection::feed_unread() {
    auto bytes = std::exchange(unread_, {});
    feed(bytes.data(), bytes.size());
}

bool connection::on_message(ws_opcode opcode, std::string_view bytes) {
    if (state_ != state::open) return true;
    auto& metrics = loop_.metrics();
    metrics.add(counter::messages_in);
    if (limiter_ && !limiter_->take(loop_.now())) {
        metrics.add(counter::rate_limited);
        begin_close(close_code::too_many_requests, "too many messages");
        after_call();
        return true;
    }
    const auto& type = *route_->consumer;
    const auto kind = opcode == ws_opcode::text ? MADANG_TEXT : MADANG_BINARY;
    const auto message = payload::copy_of(bytes, kind == MADANG_TEXT ? payload::frame::text : payload::frame::binary);
    if (sync_)
        sync_->enqueue({"receive", [c = &type, kind, message](auto& consumer) {
                            return c->receive(consumer, kind, to_abi(message));
                        }}, static_cast<std::size_t>(-1), false);
    else
        call("receive", [&](madang_consumer* c) { return type.receive(c, kind, to_abi(message)); });
    return !must_pause();
}

bool connection::must_pause() {
    if (state_ != state::open) return false;
    const auto before = paused_;
    if (outbox_.bytes() > route_->outbox_limits.bytes / 2) paused_ |= static_cast<std::uint8_t>(pause::outbox);
    if (sync_ && sync_->waiting() >= route_->sync_queue / 2 + 1) paused_ |= static_cast<std::uint8_t>(pause::sync_queue);
    if (services_.congested()) {
        if ((paused_ & static_cast<std::uint8_t>(pause::credit)) == 0) services_.wait_for_credit(*this);
        paused_ |= static_cast<std::uint8_t>(pause::credit);
    }
    if (before == 0 && paused_ != 0) {
        loop_.metrics().add(counter::readers_paused);
        loop_.metrics().gauge_add(gauge::readers_paused_now, 1);
    }
    return paused_ != 0;
}

void connection::resume(pause reason) {
    const auto bit = static_cast<std::uint8_t>(reason);
    if ((paused_ & bit) == 0) return;
    if (reason == pause::sync_queue && sync_->waiting() > route_->sync_queue / 4) return;
    paused_ &= static_cast<std::uint8_t>(~bit);
    if (paused_ != 0) return;
    loop_.metrics().gauge_add(gauge::readers_paused_now, -1);
    if (!unread_.empty() && calls_ == 0) feed_unread();
    arm_read();
}

void connection::resume_publisher() { resume(pause::credit); }

void connection::on_ping(std::string_view bytes) {
    if (state_ != state::open) return;
    // Pongs are not subject to the outbox's limit; a peer that pings and does not read is not read either.
    queue_control(make_ws_control(ws_opcode::pong, bytes).bytes());
    if (outbox_.bytes() > route_->outbox_limits.bytes) {
        begin_close(close_code::slow, "too slow");
        after_call();
    }
}

void connection::on_pong(std::string_view) { loop_.metrics().add(counter::pongs_received); }

void connection::on_close(std::uint16_t code, std::string_view) {
    peer_closed_ = true;
    if (state_ == state::open) {
        begin_close(code, {});
        if (calls_ == 0) after_call();
    }
    touch_outbox();
}

// ---------------------------------------------------------------------------------------------- liveness

void connection::schedule_ping(milliseconds delay) {
    life_timer_ = loop_.schedule(delay, [this] { ping(); });
}

// Two steps per interval: a ping, then a look whether anything came back.
void connection::ping() {
    life_timer_ = {};
    if (state_ != state::open) return;
    if (!pinged_) {
        pinged_ = true;
        heard_ = false;
        loop_.metrics().add(counter::pings_sent);
        queue_control(make_ws_control(ws_opcode::ping, {}).bytes());
        return schedule_ping(route_->pong_timeout);
    }
    pinged_ = false;
    // Whom we do not read, we cannot hear.
    if (heard_ || paused_ != 0)
        return schedule_ping(std::max(route_->ping_interval - route_->pong_timeout, milliseconds{1}));
    loop_.metrics().add(counter::pong_timeouts);
    begin_close(close_code::no_pong, "no pong");
    after_call();
}

// ---------------------------------------------------------------------------------------------- writing

madang_status connection::queue(const payload& owner, std::string_view frames, outbox::role role) {
    switch (outbox_.push(owner, frames, role, route_->outbox_limits)) {
        case outbox::admission::queued: break;
        case outbox::admission::dropped:
            loop_.metrics().add(route_->outbox_limits.policy == outbox_policy::latest_only ? counter::drops_latest_only
                                                                                      : counter::drops_oldest,
                                outbox_.dropped());
            break;
        case outbox::admission::overflow:
            loop_.metrics().add(counter::drops_disconnect);
            log_info("ws.slow", {{"plugin", route_->plugin},
                                 {"outbox_bytes", static_cast<std::int64_t>(outbox_.bytes())},
                                 {"request_id", scope_.get(scope_field::request_id)}});
            outbox_.drop_unbegun();  // nothing of it will be read in time
            begin_close(close_code::slow, "too slow");
            return MADANG_CLOSED;
    }
    touch_outbox();
    return MADANG_OK;
}

void connection::queue_control(std::string_view bytes) {
    outbox_.push_control(bytes);
    touch_outbox();
}

void connection::touch_outbox() {
    if (state_ != state::ended && loop_.touch(*this)) keeper_.retain();
}

void connection::count_outbox() noexcept {
    if (outbox_.bytes() == counted_outbox_) return;
    loop_.metrics().gauge_add(gauge::outbox_bytes,
                              static_cast<std::int64_t>(outbox_.bytes()) - static_cast<std::int64_t>(counted_outbox_));
    counted_outbox_ = outbox_.bytes();
}

void connection::flush() {
    if (state_ != state::ended && !writing_) guarded([&] { write_out(); });
    keeper_.release();
}

void connection::on_writable(bool alive) {
    writing_ = false;
    if (alive && state_ != state::ended) guarded([&] { write_out(); });
    keeper_.release();
}

void connection::write_out() {
    iovec parts[parts_per_write];
    while (!outbox_.empty()) {
        const int count = outbox_.gather(parts, parts_per_write);
        const auto written = io_->write_some(parts, count);
        if (written.what == transport::outcome::done) {
            loop_.metrics().add(counter::bytes_out, written.bytes);
            outbox_.consume(written.bytes);
            continue;
        }
        if (written.what != transport::outcome::would_block) {
            lost();
            return;
        }
        writing_ = true;
        keeper_.retain();
        io_->wait_writable(*this);
        break;
    }
    count_outbox();
    if (outbox_.bytes() <= route_->outbox_limits.bytes / 4) resume(pause::outbox);
    if (state_ == state::closing) finish_when_flushed();
}

// ---------------------------------------------------------------------------------------------- the end

// Before accept: an HTTP response, and the end.
void connection::refuse(std::string_view response, std::uint16_t code) {
    if (state_ != state::handshake) return;
    state_ = state::closing;
    peer_closed_ = true;
    code_ = code;
    loop_.cancel(life_timer_);
    life_timer_ = loop_.schedule(close_timeout, [this] { end(); });
    queue_control(response);
}

void connection::begin_close(std::uint16_t code, std::string_view reason) {
    if (state_ != state::open) return;
    state_ = state::closing;
    code_ = code;
    loop_.cancel(life_timer_);
    life_timer_ = loop_.schedule(close_timeout, [this] { end(); });
    queue_control(make_ws_close(code, reason).bytes());
    if (paused_ != 0) {  // to hear its close frame
        paused_ = 0;
        loop_.metrics().gauge_add(gauge::readers_paused_now, -1);
    }
    unread_.clear();
    arm_read();
}

// The socket failed or ended. A consumer that is being called hears of it when it returns.
void connection::lost() {
    if (state_ == state::ended) return;
    end();
}

void connection::finish_when_flushed() {
    if (!outbox_.empty() || !peer_closed_ || shut_) return;
    // RFC 6455 7.1.1: the server closes first. Ours is a half-close, so that the peer reads what is on its way.
    shut_ = true;
    io_->shutdown_send();
    loop_.cancel(life_timer_);
    life_timer_ = loop_.schedule(linger_timeout, [this] { end(); });
    arm_read();
}

void connection::go_away() {
    if (state_ == state::handshake)
        refuse(http_refusal(503, "the server is shutting down", scope_.get(scope_field::request_id)), close_code::lost);
    else
        begin_close(close_code::going_away, "the server is shutting down");
    if (calls_ == 0) after_call();
}

void connection::abandon() noexcept { end(); }

void connection::end() noexcept {
    if (state_ == state::ended) return;
    state_ = state::ended;
    loop_.cancel(life_timer_);
    auto& metrics = loop_.metrics();
    metrics.gauge_add(gauge::connections_open, -1);
    metrics.add(labelled_counter::closes, std::to_string(code_));
    if (paused_ != 0) metrics.gauge_add(gauge::readers_paused_now, -1);
    paused_ = 0;
    outbox_.clear();
    count_outbox();
    io_->close();
    log_debug("ws.close", {{"plugin", route_->plugin},
                           {"code", static_cast<std::int64_t>(code_)},
                           {"request_id", scope_.get(scope_field::request_id)}});
    disconnect_consumer();
    permit_.reset();
    keeper_.ended();
    services_.exit(*this);
}

}  // namespace madang
