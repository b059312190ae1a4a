// job, queue and schedule: what a person asks of a running server's jobs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace madang {

struct job_command_values {
    std::string chosen;  // "job enqueue", …; "": none of them
    std::string url = "http://127.0.0.1:8001";
    std::string key;
    bool json = false;  // the answer as it came

    std::string name;  // a task, a queue, a schedule
    std::vector<std::string> ids;
    std::string args, kwargs, headers, queue, countdown, eta, expires, id, unique, unique_for,
        soft_time_limit, time_limit, notify_user, notify_group, idempotency_key;
    std::vector<std::string> link, link_error;  // tasks, or JSON of signatures or workflows
    std::string workflow;                       // JSON, instead of a task
    std::string durability, wait, reason, state, task, text, after, definition;
    int priority = -1;
    bool dead = false, all = false, ignore_result = false;
    std::uint32_t limit = 20, count = 5;
};

// Adds the sub-commands; parsing sets `chosen`. `into` outlives `app`.
void add_job_commands(CLI::App& app, job_command_values& into);
// The exit code: 0, 1 when it failed (also: a job that was waited for did not succeed), 2 when it was asked
// wrongly.
int run_job_command(const job_command_values& values);

}  // namespace madang
