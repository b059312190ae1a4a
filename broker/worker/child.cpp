#include "broker/worker/child.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "broker/core/clock.hpp"
#include "broker/core/cpu_time.hpp"
#include "broker/core/trace_context.hpp"
#include "broker/core/utf8.hpp"
#include "broker/jobs/worker_codec.hpp"

namespace madang {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t error_text_bytes = 64 * 1024;  // of a message or trace; the rest is cut

// What the worker and the process share: the socket's writing end, the jobs that wait, and which one runs.
class worker_link final : public child_ports::link_port {
  public:
    explicit worker_link(int socket) : socket_(socket) {}

    // Blocks while the worker does not read: then the server does not either.
    void send(std::string_view frames) override {
        const std::lock_guard lock(sending_);
        while (!frames.empty()) {
            const auto sent = ::send(socket_, frames.data(), frames.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) _exit(0);  // the worker is gone
            frames.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    std::uint64_t token() const override {
        const std::lock_guard lock(mutex_);
        return current_;
    }

    // ---- The main thread
    // Nothing: none waits.
    std::optional<link::run> next_waiting() {
        const std::lock_guard lock(mutex_);
        return pop();
    }
    // Waits. Nothing: it is over.
    std::optional<link::run> next() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !waiting_.empty() || closed_; });
        return pop();
    }
    void over() {
        const std::lock_guard lock(mutex_);
        current_ = 0;
    }
    madang_job_stop stop() const {
        const std::lock_guard lock(mutex_);
        return stop_;
    }
    madang_job_stop wait_stop(std::chrono::milliseconds longest) const {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, longest, [&] { return stop_ != MADANG_JOB_GO_ON; });
        return stop_;
    }

    // ---- The reading thread
    void take(link::run&& job) {
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(job));
        }
        changed_.notify_all();
    }
    void take(const link::stop& what) {
        {
            const std::lock_guard lock(mutex_);
            if (what.token != current_) return;
            const auto how = what.what == link::stop::how::ask ? MADANG_JOB_CANCELLED : MADANG_JOB_SOFT_LIMIT;
            stop_ = std::max(stop_, how);
        }
        changed_.notify_all();
    }
    void take(const link::told& what) {
        {
            const std::lock_guard lock(mutex_);
            if (!what.stale ||
                std::erase_if(waiting_, [&](const auto& each) { return each.token == what.token; }) == 0)
                return;
        }
        std::string frame;
        link::append(
            frame,
            link::ended{
                .token = what.token, .what = link::ended::outcome::handed_back, .result = {}, .error = {}});
        send(frame);
    }
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        changed_.notify_all();
    }

  private:
    std::optional<link::run> pop() {
        if (waiting_.empty()) return std::nullopt;
        auto job = std::move(waiting_.front());
        waiting_.pop_front();
        current_ = job.token;
        stop_ = MADANG_JOB_GO_ON;
        return job;
    }

    const int socket_;
    std::mutex sending_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::deque<link::run> waiting_;
    std::uint64_t current_ = 0;
    madang_job_stop stop_ = MADANG_JOB_GO_ON;
    bool closed_ = false;
};

void read_frames(int socket, worker_link& link, child_ports& ports) {
    link::decoder<link::from_server> reader;
    std::string room(64 * 1024, '\0');
    for (;;) {
        const auto got = ::recv(socket, room.data(), room.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return link.close();
        reader.add({room.data(), static_cast<std::size_t>(got)});
        for (;;) {
            auto frame = reader.next();
            if (!frame) _exit(70);  // EX_SOFTWARE
            if (!*frame) break;
            if (auto* job = std::get_if<link::run>(&**frame)) link.take(std::move(*job));
            if (const auto* stop = std::get_if<link::stop>(&**frame)) link.take(*stop);
            if (const auto* told = std::get_if<link::told>(&**frame)) link.take(*told);
            if (auto* answer = std::get_if<link::answer>(&**frame)) ports.answered(std::move(*answer));
        }
    }
}

class child_attempt final : public attempt_port {
  public:
    child_attempt(link::run& job, worker_link& link, child_ports& ports, const child_limits& limits)
        : job_(job), link_(link), ports_(ports), limits_(limits) {
        if (job.hard_limit_ms != 0) deadline_ms_ = unix_ms() + job.hard_limit_ms;
        if (const auto from = split_origin(job.correlation_id).trace)
            traceparent_ = format_traceparent(from->child(job.token));
    }

    std::string_view get(madang_job_field what) const override {
        switch (what) {
            case MADANG_JOB_ID:
                return job_.id;
            case MADANG_JOB_TASK:
                return job_.task;
            case MADANG_JOB_QUEUE:
                return job_.queue;
            case MADANG_JOB_ARGS:
                return job_.args;
            case MADANG_JOB_KWARGS:
                return job_.kwargs;
            case MADANG_JOB_HEADERS:
                return job_.headers;
            case MADANG_JOB_CORRELATION_ID:
                return request_id_of(job_.correlation_id);
            case MADANG_JOB_PARENT_ID:
                return job_.parent;
            case MADANG_JOB_ROOT_ID:
                return job_.root;
            case MADANG_JOB_CHECKPOINT:
                return job_.checkpoint;
            case MADANG_JOB_TRACEPARENT:
                return traceparent_;
        }
        return {};
    }
    std::int64_t number(madang_job_number what) const override {
        switch (what) {
            case MADANG_JOB_RETRIES:
                return job_.retries;
            case MADANG_JOB_MAX_RETRIES:
                return job_.max_retries;
            case MADANG_JOB_DEADLINE_MS:
                return deadline_ms_;
            case MADANG_JOB_LOSSES:
                return job_.losses;
        }
        return 0;
    }
    madang_job_stop stop() const override { return link_.stop(); }
    madang_job_stop wait_stop(std::chrono::milliseconds longest) const override {
        return link_.wait_stop(longest);
    }
    madang_status progress(std::string_view json) override {
        if (json.size() > limits_.result_bytes) return MADANG_TOO_LARGE;
        std::string frame;
        link::append(frame, link::progress{job_.token, std::string(json)});
        link_.send(frame);
        return MADANG_OK;
    }
    madang_status checkpoint(std::string_view data) override {
        if (data.size() > limits_.checkpoint_bytes) return MADANG_TOO_LARGE;
        const auto kept = std::make_shared<std::promise<madang_status>>();
        const auto number =
            ports_.expect([kept](const result<std::string>& told) { kept->set_value(status_of(told)); });
        std::string frame;
        link::append(frame, link::checkpoint{job_.token, number, std::string(data)});
        link_.send(frame);
        return kept->get_future().get();
    }

  private:
    static madang_status status_of(const result<std::string>& told) {
        if (told) return MADANG_OK;
        switch (told.error().code) {
            case errc::stale_lease:
                return MADANG_CLOSED;
            case errc::too_large:
                return MADANG_TOO_LARGE;
            case errc::busy:
                return MADANG_BUSY;
            default:
                return MADANG_FAILED;
        }
    }

    const link::run& job_;
    worker_link& link_;
    child_ports& ports_;
    const child_limits& limits_;
    std::int64_t deadline_ms_ = 0;
    std::string traceparent_;  // "": it is not traced
};

link::ended run_job(link::run& job, const task_table& tasks, worker_link& link, child_ports& ports,
                    const child_limits& limits) {
    child_attempt attempt(job, link, ports, limits);
    const auto cpu = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
    const auto began = steady_clock::now();
    auto how = ended_as(job.token, tasks.run(job.task, attempt));
    how.cpu_us = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    how.run_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began).count());
    for (auto* text : {&how.error.type, &how.error.message, &how.error.trace})
        text->resize(cut_utf8(*text, error_text_bytes).size());
    if (how.result.size() > limits.result_bytes) {
        how.what = link::ended::outcome::failure;
        how.error = {"ResultTooLarge",
                     "its result has " + std::to_string(how.result.size()) + " bytes; " +
                         std::to_string(limits.result_bytes) + " are allowed (--job-result-bytes)",
                     ""};
        how.result.clear();
    }
    return how;
}

}  // namespace

void run_child(int socket, const task_table& tasks, child_ports& ports, const child_limits& limits) {
    worker_link link(socket);
    ports.use(link);
    std::thread([&] { read_frames(socket, link, ports); }).detach();
    const auto pid = static_cast<std::uint32_t>(getpid());
    std::string out;  // how the last job ended: goes with the beginning of the next one
    for (;;) {
        auto job = link.next_waiting();
        if (!job) {
            link.send(out);
            out.clear();
            job = link.next();
        }
        if (!job) break;
        link::append(out, link::began{job->token, pid});
        link.send(out);
        out.clear();
        link::append(out, run_job(*job, tasks, link, ports, limits));
        link.over();
    }
    std::fflush(nullptr);
    _exit(0);
}

}  // namespace madang
