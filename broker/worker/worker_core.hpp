// What a worker does with its jobs and children: who runs what, when limits are due, how many children there
// are, what the server is told. No I/O and no clock: it is told what happened, with the time, and says what
// to do through `worker_port`.
//
// A job goes from `run` to `ended`, and is remembered until the server has said `told`. While a child runs a
// short job it is given its next ones; those are called back as soon as the job turns out long. How many the
// server gives follows from how long they take (job_window); what is too many by then goes back to it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/jobs/job_window.hpp"
#include "broker/jobs/worker_link.hpp"

namespace madang {

using child_id = std::uint32_t;  // never used twice

// What the core wants done. Nothing may call the core from within.
class worker_port {
  public:
    virtual void fork(child_id child) = 0;
    virtual void give(child_id child, const link::run& job) = 0;
    virtual void stop(child_id child, std::uint64_t token, link::stop::how how) = 0;
    virtual void call_back(child_id child, std::uint64_t token) = 0;  // handed back unless it has begun
    virtual void retire(child_id child) = 0;                          // it has nothing to do: it may go
    virtual void kill(child_id child) = 0;
    virtual void tell(const link::from_worker& what) = 0;

  protected:
    ~worker_port() = default;
};

struct worker_limits {
    std::uint32_t least = 1, most = 1;  // children; different: as many as there are jobs
    std::uint32_t prefetch = 4;         // jobs per child that the server gives, at most
    std::uint32_t max_tasks = 0;        // jobs of one child; 0: no limit
    std::size_t max_memory = 0;         // bytes of one child after a job; 0: no limit
};

// One thread.
class worker_core {
  public:
    using time = std::chrono::steady_clock::time_point;
    enum class stopping : std::uint8_t { no, warm, cold };

    static constexpr std::chrono::milliseconds short_job{5};
    // A job that waits longer for a child gets one more, if there may be more.
    static constexpr std::chrono::milliseconds patience{50};
    // A child above the least that has nothing to do so long goes.
    static constexpr std::chrono::seconds idle{30};
    // After a child died before its first job, until the next one is made; doubled each time.
    static constexpr std::chrono::milliseconds first_pause{100};
    static constexpr std::chrono::milliseconds longest_pause{1'000};
    static constexpr std::uint32_t most_ahead = 16;

    worker_core(const worker_limits& limits, worker_port& port)
        : limits_(limits), port_(port), target_(limits.least), window_(limits.prefetch) {}

    void start(time now) { fork_missing(now); }

    // ---- The server. Until it is connected, and after `disconnected`, it is told nothing.
    std::vector<std::pair<std::string, std::uint64_t>> holds() const;  // for hello
    void connected();  // told again: what runs, and what ended and was not confirmed
    void disconnected() { connected_ = false; }
    void run(link::run what, time now);
    void stop(const link::stop& what, time now);
    void told(const link::told& what);

    // ---- Children, in the order in which they said it
    void began(child_id child, const link::began& what, time now);
    void ended(child_id child, link::ended how, std::size_t resident, time now);  // bytes; 0: not looked at
    void progress(link::progress what);
    // `why`: "SIGSEGV", "exit code 1".
    void gone(child_id child, std::uint32_t pid, const std::string& why, time now);

    // ---- The worker
    void warm_stop();
    void cold_stop();
    void on_time(time now);
    time next() const;  // when on_time is of use; time::max(): not before something else happens
    // Says what began and how far it is, of what is not over yet: after each round of the above.
    void flush();

    std::uint32_t target() const noexcept { return target_; }
    // Jobs per child that the server gives now. Where there may be more children: so that one waits.
    std::uint32_t prefetch() const noexcept {
        return std::max(window_.jobs(), target_ < limits_.most ? 2u : 1u);
    }
    stopping ending() const noexcept { return stopping_; }
    bool no_children() const noexcept { return children_.empty(); }
    bool done() const noexcept { return children_.empty() && jobs_.empty(); }  // and the server knows

  private:
    enum class place : std::uint8_t { waiting, given, begun, over };
    struct job {
        link::run spec;
        place where = place::waiting;
        child_id child = 0;
        std::uint32_t pid = 0;
        time since{};  // waiting, given: came; begun: began
        time soft = time::max(), hard = time::max();
        bool began_told = false;
        bool called_back = false;
        int stop = -1;          // the highest link::stop::how that was asked for
        bool unwanted = false;  // the lease is another's
        bool is_long = false;   // has run for job_window::ahead
        std::string progress;
        link::ended end;
    };
    enum class kill_reason : std::uint8_t { none, limit, cancel, cold };
    struct child {
        std::deque<std::uint64_t> jobs;  // given, in that order; the first may have begun
        std::uint32_t taken = 0;         // jobs so far
        bool began = false;              // any of them
        bool leaving = false;            // is given nothing more
        bool retired = false;
        kill_reason killed = kill_reason::none;
        std::uint64_t killed_for = 0;  // the job
        const char* why = "";          // it leaves: a reason of madang_job_child_restarts_total
        time since{};                  // idle
    };

    void assign(time now);
    child_id taker(time now);  // 0: nobody
    void fork_missing(time now);
    void leave(child_id id, child& which, const char* why);
    void kill(child_id id, child& which, kill_reason why, std::uint64_t job);
    void call_back(child_id id, child& which);
    void hand_back(job& which);
    void finish(job& which, link::ended how);
    void forget(std::uint64_t token);
    void lost(job& which, const child& by, const std::string& why);
    void wait_again(std::uint64_t token, job& which);
    void apply_stop(job& which);
    void tell_progress(job& which);  // what was not told of it
    void tell_ended(job& which);
    void scale(time now);
    void set_target(std::uint32_t count);
    void tell_capacity();
    void tell_window();
    void give_back();
    job* begun_of(const child& which);
    const job* begun_of(const child& which) const { return const_cast<worker_core*>(this)->begun_of(which); }
    time waiting_since() const;
    std::uint32_t live() const;
    bool has_idle() const;

    const worker_limits limits_;
    worker_port& port_;
    std::uint32_t target_;
    job_window window_;
    std::uint32_t told_prefetch_ = 0;
    std::unordered_map<std::uint64_t, job> jobs_;
    std::deque<std::uint64_t> waiting_;
    std::map<child_id, child> children_;
    child_id last_child_ = 0;
    std::vector<std::uint64_t> fresh_;  // began or reported since the last flush
    bool connected_ = false;
    stopping stopping_ = stopping::no;
    time fork_at_{};  // not before
    std::chrono::milliseconds pause_{0};
    time grew_{};
};

}  // namespace madang
