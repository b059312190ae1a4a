// A connection and its socket: reading with backpressure, and the outbox's way out.
#include <memory>

#include "actors/connection_impl.hpp"
#include "actors/sync_consumer.hpp"
#include "broker/protocol/ws_encoder.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::size_t read_size = 64 * 1024;
constexpr int reads_per_turn = 4;  // of one connection, so that a flood does not hold back the others
constexpr int parts_per_write = 64;
constexpr std::size_t unread_limit = 64 * 1024;  // before accept

// One read at a time per thread, decoded in place before the next.
char* read_buffer() {
    thread_local std::unique_ptr<char[]> buffer(new char[read_size]);
    return buffer.get();
}

}  // namespace

void connection::arm_read() {
    if (reading_ || state_ == state::ended || paused_ != 0) return;
    reading_ = true;
    keeper_.retain();
    io_->wait_readable(*this);
}

void connection::on_readable(bool alive) {
    reading_ = false;
    if (alive)
        guarded([&] {
            char* buffer = read_buffer();
            for (int i = 0; i < reads_per_turn && state_ != state::ended && paused_ == 0; ++i) {
                const auto got = io_->read_some(buffer, read_size);
                if (got.what == transport::outcome::would_block) break;
                if (got.what != transport::outcome::done) {
                    end();
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
        if (unread_.size() + size > unread_limit && state_ == state::handshake) return end();
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
    const auto message =
        payload::copy_of(bytes, kind == MADANG_TEXT ? payload::frame::text : payload::frame::binary);
    if (loop_.tracing() != nullptr && receive_traced(kind, message)) return !must_pause();
    if (sync_)
        sync_->enqueue(
            {"receive", [c = &type, kind,
                         message](auto& consumer) { return c->receive(consumer, kind, to_abi(message)); }},
            static_cast<std::size_t>(-1), false);
    else
        call("receive", [&](madang_consumer* c) { return type.receive(c, kind, to_abi(message)); });
    return !must_pause();
}

// False: it belongs to no trace, and nothing was done.
bool connection::receive_traced(madang_frame kind, const payload& message) {
    auto span = message_span(message.bytes().size());
    if (span.work().by == nullptr) return false;
    const auto receive = [c = route_->consumer, kind, message](madang_consumer* consumer, open_span& span) {
        const auto status = c->receive(consumer, kind, to_abi(message));
        if (status != MADANG_OK) span.fail("the handler failed");
        span.end();
        return status;
    };
    const traced_work mine(span.work());
    if (sync_) {
        const auto shared = std::make_shared<open_span>(std::move(span));
        sync_->enqueue({"receive", [receive, shared](auto& consumer) { return receive(consumer, *shared); }},
                       static_cast<std::size_t>(-1), false);
    } else {
        call("receive", [&](madang_consumer* consumer) { return receive(consumer, span); });
    }
    return true;
}

// A child of what the handshake's traceparent names, where it has one; else a trace of its own, or none.
open_span connection::message_span(std::size_t bytes) const {
    open_span span(*loop_.tracing(), parse_traceparent(scope_.header("traceparent")), span_kind::consumer,
                   "message");
    if (!span) return span;
    span.set("messaging.system", "madang");
    span.set("messaging.message.body.size", static_cast<std::int64_t>(bytes));
    span.set("madang.consumer", route_->label);
    span.set("url.path", scope_.get(scope_field::path));
    span.set("madang.request_id", scope_.get(scope_field::request_id));
    return span;
}

bool connection::must_pause() {
    if (state_ != state::open) return false;
    const auto before = paused_;
    if (outbox_.bytes() > route_->outbox_limits.bytes / 2)
        paused_ |= static_cast<std::uint8_t>(pause::outbox);
    if (sync_ && sync_->waiting() >= route_->sync_queue / 2 + 1)
        paused_ |= static_cast<std::uint8_t>(pause::sync_queue);
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

void connection::on_inflated(std::size_t wire_bytes, std::size_t raw_bytes) {
    loop_.metrics().add(counter::inflate_wire_bytes, wire_bytes);
    loop_.metrics().add(counter::inflate_raw_bytes, raw_bytes);
}

void connection::on_close(std::uint16_t code, std::string_view) {
    peer_closed_ = close_received_ = true;
    if (state_ == state::open) {
        begin_close(code, {});
        if (calls_ == 0) after_call();
    }
    touch_outbox();
}

madang_status connection::queue(const payload& owner, std::string_view frames, outbox::role role) {
    switch (outbox_.push(owner, frames, role, route_->outbox_limits)) {
        case outbox::admission::queued:
            break;
        case outbox::admission::dropped:
            loop_.metrics().add(route_->outbox_limits.policy == outbox_policy::latest_only
                                    ? counter::drops_latest_only
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
    if (delivering_) {
        undelivered_ = true;
        return;
    }
    if (state_ != state::ended && loop_.touch(*this)) keeper_.retain();
}

void connection::count_outbox() noexcept {
    if (outbox_.bytes() == counted_outbox_) return;
    loop_.metrics().gauge_add(gauge::outbox_bytes, static_cast<std::int64_t>(outbox_.bytes()) -
                                                       static_cast<std::int64_t>(counted_outbox_));
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
            loop_.metrics().observe(histogram::write_bytes, static_cast<double>(written.bytes));
            outbox_.consume(written.bytes);
            wrote_ = true;
            continue;
        }
        if (written.what != transport::outcome::would_block) {
            end();
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

}  // namespace madang
