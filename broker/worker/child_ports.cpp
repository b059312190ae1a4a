#include "broker/worker/child_ports.hpp"

#include "broker/core/names.hpp"
#include "broker/jobs/call_codec.hpp"
#include "broker/jobs/worker_codec.hpp"

namespace madang {

using link::call;

std::uint64_t child_ports::expect(body_answer done) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(++last_, std::move(done));
    return last_;
}

void child_ports::answered(link::answer what) {
    body_answer done;
    {
        const std::lock_guard lock(mutex_);
        const auto found = waiting_.find(what.number);
        if (found == waiting_.end()) return;
        done = std::move(found->second);
        waiting_.erase(found);
    }
    if (what.code != 0)
        done(link::error_of(what));
    else
        done(std::move(what.body));
}

// `Told`: what the answer's body holds.
template <class Told, class T>
void child_ports::ask(call::verb verb, std::string body, std::function<void(result<T>)> done) {
    if (!link_) {
        if (done) done(fail(errc::not_available, "only while a job runs"));
        return;
    }
    call what{verb, 0, link_->token(), std::move(body)};
    if (done)
        what.number = expect([done = std::move(done)](result<std::string> told) {
            if (!told) return done(told.error());
            auto value = link::from_body<Told>(*told);
            if (!value) return done(value.error());
            done(T(std::move(*value)));
        });
    std::string frame;
    link::append(frame, what);
    link_->send(frame);
}

madang_status child_ports::tell(call::verb verb, std::string_view to, std::string_view type,
                                const payload& event) {
    if (!link_) return MADANG_CLOSED;
    std::string frame;
    link::append(frame, call{verb, 0, link_->token(),
                             link::to_body(link::sent{std::string(to), std::string(type), event})});
    link_->send(frame);
    return MADANG_OK;
}

madang_status child_ports::group_send(std::string_view group, std::string_view type, const payload& event) {
    if (!valid_group_name(group) || !valid_event_type(type)) return MADANG_INVALID;
    return tell(call::verb::group_send, group, type, event);
}

madang_status child_ports::channel_send(std::string_view channel, std::string_view type,
                                        const payload& event) {
    if (!valid_channel_name(channel) || !valid_event_type(type)) return MADANG_INVALID;
    return tell(call::verb::channel_send, channel, type, event);
}

std::uint64_t child_ports::now_ms() const noexcept {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::steady_clock::now().time_since_epoch())
                                          .count());
}

void child_ports::publish(publish_request what, stream_port::answer<position> done) {
    ask<position>(call::verb::publish, link::to_body(what), std::move(done));
}
void child_ports::history(history_request what, stream_port::answer<history_page> done) {
    ask<history_page>(call::verb::history, link::to_body(what), std::move(done));
}
void child_ports::presence(presence_request what, stream_port::answer<presence_page> done) {
    ask<presence_page>(call::verb::presence, link::to_body(what), std::move(done));
}
void child_ports::presence_stats(std::string group, stream_port::answer<presence_counts> done) {
    ask<presence_counts>(call::verb::presence_stats, link::to_body(group), std::move(done));
}
void child_ports::last_seen(std::string group, std::size_t limit,
                            stream_port::answer<std::vector<last_seen_entry>> done) {
    ask<std::vector<last_seen_entry>>(
        call::verb::last_seen, link::to_body(link::last_seen_call{std::move(group), limit}), std::move(done));
}
void child_ports::enqueue(enqueue_request what, job_port::answer<enqueued> done) {
    ask<enqueued>(call::verb::enqueue, link::to_body(what), std::move(done));
}
void child_ports::cancel(std::vector<std::string> ids, std::string reason,
                         job_port::answer<std::size_t> done) {
    ask<std::uint64_t>(call::verb::cancel,
                       link::to_body(link::cancel_call{std::move(ids), std::move(reason)}), std::move(done));
}
void child_ports::find(std::string id, std::chrono::milliseconds wait, job_port::answer<job_view> done) {
    ask<job_view>(call::verb::find, link::to_body(link::find_call{std::move(id), wait}), std::move(done));
}

}  // namespace madang
