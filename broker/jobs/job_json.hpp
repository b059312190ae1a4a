// What is told about jobs, as JSON: for the HTTP API, plugins and news.
#pragma once

#include <string>

#include "broker/core/jobs.hpp"

namespace madang {

std::string to_json(const enqueued& what);
std::string to_json(const job_view& what, bool details);  // details: arguments, attempts, headers
std::string to_json(const job_page& what);
std::string to_json(const queue_view& what);
std::string to_json(const worker_view& what);
std::string to_json(const schedule_view& what);
std::string to_json(const task_options& what);

}  // namespace madang
