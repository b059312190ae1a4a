// Plugins' tasks, and how one attempt of a job runs: by a worker's child process, or by a thread of the
// server's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/jobs.hpp"
#include "broker/jobs/task_options.hpp"
#include "broker/jobs/worker_link.hpp"
#include "madang/jobs.h"

namespace madang {

class plugin;

// What an attempt needs of who runs it: the madang_job of the ABI. Any thread while the attempt runs.
class attempt_port {
  public:
    virtual std::string_view get(madang_job_field what) const = 0;
    virtual std::int64_t number(madang_job_number what) const = 0;
    virtual madang_job_stop stop() const = 0;
    virtual madang_job_stop wait_stop(std::chrono::milliseconds longest) const = 0;
    virtual madang_status progress(std::string_view json) = 0;
    virtual madang_status checkpoint(std::string_view data) = 0;

  protected:
    ~attempt_port() = default;
};

struct attempt_end {
    madang_job_outcome outcome = MADANG_JOB_FAILURE;
    std::string json;
    job_error error;
    std::int64_t after_ms = -1;
};
// As whoever runs the job says it, without the times that it took.
link::ended ended_as(std::uint64_t token, attempt_end&& how);

// Filled while plugins are loaded; any thread afterwards. Addresses are stable.
class task_table final : public task_directory {
  public:
    // MADANG_INVALID with why in `error`.
    madang_status add(plugin& owner, std::string_view name, std::string_view options,
                      madang_task_handler handler, void* context, std::string& error,
                      std::uint32_t number = 0);
    void remove(const plugin& owner);  // of a plugin that did not start

    const task_options* find(std::string_view task) const override;
    std::vector<task_options> all() const;

    // Here and now, on this thread. What the task forgot or got wrong is a failure (error.type "TaskError");
    // a task that is not there: "NotRegistered".
    attempt_end run(std::string_view task, attempt_port& attempt) const;
    // The attempt that runs on this thread; null: none.
    static const attempt_port* current() noexcept;

  private:
    struct entry {
        task_options options;
        plugin* owner;
        madang_task_handler handler;
        void* context;
    };
    std::map<std::string, entry, std::less<>> tasks_;
};

}  // namespace madang
