// The worker process: children, the connection to the server, signals. One thread, because it forks; what it
// decides is worker_core's.
//
// SIGTERM, SIGINT: finish what runs, hand back the rest, go; the second one, and SIGQUIT: kill the children.
// While the server is away the children go on, and how their jobs ended is kept.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/worker/child.hpp"
#include "broker/worker/worker_core.hpp"

namespace madang {

struct worker_settings {
    std::string socket;  // path of the server's, the cookie is in `socket`.cookie; or where `connect` leads
    // In place of the socket, without a cookie: a connected one; -1: it will not be any more, and the worker
    // ends. Its own descriptor is closed in children.
    std::function<int()> connect = {};
    int connects_by = -1;
    std::string name;  // HOST:PID
    std::vector<std::string> queues;
    worker_limits limits;
    child_limits child;
    // After the last child: until the server has confirmed how the jobs ended.
    std::chrono::milliseconds farewell{10'000};
};

class worker {
  public:
    // `tasks`, `ports`: of plugins that are loaded; outlive this. Takes SIGTERM, SIGINT, SIGQUIT and SIGCHLD
    // of the process until it is destroyed. Throws std::system_error.
    worker(worker_settings settings, const task_table& tasks, child_ports& ports);
    ~worker();  // kills the children that there are

    // Until it was told to stop. False: the server was not told everything.
    bool run();
    // It was the server that told it, which goes.
    bool retired() const noexcept;

  private:
    class parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace madang
