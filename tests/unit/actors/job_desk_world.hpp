// A desk with a store, workers and groups of the test's own. The store keeps one queue in a map; it answers
// when the test says so, and refuses when the test says so.
#pragma once

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "actors/job_desk.hpp"
#include "monitoring/metrics.hpp"

namespace madang::test {

class job_desk_world : public job_desk_host, public task_directory {
  public:
    struct kept {
        std::shared_ptr<const job_spec> spec;
        job_state state = job_state::ready;
        std::uint64_t token = 0, worker = 0;
        std::uint32_t retries = 0, losses = 0, ends = 0;
        std::int64_t due_ms = 0;  // elapsed
        bool cancelled = false;
        std::string checkpoint, worker_name;
    };
    struct submission {
        std::shared_ptr<job_batch> batch;
        durability how;
    };

    job_desk_world() {
        settings.jobs_durability = durability::buffered;
        with.new_id = [this] { return "id" + std::to_string(++ids); };
        known["t"].name = "t";
        known["tracked"].name = "tracked";
        known["tracked"].track_started = true;
        known["fragile"].name = "fragile";
        known["fragile"].reject_on_worker_lost = true;
        desk = std::make_unique<job_desk>(*this, settings, with, counts);
    }

    // -- task_directory
    const task_options* find(std::string_view task) const override {
        const auto found = known.find(task);
        return found == known.end() ? nullptr : &found->second;
    }

    // -- job_desk_host
    void submit(std::shared_ptr<job_batch> what, durability how) override {
        submitted.push_back({what, how});
    }
    void run(std::uint64_t worker, job_assignment&& what) override {
        said_to[worker].push_back("run " + what.spec->id);
        given.push_back({worker, std::move(what)});
    }
    void tell(std::uint64_t worker, link::from_server&& what) override {
        auto& lines = said_to[worker];
        if (const auto* stop = std::get_if<link::stop>(&what))
            lines.push_back("stop " + std::to_string(static_cast<int>(stop->what)));
        else if (const auto* told = std::get_if<link::told>(&what)) {
            lines.push_back(told->stale ? "stale" : "told");
            confirmed.insert({worker, told->token});
        } else if (const auto* answer = std::get_if<link::answer>(&what))
            lines.push_back("answer " + std::to_string(answer->code));
        else if (std::holds_alternative<link::warm_stop>(what))
            lines.push_back("warm_stop");
    }
    void drop(std::uint64_t worker) override { dropped.push_back(worker); }
    void publish(const std::string& group, std::string data, std::string key,
                 std::function<void(result<void>)> done) override {
        published.push_back(group + " " + key + " " + data);
        if (done) done(publish_fails ? result<void>(fail(errc::busy)) : result<void>());
    }
    void queues_are(std::vector<queue_view>&& all) override { figures = std::move(all); }
    void touched() override { touched_now = true; }
    job_time now() const override { return time; }
    double dice() override { return 0.5; }

    // -- The store
    job_answer answer_to(const job_request& request) {
        return std::visit(
            [&](const auto& each) -> job_answer {
                if constexpr (requires { this->apply(each); }) return this->apply(each);
                return fail(errc::not_available);
            },
            request);
    }
    job_answer apply(const job_commands::enqueue& what) {
        if (!what.schedule.empty()) {
            auto& known = stored.at(what.schedule);
            if (known.last_fire_ms >= what.fire_ms) return job_value(enqueued{{}, true});
            known.last_fire_ms = what.fire_ms;
            ++known.fired;
            known.unfinished += what.jobs.size();
        }
        for (const auto& each : what.jobs) {
            auto& made = jobs[each->id];
            made.spec = each;
            if (!what.schedule.empty()) fired_by[each->id] = what.schedule;
            if (each->countdown_ms != 0) {
                made.state = job_state::scheduled;
                made.due_ms = what.now.elapsed_ms + each->countdown_ms;
            }
        }
        return job_value(enqueued{what.answers, false});
    }
    job_answer apply(const job_commands::offer& what) {
        offers[what.worker_id].first += what.jobs;
        offers[what.worker_id].second = what.worker;
        return job_value();
    }
    job_answer apply(const job_commands::withdraw& what) {
        offers.erase(what.worker_id);
        return job_value();
    }
    job_answer apply(const job_commands::started&) {
        ++started;
        return job_value();
    }
    kept* leased(const job_lease& which) {
        const auto found = jobs.find(which.job);
        if (found == jobs.end() || found->second.state != job_state::leased ||
            found->second.token != which.token)
            return nullptr;
        return &found->second;
    }
    void over(kept& which, job_state state) {
        if (which.cancelled) state = job_state::revoked;
        which.state = state;
        ++which.ends;
        effects.ended.push_back({which.spec, state, which.retries, 0, 0, ""});
        if (const auto by = fired_by.find(which.spec->id); by != fired_by.end())
            --stored.at(by->second).unfinished;
        if (!which.spec->notify_group.empty())
            effects.news.push_back({++news, which.spec->notify_group, "{\"id\":\"" + which.spec->id + "\"}"});
    }
    void back(kept& which) {
        if (which.cancelled) return over(which, job_state::revoked);
        which.state = job_state::ready;
        which.worker = which.token = 0;
    }
    job_answer apply(const job_commands::succeed& what) {
        auto* which = leased(what.which);
        if (which == nullptr) return fail(errc::stale_lease);
        results[what.which.job] = what.result;
        over(*which, job_state::success);
        return job_value();
    }
    job_answer apply(const job_commands::fail& what) {
        using verdict = job_commands::fail::verdict;
        auto* which = leased(what.which);
        if (which == nullptr) return fail(errc::stale_lease);
        errors[what.which.job] = what.error.type;
        if (what.what == verdict::handed_back) {
            back(*which);
            return job_value();
        }
        if ((what.what == verdict::retry || what.what == verdict::requeued) && !which->cancelled) {
            which->retries += what.what == verdict::retry;
            which->state = job_state::scheduled;
            which->due_ms = what.now.elapsed_ms + what.retry_after_ms;
        } else {
            over(*which, what.what == verdict::rejected  ? job_state::rejected
                         : what.what == verdict::ignored ? job_state::ignored
                                                         : job_state::failure);
        }
        return job_value();
    }
    job_answer apply(const job_commands::lose& what) {
        std::uint64_t count = 0;
        for (const auto& each : what.which) {
            auto* which = leased(each);
            if (which == nullptr) continue;
            ++count;
            if (!what.counted && which->spec->late_ack) {
                back(*which);
                continue;
            }
            if (++which->losses >= what.most_losses || what.dead || !which->spec->late_ack)
                over(*which, job_state::failure);
            else
                back(*which);
        }
        return job_value(count);
    }
    job_answer apply(const job_commands::checkpoint& what) {
        auto* which = leased(what.which);
        if (which == nullptr) return fail(errc::stale_lease);
        which->checkpoint = what.data;
        return job_value();
    }
    job_answer apply(const job_commands::cancel& what) {
        std::uint64_t count = 0;
        for (const auto& id : what.jobs) {
            auto& which = jobs.at(id);
            if (is_over(which.state)) continue;
            ++count;
            if (which.state == job_state::leased) {
                which.cancelled = true;
                effects.cancelled.push_back({id, which.token});
            } else {
                over(which, job_state::revoked);
            }
        }
        return job_value(count);
    }
    job_answer apply(const job_commands::tick& what) {
        for (auto& [id, each] : jobs)
            if (each.state == job_state::scheduled && each.due_ms <= what.now.elapsed_ms) back(each);
        return job_value();
    }
    job_answer apply(const job_commands::put_schedule& what) {
        auto& into = stored[what.name];
        if (into.name.empty()) into.last_fire_ms = what.from_ms;
        into.name = what.name;
        into.json = what.json;
        into.source = what.source;
        return job_value();
    }
    job_answer apply(const job_commands::remove_schedule& what) {
        return job_value(stored.erase(what.name) != 0);
    }
    job_answer apply(const job_commands::skip_fire& what) {
        stored.at(what.name).skipped += what.count;
        return job_value();
    }
    job_answer apply(const job_commands::told& what) {
        told_news.insert(what.news.begin(), what.news.end());
        return job_value();
    }
    job_answer apply(const job_queries::find& what) {
        const auto found = jobs.find(what.job);
        if (found == jobs.end()) return fail(errc::not_found, what.job);
        job_view view;
        view.spec = *found->second.spec;
        view.state = found->second.state;
        view.retries = found->second.retries;
        view.losses = found->second.losses;
        return job_value(std::make_shared<job_view>(std::move(view)));
    }
    job_answer apply(const job_queries::queues&) {
        queue_view all;
        all.name = "default";
        for (const auto& [id, each] : jobs) all.ready += each.state == job_state::ready;
        return job_value(std::vector<queue_view>{all});
    }
    job_answer apply(const job_queries::schedules&) {
        std::vector<stored_schedule> all;
        for (const auto& [name, each] : stored) all.push_back(each);
        return job_value(std::move(all));
    }

    // What was offered gets jobs; effects go out.
    void commit() {
        for (auto& [worker, offer] : offers)
            for (auto& [id, each] : jobs) {
                if (offer.first == 0) break;
                if (each.state != job_state::ready) continue;
                --offer.first;
                each.state = job_state::leased;
                each.token = ++tokens;
                each.worker = worker;
                each.worker_name = offer.second;
                job_assignment made;
                made.worker_id = worker;
                made.token = each.token;
                made.spec = each.spec;
                made.retries = each.retries;
                made.losses = each.losses;
                made.checkpoint = each.checkpoint;
                effects.assigned.push_back(std::move(made));
            }
        effects.next = {INT64_MAX, INT64_MAX};
        for (const auto& [id, each] : jobs)
            if (each.state == job_state::scheduled)
                effects.next.elapsed_ms = std::min(effects.next.elapsed_ms, each.due_ms);
        auto out = std::exchange(effects, {});
        desk->see(std::move(out));
    }
    // Answers the submission at that place.
    void answer(std::size_t at = 0) {
        auto [batch, how] = submitted.at(at);
        submitted.erase(submitted.begin() + static_cast<std::ptrdiff_t>(at));
        std::vector<job_answer> answers;
        for (const auto& each : batch->requests)
            answers.push_back(refusing ? job_answer(fail(errc::busy)) : answer_to(each));
        if (!refusing) commit();
        desk->complete(*batch, std::move(answers));
    }
    void turn() {
        touched_now = false;
        desk->flush();
    }
    void begin(std::vector<standing_schedule> declared = {}) {
        desk->start(std::move(declared));
        restart();
        settle();
    }
    void restart() {
        offers.clear();
        job_effects first;
        first.restarted = true;
        for (const auto& [id, each] : jobs)
            if (each.state == job_state::leased)
                first.held.push_back({{id, each.token}, each.worker_name, each.worker});
        desk->see(std::move(first));
    }
    void settle() {
        for (int i = 0; i < 1000; ++i) {
            turn();
            if (submitted.empty()) return;
            while (!submitted.empty()) answer();
        }
        FAIL() << "the desk does not come to rest";
    }
    void pass(std::int64_t ms) {
        while (ms > 0) {
            const auto step = std::min<std::int64_t>(ms, 50);
            time.wall_ms += step;
            time.elapsed_ms += step;
            ms -= step;
            desk->tick();
            settle();
        }
    }

    // -- What tests ask
    std::uint64_t worker(std::uint32_t concurrency = 1, std::uint32_t prefetch = 1,
                         std::vector<std::pair<std::string, std::uint64_t>> holds = {}) {
        link::hello who;
        who.name = "host:" + std::to_string(++workers);
        who.concurrency = concurrency;
        who.prefetch = prefetch;
        who.holds = std::move(holds);
        desk->arrived(workers, std::move(who), job_desk::where::process);
        return workers;
    }
    std::string enqueue(job_spec spec = {}) {
        if (spec.id.empty()) spec.id = "j" + std::to_string(++ids);
        if (spec.task.empty()) spec.task = "t";
        const auto id = spec.id;
        enqueue_plan plan;
        plan.answers.push_back({id, false, {id}});
        plan.jobs.push_back(std::make_shared<const job_spec>(std::move(spec)));
        desk->enqueue(std::move(plan), "", {}, [this](result<enqueued> got) {
            outcomes.push_back(got ? got->jobs.at(0).id : std::string(describe(got.error().code).name));
        });
        return id;
    }
    void end(std::uint64_t worker, std::uint64_t token,
             link::ended::outcome what = link::ended::outcome::success, std::string type = "E") {
        link::ended how;
        how.token = token;
        how.what = what;
        how.result = "1";
        how.error.type = what == link::ended::outcome::success ? "" : type;
        desk->said(worker, std::move(how));
    }
    std::uint64_t token_of(const std::string& job) const { return jobs.at(job).token; }
    job_state state_of(const std::string& job) const { return jobs.at(job).state; }

    options settings;
    planning with{*this, {}, 1 << 20, 10'000, 31'536'000'000, 86'400'000, {}};
    std::map<std::string, task_options, std::less<>> known;
    metrics_shard counts;
    job_time time{1'700'000'000'000, 1'700'000'000'000};

    std::map<std::string, kept> jobs;
    std::map<std::string, std::string> results, errors, fired_by;
    std::map<std::string, stored_schedule> stored;
    std::map<std::uint64_t, std::pair<std::uint32_t, std::string>> offers;
    std::set<std::uint64_t> told_news;
    job_effects effects;
    std::uint64_t tokens = 0, news = 0, workers = 1;
    int ids = 0, started = 0;
    bool refusing = false, publish_fails = false, touched_now = false;

    std::deque<submission> submitted;
    std::vector<std::pair<std::uint64_t, job_assignment>> given;
    std::map<std::uint64_t, std::vector<std::string>> said_to;
    std::set<std::pair<std::uint64_t, std::uint64_t>> confirmed;
    std::vector<std::uint64_t> dropped;
    std::vector<std::string> published, outcomes;
    std::vector<queue_view> figures;
    std::unique_ptr<job_desk> desk;
};

}  // namespace madang::test
