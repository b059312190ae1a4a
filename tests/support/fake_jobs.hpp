// A job_port that writes down what it was asked and answers what a test says.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "broker/core/jobs.hpp"

namespace madang::testing {

class fake_jobs final : public job_port {
  public:
    std::vector<enqueue_request> enqueued_requests;
    std::vector<std::tuple<std::vector<std::string>, std::string>> cancelled;  // ids, reason
    std::vector<std::pair<std::string, std::chrono::milliseconds>> looked_for;
    std::vector<job_filter> filters;
    std::vector<std::vector<std::string>> requeued, discarded;
    std::vector<std::pair<std::string, bool>> paused;
    std::vector<std::string> purged, removed;
    std::vector<std::pair<std::string, std::string>> put;
    std::vector<std::tuple<std::string, std::string, std::size_t>> asked_next;
    std::vector<job_view> known;
    std::optional<error> refuse;  // every answer, once set

    void enqueue(enqueue_request what, answer<enqueued> done) override {
        enqueued answer;
        for (std::size_t i = 0; i < what.jobs.size(); ++i)
            answer.jobs.push_back({"j" + std::to_string(i + 1), false, {}});
        enqueued_requests.push_back(std::move(what));
        tell(done, std::move(answer));
    }
    void cancel(std::vector<std::string> ids, std::string reason, answer<std::size_t> done) override {
        const auto count = ids.size();
        cancelled.emplace_back(std::move(ids), std::move(reason));
        tell(done, count);
    }
    void find(std::string id, std::chrono::milliseconds wait, answer<job_view> done) override {
        looked_for.emplace_back(id, wait);
        for (const auto& each : known)
            if (each.spec.id == id) return tell(done, each);
        done(fail(errc::not_found, "job"));
    }
    void list(job_filter what, answer<job_page> done) override {
        filters.push_back(std::move(what));
        tell(done, job_page{known, "next"});
    }
    void requeue(std::vector<std::string> ids, answer<std::size_t> done) override {
        requeued.push_back(std::move(ids));
        tell(done, std::size_t{3});
    }
    void discard(std::vector<std::string> ids, answer<std::size_t> done) override {
        discarded.push_back(std::move(ids));
        tell(done, std::size_t{4});
    }
    void queues(answer<std::vector<queue_view>> done) override {
        queue_view one;
        one.name = "default";
        one.ready = 7;
        tell(done, std::vector<queue_view>{one});
    }
    void pause(std::string queue, bool on, answer<bool> done) override {
        paused.emplace_back(std::move(queue), on);
        tell(done, !on);
    }
    void purge(std::string queue, answer<std::size_t> done) override {
        purged.push_back(std::move(queue));
        tell(done, std::size_t{5});
    }
    void workers(answer<std::vector<worker_view>> done) override { tell(done, std::vector<worker_view>(1)); }
    void tasks(answer<std::vector<task_options>> done) override { tell(done, std::vector<task_options>(1)); }
    void schedules(answer<std::vector<schedule_view>> done) override {
        tell(done, std::vector<schedule_view>(1));
    }
    void put_schedule(std::string name, std::string json, answer<schedule_view> done) override {
        schedule_view one;
        one.name = name;
        one.json = json;
        put.emplace_back(std::move(name), std::move(json));
        tell(done, one);
    }
    void remove_schedule(std::string name, answer<bool> done) override {
        const bool there = name == "nightly";
        removed.push_back(std::move(name));
        tell(done, there);
    }
    void next_fires(std::string name, std::string json, std::size_t count,
                    answer<std::vector<std::int64_t>> done) override {
        asked_next.emplace_back(std::move(name), std::move(json), count);
        tell(done, std::vector<std::int64_t>{1000, 2000});
    }

    bool hold = false;  // answers wait until answer_held
    void answer_held() {
        for (auto& each : std::exchange(held_, {})) each();
    }

  private:
    std::vector<std::function<void()>> held_;
    template <class T>
    void tell(const answer<T>& done, T value) {
        if (!done) return;
        auto answer = [done, said = refuse ? result<T>(*refuse) : result<T>(std::move(value))] {
            done(said);
        };
        if (!hold) return answer();
        held_.emplace_back(std::move(answer));
    }
};

}  // namespace madang::testing
