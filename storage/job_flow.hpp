// How jobs begin and end, and what follows from an end, all in one write: those that come after it, barriers,
// unique keys, limits, schedules' counts and news.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/job_command.hpp"
#include "storage/job_table.hpp"

namespace madang {

// The writer's thread. Throws what job_table throws.
class job_flow {
  public:
    struct limits {
        std::size_t args_bytes = 1 << 20;  // of what a job begins with after others: it fails beyond that
        std::int64_t dead_ms = 2'592'000'000;
    };

    job_flow(job_table& jobs, const limits& most) : jobs_(jobs), limits_(most) {}

    // It waits for nothing before it any more: now, or at its time.
    void begin(job_entry& job, const job_time& now);
    // `result`: JSON of a success.
    void end(job_entry& job, job_state how, std::string result, job_error error, const job_time& now);
    // The same of several at once: first they end, the last that was named first, so that none is over for
    // what came before it; then those who wait for them are told.
    void will_end(job_entry& job, job_state how, std::string result, job_error error);
    void end_all(const job_time& now);
    // One that shares its limit may run instead of it.
    void release(const job_entry& job, const job_time& now);
    void put_barrier(barrier_record what);
    std::vector<std::string> children_of(const std::string& barrier) const;
    // A schedule's record. False: there is no such schedule.
    bool change_schedule(const std::string& name, const std::function<void(schedule_record&)>& change);
    void count_unfinished(const std::string& schedule, int change);
    // Whose the key is, as long as it is that job's; "": nobody's.
    std::string unique_holder(const std::string& key, const job_time& now) const;
    bool is_held_by_another(const std::string& key, const std::string& job, const job_time& now) const;
    void hold_unique(const job_spec& job, const job_time& now);
    // Where the key is its until it is over. False: it is another's, or has none such.
    bool let_go_unique(const job_spec& job);
    // What find() tells of a group that is not over; nothing: there is no such barrier.
    std::optional<job_view> view_barrier(const std::string& id);

    void reset();  // after a round that was undone
    std::vector<job_news>& news() noexcept { return news_; }
    std::vector<job_ended>& ended() noexcept { return ended_; }

  private:
    struct ending {
        job_entry* job;
        job_state how;
        std::string result;
        job_error error;
    };
    struct telling {
        barrier_place where;
        bool well = false;
        std::string json;       // well
        std::string job, task;  // otherwise: who failed
        job_error error;
    };
    void end_one(ending what, const job_time& now);
    void tell_barrier(const job_time& now);
    void follow(const std::string& id, std::string_view first, const job_time& now);
    void overrun(const std::string& id, job_state how, job_error error, const job_time& now);
    void lose_parent(const std::string& id, const job_time& now);
    void leave_group(const barrier_record& barrier, std::string results, const job_time& now);
    void add_news(const job_entry& job);
    std::string results_of(const barrier_record& barrier);

    job_table& jobs_;
    const limits limits_;
    // Instead of recursion: a workflow may be long.
    std::vector<ending> endings_;
    std::vector<telling> tellings_;
    std::vector<job_news> news_;
    std::vector<job_ended> ended_;
};

// `first` before what is in the JSON array `args`.
std::string splice_args(std::string_view first, std::string_view args);
// What another may know of a job.
job_view view_of(const job_spec& spec, const job_status& status, const job_lease_record* lease, bool started,
                 const job_time& now);

}  // namespace madang
