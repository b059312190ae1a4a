// From what somebody asks to have done to the jobs that are stored: signatures and workflows are checked,
// with their tasks' options, and cut into jobs that know who follows them. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/jobs.hpp"
#include "broker/jobs/task_options.hpp"

namespace madang {

struct planning {
    const task_directory& tasks;
    std::vector<std::pair<std::string, std::string>> routes;  // task pattern, queue; the first that fits
    std::size_t args_bytes = 1 << 20;
    std::size_t bulk = 10'000;
    std::int64_t delay_ms = 31'536'000'000;  // countdown, eta and expires are at most so far ahead
    std::int64_t result_ms = 86'400'000;     // of tasks that do not say how long
    std::function<std::string()> new_id;
    bool repeated = false;  // a schedule's: nothing in it may be good for one of its fires only
};

struct enqueue_plan {
    std::vector<std::shared_ptr<const job_spec>> jobs;
    std::vector<barrier_spec> barriers;
    std::vector<enqueued_job> answers;  // one per requested signature or workflow
};

// What a request's JSON has: the elements of an array, else itself, whatever it is. Nothing: an array that is
// none.
std::optional<std::vector<std::string>> requested_jobs(std::string_view json);

// Errors: unknown_task, too_large, limit_exceeded, bad_request, each with the member's path:
// "[2].chain[0].kwargs.size: …", "id: used twice"; the first index is left out when the request is one job.
// There are no cycles: followers are written inside of what they follow.
result<enqueue_plan> plan_enqueue(const enqueue_request& what, std::int64_t now_ms, const planning& with);

// "a.*=b" -> {"a.*", "b"}
result<std::vector<std::pair<std::string, std::string>>> parse_job_routes(
    const std::vector<std::string>& texts);
// invalid_option: no queue can have one of these names.
result<void> check_worker_queues(const std::vector<std::string>& names);

}  // namespace madang
