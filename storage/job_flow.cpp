#include "storage/job_flow.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {
namespace {

using nlohmann::json;

std::string text_of(const json& what) { return what.dump(-1, ' ', false, json::error_handler_t::replace); }

json about(const job_error& error) {
    json what{{"type", error.type}, {"message", error.message}};
    if (!error.trace.empty()) what["trace"] = error.trace;
    return what;
}

}  // namespace

std::string splice_args(std::string_view first, std::string_view args) {
    const auto open = args.find('[');
    auto rest = open == std::string_view::npos ? std::string_view("]") : args.substr(open + 1);
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
    std::string all;
    all.reserve(first.size() + args.size() + 2);
    all.append("[").append(first);
    if (!rest.starts_with(']')) all += ',';
    return all.append(rest.empty() ? std::string_view("]") : rest);
}

void job_flow::begin(job_entry& job, const job_time& now) {
    const auto& spec = *job.spec;
    if (spec.eta_ms > now.wall_ms)
        jobs_.schedule(job, spec.eta_ms, true);
    else if (spec.countdown_ms > 0)
        jobs_.schedule(job, now.elapsed_ms + spec.countdown_ms, false);
    else
        jobs_.wait_ready(job, now);
}

void job_flow::end(job_entry& job, job_state how, std::string result, job_error error, const job_time& now) {
    will_end(job, how, std::move(result), std::move(error));
    end_all(now);
}

void job_flow::will_end(job_entry& job, job_state how, std::string result, job_error error) {
    endings_.push_back({&job, how, std::move(result), std::move(error)});
}

void job_flow::end_all(const job_time& now) {
    while (!endings_.empty() || !tellings_.empty()) {
        if (!endings_.empty()) {
            auto next = std::move(endings_.back());
            endings_.pop_back();
            if (!next.job->is_over()) end_one(std::move(next), now);
        } else {
            tell_barrier(now);
        }
    }
}

void job_flow::end_one(ending what, const job_time& now) {
    auto& job = *what.job;
    auto& status = job.status;
    const auto& spec = *job.spec;
    if (const auto* lease = status.state == job_state::leased ? jobs_.leased(job.id()) : nullptr) {
        status.began_ms = lease->row.began_ms;
        status.worker = lease->row.worker;
    }
    status.ended_ms = now.wall_ms;
    if (what.how == job_state::success)
        status.error = {};
    else
        status.error = what.error;
    const bool limited = spec.limit.at_once != 0 && status.state != job_state::waiting;
    let_go_unique(spec);
    if (std::exchange(status.has_checkpoint, false))
        jobs_.rows().remove(column::job_rows, keys::job_row(keys::row::checkpoint, spec.id));
    const bool dead = is_dead(what.how) && !status.upstream;
    jobs_.finish(job, what.how, end_of(now.wall_ms, dead ? limits_.dead_ms : spec.result_ms));
    if (limited) release(job, now);

    if (!std::exchange(status.told, true)) {
        if (!status.schedule.empty()) count_unfinished(status.schedule, -1);
        const bool well = what.how == job_state::success;
        if (is_dead(what.how) && !spec.on_error.empty()) {
            const auto why =
                text_of(json::array({{{"id", spec.id}, {"task", spec.task}, {"error", about(what.error)}}}));
            for (const auto& each : spec.on_error) follow(each, why, now);
        } else
            for (const auto& each : spec.on_error) lose_parent(each, now);
        for (const auto& each : spec.next) {
            if (well)
                follow(each, what.result, now);
            else
                overrun(each, job_state::revoked,
                        {"UpstreamFailed",
                         "job " + spec.id + " (" + spec.task +
                             ") did not succeed: " + std::string(name_of(what.how, 0, false)),
                         {}},
                        now);
        }
        if (!spec.part_of.barrier.empty())
            tellings_.push_back({spec.part_of, well, well ? what.result : "", spec.id, spec.task,
                                 what.how == job_state::ignored
                                     ? job_error{"Ignored", "it ended without a result", {}}
                                     : what.error});
    }
    if (what.how == job_state::success && !spec.ignore_result) status.result = std::move(what.result);
    if (!spec.notify_group.empty()) add_news(job);
    ended_.push_back(
        {job.spec, what.how, status.retries, status.began_ms, status.ended_ms, status.error.type});
}

// `first`: what it is given before its own arguments.
void job_flow::follow(const std::string& id, std::string_view first, const job_time& now) {
    auto* job = jobs_.find(id, now.wall_ms);
    if (!job || job->status.state != job_state::waiting) return;
    if (!job->spec->immutable) {
        auto args = splice_args(first, job->spec->args);
        if (args.size() > limits_.args_bytes + 2 && args.size() > job->spec->args.size() + 2) {
            job->status.upstream = true;
            jobs_.change(*job);
            endings_.push_back(
                {job,
                 job_state::failure,
                 {},
                 {"ArgumentsTooLarge",
                  "with the results before it its arguments are " + std::to_string(args.size()) + " bytes",
                  {}}});
            return;
        }
        job->status.args = std::move(args);
    }
    begin(*job, now);
}

void job_flow::overrun(const std::string& id, job_state how, job_error error, const job_time& now) {
    auto* job = jobs_.find(id, now.wall_ms);
    if (!job || job->status.state != job_state::waiting) return;
    job->status.upstream = true;
    endings_.push_back({job, how, {}, std::move(error)});
}

void job_flow::lose_parent(const std::string& id, const job_time& now) {
    auto* job = jobs_.find(id, now.wall_ms);
    if (!job || job->status.state != job_state::waiting) return;
    jobs_.change(*job);
    if (job->status.parents > 0 && --job->status.parents > 0) return;
    job->status.upstream = true;
    endings_.push_back({job, job_state::revoked, {}, {"NotNeeded", "nothing failed before it", {}}});
}

// ---- Barriers

// Its children are a row of their own: the barrier's is written at each end that it counts.
void job_flow::put_barrier(barrier_record what) {
    std::string text;
    if (const auto children = std::exchange(what.spec.children, {}); !children.empty()) {
        encode(children, text);
        jobs_.rows().put(column::job_rows, keys::job_row(keys::row::children, what.spec.id), text);
    }
    encode(what, text);
    jobs_.rows().put(column::job_rows, keys::job_row(keys::row::barrier, what.spec.id), std::move(text));
}

std::vector<std::string> job_flow::children_of(const std::string& barrier) const {
    const auto value = jobs_.rows().get(column::job_rows, keys::job_row(keys::row::children, barrier));
    return value ? decode_ids(*value).value_or(std::vector<std::string>()) : std::vector<std::string>();
}

std::optional<job_view> job_flow::view_barrier(const std::string& id) {
    if (!jobs_.rows().get(column::job_rows, keys::job_row(keys::row::barrier, id))) return {};
    job_view view;
    view.spec.id = id;
    view.spec.task = group_task;
    view.state = job_state::waiting;
    return view;
}

std::string job_flow::results_of(const barrier_record& barrier) {
    auto prefix = keys::job_row(keys::row::barrier_result);
    byte_writer(prefix).text16(barrier.spec.id);
    std::string all = "[";
    std::vector<std::string> rows;
    jobs_.rows().scan(column::job_rows, prefix, [&](auto key, auto value) {
        if (all.size() > 1) all += ',';
        if (all.size() <= limits_.args_bytes + 2) all += value;  // more is refused anyway
        rows.emplace_back(key);
        return true;
    });
    for (auto& each : rows) jobs_.rows().remove(column::job_rows, std::move(each));
    return all += ']';
}

// What it is told at once is one change of its record.
void job_flow::tell_barrier(const job_time& now) {
    const auto id = tellings_.back().where.barrier;
    const auto key = keys::job_row(keys::row::barrier, id);
    const auto value = jobs_.rows().get(column::job_rows, key);
    auto barrier = value ? decode_barrier(id, *value) : std::nullopt;
    telling what;
    do {
        what = std::move(tellings_.back());
        tellings_.pop_back();
        if (!barrier) continue;
        ++barrier->ended;
        if (what.well && barrier->failed.empty())
            jobs_.rows().put(column::job_rows, keys::barrier_result(id, what.where.index),
                             what.json.empty() ? "null" : what.json);
        if (!what.well && barrier->failed.empty()) {
            barrier->failed = what.job;
            barrier->failed_task = what.task;
            barrier->error = what.error;
            barrier->error.trace.clear();
        }
    } while (!tellings_.empty() && tellings_.back().where.barrier == id &&
             (!barrier || barrier->ended < barrier->spec.expected));
    if (!barrier) return;
    if (barrier->ended < barrier->spec.expected) {
        std::string text;
        encode(*barrier, text);
        jobs_.rows().put(column::job_rows, key, std::move(text));
        return;
    }
    jobs_.rows().remove(column::job_rows, key);
    auto results = results_of(*barrier);
    if (barrier->failed.empty() && barrier->spec.bodies.empty() && results.size() > limits_.args_bytes + 2) {
        barrier->failed = what.job;
        barrier->failed_task = what.task;
        barrier->error = {"ResultTooLarge", "all results together are too large", {}};
    }
    const bool well = barrier->failed.empty();
    for (const auto& each : barrier->spec.bodies) {
        if (well)
            follow(each, results, now);
        else
            overrun(each, job_state::failure,
                    {"ChordError",
                     "job " + barrier->failed + " (" + barrier->failed_task +
                         ") failed: " + barrier->error.type + ": " + barrier->error.message,
                     {}},
                    now);
    }
    if (!barrier->spec.part_of.barrier.empty())
        tellings_.push_back({barrier->spec.part_of, well, well ? results : "", barrier->failed,
                             barrier->failed_task, barrier->error});
    if (barrier->spec.bodies.empty()) leave_group(*barrier, std::move(results), now);
}

// A group's results are found under its id, as a job's are.
void job_flow::leave_group(const barrier_record& barrier, std::string results, const job_time& now) {
    auto spec = std::make_shared<job_spec>();
    spec->id = barrier.spec.id;
    spec->task = group_task;
    spec->enqueued_ms = now.wall_ms;
    spec->children = children_of(spec->id);
    if (!spec->children.empty())
        jobs_.rows().remove(column::job_rows, keys::job_row(keys::row::children, spec->id));
    auto& job = jobs_.create(spec, now.wall_ms);
    job.status.upstream = job.status.told = true;
    job.status.ended_ms = now.wall_ms;
    if (barrier.failed.empty())
        job.status.result = std::move(results);
    else
        job.status.error = {
            barrier.error.type,
            "job " + barrier.failed + " (" + barrier.failed_task + ") failed: " + barrier.error.message,
            {}};
    const auto how = barrier.failed.empty() ? job_state::success : job_state::failure;
    jobs_.finish(job, how, end_of(now.wall_ms, spec->result_ms));
    ended_.push_back({spec, how, 0, 0, now.wall_ms, job.status.error.type});
}

// ---- Schedules, unique keys

bool job_flow::change_schedule(const std::string& name, const std::function<void(schedule_record&)>& change) {
    auto key = keys::job_row(keys::row::schedule, name);
    const auto value = jobs_.rows().get(column::job_rows, key);
    auto known = value ? decode_schedule(*value) : std::nullopt;
    if (!known) return false;
    change(*known);
    std::string text;
    encode(*known, text);
    jobs_.rows().put(column::job_rows, std::move(key), std::move(text));
    return true;
}

void job_flow::count_unfinished(const std::string& schedule, int change) {
    change_schedule(schedule, [&](schedule_record& known) {
        if (change > 0 || known.unfinished != 0) known.unfinished += static_cast<std::uint64_t>(change);
    });
}

std::string job_flow::unique_holder(const std::string& key, const job_time& now) const {
    const auto value = jobs_.rows().get(column::job_terms, keys::job_row(keys::row::unique, key));
    auto holder = value ? decode_term(*value) : std::nullopt;
    return holder && !madang::is_over(holder->ends_ms, now.wall_ms) ? std::move(holder->job) : std::string();
}

bool job_flow::is_held_by_another(const std::string& key, const std::string& job, const job_time& now) const {
    const auto holder = unique_holder(key, now);
    return !holder.empty() && holder != job;
}

void job_flow::hold_unique(const job_spec& job, const job_time& now) {
    std::string text;
    encode(term_record{job.unique_ms == 0 ? 0 : end_of(now.wall_ms, job.unique_ms), job.id, 0}, text);
    jobs_.rows().put(column::job_terms, keys::job_row(keys::row::unique, job.unique), std::move(text));
}

bool job_flow::let_go_unique(const job_spec& job) {
    if (job.unique.empty() || job.unique_ms != 0) return false;
    auto key = keys::job_row(keys::row::unique, job.unique);
    const auto value = jobs_.rows().get(column::job_terms, key);
    const auto holder = value ? decode_term(*value) : std::nullopt;
    if (!holder || holder->job != job.id) return false;
    jobs_.rows().remove(column::job_terms, std::move(key));
    return true;
}

// ---- Limits, news, views

void job_flow::reset() {
    endings_.clear();
    tellings_.clear();
    news_.clear();
    ended_.clear();
}

void job_flow::release(const job_entry& job, const job_time& now) {
    auto* next = jobs_.pop_parked(job.spec->limit.key, now.wall_ms);
    if (!next) return;
    jobs_.renew_place(*next);
    jobs_.wait_ready(*next, next->status.since);
}

void job_flow::add_news(const job_entry& job) {
    const auto& status = job.status;
    std::string data = text_of(json{{"event", "job"}, {"id", job.id()}, {"task", job.spec->task}});
    data.pop_back();
    data.append(",\"state\":\"").append(name_of(status.state, status.retries, false)).append("\"");
    if (status.state == job_state::success)
        data.append(",\"result\":").append(status.result.empty() ? "null" : status.result);
    else if (!status.error.type.empty())
        data.append(",\"error\":")
            .append(text_of(json{{"type", status.error.type}, {"message", status.error.message}}));
    data += '}';
    const auto number = ++jobs_.meta().news;
    std::string value;
    byte_writer(value).text32(job.spec->notify_group).raw(data);
    jobs_.rows().put(column::job_rows, keys::job_row(keys::row::news, static_cast<std::int64_t>(number)),
                     std::move(value));
    news_.push_back({number, job.spec->notify_group, std::move(data)});
}

job_view view_of(const job_spec& spec, const job_status& status, const job_lease_record* lease, bool started,
                 const job_time& now) {
    job_view view;
    view.spec = spec;
    view.spec.children.clear();
    view.state = status.state;
    view.retries = status.retries;
    view.losses = status.losses;
    view.started = started;
    view.cancelled = status.cancelled;
    view.dead = is_dead_letter(status);
    if (status.state == job_state::scheduled)
        view.due_ms = status.by_wall ? status.due_ms : now.wall_ms + status.due_ms - now.elapsed_ms;
    view.began_ms = lease ? lease->began_ms : status.began_ms;
    view.worker = lease ? lease->worker : status.worker;
    view.ended_ms = status.ended_ms;
    view.result = status.result;
    view.error = status.error;
    view.history = status.history;
    if (status.state == job_state::success && status.began_ms != 0) {
        remember(view.history, {status.began_ms, status.ended_ms, status.worker, {}});
    }
    return view;
}

}  // namespace madang
