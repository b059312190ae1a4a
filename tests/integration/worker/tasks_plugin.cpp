// Tasks for the worker's tests, through the C ABI alone.
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "madang/jobs.h"

namespace {

const madang_host_api* host = nullptr;
madang_host* self = nullptr;
const madang_jobs* jobs = nullptr;
const madang_streams* streams = nullptr;

madang_str s(const std::string& text) { return {text.data(), text.size()}; }
std::string text(madang_str given) { return {given.data, given.size}; }

madang_status end(madang_job* job, madang_job_outcome outcome, const std::string& json = "",
                  const std::string& type = "", const std::string& message = "", int64_t after = -1) {
    const madang_job_end how{sizeof how, static_cast<uint32_t>(outcome), s(json), s(type), s(message), {},
                             after};
    return jobs->job_end(job, &how);
}
madang_status good(madang_job* job, const std::string& json) { return end(job, MADANG_JOB_SUCCESS, json); }

// Waits for one answer.
struct waiting {
    std::mutex mutex;
    std::condition_variable changed;
    bool there = false;
    std::string what;
    void take(std::string told) {
        const std::lock_guard lock(mutex);
        what = std::move(told);
        there = true;
        changed.notify_all();
    }
    std::string get() {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return there; });
        return what;
    }
};
void json_told(void* to, const madang_failure* failed, madang_str json) {
    static_cast<waiting*>(to)->take(failed ? std::to_string(failed->code) : text(json));
}

madang_status noop(void*, madang_job* job) { return good(job, ""); }
madang_status echo(void*, madang_job* job) { return good(job, text(jobs->job_get(job, MADANG_JOB_ARGS))); }
madang_status pid(void*, madang_job* job) { return good(job, std::to_string(getpid())); }
madang_status crash(void*, madang_job*) {
    signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would make an exit code of it
    raise(SIGSEGV);
    return MADANG_OK;
}
madang_status leave(void*, madang_job*) { _exit(3); }
madang_status hang(void*, madang_job* job) {
    for (;;) jobs->job_wait_stop(job, 3'600'000), pause();
}
madang_status wait_stop(void*, madang_job* job) {
    return good(job, std::to_string(jobs->job_wait_stop(job, 3'600'000)));
}
madang_status fail(void*, madang_job* job) {
    return end(job, MADANG_JOB_FAILURE, "", "std::runtime_error", "no ink");
}
madang_status retry(void*, madang_job* job) { return end(job, MADANG_JOB_RETRY, "", "Busy", "later", 1500); }
madang_status big(void*, madang_job* job) { return good(job, "\"" + std::string(3 << 20, 'x') + "\""); }
madang_status eat(void*, madang_job* job) {
    const std::size_t size = 400u << 20;
    auto* kept = static_cast<char*>(std::malloc(size));
    std::memset(kept, 1, size);
    return good(job, std::to_string(kept[size / 2]));
}
// Starts a process that would stay, says which, and hangs.
madang_status spawn(void*, madang_job* job) {
    const auto made = fork();
    if (made == 0)
        for (;;) pause();
    jobs->job_progress(job, s(std::to_string(made)));
    return hang(nullptr, job);
}
madang_status checkpoint(void*, madang_job* job) {
    const auto before = text(jobs->job_get(job, MADANG_JOB_CHECKPOINT));
    const auto status = jobs->job_checkpoint(job, s("half"));
    return good(job, "[\"" + before + "\"," + std::to_string(status) + "]");
}
madang_status enqueue(void*, madang_job* job) {
    waiting told;
    const auto status =
        jobs->enqueue(self, nullptr, s(R"({"task":"t.noop"})"), nullptr, json_told, &told, nullptr);
    return status == MADANG_OK ? good(job, told.get()) : status;
}
madang_status send(void*, madang_job* job) {
    auto* data = host->payload_new(self, s("{\"a\":1}"));
    waiting told;
    auto status = host->group_send(self, s("news"), s("x.y"), data);
    if (status == MADANG_OK)
        status = streams->publish(
            self, nullptr, s("news"), data, nullptr,
            [](void* to, const madang_failure* failed, madang_position at) {
                static_cast<waiting*>(to)->take(failed ? "-1" : std::to_string(at.offset));
            },
            &told, nullptr);
    host->payload_release(data);
    return status == MADANG_OK ? good(job, told.get()) : status;
}
madang_status numbers(void*, madang_job* job) {
    return good(job, "[" + std::to_string(jobs->job_number(job, MADANG_JOB_RETRIES)) + "," +
                         std::to_string(jobs->job_number(job, MADANG_JOB_MAX_RETRIES)) + "," +
                         std::to_string(jobs->job_number(job, MADANG_JOB_LOSSES)) + "," +
                         std::to_string(jobs->job_number(job, MADANG_JOB_DEADLINE_MS) != 0) + "]");
}

int instance;

madang_plugin* init(madang_host* me, const madang_host_api* api) {
    host = api;
    self = me;
    jobs = static_cast<const madang_jobs*>(api->get_extension(me, MADANG_JOBS));
    streams = static_cast<const madang_streams*>(api->get_extension(me, MADANG_STREAMS));
    if (!jobs || !streams) return nullptr;
    const struct {
        const char* name;
        madang_task_handler handler;
    } tasks[] = {{"t.noop", noop},      {"t.echo", echo},       {"t.pid", pid},
                 {"t.crash", crash},    {"t.leave", leave},     {"t.hang", hang},
                 {"t.wait", wait_stop}, {"t.fail", fail},       {"t.retry", retry},
                 {"t.big", big},        {"t.eat", eat},         {"t.spawn", spawn},
                 {"t.send", send},      {"t.enqueue", enqueue}, {"t.checkpoint", checkpoint},
                 {"t.numbers", numbers}};
    for (const auto& each : tasks)
        if (jobs->register_task(me, s(each.name), {}, each.handler, nullptr) != MADANG_OK) return nullptr;
    return reinterpret_cast<madang_plugin*>(&instance);
}
void destroy(madang_plugin*) {}

const madang_plugin_descriptor descriptor = {MADANG_ABI_MAGIC,  sizeof(madang_plugin_descriptor),
                                             MADANG_ABI_MAJOR,  MADANG_ABI_MINOR,
                                             "worker_tasks",    "1.0.0",
                                             "tasks for tests", init,
                                             destroy,           nullptr};

}  // namespace

extern "C" MADANG_EXPORT const madang_plugin_descriptor* madang_plugin_entry(void) { return &descriptor; }
