#include "actors/job_desk.hpp"

#include <algorithm>
#include <array>

#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

namespace {

constexpr std::uint64_t logged_failures = 10;  // lines a second

}  // namespace

job_desk::job_desk(job_desk_host& host, const options& settings, const planning& with, metrics_shard& counts)
    : host_(host), settings_(settings), planning_(with), counts_(counts) {}

job_desk::~job_desk() = default;

void job_desk::start(std::vector<standing_schedule> declared) {
    declared_ = std::move(declared);
    if (serving_ != serving::no) load_schedules(tenure::resumed);
    check_workers();
    look_at_queues();
}

void job_desk::serve(serving now, tenure how) {
    const auto before = std::exchange(serving_, now);
    if (before == now) return;
    touch();
    if (now == serving::yes) {
        if (before == serving::no) load_schedules(how);
        return;
    }
    std::vector<std::uint64_t> others;
    for (auto& [id, each] : workers_) {
        if (now == serving::no && !each.in_process) {
            others.push_back(id);
            continue;
        }
        withdraw(id, each);
        if (now == serving::no) host_.tell(id, link::warm_stop{});  // what waits there comes back
    }
    if (now == serving::held) {
        if (before == serving::no) load_schedules(how);
        return;
    }
    ++tenure_;
    forget_schedules();
    for (auto& [id, each] : waiters_) {  // it will end elsewhere
        each->until_ms = 0;
        if (!each->asking) ask_waiter(id, each);
    }
    for (const auto id : others) {
        adrift(id);
        host_.drop(id);
    }
}

// ------------------------------------------------------------------------------------------- time

void job_desk::tick() {
    const auto now = host_.now();
    while (!timers_.empty() && timers_.begin()->first <= now.elapsed_ms) {
        const auto fn = std::move(timers_.extract(timers_.begin()).mapped());
        fn();
    }
    if (!draining_ && serving_ == serving::yes) fire_schedules();
    if (!ticking_ && serving_ == serving::yes &&
        (store_next_.wall_ms <= now.wall_ms || store_next_.elapsed_ms <= now.elapsed_ms)) {
        ticking_ = true;
        submit(job_commands::tick{now}, [this](job_answer&& done) {
            if (done) {
                ticking_ = false;
                touch();
            } else {
                after(retry_ms, [this] { ticking_ = false; });
            }
        });
    }
}

std::chrono::milliseconds job_desk::wait() const {
    const auto now = host_.now();
    std::int64_t least = longest_wait.count();
    const auto until = [&](const job_time& when) {
        if (when.wall_ms != INT64_MAX) least = std::min(least, when.wall_ms - now.wall_ms);
        if (when.elapsed_ms != INT64_MAX) least = std::min(least, when.elapsed_ms - now.elapsed_ms);
    };
    if (!timers_.empty()) least = std::min(least, timers_.begin()->first - now.elapsed_ms);
    if (serving_ == serving::yes) {
        if (!ticking_) until(store_next_);
        if (!draining_) until(scheduler_.next());
    }
    return std::chrono::milliseconds(std::max<std::int64_t>(0, least));
}

// ------------------------------------------------------------------------------------------- effects

void job_desk::see(job_effects&& what) {
    if (what.restarted) {
        ++offers_epoch_;
        for (auto& [id, each] : workers_) each.offered = 0;
    }
    // Those of this process are known when a commit failed; others come with what is moved here.
    const bool first = what.restarted && !std::exchange(restarted_before_, true);
    if (first || !what.restarted)
        for (const auto& each : what.held) hold(each);
    if (first)
        for (const auto& each : what.held)
            if (each.worker == in_process_name || each.worker == own_worker_name)
                lose_with_server(each.which.token);
    if (!what.held.empty()) await_claims();
    for (auto& each : what.assigned) assigned(std::move(each));
    for (const auto& each : what.cancelled) stop_running(each.token, link::stop::how::ask);
    for (auto& each : what.news) publish_news(std::move(each));
    std::array<std::uint64_t, 10> by_state{};
    for (const auto& each : what.ended) {
        if (each.spec->task != group_task) {
            ++by_state.at(static_cast<std::size_t>(each.state));
            if (each.state == job_state::failure || each.state == job_state::rejected) log_failure(each);
        }
        if (!waiters_.empty()) job_over(each.spec->id);
        fired_job_over(each.spec->id);
    }
    for (std::size_t i = 0; i < by_state.size(); ++i)
        if (by_state[i] != 0)
            counts_.add(labelled_counter::jobs_ended, name_of(static_cast<job_state>(i), 0, false),
                        by_state[i]);
    store_next_ = what.next;
    look_at_queues();
    touch();
}

// Who looks for a job's end in the log finds it by its correlation id. A flood of them is told by number.
void job_desk::log_failure(const job_ended& what) {
    const auto second = host_.now().elapsed_ms / 1000;
    if (second != std::exchange(failures_second_, second)) {
        if (failures_ > logged_failures) log_warn("job.more_failed", {{"jobs", failures_ - logged_failures}});
        failures_ = 0;
    }
    if (++failures_ > logged_failures) return;
    log_warn("job.failed", {{"job", what.spec->id},
                            {"task", what.spec->task},
                            {"queue", what.spec->queue},
                            {"state", name_of(what.state, 0, false)},
                            {"error", what.error_type},
                            {"retries", what.retries},
                            {"correlation_id", what.spec->correlation_id}});
}

void job_desk::assigned(job_assignment&& what) {
    counts_.add(counter::job_attempts);
    counts_.observe(
        histogram::job_start_seconds,
        static_cast<double>(std::max<std::int64_t>(host_.now().elapsed_ms - what.due_elapsed_ms, 0)) / 1000);
    auto& kept = leases_[what.token];
    kept.job = what.spec->id;
    kept.spec = what.spec;
    kept.retries = what.retries;
    kept.losses = what.losses;
    const auto found = workers_.find(what.worker_id);
    if (found == workers_.end() || found->second.leaving || draining_ || serving_ != serving::yes) {
        if (found != workers_.end()) --found->second.offered;
        hand_back(what.token);
        return;
    }
    --found->second.offered;
    ++found->second.leases;
    counts_.gauge_add(gauge::jobs_running, 1);
    kept.worker = what.worker_id;
    kept.counted = true;
    host_.run(what.worker_id, std::move(what));
}

void job_desk::publish_news(job_news&& what) {
    auto kept = std::make_shared<job_news>(std::move(what));
    host_.publish(kept->group, kept->data, "job:" + std::to_string(kept->id),
                  [this, kept](result<void> done) {
                      if (!done && describe(done.error().code).retryable)
                          return after(news_retry_ms, [this, kept] { publish_news(std::move(*kept)); });
                      if (done)
                          counts_.add(counter::job_news);
                      else
                          log_warn("job.news.refused", {{"error", done.error().text()}});
                      published_.push_back(kept->id);
                      touch();
                  });
}

void job_desk::tell_news() {
    if (published_.empty()) return;
    auto told = std::make_shared<std::vector<std::uint64_t>>(std::exchange(published_, {}));
    submit(job_commands::told{*told}, [this, told](job_answer&& done) {
        if (done) return;
        after(news_retry_ms, [this, told] {
            published_.insert(published_.end(), told->begin(), told->end());
            touch();
        });
    });
}

void job_desk::look_at_queues() {
    if (std::exchange(looking_, true)) return;
    after(figures_gap_ms, [this] {
        looking_ = false;
        submit(
            job_queries::queues{},
            [this](job_answer&& got) {
                if (got) host_.queues_are(std::move(std::get<std::vector<queue_view>>(*got)));
            },
            kind::question);
    });
}

}  // namespace madang
