// What a plugin says of its task, from JSON with Celery's option names.
#pragma once

#include <string_view>

#include "broker/core/jobs.hpp"

namespace madang {

// Who knows the tasks. Any thread once the server runs.
class task_directory {
  public:
    virtual const task_options* find(std::string_view task) const = 0;  // null: there is none

  protected:
    ~task_directory() = default;
};

// `json`: an object, or "". Errors: bad_request naming the option ("time_limit: must be longer than
// soft_time_limit").
result<task_options> parse_task_options(std::string_view name, std::string_view json);

}  // namespace madang
