// One submitted batch on its way: writer, perhaps reader, perhaps syncer, answered.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "storage/job_list.hpp"
#include "storage/late_read.hpp"
#include "storage/store.hpp"

namespace madang {

struct submission {
    std::vector<store_request> requests;
    durability how = durability::buffered;
    store::answers done;
    std::size_t bytes = 0;  // of the queue's limit
    bool changes = false;
    bool only_frees = true;  // its changes

    // Or of the jobs' shard.
    std::vector<job_request> jobs;
    store::job_answers jobs_done;
    std::function<void(job_effects&&)> watch;  // with nothing else

    std::vector<store_answer> answers;
    std::vector<job_answer> job_answers;
    std::uint64_t sync_round = 0;  // answered when this is synced
    std::vector<std::pair<std::size_t, late_read>> late;
    std::vector<std::pair<std::size_t, job_list_read>> late_lists;
    std::shared_ptr<const kv_view> view;  // for both

    void refuse(const error& why) {  // all of it
        answers.assign(requests.size(), why);
        job_answers.assign(jobs.size(), why);
    }
    void read_late(const kv_view& from) {
        for (auto& [index, what] : late) answers[index] = run(what, from);
        for (auto& [index, what] : late_lists) job_answers[index] = run(what, from);
        late.clear();
        late_lists.clear();
    }
    void answer() {
        if (done) done(std::move(answers));
        if (jobs_done) jobs_done(std::move(job_answers));
    }
};
using submission_ptr = std::unique_ptr<submission>;

// Between threads. Its bound is the submitters': what they may have unanswered.
class submission_queue {
  public:
    void push(submission_ptr what) {
        std::unique_lock lock(lock_);
        waiting_.push_back(std::move(what));
        wake(lock);
    }
    void poke() {  // the taker returns, if with nothing
        std::unique_lock lock(lock_);
        poked_ = true;
        wake(lock);
    }
    void close() {
        std::unique_lock lock(lock_);
        closed_ = true;
        wake(lock);
    }
    // All that waits, in order, once there is something, behind what `into` holds. False: closed and empty.
    bool take(std::deque<submission_ptr>& into) {
        std::unique_lock lock(lock_);
        sleeping_ = true;
        wake_.wait(lock, [&] { return !waiting_.empty() || poked_ || closed_; });
        return taken(into);
    }
    template <class Duration>
    bool take_within(Duration longest, std::deque<submission_ptr>& into) {
        std::unique_lock lock(lock_);
        sleeping_ = true;
        wake_.wait_for(lock, longest, [&] { return !waiting_.empty() || closed_; });
        return taken(into);
    }

  private:
    bool taken(std::deque<submission_ptr>& into) {
        sleeping_ = poked_ = false;
        const bool some = !waiting_.empty();
        if (into.empty())
            into.swap(waiting_);
        else
            for (auto& each : waiting_) into.push_back(std::move(each));
        waiting_.clear();
        return some || !closed_;
    }
    void wake(std::unique_lock<std::mutex>& lock) {
        const bool sleeping = std::exchange(sleeping_, false);
        lock.unlock();
        if (sleeping) wake_.notify_one();
    }

    std::mutex lock_;
    std::condition_variable wake_;
    std::deque<submission_ptr> waiting_;
    bool sleeping_ = false, poked_ = false, closed_ = false;
};

}  // namespace madang
