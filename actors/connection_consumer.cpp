// A connection and its consumer: the calls into the plugin, and what the plugin asks for.
#include <algorithm>

#include "actors/connection_impl.hpp"
#include "actors/handler_clock.hpp"
#include "actors/sync_consumer.hpp"
#include "broker/core/names.hpp"
#include "broker/protocol/compressed_frame.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_timers = 16;  // abi.h: timer_start

}  // namespace

// `calls`: that took so long together.
void connection::note_slow(std::string_view where, std::uint64_t ticks, std::size_t calls) {
    static const double per_tick = 1 / handler_clock::ticks_per_second();
    const double seconds = static_cast<double>(ticks) * per_tick;
    loop_.metrics().observe(histogram::handler_seconds, seconds / static_cast<double>(calls), calls);
    loop_.metrics().observe_handler(route_->handler, histogram::handler_seconds,
                                    seconds / static_cast<double>(calls), calls);
    if (seconds * 1e3 <= static_cast<double>(route_->handler_budget.count())) return;
    loop_.metrics().add(labelled_counter::slow_handlers, route_->plugin);
    log_warn("handler.slow", {{"plugin", route_->plugin},
                              {"consumer", route_->name},
                              {"handler", where},
                              {"ms", static_cast<std::int64_t>(seconds * 1e3)},
                              {"calls", static_cast<std::int64_t>(calls)},
                              {"budget_ms", static_cast<std::int64_t>(route_->handler_budget.count())},
                              {"request_id", scope_.get(scope_field::request_id)},
                              {"sent_by", sent_by()}});
}

void connection::count_failure(std::string_view where) {
    loop_.metrics().add(labelled_counter::plugin_errors, route_->plugin);
    log_error("handler.failed", {{"plugin", route_->plugin},
                                 {"consumer", route_->name},
                                 {"handler", where},
                                 {"request_id", scope_.get(scope_field::request_id)},
                                 {"sent_by", sent_by()}});
}

void connection::handler_failed(std::string_view where) {
    count_failure(where);
    if (state_ == state::background) {
        code_ = close_code::internal;
        end();
    } else if (state_ == state::handshake)
        refuse(http_refusal(500, "the consumer failed", scope_.get(scope_field::request_id)),
               close_code::internal);
    else
        begin_close(close_code::internal, "internal error");
}

void connection::report_error(std::string_view where, std::string_view what) {
    log_error("handler.error", {{"plugin", route_->plugin},
                                {"consumer", route_->name},
                                {"handler", where},
                                {"error", what},
                                {"request_id", scope_.get(scope_field::request_id)},
                                {"sent_by", sent_by()}});
}

void connection::after_call() {
    if (state_ == state::closing || state_ == state::ended) disconnect_consumer();
    if (state_ == state::open && !unread_.empty() && paused_ == 0) feed_unread();
}

void connection::sync_result(madang_status status, std::string_view where) {
    if (status != MADANG_OK) {
        if (state_ != state::ended && !consumer_gone_)
            handler_failed(where);
        else
            count_failure(where);
    }
    resume(pause::sync_queue);
    if (calls_ == 0) after_call();
}

void connection::on_event(const event& e) {
    const auto& type = *route_->consumer;
    if (consumer_gone_) return;
    if (sync_) {
        const traced_work mine(delivery_of(loop_.tracing(), e.origin.bytes()));
        const bool drop_oldest = route_->outbox_limits.policy != outbox_policy::disconnect;
        switch (sync_->enqueue(
            {"event",
             [c = &type, e](auto& consumer) { return c->event(consumer, to_abi(e.type), to_abi(e.body)); },
             true, e.what == event::kind::publication ? std::optional(to_publication(e)) : std::nullopt},
            route_->sync_queue, drop_oldest)) {
            case sync_consumer::queued::yes:
                break;
            case sync_consumer::queued::dropped_oldest:
                loop_.metrics().add(counter::drops_oldest);
                break;
            case sync_consumer::queued::full:
                if (background()) return loop_.metrics().add(counter::background_drops);
                loop_.metrics().add(counter::drops_disconnect);
                begin_close(close_code::slow, "too slow");
                if (calls_ == 0) after_call();
        }
        return;
    }
    in_event_ = true;
    event_run run{&e, 1, {nullptr, 1, 0}};
    run_ = &run;
    call(e.type, [&](madang_consumer* c) { return type.event(c, to_abi(e.type), to_abi(e.body)); });
    run_ = nullptr;
    in_event_ = false;
}

// A batch comes at the turn's end. A member of one group gets no other in this turn, so its outbox is written
// at once, while its memory is still in the caches; members of several wait for the rest.
void connection::deliver(const batch& what, std::size_t from, std::size_t to, delivery how) {
    guarded([&] {
        delivering_ = membership_count() == 1;
        hand_out(what, from, to, how);
        if (calls_ == 0) after_call();
        if (!std::exchange(delivering_, false) || !std::exchange(undelivered_, false)) return;
        if (!writing_ && state_ != state::ended) write_out();
    });
}

void connection::hand_out(const batch& what, std::size_t from, std::size_t to, delivery how) {
    auto& metrics = loop_.metrics();
    metrics.add(counter::deliveries, to - from);
    switch (how) {
        case delivery::handler:
            return hand_to_consumer(what, from, to);
        case delivery::client:
        case delivery::client_and_joins:
            return hand_to_client(what, from, to, how == delivery::client_and_joins);
        case delivery::client_held:
            if (client_ != nullptr) run("held", [&] { client_->on_held(what, from, to); });
            return;
        case delivery::socket:
            break;
    }
    if (state_ != state::open) return;
    if (deflate_bits_ == 0) {
        metrics.add(counter::messages_out, to - from);
        if (const auto frames = what.frames(from, to); !frames.empty())
            queue(what.block(), frames, outbox::role::publication);
        return;
    }
    in_event_ = true;
    for (auto i = from; i < to && state_ == state::open; ++i)
        if (what.events()[i].for_consumers()) send(MADANG_TEXT, what.events()[i].body);
    in_event_ = false;
}

// Pushes: the batch's, as they are, but for what this member did not ask for.
void connection::hand_to_client(const batch& what, std::size_t from, std::size_t to, bool joins) {
    if (state_ != state::open) return;
    const auto& pushes = what.pushes();
    if (deflate_bits_ == 0 && (joins || !pushes.joins)) {
        loop_.metrics().add(counter::messages_out, to - from);
        if (const auto frames = pushes.of(from, to); !frames.empty())
            queue(pushes.block, frames, outbox::role::publication);
        return;
    }
    in_event_ = true;
    for (auto i = from; i < to && state_ == state::open; ++i)
        if (what.events()[i].what == event::kind::publication ||
            (joins && what.events()[i].what != event::kind::message))
            send(MADANG_TEXT, pushes.messages[i]);
    in_event_ = false;
}

void connection::hand_to_consumer(const batch& what, std::size_t from, std::size_t to) {
    if (sync_ || consumer_ == nullptr) {
        for (auto i = from; i < to && !consumer_gone_; ++i)
            if (what.events()[i].for_consumers()) on_event(what.events()[i]);
        return;
    }
    // The fast way for async consumers: as on_event, but the clock is read and the books are kept once for
    // all that it is told at once.
    const auto& told = what.told();
    for (auto i = from; i < to && state_ != state::closing && state_ != state::ended;) {
        const auto end = what.consumers_until(i, to);
        if (i == end) {
            ++i;
            continue;
        }
        tell_consumer({what.events().data() + i, end - i, {told.data() + i, end - i, 0}});
        i = end;
    }
}

void connection::tell_consumer(event_run&& run) {
    const auto& type = *route_->consumer;
    auto& told = run.told;
    loop_.note_running(&route_->label);
    const working_for mine(*this);
    ++calls_;
    in_event_ = true;
    run_ = &run;
    const auto begin = handler_clock::now();
    auto status = MADANG_OK;
    if (type.events != nullptr) {
        status = type.events(consumer_, &told);
    } else {
        while (told.at < told.count) {
            const auto& each = told.list[told.at];
            status = type.event(consumer_, each.type, each.payload);
            if (status != MADANG_OK) break;
            ++told.at;
        }
    }
    const auto ticks = handler_clock::now() - begin;
    in_event_ = false;
    --calls_;
    const std::string_view last = current()->type;
    note_slow(last, ticks, std::clamp<std::size_t>(told.at, 1, run.size));
    if (status != MADANG_OK) handler_failed(last);
    run_ = nullptr;
}

bool connection::busy() const noexcept { return sync_ && !sync_->idle(); }

void connection::became_idle() {
    if (state_ == state::background) permit_->idle();
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
        sync_->enqueue({"timer", [c = &type, id](auto& consumer) { return c->timer(consumer, id); }},
                       route_->sync_queue, false);
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
        sync_->enqueue({"disconnect",
                        [c = &type, code](auto& consumer) {
                            const auto status =
                                consumer != nullptr ? c->disconnect(consumer, code) : MADANG_OK;
                            if (consumer != nullptr) c->destroy(consumer);
                            consumer = nullptr;
                            return status;
                        }},
                       static_cast<std::size_t>(-1), false);
    } else {
        if (connect_called_) {
            ++calls_;
            const auto begin = handler_clock::now();
            if (type.disconnect(consumer_, code) != MADANG_OK) count_failure("disconnect");
            note_slow("disconnect", handler_clock::now() - begin);
            --calls_;
        }
        type.destroy(std::exchange(consumer_, nullptr));
    }
    services_.leave_all(*this);
}

std::string_view connection::channel() const noexcept {
    if (channel_.empty()) channel_ = services_.channel_name(member_id_);
    return channel_;
}

madang_status connection::send(madang_frame kind, const payload& message) {
    if (state_ != state::open)
        return state_ == state::handshake || state_ == state::background ? MADANG_INVALID : MADANG_CLOSED;
    loop_.metrics().add(counter::messages_out);
    const auto role = in_event_ ? outbox::role::publication : outbox::role::answer;
    if (kind == MADANG_BINARY) return queue(message.root(), message.binary_frame(), role);
    if (deflate_bits_ == 0) return queue(message.root(), message.text_frame(), role);
    bool made = false;  // by this member; the others of a broadcast share it
    const auto frame = compressed_text_frame(message, deflate_bits_, &made);
    if (made) {
        loop_.metrics().add(counter::deflate_raw_bytes, message.bytes().size());
        loop_.metrics().add(counter::deflate_wire_bytes, frame.size());
    }
    return queue(message, frame, role);
}

madang_status connection::send_publication(madang_frame kind, const payload& message) {
    in_event_ = true;
    const auto status = send(kind, message);
    in_event_ = false;
    return status;
}

madang_status connection::group_add(std::string_view group, madang_delivery how) {
    if (background() && how != MADANG_TO_HANDLER) return MADANG_INVALID;
    return join(group, to_delivery(how), nullptr);
}

madang_status connection::may_join(std::string_view group) const noexcept {
    if (!valid_group_name(group)) return MADANG_INVALID;
    if (state_ == state::ended || consumer_gone_) return MADANG_CLOSED;
    return membership_count() >= route_->max_groups && !is_in(group) ? MADANG_BUSY : MADANG_OK;
}

madang_status connection::join(std::string_view group, delivery how,
                               std::shared_ptr<const member_info> info) {
    const auto may = may_join(group);
    return may != MADANG_OK ? may : services_.group_add(*this, group, how, std::move(info));
}

madang_status connection::subscribe(std::string_view group, std::shared_ptr<const member_info> info,
                                    std::shared_ptr<subscribe_ticket> ask) {
    const auto may = may_join(group);
    return may != MADANG_OK ? may : services_.subscribe(*this, group, std::move(info), std::move(ask));
}

madang_status connection::group_discard(std::string_view group) {
    if (!valid_group_name(group)) return MADANG_INVALID;
    return services_.group_discard(*this, group);
}

payload connection::request_id() const {
    if (!request_id_) request_id_ = payload::copy_of(scope_.get(scope_field::request_id));
    return request_id_;
}

// Of the event that the consumer handles.
work_trace connection::trace() const {
    if (loop_.tracing() == nullptr) return {};
    const auto* about = current();
    return about != nullptr ? delivery_of(loop_.tracing(), about->origin.bytes()) : work_trace{};
}

std::optional<publication> connection::current_publication() const {
    const auto* about = current();
    if (about == nullptr || about->what != event::kind::publication) return std::nullopt;
    return to_publication(*about);
}

std::function<void(std::function<void()>)> connection::plain_poster() {
    return [&services = services_, id = member_id_](std::function<void()> fn) {
        services.post(id, [fn = std::move(fn)](connection& who) { who.run("answer", fn); });
    };
}

void connection::run(std::string_view where, const std::function<void()>& fn) {
    if (consumer_gone_) return;
    if (sync_) {
        sync_->enqueue({"answer", [fn](auto&) { return fn(), MADANG_OK; }}, static_cast<std::size_t>(-1),
                       false);
        return;
    }
    guarded([&] { call(where, [&](madang_consumer*) { return fn(), MADANG_OK; }); });
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

}  // namespace madang
