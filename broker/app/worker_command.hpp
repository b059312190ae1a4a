// madang worker: a worker process against a server on this machine, or a node of a cluster elsewhere
// (--join).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/core/configuration.hpp"

namespace CLI {
class App;
}

namespace madang {

struct worker_command {
    option_values values;
    std::vector<std::string> queues;  // over --worker-queue
    std::string concurrency;          // over --workers
    std::string autoscale;            // over --worker-autoscale
    std::string name;                 // "": HOST:PID
    std::int32_t parent = 0;          // ends with that process; 0: by itself
};

// Adds `worker` to `app`; `into` must outlive it. Returns the sub-command.
CLI::App* add_worker_command(CLI::App& app, worker_command& into);
// Until it is told to stop. The exit code: 0, 1 when the server could not be told everything, 2 when it was
// asked wrongly.
int run_worker(worker_command what);

}  // namespace madang
