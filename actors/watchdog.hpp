// Looks once a second whether a loop is stuck in a handler, and says so while it is: a handler's own time is
// only known when it returns.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace madang {

class asio_loop;

// A thread of its own from construction to destruction; the loops outlive it.
class watchdog {
  public:
    explicit watchdog(std::vector<const asio_loop*> loops);
    ~watchdog();

  private:
    void run();

    std::vector<const asio_loop*> loops_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool end_ = false;
    std::thread thread_;
};

}  // namespace madang
