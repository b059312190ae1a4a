// Workers: who there is, what each may take, and what they say of the jobs that they have.
#include <algorithm>

#include "actors/job_desk.hpp"
#include "broker/core/errors.hpp"
#include "broker/core/log.hpp"
#include "broker/protocol/json_reader.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using outcome = link::ended::outcome;

std::string_view restart_reason(const link::child_ended& what) {
    for (const std::string_view known : {"crash", "memory", "tasks", "limit", "stop"})
        if (what.why == known) return known;
    return what.expected ? "stop" : "crash";
}

}  // namespace

void job_desk::arrived(std::uint64_t id, link::hello&& who, where what) {
    const auto now = host_.now();
    auto& made = workers_[id];
    made.in_process = what == where::in_process;
    made.other_node = what == where::other_node;
    made.children = std::max(1u, who.concurrency);
    made.since_ms = now.wall_ms;
    made.heard_ms = now.elapsed_ms;
    const auto holds = std::exchange(who.holds, {});
    made.who = std::move(who);
    made.who.prefetch = std::max(1u, made.who.prefetch);
    counts_.gauge_add(gauge::job_children, made.children);
    if (!made.in_process) counts_.gauge_add(gauge::job_workers, 1);
    for (const auto& [job, token] : holds) {
        const auto found = leases_.find(token);
        if (found == leases_.end() && !settings_.cluster_listen.empty()) {
            claim_early(id, job, token);
        } else if (found == leases_.end() || found->second.worker != 0 || found->second.end ||
                   found->second.id() != job) {
            host_.tell(id, link::told{token, true});
        } else {
            take_up(token, found->second, id, made);
        }
    }
    if (draining_) {
        made.leaving = true;
        if (!made.other_node) host_.tell(id, link::warm_stop{});
    }
    touch();
}

void job_desk::take_up(std::uint64_t token, lease& kept, std::uint64_t id, worker& by) {
    kept.worker = id;
    kept.counted = kept.began = true;
    ++by.leases;
    ++by.running;
    counts_.gauge_add(gauge::jobs_running, 1);
    if (!kept.spec) learn_spec(token);
}

void job_desk::claim_early(std::uint64_t id, const std::string& job, std::uint64_t token) {
    claims_[token] = {id, job, {}};
    after(2 * settings_.worker_timeout.count(), [this, id, token] {
        const auto found = claims_.find(token);
        if (found == claims_.end() || found->second.worker != id) return;
        claims_.erase(found);
        host_.tell(id, link::told{token, true});
    });
}

void job_desk::forget_claims(std::uint64_t worker) {
    std::erase_if(claims_, [&](const auto& each) { return each.second.worker == worker; });
}

void job_desk::said(std::uint64_t id, link::from_worker&& what) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    found->second.heard_ms = host_.now().elapsed_ms;
    std::visit([&](auto& each) { hear(found->second, id, each); }, what);
}

void job_desk::gone(std::uint64_t id) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    for (auto& [token, each] : leases_) {
        if (each.worker != id) continue;
        if (!each.end) {
            // What it had not begun is not its death's fault. A job that must not run twice is not begun
            // again even so: that it began may have been the last thing that it did not get to say.
            const bool lost = each.began || !each.spec || !each.spec->late_ack;
            link::ended how;
            how.token = token;
            how.what = lost ? outcome::lost : outcome::handed_back;
            how.error = {"WorkerLostError", "worker " + found->second.who.name + " is gone", ""};
            end(token, each, std::move(how));
        }
        each.worker = 0;
    }
    counts_.gauge_add(gauge::job_children, -static_cast<std::int64_t>(found->second.children));
    if (!found->second.in_process) counts_.gauge_add(gauge::job_workers, -1);
    workers_.erase(found);
    forget_claims(id);
    submit(job_commands::withdraw{id}, nullptr);
}

void job_desk::adrift(std::uint64_t id) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    const auto until = host_.now().elapsed_ms + settings_.worker_timeout.count();
    for (auto& [token, each] : leases_) {
        if (each.worker != id) continue;
        let_go(each);
        each.worker = 0;
        each.claim_until_ms = until;
        each.began = true;  // as far as anybody knows
    }
    gone(id);
    await_claims();
}

void job_desk::stall(std::uint64_t id, bool stalled) {
    if (const auto found = workers_.find(id); found != workers_.end()) {
        found->second.stalled = stalled;
        touch();
    }
}

const job_spec* job_desk::job_of(std::uint64_t token) const {
    const auto found = leases_.find(token);
    return found == leases_.end() ? nullptr : found->second.spec.get();
}

void job_desk::workers(const answer<std::vector<worker_view>>& done) const {
    std::vector<worker_view> all;
    for (const auto& [id, each] : workers_) {
        worker_view view;
        view.id = std::to_string(id);
        view.name = each.who.name;
        view.queues = each.who.queues;
        view.concurrency = each.children;
        view.running = each.running;
        view.prefetched = each.leases - each.running;
        view.done = each.done;
        view.child_restarts = each.child_restarts;
        view.since_ms = each.since_ms;
        view.stopping = each.leaving;
        all.push_back(std::move(view));
    }
    if (done) done(std::move(all));
}

// ------------------------------------------------------------------------------------------- what they say

void job_desk::hear(worker& from, std::uint64_t id, link::capacity& what) {
    const auto now = std::max(1u, what.concurrency);
    counts_.gauge_add(gauge::job_children, static_cast<std::int64_t>(now) - from.children);
    from.children = now;
    from.who.prefetch = std::max(1u, what.prefetch);
    if (from.leases + from.offered > from.capacity()) withdraw(id, from);
    touch();
}

void job_desk::hear(worker& from, std::uint64_t id, link::began& what) {
    auto* which = live(what.token, id);
    if (which == nullptr || which->began) return;
    which->began = true;
    ++from.running;
    if (!which->spec) return;
    const auto* task = planning_.tasks.find(which->spec->task);
    if (task != nullptr && task->track_started)
        submit(job_commands::started{{which->spec->id, what.token}, host_.now()}, nullptr);
}

void job_desk::hear(worker& from, std::uint64_t id, link::ended& what) {
    const auto found = leases_.find(what.token);
    if (const auto early = claims_.find(what.token); early != claims_.end() && early->second.worker == id) {
        early->second.end = std::move(what);
        return;
    }
    if (found == leases_.end() || found->second.worker != id) {
        counts_.add(counter::job_stale_ends);
        host_.tell(id, link::told{what.token, true});
        return;
    }
    if (found->second.end) return;  // said twice
    if (what.what != outcome::handed_back) {
        ++from.done;
        const double seconds = static_cast<double>(what.run_us) / 1e6;
        counts_.observe(histogram::job_run_seconds, seconds);
        const auto& spec = found->second.spec;
        const auto* task = spec ? planning_.tasks.find(spec->task) : nullptr;
        counts_.observe_handler(task != nullptr ? task->handler : 0, histogram::job_run_seconds, seconds);
    }
    end(what.token, found->second, std::move(what));
}

void job_desk::hear(worker&, std::uint64_t id, link::progress& what) {
    auto* which = live(what.token, id);
    if (which == nullptr) return;
    which->progress = std::move(what.json);
    which->progress_fresh = true;
    if (which->progress_waits || !which->spec || which->spec->notify_group.empty()) return;
    const auto since = host_.now().elapsed_ms - which->told_ms;
    if (since >= progress_gap_ms) return report_progress(what.token);
    which->progress_waits = true;
    after(progress_gap_ms - since, [this, token = what.token] { report_progress(token); });
}

void job_desk::report_progress(std::uint64_t token) {
    const auto found = leases_.find(token);
    if (found == leases_.end()) return;
    auto& which = found->second;
    which.progress_waits = false;
    if (!which.spec || which.spec->notify_group.empty() || !std::exchange(which.progress_fresh, false))
        return;
    which.told_ms = host_.now().elapsed_ms;
    std::string data = R"({"event":"job","id":)";
    append_json_string(data, which.id());
    data += R"(,"task":)";
    append_json_string(data, which.spec->task);
    data += R"(,"state":"PROGRESS","progress":)" + which.progress + '}';
    // Not told again when refused: the next report says more.
    host_.publish(which.spec->notify_group, std::move(data), "", [this](result<void> done) {
        if (done) counts_.add(counter::job_news);
    });
}

void job_desk::hear(worker&, std::uint64_t id, link::checkpoint& what) {
    const auto refused = [&](errc code) {
        counts_.add(labelled_counter::jobs_refused, describe(code).name);
        host_.tell(id, link::answer{what.call, describe(code).wire_code, {}});
    };
    auto* which = live(what.token, id);
    if (which == nullptr) return refused(claims_.contains(what.token) ? errc::busy : errc::stale_lease);
    if (what.data.size() > settings_.job_checkpoint_bytes) return refused(errc::too_large);
    submit(job_commands::checkpoint{{which->id(), what.token}, std::move(what.data)},
           [this, id, call = what.call](job_answer&& done) {
               host_.tell(
                   id, done ? link::answer{call, 0, {}}
                            : link::answer{call, describe(done.error().code).wire_code, done.error().detail});
           });
}

void job_desk::hear(worker& from, std::uint64_t, link::child_ended& what) {
    ++from.child_restarts;
    counts_.add(labelled_counter::job_child_restarts, restart_reason(what));
    if (!what.expected)
        log_warn("job.child.ended", {{"worker", from.who.name}, {"pid", what.child}, {"why", what.why}});
}

void job_desk::hear(worker& from, std::uint64_t id, link::leaving&) {
    from.leaving = true;
    withdraw(id, from);
}

// ------------------------------------------------------------------------------------------- capacity

void job_desk::withdraw(std::uint64_t id, worker& what) {
    if (std::exchange(what.withdrawing, true)) return;
    submit(job_commands::withdraw{id}, [this, id, epoch = offers_epoch_](job_answer&& done) {
        const auto found = workers_.find(id);
        if (found == workers_.end()) return;
        auto& from = found->second;
        from.withdrawing = false;
        if (done && epoch == offers_epoch_) from.offered = 0;
        if (!done)
            after(retry_ms, [this, id] {
                if (const auto again = workers_.find(id); again != workers_.end())
                    withdraw(id, again->second);
            });
        touch();
    });
}

void job_desk::offer_all() {
    if (draining_ || !restarted_before_ || serving_ != serving::yes) return;
    for (auto& [id, each] : workers_) {
        if (each.leaving || each.stalled || each.withdrawing) continue;
        const auto more = static_cast<std::int64_t>(each.capacity()) - each.leases - each.offered;
        if (more <= 0) continue;
        each.offered += more;
        submit(job_commands::offer{each.who.name, id, each.who.queues, each.in_process,
                                   static_cast<std::uint32_t>(more), host_.now()},
               [this, id = id, more, epoch = offers_epoch_](job_answer&& done) {
                   if (done) return;
                   after(retry_ms, [this, id, more, epoch] {
                       const auto found = workers_.find(id);
                       if (found == workers_.end() || epoch != offers_epoch_) return;
                       found->second.offered = std::max<std::int64_t>(0, found->second.offered - more);
                       touch();
                   });
               });
    }
}

void job_desk::check_workers() {
    const auto period = std::min(alive_gap_ms, settings_.worker_timeout.count() / 4);
    const auto now = host_.now().elapsed_ms;
    // When this server itself was stopped, what they said meanwhile is still to be read.
    const bool late = now - std::exchange(checked_ms_, now) > 2 * period;
    std::vector<std::uint64_t> silent;
    for (auto& [id, each] : workers_) {
        if (each.in_process) continue;
        if (late) each.heard_ms = now;
        if (now - each.heard_ms > settings_.worker_timeout.count())
            silent.push_back(id);
        else
            host_.tell(id, link::alive{});
    }
    for (const auto id : silent) {
        log_warn("job.worker.silent", {{"worker", workers_.at(id).who.name}});
        gone(id);
        host_.drop(id);
    }
    after(period, [this] { check_workers(); });
}

void job_desk::lose_unclaimed() {
    const auto now = host_.now().elapsed_ms;
    for (auto& [token, each] : leases_)
        if (each.worker == 0 && !each.end && each.claim_until_ms <= now) lose_with_server(token);
}

void job_desk::retire(std::uint64_t id) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    found->second.leaving = true;
    withdraw(id, found->second);
    host_.tell(id, link::warm_stop{});
}

void job_desk::drain() {
    if (std::exchange(draining_, true)) return;
    // Another node's does not end with this server: it is dropped when another keeps the jobs.
    for (auto& [id, each] : workers_)
        if (each.other_node)
            withdraw(id, each);
        else
            retire(id);
    touch();
}

std::size_t job_desk::running() const noexcept {
    return static_cast<std::size_t>(std::count_if(leases_.begin(), leases_.end(), [](const auto& each) {
        return each.second.worker != 0 || each.second.end;
    }));
}

}  // namespace madang
