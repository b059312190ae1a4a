#include "broker/jobs/call_codec.hpp"

#include "broker/core/stream_wire.hpp"

namespace madang {

// ---- Jobs
constexpr durability last(durability) { return durability::synced; }
constexpr job_state last(job_state) { return job_state::ignored; }
constexpr auto members(const enqueue_request*) {
    return std::tuple{&enqueue_request::jobs, &enqueue_request::idempotency_key,
                      &enqueue_request::correlation_id, &enqueue_request::parent, &enqueue_request::how};
}
constexpr auto members(const enqueued_job*) {
    return std::tuple{&enqueued_job::id, &enqueued_job::duplicate, &enqueued_job::children};
}
constexpr auto members(const enqueued*) { return std::tuple{&enqueued::jobs, &enqueued::repeated}; }
constexpr auto members(const retry_rule*) {
    return std::tuple{&retry_rule::max_retries, &retry_rule::delay_ms, &retry_rule::backoff_ms,
                      &retry_rule::backoff_max_ms, &retry_rule::jitter};
}
constexpr auto members(const job_limit*) {
    return std::tuple{&job_limit::key, &job_limit::rate, &job_limit::rate_ms, &job_limit::at_once};
}
constexpr auto members(const barrier_place*) {
    return std::tuple{&barrier_place::barrier, &barrier_place::index};
}
constexpr auto members(const job_error*) {
    return std::tuple{&job_error::type, &job_error::message, &job_error::trace};
}
constexpr auto members(const job_attempt*) {
    return std::tuple{&job_attempt::began_ms, &job_attempt::ended_ms, &job_attempt::worker,
                      &job_attempt::error};
}
constexpr auto members(const job_spec*) {
    using s = job_spec;
    return std::tuple{
        &s::id,           &s::task,          &s::queue,          &s::priority,      &s::args,
        &s::kwargs,       &s::headers,       &s::correlation_id, &s::parent,        &s::root,
        &s::enqueued_ms,  &s::waits,         &s::eta_ms,         &s::countdown_ms,  &s::expires_ms,
        &s::unique,       &s::unique_ms,     &s::retry,          &s::soft_limit_ms, &s::hard_limit_ms,
        &s::late_ack,     &s::ignore_result, &s::result_ms,      &s::in_process,    &s::limit,
        &s::notify_group, &s::next,          &s::on_error,       &s::immutable,     &s::part_of};
}
constexpr auto members(const job_view*) {
    using v = job_view;
    return std::tuple{&v::spec,      &v::state,  &v::retries,  &v::losses,   &v::started,
                      &v::cancelled, &v::due_ms, &v::began_ms, &v::ended_ms, &v::worker,
                      &v::result,    &v::error,  &v::history,  &v::progress, &v::dead};
}
constexpr auto members(const job_filter*) {
    using f = job_filter;
    return std::tuple{&f::state, &f::dead, &f::queue, &f::task, &f::text, &f::limit, &f::after};
}
constexpr auto members(const job_page*) { return std::tuple{&job_page::jobs, &job_page::next}; }
constexpr auto members(const queue_view*) {
    using q = queue_view;
    return std::tuple{&q::name,   &q::ready, &q::scheduled, &q::leased,
                      &q::parked, &q::dead,  &q::oldest_ms, &q::paused};
}
constexpr auto members(const worker_view*) {
    using w = worker_view;
    return std::tuple{&w::id,         &w::name, &w::queues,         &w::concurrency, &w::running,
                      &w::prefetched, &w::done, &w::child_restarts, &w::since_ms,    &w::stopping};
}
constexpr auto members(const schedule_view*) {
    using s = schedule_view;
    return std::tuple{&s::name,         &s::json,  &s::source,  &s::last_fire_ms,
                      &s::next_fire_ms, &s::fired, &s::skipped, &s::enabled};
}

namespace link {

constexpr auto members(const sent*) { return std::tuple{&sent::to, &sent::type, &sent::event}; }
constexpr auto members(const last_seen_call*) {
    return std::tuple{&last_seen_call::group, &last_seen_call::limit};
}
constexpr auto members(const cancel_call*) { return std::tuple{&cancel_call::ids, &cancel_call::reason}; }
constexpr auto members(const find_call*) { return std::tuple{&find_call::id, &find_call::wait}; }
constexpr auto members(const nothing*) { return std::tuple{}; }
constexpr auto members(const pause_call*) { return std::tuple{&pause_call::queue, &pause_call::paused}; }
constexpr auto members(const put_schedule_call*) {
    return std::tuple{&put_schedule_call::name, &put_schedule_call::json};
}
constexpr auto members(const next_fires_call*) {
    return std::tuple{&next_fires_call::name, &next_fires_call::json, &next_fires_call::count};
}

template <class Value>
std::string to_body(const Value& what) {
    std::string body;
    wire::put(body, what);
    return body;
}

template <class Value>
result<Value> from_body(std::string_view body) {
    Value found{};
    if (!wire::take(body, found) || !body.empty())
        return fail(errc::protocol_error, "a call's body is not what its verb says");
    return found;
}

answer failed(std::uint64_t number, const error& why) {
    const auto code = describe(why.code).wire_code;
    return {number, code != 0 ? code : describe(errc::internal).wire_code, why.detail};
}

error error_of(const answer& what) {
    for (int each = 0; each <= static_cast<int>(last_errc); ++each)
        if (describe(static_cast<errc>(each)).wire_code == what.code)
            return fail(static_cast<errc>(each), what.body);
    return fail(errc::internal, what.body);
}

#define MADANG_BODY(...)                              \
    template std::string to_body(const __VA_ARGS__&); \
    template result<__VA_ARGS__> from_body(std::string_view)
MADANG_BODY(sent);
MADANG_BODY(publish_request);
MADANG_BODY(position);
MADANG_BODY(history_request);
MADANG_BODY(history_page);
MADANG_BODY(presence_request);
MADANG_BODY(presence_page);
MADANG_BODY(std::string);
MADANG_BODY(presence_counts);
MADANG_BODY(last_seen_call);
MADANG_BODY(std::vector<last_seen_entry>);
MADANG_BODY(enqueue_request);
MADANG_BODY(enqueued);
MADANG_BODY(cancel_call);
MADANG_BODY(std::uint64_t);
MADANG_BODY(find_call);
MADANG_BODY(job_view);
MADANG_BODY(job_filter);
MADANG_BODY(job_page);
MADANG_BODY(std::vector<std::string>);
MADANG_BODY(nothing);
MADANG_BODY(std::vector<queue_view>);
MADANG_BODY(pause_call);
MADANG_BODY(bool);
MADANG_BODY(std::vector<worker_view>);
MADANG_BODY(std::vector<schedule_view>);
MADANG_BODY(put_schedule_call);
MADANG_BODY(schedule_view);
MADANG_BODY(next_fires_call);
MADANG_BODY(std::vector<std::int64_t>);
#undef MADANG_BODY

}  // namespace link
}  // namespace madang
