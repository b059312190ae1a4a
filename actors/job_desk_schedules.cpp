// Schedules: kept by the store, fired here, each fire an enqueue that names its time.
#include <algorithm>
#include <set>

#include "actors/job_desk.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/log.hpp"
#include "broker/jobs/schedule.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

enqueue_request request_of(std::string signature) {
    enqueue_request made;
    made.jobs.push_back(std::move(signature));
    return made;
}

// Whether its fires would be taken.
result<void> check(const schedule& what, std::int64_t now_ms, planning with) {
    with.repeated = true;
    if (const auto plan = plan_enqueue(request_of(what.signature()), now_ms, with); !plan)
        return plan.error();
    return {};
}

}  // namespace

// What is declared is put in place, what is declared no more goes away, and then all are loaded.
void job_desk::load_schedules(tenure how) {
    submit(
        job_queries::schedules{},
        [this, how, during = tenure_](job_answer&& got) {
            if (during != tenure_) return;
            if (!got) return after(retry_ms, [this, how] { load_schedules(how); });
            auto& stored = std::get<std::vector<stored_schedule>>(*got);
            if (how == tenure::taken_over)
                for (auto& each : stored) {
                    each.last_fire_ms = std::max(each.last_fire_ms, host_.now().wall_ms);
                    skip_fire({each.name, each.last_fire_ms, 0});
                }
            std::set<std::string, std::less<>> names;
            for (auto& each : declared_) {
                if (each.source == "config") names.insert(each.name);
            }
            for (auto& each : declared_)
                if (each.source == "config" || names.insert(each.name).second) declare(each);
            for (const auto& each : stored) {
                if (names.contains(each.name)) continue;
                if (each.source == "api")
                    put_stored(each);
                else
                    remove_schedule(each.name, nullptr);
            }
        },
        kind::question);
}

void job_desk::forget_schedules() {
    scheduler_ = {};
    fires_.clear();
    inherited_.clear();
}

void job_desk::declare(const standing_schedule& what) {
    put_schedule(
        what.name, what.json, what.source, [this, what, during = tenure_](result<schedule_view> done) {
            if (done || during != tenure_) return;
            if (describe(done.error().code).retryable)
                return after(news_retry_ms, [this, what] { declare(what); });
            log_error("job.schedule.refused",
                      {{"schedule", what.name}, {"source", what.source}, {"error", done.error().text()}});
        });
}

void job_desk::put_stored(const stored_schedule& what) {
    if (serving_ == serving::no) return;
    // Fires of an earlier process are known by number only: now and then the store is asked.
    auto& inherited = inherited_[what.name];
    inherited = inherited_of(what);
    std::set<const open_fire*> open;
    for (const auto& [job, each] : fires_)
        if (each->schedule == what.name) open.insert(each.get());
    const auto unfinished = inherited + open.size();
    if (inherited == 0) inherited_.erase(what.name);
    if (!inherited_.empty()) ask_inherited();
    const auto done = scheduler_.put(what.name, what.json, what.last_fire_ms, unfinished, host_.now());
    if (!done) log_error("job.schedule.refused", {{"schedule", what.name}, {"error", done.error().text()}});
    touch();
}

void job_desk::ask_inherited() {
    if (std::exchange(asking_inherited_, true)) return;
    after(figures_gap_ms, [this] {
        submit(
            job_queries::schedules{},
            [this](job_answer&& got) {
                asking_inherited_ = false;
                if (got)
                    for (const auto& each : std::get<std::vector<stored_schedule>>(*got))
                        if (inherited_.contains(each.name)) settle_inherited(each);
                if (!inherited_.empty()) ask_inherited();
            },
            kind::question);
    });
}

std::uint64_t job_desk::inherited_of(const stored_schedule& what) const {
    const auto own = static_cast<std::uint64_t>(std::count_if(
        fires_.begin(), fires_.end(), [&](const auto& each) { return each.second->schedule == what.name; }));
    return what.unfinished - std::min(what.unfinished, own);
}

void job_desk::settle_inherited(const stored_schedule& what) {
    auto& left = inherited_.at(what.name);
    const auto now = inherited_of(what);
    for (; left > now; --left) scheduler_.fired_job_over(what.name);
    if (left == 0) inherited_.erase(what.name);
    touch();
}

void job_desk::fired_job_over(const std::string& job) {
    if (fires_.empty()) return;
    const auto found = fires_.find(job);
    if (found == fires_.end()) return;
    const auto fire = std::move(found->second);
    fires_.erase(found);
    if (--fire->left != 0) return;
    scheduler_.fired_job_over(fire->schedule);
    touch();
}

// ------------------------------------------------------------------------------------------- fires

void job_desk::fire_schedules() {
    for (auto& each : scheduler_.due(host_.now())) {
        counts_.add(counter::schedule_skips, each.skipped + (each.skip ? 1 : 0));
        if (each.skipped != 0) skip_fire({each.name, each.at_ms - 1, each.skipped});
        if (each.skip) {
            skip_fire({each.name, each.at_ms, 1});
            continue;
        }
        counts_.observe(histogram::schedule_lag_seconds,
                        static_cast<double>(host_.now().wall_ms - each.at_ms) / 1000);
        fire(each);
    }
}

void job_desk::skip_fire(job_commands::skip_fire what) {
    submit(what, [this, what](job_answer&& done) {
        if (!done && describe(done.error().code).retryable)
            after(retry_ms, [this, what] { skip_fire(what); });
    });
}

void job_desk::fire(const scheduler_core::fire& what) {
    if (serving_ == serving::no) return;
    if (serving_ == serving::held) return after(retry_ms, [this, what] { fire(what); });
    const auto failed = [this, &what](const error& why) {
        log_error("job.schedule.failed", {{"schedule", what.name}, {"error", why.text()}});
        scheduler_.fired_job_over(what.name);
        skip_fire({what.name, what.at_ms, 1});
    };
    auto planned = plan_enqueue(request_of(what.signature), host_.now().wall_ms, planning_);
    if (!planned) return failed(planned.error());
    auto open = std::make_shared<open_fire>(open_fire{what.name, planned->jobs.size()});
    for (const auto& each : planned->jobs) fires_.emplace(each->id, open);
    job_commands::enqueue command;
    command.jobs = planned->jobs;
    command.barriers = std::move(planned->barriers);
    command.answers = std::move(planned->answers);
    command.schedule = what.name;
    command.fire_ms = what.at_ms;
    command.now = host_.now();
    submit(std::move(command), [this, what, jobs = std::move(planned->jobs)](job_answer&& done) {
        if (done && !std::get<enqueued>(*done).repeated) {
            counts_.add(counter::schedule_fires);
            counts_.add(counter::jobs_enqueued, jobs.size());
            // Those whose unique key another job has are no jobs of this fire.
            const auto& heads = std::get<enqueued>(*done).jobs;
            if (std::none_of(heads.begin(), heads.end(), [](const auto& each) { return each.duplicate; }))
                return;
        }
        bool open = false;
        for (const auto& each : jobs) open = fires_.erase(each->id) != 0 || open;
        if (!done && describe(done.error().code).retryable)
            return after(retry_ms, [this, what] { fire(what); });
        if (!done)
            log_error("job.schedule.failed", {{"schedule", what.name}, {"error", done.error().text()}});
        if (open) scheduler_.fired_job_over(what.name);
        touch();
    });
}

// ------------------------------------------------------------------------------------------- job_port

schedule_view job_desk::view_of(const stored_schedule& what) const {
    schedule_view view;
    view.name = what.name;
    view.json = what.json;
    view.source = what.source;
    // Before its first fire that is when it was made.
    view.last_fire_ms = what.fired + what.skipped != 0 ? what.last_fire_ms : 0;
    view.next_fire_ms = scheduler_.next_of(what.name);
    view.fired = what.fired;
    view.skipped = what.skipped;
    if (const auto parsed = schedule::parse(what.name, what.json)) view.enabled = parsed->enabled();
    return view;
}

void job_desk::schedules(answer<std::vector<schedule_view>> done) {
    submit(
        job_queries::schedules{},
        [this, done = std::move(done)](job_answer&& got) {
            if (!got) return refuse(done, std::move(got.error()));
            std::vector<schedule_view> all;
            for (const auto& each : std::get<std::vector<stored_schedule>>(*got))
                all.push_back(view_of(each));
            if (done) done(std::move(all));
        },
        kind::question);
}

void job_desk::put_schedule(std::string name, std::string json, std::string source,
                            answer<schedule_view> done) {
    const auto parsed = schedule::parse(name, json);
    if (!parsed) return refuse(done, error(parsed.error()));
    const auto now = host_.now().wall_ms;
    if (const auto good = check(*parsed, now, planning_); !good) return refuse(done, error(good.error()));
    submit(job_commands::put_schedule{name, std::move(json), std::move(source), now},
           [this, name, done = std::move(done)](job_answer&& put) {
               if (!put) return refuse(done, std::move(put.error()));
               submit(
                   job_queries::schedules{},
                   [this, name, done](job_answer&& got) {
                       if (!got) return refuse(done, std::move(got.error()));
                       for (const auto& each : std::get<std::vector<stored_schedule>>(*got)) {
                           if (each.name != name) continue;
                           put_stored(each);
                           if (done) done(view_of(each));
                           return;
                       }
                       refuse(done, error{errc::not_found, "schedule " + name});  // removed meanwhile
                   },
                   kind::question);
           });
}

void job_desk::remove_schedule(std::string name, answer<bool> done) {
    submit(job_commands::remove_schedule{name}, [this, name, done = std::move(done)](job_answer&& removed) {
        if (!removed) return refuse(done, std::move(removed.error()));
        scheduler_.remove(name);
        inherited_.erase(name);
        if (done) done(std::get<bool>(*removed));
    });
}

void job_desk::next_fires(std::string name, std::string json, std::size_t count,
                          answer<std::vector<std::int64_t>> done) {
    const auto from = host_.now().wall_ms;
    // An interval goes on from the last fire: `first`, which is waited for, comes before what follows from
    // it. 0: nothing is waited for.
    const auto tell = [this, count, from](const std::string& name, const std::string& json,
                                          std::int64_t first, const answer<std::vector<std::int64_t>>& done) {
        const auto parsed = schedule::parse(name, json);
        if (!parsed) return refuse(done, error(parsed.error()));
        const bool waits = first != 0 && count != 0;
        auto fires = waits ? parsed->next(first, count - 1) : parsed->next(from, count);
        if (waits) fires.insert(fires.begin(), first);
        if (done) done(std::move(fires));
    };
    if (!json.empty()) {
        if (const auto parsed = schedule::parse("preview", json))
            if (const auto good = check(*parsed, from, planning_); !good)
                return refuse(done, error(good.error()));
        return tell("preview", json, 0, done);
    }
    submit(
        job_queries::schedules{},
        [this, name, tell, done = std::move(done)](job_answer&& got) {
            if (!got) return refuse(done, std::move(got.error()));
            for (const auto& each : std::get<std::vector<stored_schedule>>(*got))
                if (each.name == name) return tell(name, each.json, scheduler_.next_of(name), done);
            refuse(done, error{errc::not_found, "there is no schedule " + name});
        },
        kind::question);
}

}  // namespace madang
