// The worker process that `madang serve` starts with itself: `madang worker` with the server's options. Made
// anew when it ends, at once and then after ever longer pauses of at most 1 s while it keeps ending. When
// this process dies, however it does, the kernel ends the worker.
#pragma once

#include <memory>
#include <string>

#include "broker/core/options.hpp"

namespace madang {

struct own_worker_settings {
    options settings;    // as resolved; secrets are not handed on
    std::string config;  // path of the file they came from, for its [plugin.*] and [namespace.*]; "": none
    std::string socket;  // where the server listens for workers
    std::string binary = "/proc/self/exe";
};

// One thread calls.
class own_worker {
  public:
    explicit own_worker(own_worker_settings settings);
    ~own_worker();  // kills it

    void start();
    // Warm: it finishes what it runs, and is not made anew.
    void begin_stop();
    bool ended() const;  // after begin_stop
    int pid() const;     // 0: none just now

  private:
    class parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace madang
