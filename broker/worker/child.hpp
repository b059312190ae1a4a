// A worker's child process: runs the jobs that its worker gives it, one at a time, on its main thread. A
// second thread reads the worker's frames, so that a running job learns that it should stop and gets its
// answers.
//
// From the worker: run, answer; stop, for the job that runs; told (stale): the job goes back unless it has
// begun. To the worker: began, ended, progress, checkpoint, call. It ends when the worker closes the socket
// and nothing is left to do; when the worker dies the kernel ends it.
#pragma once

#include <cstddef>

#include "broker/worker/child_ports.hpp"
#include "plugins/host/task_table.hpp"

namespace madang {

struct child_limits {
    std::size_t result_bytes = 1 << 20;  // more: the job fails, ResultTooLarge
    std::size_t checkpoint_bytes = 4 << 20;
};

// In a fresh process with one thread. `socket`: a stream, blocking. Does not return: _exit(0), or 70 when the
// worker said what cannot be understood.
[[noreturn]] void run_child(int socket, const task_table& tasks, child_ports& ports,
                            const child_limits& limits);

}  // namespace madang
