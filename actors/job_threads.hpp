// The worker that is the server's own threads: tasks that ask to run in its process.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "broker/core/clock.hpp"
#include "broker/jobs/worker_link.hpp"
#include "plugins/host/task_table.hpp"
#include "storage/job_command.hpp"

namespace madang {

class tracer;

// A soft limit shows as a reason to stop; a hard limit and a cancel's kill cannot end a thread.
class job_threads {
  public:
    // `say` is called on the threads, and empties what it is given. All outlive it. `by` null: nothing is
    // traced.
    job_threads(const task_table& tasks, const clock_source& clock, std::size_t count,
                std::function<void(std::vector<link::from_worker>&)> say, tracer* by = nullptr);
    ~job_threads();

    // -- Any thread
    void run(std::vector<job_assignment>& batch);  // empties it
    void tell(const link::from_server& what);
    // Nothing more is begun; what runs is told to stop, and is handed back like what waits, to be begun again
    // by the next server. False: it did not end in time.
    bool stop(std::chrono::milliseconds deadline);

    // Jobs given to each thread ahead: a hand-over takes some 100 us, a light task a few.
    static constexpr std::uint32_t prefetch = 64;

  private:
    class attempt;
    void work();
    link::ended run_one(const job_assignment& what, attempt& as);
    void hand_back(std::vector<link::from_worker>& into);  // what waits; with the lock

    const task_table& tasks_;
    const clock_source& clock_;
    const std::function<void(std::vector<link::from_worker>&)> say_;
    tracer* const tracer_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::condition_variable told_;  // to the attempts: a stop, a checkpoint's answer
    std::deque<job_assignment> waiting_;
    std::unordered_map<std::uint64_t, attempt*> running_;  // by token
    std::uint64_t last_call_ = 0;
    bool stopping_ = false;
    std::size_t ended_ = 0;  // threads
    std::vector<std::thread> threads_;
};

}  // namespace madang
