// What the test kit keeps of tasks, jobs and workflows. madang_job, as the kit has it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "madang/jobs.h"
#include "madang/testing/duration.hpp"

namespace madang::testing {

// What is known of a job.
struct TestJob {
    std::string id, task, queue = "default";
    std::string state = "PENDING";  // Celery's word, as GET /api/jobs/{id} says it
    nlohmann::json args = nlohmann::json::array(), kwargs = nlohmann::json::object(), headers;
    nlohmann::json result;
    std::string error_type, error;  // the last one
    std::vector<nlohmann::json> progress;
    std::string checkpoint, correlation_id, parent, root, notify_group;
    int priority = 0;
    int retries = 0;           // attempts that failed and were made again
    std::uint64_t due_ms = 0;  // on the kit's clock
    bool waits = false;        // for a job before it
    bool over() const {
        return state == "SUCCESS" || state == "FAILURE" || state == "REVOKED" || state == "REJECTED" ||
               state == "IGNORED";
    }
};

namespace detail {

using nlohmann::json;

struct Place {  // in a barrier
    std::size_t barrier = SIZE_MAX;
    std::size_t index = 0;
};
struct KitTask {
    json options;
    madang_task_handler handler;
    void* context;
};
struct KitJob {  // madang_job, while it runs
    TestJob known;
    json signature;
    std::uint64_t sequence = 0, enqueued_ms = 0;  // order and time of its enqueue
    std::vector<std::string> next, on_error;
    Place part_of;
    bool immutable = false;
    std::optional<std::uint64_t> expires_ms;
    std::string unique;
    bool runs = false;
    madang_job_stop stop = MADANG_JOB_GO_ON;
    std::optional<std::pair<madang_job_end, json>> end;  // and its texts
    std::map<int, std::string> fields;                   // as the ABI hands them out
    std::vector<std::function<void()>> waiters;          // for its end
    void* engine = nullptr;
};
struct Barrier {
    std::vector<json> results;
    std::size_t missing = 0;
    std::vector<std::string> bodies;
    Place part_of;
    std::optional<std::pair<std::size_t, std::string>> failed;  // the first in the header's order
};
// Why an enqueue was refused.
struct Refusal {
    std::uint32_t code;
    std::string message;
};

}  // namespace detail
}  // namespace madang::testing
