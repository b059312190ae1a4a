#include "actors/sync_consumer.hpp"

#include <utility>

#include "actors/connection.hpp"
#include "broker/core/names.hpp"
#include "broker/protocol/ws_frame.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

sync_consumer::sync_consumer(connection& owner)
    : owner_(owner),
      loop_(owner.on()),
      channel_(owner.channel()),
      poster_(owner.plain_poster()),
      request_id_(owner.request_id()),
      handler_(owner.route().handler),
      background_(owner.background()) {}

const scope& sync_consumer::get_scope() const noexcept { return owner_.get_scope(); }

// ------------------------------------------------------------------------------------------ loop's thread

sync_consumer::queued sync_consumer::enqueue(call what, std::size_t limit, bool drop_oldest) {
    auto outcome = queued::yes;
    if (const auto* work = traced_work::current())
        what.run = [run = std::move(what.run), work = *work](madang_consumer*& consumer) {
            const traced_work mine(work);
            return run(consumer);
        };
    if (what.droppable && calls_.size() >= limit) {
        if (!drop_oldest) return queued::full;
        for (auto each = calls_.begin(); each != calls_.end(); ++each) {
            if (!each->droppable) continue;
            calls_.erase(each);
            break;
        }
        outcome = queued::dropped_oldest;
    }
    calls_.push_back(std::move(what));
    if (!running_) run_next();
    return outcome;
}

std::size_t sync_consumer::drop_events() {
    return std::erase_if(calls_, [](const call& each) { return each.droppable; });
}

void sync_consumer::run_next() {
    running_ = true;
    owner_.keeper().retain();  // until its result was drained
    auto next = std::move(calls_.front());
    calls_.pop_front();
    owner_.services().run_in_pool([self = shared_from_this(), next = std::move(next)]() mutable {
        self->run_in_pool(std::move(next));
    });
}

void sync_consumer::drain() {
    std::vector<request> requests;
    std::vector<finished> done;
    {
        std::lock_guard lock(mutex_);
        requests.swap(requests_);
        done.swap(finished_);
        woken_ = false;
    }
    for (auto& ask : requests) ask(owner_);
    for (const auto& each : done) {
        running_ = false;
        owner_.sync_result(each.status, each.where);
        if (!running_ && !calls_.empty()) run_next();
        if (idle()) owner_.became_idle();
        owner_.keeper().release();  // the one of run_next
    }
}

// ------------------------------------------------------------------------------------------ pool's thread

void sync_consumer::run_in_pool(call what) {
    // Without a consumer there is nothing to call: its creation failed, or it was destroyed.
    const bool skip = std::exchange(created_, true) && consumer_ == nullptr;
    in_event_ = what.droppable;
    about_ = std::move(what.about);
    const working_for mine(*this);
    const auto began = loop::clock::now();
    const madang_status status = skip ? MADANG_OK : what.run(consumer_);
    const std::chrono::duration<double> took = loop::clock::now() - began;
    if (!skip) loop_.metrics().observe_pooled(handler_, histogram::handler_seconds, took.count());
    std::lock_guard lock(mutex_);
    finished_.push_back({what.where, status});
    wake();
}

void sync_consumer::ask(request what) {
    std::lock_guard lock(mutex_);
    requests_.push_back(std::move(what));
    wake();
}

// With the mutex held. Not through owner_: once the last call's result is in finished_, a drain may end the
// connection.
void sync_consumer::wake() {
    if (!std::exchange(woken_, true)) loop_.post([self = shared_from_this()] { self->drain(); });
}

madang_status sync_consumer::accept(std::string_view subprotocol, std::span<const name_value> headers) {
    if (background_) return MADANG_INVALID;
    std::vector<std::pair<std::string, std::string>> copies;
    for (const auto& h : headers) copies.emplace_back(h.name, h.value);
    ask([subprotocol = std::string(subprotocol), copies = std::move(copies)](connection& c) {
        std::vector<name_value> views;
        for (const auto& [name, value] : copies) views.push_back({name, value});
        const auto status = c.accept(subprotocol, views);
        if (status == MADANG_INVALID) {
            c.report_error("accept",
                           "already accepted, a subprotocol that was not offered, or a malformed header");
            c.sync_result(MADANG_FAILED, "accept");
        }
    });
    return MADANG_OK;
}

madang_status sync_consumer::close(std::uint16_t code, std::string_view reason) {
    if (background_ || (code != 0 && !ws_sendable_close_code(code))) return MADANG_INVALID;
    {
        std::lock_guard lock(mutex_);
        if (closed_) return MADANG_CLOSED;
        closed_ = true;
    }
    ask([code, reason = std::string(reason)](connection& c) { c.close(code, reason); });
    return MADANG_OK;
}

madang_status sync_consumer::send(madang_frame kind, const payload& message) {
    if (background_) return MADANG_INVALID;
    {
        std::lock_guard lock(mutex_);
        if (closed_) return MADANG_CLOSED;
    }
    if (in_event_)
        ask([kind, message](connection& c) { c.send_publication(kind, message); });
    else
        ask([kind, message](connection& c) { c.send(kind, message); });
    return MADANG_OK;
}

madang_status sync_consumer::group_add(std::string_view group, madang_delivery how) {
    if (!valid_group_name(group) || (background_ && how != MADANG_TO_HANDLER)) return MADANG_INVALID;
    ask([group = std::string(group), how](connection& c) { c.group_add(group, how); });
    return MADANG_OK;
}

madang_status sync_consumer::group_discard(std::string_view group) {
    if (!valid_group_name(group)) return MADANG_INVALID;
    ask([group = std::string(group)](connection& c) { c.group_discard(group); });
    return MADANG_OK;
}

madang_status sync_consumer::timer_start(std::uint64_t id, std::uint64_t delay_ms, std::uint64_t repeat_ms) {
    ask([=](connection& c) { c.timer_start(id, delay_ms, repeat_ms); });
    return MADANG_OK;
}

void sync_consumer::timer_cancel(std::uint64_t id) {
    ask([id](connection& c) { c.timer_cancel(id); });
}

void sync_consumer::report_error(std::string_view where, std::string_view what) {
    ask([where = std::string(where), what = std::string(what)](connection& c) {
        c.report_error(where, what);
    });
}

}  // namespace madang
