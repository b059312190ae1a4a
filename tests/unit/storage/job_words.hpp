// Commands of the jobs' shard in few words.
#pragma once

#include <cstdio>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "storage/job_command.hpp"
#include "tests/support/store_world.hpp"

namespace madang::test {

namespace jc = job_commands;
namespace jq = job_queries;

inline job_time at(std::int64_t ms) { return {noon + ms, 1000 + ms}; }

inline job_spec spec(std::string id, std::string queue = "q", int priority = 0) {
    job_spec what;
    what.id = std::move(id);
    what.task = "t.run";
    what.queue = std::move(queue);
    what.priority = static_cast<std::uint8_t>(priority);
    what.root = what.id;
    what.enqueued_ms = noon;
    return what;
}
// A UUID of version 7.
inline std::string made_id(std::int64_t unix_ms, unsigned count = 0) {
    char text[37];
    std::snprintf(text, sizeof text, "%08llx-%04llx-7%03x-8000-000000000000",
                  static_cast<unsigned long long>(unix_ms >> 16),
                  static_cast<unsigned long long>(unix_ms & 0xffff), count & 0xfff);
    return text;
}
inline jc::enqueue enqueue(std::vector<job_spec> specs, job_time now = at(0)) {
    jc::enqueue what;
    for (auto& each : specs) what.jobs.push_back(std::make_shared<const job_spec>(std::move(each)));
    what.now = now;
    return what;
}
inline jc::offer offer(std::uint64_t worker, std::uint32_t jobs, std::vector<std::string> queues = {},
                       job_time now = at(0), bool in_process = false) {
    return {"w" + std::to_string(worker), worker, std::move(queues), in_process, jobs, now};
}
inline jc::succeed succeed(job_lease which, std::string result = "1", job_time now = at(0)) {
    return {std::move(which), std::move(result), now};
}
inline jc::fail failed(job_lease which, jc::fail::verdict what, std::int64_t after_ms = 0,
                       job_time now = at(0)) {
    return {std::move(which), {"Oops", "it broke", "trace"}, what, after_ms, now};
}

// A store whose effects are gathered as they come.
class job_listener {
  public:
    void take(job_effects&& what) {
        const std::lock_guard lock(lock_);
        for (auto& each : what.assigned) all_.assigned.push_back(std::move(each));
        for (auto& each : what.cancelled) all_.cancelled.push_back(std::move(each));
        for (auto& each : what.news) all_.news.push_back(std::move(each));
        for (auto& each : what.ended) all_.ended.push_back(std::move(each));
        if (what.restarted) {
            all_.restarted = true;
            all_.held = std::move(what.held);
        } else
            all_.held.insert(all_.held.end(), what.held.begin(), what.held.end());
        all_.next = what.next;
    }
    job_effects taken() {  // since the last time
        const std::lock_guard lock(lock_);
        auto result = std::exchange(all_, {});
        all_.next = result.next;
        return result;
    }

  private:
    std::mutex lock_;
    job_effects all_;
};

// All answers of one batch.
inline std::vector<job_answer> ask_jobs(store& of, std::vector<job_request> what,
                                        durability how = durability::buffered) {
    std::promise<std::vector<job_answer>> promise;
    auto future = promise.get_future();
    of.submit_jobs(std::move(what), how,
                   [&](std::vector<job_answer> got) { promise.set_value(std::move(got)); });
    if (future.wait_for(std::chrono::minutes(1)) != std::future_status::ready)
        throw std::runtime_error("the store does not answer");
    return future.get();
}
inline job_answer ask_job(store& of, job_request what, durability how = durability::buffered) {
    std::vector<job_request> batch;
    batch.push_back(std::move(what));
    return std::move(ask_jobs(of, std::move(batch), how).at(0));
}
template <class T>
T job_as(job_answer got) {
    auto value = std::move(got).value();  // throws failure
    if constexpr (std::is_same_v<T, job_view>)
        return *std::get<std::shared_ptr<job_view>>(value);
    else
        return std::get<T>(std::move(value));
}

}  // namespace madang::test
