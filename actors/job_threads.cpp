#include "actors/job_threads.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "actors/job_desk.hpp"
#include "broker/core/cpu_time.hpp"
#include "broker/core/working_for.hpp"

namespace madang {

namespace {

using outcome = link::ended::outcome;

link::ended not_begun(std::uint64_t token) {
    link::ended how;
    how.token = token;
    how.what = outcome::handed_back;
    return how;
}

}  // namespace

// One job on its thread. What changes is guarded by the owner's lock.
class job_threads::attempt final : public attempt_port {
  public:
    attempt(job_threads& owner, const job_assignment& what)
        : owner_(owner), what_(what), began_(owner.clock_.steady_now()) {
        deadline_ms_ =
            what.spec->hard_limit_ms == 0
                ? 0
                : std::chrono::floor<std::chrono::milliseconds>(owner.clock_.wall_now().time_since_epoch())
                          .count() +
                      what.spec->hard_limit_ms;
        if (const auto from = split_origin(what.spec->correlation_id).trace)
            traceparent_ = format_traceparent(from->child(what.token));
    }

    std::string_view get(madang_job_field field) const override {
        const auto& spec = *what_.spec;
        switch (field) {
            case MADANG_JOB_ID:
                return spec.id;
            case MADANG_JOB_TASK:
                return spec.task;
            case MADANG_JOB_QUEUE:
                return spec.queue;
            case MADANG_JOB_ARGS:
                return what_.args.empty() ? spec.args : what_.args;
            case MADANG_JOB_KWARGS:
                return spec.kwargs;
            case MADANG_JOB_HEADERS:
                return spec.headers;
            case MADANG_JOB_CORRELATION_ID:
                return request_id_of(spec.correlation_id);
            case MADANG_JOB_PARENT_ID:
                return spec.parent;
            case MADANG_JOB_ROOT_ID:
                return spec.root;
            case MADANG_JOB_CHECKPOINT:
                return what_.checkpoint;
            case MADANG_JOB_TRACEPARENT:
                return traceparent_;
        }
        return {};
    }
    std::int64_t number(madang_job_number which) const override {
        switch (which) {
            case MADANG_JOB_RETRIES:
                return what_.retries;
            case MADANG_JOB_MAX_RETRIES:
                return what_.spec->retry.max_retries;
            case MADANG_JOB_DEADLINE_MS:
                return deadline_ms_;
            case MADANG_JOB_LOSSES:
                return what_.losses;
        }
        return 0;
    }
    madang_job_stop stop() const override {
        const std::lock_guard lock(owner_.mutex_);
        return reason();
    }
    madang_job_stop wait_stop(std::chrono::milliseconds longest) const override {
        auto until = clock_source::steady::clock::now() +
                     std::min<std::chrono::milliseconds>(longest, std::chrono::hours(24 * 365));
        std::unique_lock lock(owner_.mutex_);
        if (const auto limit = what_.spec->soft_limit_ms; limit != 0)
            until = std::min(until, began_ + std::chrono::milliseconds(limit));
        owner_.told_.wait_until(lock, until, [&] { return reason() != MADANG_JOB_GO_ON; });
        return reason();
    }
    madang_status progress(std::string_view json) override {
        std::vector<link::from_worker> word;
        word.push_back(link::progress{what_.token, std::string(json)});
        owner_.say_(word);
        return MADANG_OK;
    }
    madang_status checkpoint(std::string_view data) override {
        std::unique_lock lock(owner_.mutex_);
        const auto call = ++owner_.last_call_;
        waits_for_ = call;
        code_.reset();
        lock.unlock();
        std::vector<link::from_worker> word;
        word.push_back(link::checkpoint{what_.token, call, std::string(data)});
        owner_.say_(word);
        lock.lock();
        owner_.told_.wait(lock, [&] { return code_.has_value() || owner_.stopping_; });
        if (!code_ || *code_ == describe(errc::stale_lease).wire_code) return MADANG_CLOSED;
        if (*code_ == 0) return MADANG_OK;
        return *code_ == describe(errc::too_large).wire_code ? MADANG_TOO_LARGE : MADANG_BUSY;
    }

    // -- With the owner's lock
    void cancel() noexcept { cancelled_ = true; }
    void abandon() noexcept { cancelled_ = abandoned_ = true; }
    bool abandoned() const noexcept { return abandoned_; }
    void answered(std::uint64_t call, std::uint32_t code) {
        if (call == waits_for_) code_ = code;
    }
    clock_source::steady began() const noexcept { return began_; }

  private:
    madang_job_stop reason() const noexcept {
        if (cancelled_) return MADANG_JOB_CANCELLED;
        const auto limit = what_.spec->soft_limit_ms;
        const bool late =
            limit != 0 && owner_.clock_.steady_now() - began_ >= std::chrono::milliseconds(limit);
        return late ? MADANG_JOB_SOFT_LIMIT : MADANG_JOB_GO_ON;
    }

    job_threads& owner_;
    const job_assignment& what_;
    const clock_source::steady began_;
    std::int64_t deadline_ms_;
    std::string traceparent_;  // "": it is not traced
    bool cancelled_ = false;
    bool abandoned_ = false;  // the server stops: however it ends, it is begun again
    std::uint64_t waits_for_ = 0;
    std::optional<std::uint32_t> code_;
};

job_threads::job_threads(const task_table& tasks, const clock_source& clock, std::size_t count,
                         std::function<void(std::vector<link::from_worker>&)> say, tracer* by)
    : tasks_(tasks), clock_(clock), say_(std::move(say)), tracer_(by) {
    for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

job_threads::~job_threads() { stop(std::chrono::hours{24}); }

void job_threads::run(std::vector<job_assignment>& batch) {
    const auto count = batch.size();
    {
        const std::lock_guard lock(mutex_);
        for (auto& each : batch) waiting_.push_back(std::move(each));
    }
    batch.clear();
    if (count == 1)
        changed_.notify_one();
    else
        changed_.notify_all();
}

void job_threads::tell(const link::from_server& what) {
    std::vector<link::from_worker> words;
    {
        const std::lock_guard lock(mutex_);
        if (const auto* answer = std::get_if<link::answer>(&what)) {
            for (auto& [token, each] : running_) each->answered(answer->number, answer->code);
        } else if (const auto* stop = std::get_if<link::stop>(&what)) {
            const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                            [&](const auto& each) { return each.token == stop->token; });
            if (found != waiting_.end()) {
                waiting_.erase(found);
                words.push_back(not_begun(stop->token));
            } else if (const auto runs = running_.find(stop->token); runs != running_.end()) {
                runs->second->cancel();
            }
        } else if (std::holds_alternative<link::warm_stop>(what)) {
            hand_back(words);
        }
    }
    told_.notify_all();
    if (!words.empty()) say_(words);
}

void job_threads::hand_back(std::vector<link::from_worker>& into) {
    for (const auto& each : waiting_) into.push_back(not_begun(each.token));
    waiting_.clear();
}

bool job_threads::stop(std::chrono::milliseconds deadline) {
    std::vector<link::from_worker> words;
    std::unique_lock lock(mutex_);
    stopping_ = true;
    hand_back(words);
    for (auto& [token, each] : running_) each->abandon();
    lock.unlock();
    if (!words.empty()) say_(words);
    lock.lock();
    changed_.notify_all();
    told_.notify_all();
    if (!changed_.wait_for(lock, deadline, [&] { return ended_ == threads_.size(); })) return false;
    lock.unlock();
    for (auto& each : threads_)
        if (each.joinable()) each.join();
    return true;
}

void job_threads::work() {
    std::vector<link::from_worker> words;
    std::unique_lock lock(mutex_);
    for (;;) {
        if (waiting_.empty() && !words.empty()) {
            lock.unlock();
            say_(words);
            lock.lock();
        }
        changed_.wait(lock, [&] { return !waiting_.empty() || stopping_; });
        if (stopping_) break;
        const auto job = std::move(waiting_.front());
        waiting_.pop_front();
        attempt as(*this, job);
        running_.emplace(job.token, &as);
        lock.unlock();
        words.push_back(link::began{job.token, 0});
        say_(words);  // with the end of the job before it
        words.push_back(run_one(job, as));
        lock.lock();
        if (as.abandoned()) words.back() = not_begun(job.token);
        running_.erase(job.token);
    }
    lock.unlock();
    if (!words.empty()) say_(words);
    lock.lock();
    ++ended_;
    changed_.notify_all();
}

link::ended job_threads::run_one(const job_assignment& what, attempt& as) {
    const origin_source whose(what.spec->correlation_id);
    const working_for mine(whose);
    const traced_work attempt(attempt_of(tracer_, what.spec->correlation_id, what.token));
    const auto cpu = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    auto how = ended_as(what.token, tasks_.run(what.spec->task, as));
    how.cpu_us = cpu_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
    how.run_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - as.began()).count());
    return how;
}

}  // namespace madang
