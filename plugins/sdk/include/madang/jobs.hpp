// Jobs: long work that a worker's child process does, and that no crash loses. A plugin registers tasks;
// consumers, views and tasks enqueue jobs of them (<madang/enqueue.hpp>, included here). Needs nlohmann/json.
//
//     json build(madang::Job& job, const std::string& title, int pages) {
//         for (int page = 1; page <= pages; ++page) {
//             job.check();                                // cancelled, or out of time: throws
//             ...
//             job.progress({{"page", page}});
//         }
//         return {{"url", url}};
//     }
//
//     MADANG_PLUGIN(.id = "report", .version = "1.0.0") {
//         plugin.task("reports.build", build, {.queue = "reports", .max_retries = 5});
//         plugin.schedule("nightly", madang::cron("0 3 * * *", madang::signature("reports.tidy")));
//     }
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "madang/enqueue.hpp"

namespace madang {

// What a task has otherwise than the server; Celery's names and meanings (docs/jobs.md).
struct TaskOptions {
    using time = std::chrono::milliseconds;  // of all durations here
    static constexpr int for_ever = -1;      // of max_retries

    std::string_view queue = {};                       // where its jobs wait; "default"
    std::optional<int> priority = {};                  // 0-9; in its queue 9 goes first; 0
    std::optional<int> max_retries = {};               // failed attempts that are made again; 3
    std::optional<time> default_retry_delay = {};      // until the next attempt, without backoff; 180 s
    std::vector<std::string> autoretry_for = {};       // error types, as their C++ names; empty: any
    std::vector<std::string> dont_autoretry_for = {};  // likewise; stronger than autoretry_for
    std::optional<time> retry_backoff = {};  // the first delay; each further is twice the one before; none
    std::optional<time> retry_backoff_max = {};  // the longest of these delays; 600 s
    std::optional<bool> retry_jitter = {};       // with backoff: a random delay between 0 and that; true
    std::optional<time> soft_time_limit = {};    // then check() throws; shorter than time_limit; none
    std::optional<time> time_limit = {};         // then its process is killed; not with in_process; none
    std::optional<time> expires = {};         // revoked when it has not begun so long after its enqueue; none
    std::optional<time> result_expires = {};  // how long its result is kept; the server's job-result-ttl
    std::optional<bool> acks_late = {};       // false: its worker's death is a failure; true: it runs again
    std::optional<bool> reject_on_worker_lost = {};  // its worker's first death makes it a dead letter; false
    std::optional<bool> ignore_result = {};          // what it returns is not kept; false
    std::optional<bool> track_started = {};          // the state STARTED is told as it begins; false
    std::optional<bool> in_process = {};  // on a thread of the server's: for what is quick and cannot crash
    std::string_view rate_limit = {};     // "10/s", for the whole server
    std::optional<int> concurrency_limit = {};  // how many run at once, in the whole server
    std::string_view limit_by = {};  // a keyword argument: these limits hold for each of its values
    // JSON Schema: other arguments are refused at enqueue. Where the function says its arguments' types, this
    // one is made of them.
    json args_schema = {};
    json kwargs_schema = {};  // likewise, of the keyword arguments

    // The JSON object that the server is told.
    std::string dump() const;
};

// Thrown by Job::check(): the hard limit is next, and it kills. A signal cannot raise in the middle of C++
// code (as Celery does in Python), so a task that runs long calls check() at moments that suit it.
class SoftTimeLimitExceeded : public std::runtime_error {
  public:
    // By Job::check() and Job::wait().
    SoftTimeLimitExceeded() : std::runtime_error("the soft time limit is over") {}
};
// Thrown by Job::check(): somebody cancelled the job. It is revoked whatever the task does then.
class JobCancelled : public std::runtime_error {
  public:
    // By Job::check() and Job::wait().
    JobCancelled() : std::runtime_error("the job was cancelled") {}
};
// Arguments that do not fit the task's function. A failure that is not retried.
class ArgumentError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

namespace detail {

// How a task ends otherwise than by returning or failing. Not a std::exception, so that a task's own handlers
// for those let it pass.
struct Ending {
    madang_job_outcome outcome;
    std::string type, message;
    std::int64_t after_ms = -1;
};

inline std::string type_name_of(const std::type_info& type) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
    std::string text = name ? name.get() : type.name();
    if (text.starts_with("madang::")) text.erase(0, 8);  // the SDK's own, as Celery calls them
    return text;
}
// What an exception that is being handled is called and says; {} when there is none.
inline std::pair<std::string, std::string> current_error() {
    const auto now = std::current_exception();
    if (!now) return {};
    try {
        std::rethrow_exception(now);
    } catch (const std::exception& error) {
        return {type_name_of(typeid(error)), error.what()};
    } catch (...) {
        const auto* type = abi::__cxa_current_exception_type();
        return {type ? type_name_of(*type) : "unknown", "an exception that is not a std::exception"};
    }
}

}  // namespace detail

// One attempt of a job, for its task's function. Any thread, until that function returned.
class Job {
  public:
    // @cond By the SDK, for the call of the task's function.
    Job(const Host& host, madang_job* handle) noexcept : host_(&host), handle_(handle) {}
    // @endcond
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    std::string_view id() const noexcept { return get(MADANG_JOB_ID); }      // the same for all its attempts
    std::string_view task() const noexcept { return get(MADANG_JOB_TASK); }  // its name, as registered
    std::string_view queue() const noexcept { return get(MADANG_JOB_QUEUE); }  // where it waited
    // Of the request that it came from, or "".
    std::string_view correlation_id() const noexcept { return get(MADANG_JOB_CORRELATION_ID); }
    // W3C, for the headers of what it asks others; "": not traced.
    std::string_view traceparent() const noexcept { return get(MADANG_JOB_TRACEPARENT); }
    // Of the job before it in its workflow, or that enqueued it; or "".
    std::string_view parent_id() const noexcept { return get(MADANG_JOB_PARENT_ID); }
    // Of its workflow's first job; its own where it stands alone.
    std::string_view root_id() const noexcept { return get(MADANG_JOB_ROOT_ID); }
    json args() const { return parsed(MADANG_JOB_ARGS, json::array()); }         // an array; parsed each time
    json kwargs() const { return parsed(MADANG_JOB_KWARGS, json::object()); }    // an object; likewise
    json headers() const { return parsed(MADANG_JOB_HEADERS, json::object()); }  // an object; likewise
    // Attempts before this one that failed, and were made again.
    std::int64_t retries() const noexcept { return number(MADANG_JOB_RETRIES); }
    std::int64_t losses() const noexcept { return number(MADANG_JOB_LOSSES); }            // whose worker died
    std::int64_t max_retries() const noexcept { return number(MADANG_JOB_MAX_RETRIES); }  // -1: for ever
    // Unix time in milliseconds at which it is killed; 0: never.
    std::int64_t deadline_ms() const noexcept { return number(MADANG_JOB_DEADLINE_MS); }

    // Whether somebody cancelled it: it is revoked whatever it does then. Never blocks.
    bool cancelled() const noexcept { return jobs_table().job_stop(handle_) == MADANG_JOB_CANCELLED; }
    // Whether its soft time limit is over, and it is not cancelled. Never blocks.
    bool soft_limit_exceeded() const noexcept {
        return jobs_table().job_stop(handle_) == MADANG_JOB_SOFT_LIMIT;
    }
    // Throws JobCancelled or SoftTimeLimitExceeded when it is time to stop.
    void check() const { check(jobs_table().job_stop(handle_)); }
    // Waits so long, and less when it is time to stop: then it throws as check() does.
    void wait(std::chrono::milliseconds time) const {
        check(jobs_table().job_wait_stop(
            handle_, static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0))));
    }

    // Told to whom the job notifies; reports that come faster than they can be told are merged. Throws Error:
    // more than the server's job-result-bytes.
    bool progress(const json& value) {
        return detail::done(jobs_table().job_progress(handle_, detail::to_abi(value.dump())), "progress");
    }
    // What the attempt before this one saved, or "".
    std::string_view checkpoint() const noexcept { return get(MADANG_JOB_CHECKPOINT); }
    // The same of save_json; null.
    json checkpoint_json() const { return parsed(MADANG_JOB_CHECKPOINT, nullptr); }
    // Blocks; kept when it returns: the next attempt finds it. At most the server's job-checkpoint-bytes.
    // Throws Error; its status MADANG_CLOSED: the lease is lost, another worker has the job.
    void save(std::string_view data) {
        const auto status = jobs_table().job_checkpoint(handle_, detail::to_abi(data));
        if (status != MADANG_OK) detail::refuse(status, "save", {});
    }
    // Likewise, for checkpoint_json.
    void save_json(const json& value) { save(value.dump()); }

    // -- These end the function: they throw what is not a std::exception. Within a handler of an exception,
    // that one is the reason that is kept.

    // Ends the function (throws). Again, whatever the error; without a time, after the delay that the options
    // say. The options' max_retries counts.
    [[noreturn]] void retry(std::optional<std::chrono::milliseconds> after = {},
                            std::string_view why = {}) const {
        end(MADANG_JOB_RETRY, "Retry", why, after ? after->count() : -1);
    }
    // Ends the function (throws). To the dead letters; with a time, back to its queue after so long.
    [[noreturn]] void reject(std::string_view why = {},
                             std::optional<std::chrono::milliseconds> requeue = {}) const {
        end(MADANG_JOB_REJECT, "Reject", why, requeue ? requeue->count() : -1);
    }
    // Ends the function (throws). No result, no further step.
    [[noreturn]] void ignore() const { throw detail::Ending{MADANG_JOB_IGNORE, {}, {}}; }

    Layer layer() const noexcept { return Layer(*host_); }  // as the plugin's: answers on any thread
    Jobs jobs() const { return Jobs(*host_); }              // this job is their parent
    const Host& host() const noexcept { return *host_; }    // the server's functions

  private:
    const madang_jobs& jobs_table() const noexcept { return *host_->jobs; }
    std::string_view get(madang_job_field field) const noexcept {
        return detail::from_abi(jobs_table().job_get(handle_, field));
    }
    std::int64_t number(madang_job_number which) const noexcept {
        return jobs_table().job_number(handle_, which);
    }
    json parsed(madang_job_field field, json otherwise) const {
        const auto text = get(field);
        return text.empty() ? std::move(otherwise) : parse_json(text);
    }
    static void check(madang_job_stop why) {
        if (why == MADANG_JOB_CANCELLED) throw JobCancelled();
        if (why == MADANG_JOB_SOFT_LIMIT) throw SoftTimeLimitExceeded();
    }
    [[noreturn]] static void end(madang_job_outcome outcome, const char* type, std::string_view why,
                                 std::int64_t after_ms) {
        auto [error_type, message] = detail::current_error();
        if (error_type.empty()) error_type = type;
        if (!why.empty()) message = why;
        throw detail::Ending{outcome, std::move(error_type), std::move(message), after_ms};
    }

    const Host* host_;
    madang_job* handle_;
};

inline std::string TaskOptions::dump() const {
    json made = json::object();
    const auto put = [&]<class Value>(const char* name, const Value& value) {
        if constexpr (std::is_same_v<Value, std::optional<time>>) {
            if (value) made[name] = detail::seconds(*value);
        } else if constexpr (std::is_same_v<Value, std::optional<int>> ||
                             std::is_same_v<Value, std::optional<bool>>) {
            if (value) made[name] = *value;
        } else {
            if (!value.empty()) made[name] = value;
        }
    };
    put("queue", queue);
    put("priority", priority);
    if (max_retries) made["max_retries"] = *max_retries < 0 ? json() : json(*max_retries);
    put("default_retry_delay", default_retry_delay);
    put("autoretry_for", autoretry_for);
    auto never = dont_autoretry_for;
    never.emplace_back("ArgumentError");
    put("dont_autoretry_for", never);
    put("retry_backoff", retry_backoff);
    put("retry_backoff_max", retry_backoff_max);
    put("retry_jitter", retry_jitter);
    put("soft_time_limit", soft_time_limit);
    put("time_limit", time_limit);
    put("expires", expires);
    put("result_expires", result_expires);
    put("acks_late", acks_late);
    put("reject_on_worker_lost", reject_on_worker_lost);
    put("ignore_result", ignore_result);
    put("track_started", track_started);
    put("in_process", in_process);
    put("rate_limit", rate_limit);
    put("concurrency_limit", concurrency_limit);
    put("limit_by", limit_by);
    put("args_schema", args_schema);
    put("kwargs_schema", kwargs_schema);
    return made.dump();
}

namespace detail {

// The parameters behind Job&, without references.
template <class Callable>
struct TaskParameters : TaskParameters<decltype(&Callable::operator())> {};
template <class Result, class... Rest>
struct TaskParameters<Result (*)(Job&, Rest...)> {
    using types = std::tuple<std::decay_t<Rest>...>;
};
template <class Class, class Result, class... Rest>
struct TaskParameters<Result (Class::*)(Job&, Rest...) const> : TaskParameters<Result (*)(Job&, Rest...)> {};
template <class Class, class Result, class... Rest>
struct TaskParameters<Result (Class::*)(Job&, Rest...)> : TaskParameters<Result (*)(Job&, Rest...)> {};

template <class Value>
Value task_argument(const json& args, std::size_t index) {
    try {
        return args.at(index).get<Value>();
    } catch (const json::exception& error) {
        throw ArgumentError("args[" + std::to_string(index) + "]: " + error.what());
    }
}

// JSON Schema of what nlohmann/json makes a Value of, as far as it can be said.
template <class Value>
json schema_of() {
    if constexpr (std::is_same_v<Value, bool>) {
        return {{"type", "boolean"}};
    } else if constexpr (std::is_integral_v<Value>) {
        return {{"type", "integer"}};
    } else if constexpr (std::is_floating_point_v<Value>) {
        return {{"type", "number"}};
    } else if constexpr (std::is_same_v<Value, std::string>) {
        return {{"type", "string"}};
    } else {
        return json::object();
    }
}
template <class... Values>
json schema_of_args(std::type_identity<std::tuple<Values...>>) {
    constexpr auto count = sizeof...(Values);
    return {{"type", "array"},
            {"items", json::array_t{schema_of<Values>()...}},
            {"minItems", count},
            {"maxItems", count}};
}

template <class Callable>
json call_task(Callable& callable, Job& job) {
    using types = typename TaskParameters<Callable>::types;
    return [&]<std::size_t... Index>(std::index_sequence<Index...>)->json {
        constexpr std::size_t count = sizeof...(Index);
        json args;
        if constexpr (count != 0) {
            args = job.args();
            if (args.size() != count)
                throw ArgumentError("args: takes " + std::to_string(count) + ", not " +
                                    std::to_string(args.size()));
        }
        const auto call = [&]() -> decltype(auto) {
            return callable(job, task_argument<std::tuple_element_t<Index, types>>(args, Index)...);
        };
        if constexpr (std::is_void_v<decltype(call())>) {
            call();
            return nullptr;
        } else {
            return json(call());
        }
    }
    (std::make_index_sequence<std::tuple_size_v<types>>{});
}

struct TaskEntry {
    const Host* host;
    std::function<json(Job&)> function;

    static madang_status handle(void* context, madang_job* handle) {
        const auto& self = *static_cast<const TaskEntry*>(context);
        std::string result;
        Ending ending{MADANG_JOB_FAILURE, {}, {}};
        try {
            Job job(*self.host, handle);
            result = self.function(job).dump();
            ending.outcome = MADANG_JOB_SUCCESS;
        } catch (Ending& how) {
            ending = std::move(how);
        } catch (const JobCancelled&) {
            ending.outcome = MADANG_JOB_IGNORE;
        } catch (...) {
            std::tie(ending.type, ending.message) = current_error();
        }
        madang_job_end end{};
        end.struct_size = sizeof end;
        end.outcome = ending.outcome;
        end.json = to_abi(result);
        end.error_type = to_abi(ending.type);
        end.message = to_abi(ending.message);
        end.after_ms = ending.after_ms;
        return self.host->jobs->job_end(handle, &end);
    }
};

// What Plugin::task does; here, since <madang/plugin.hpp> knows no JSON.
template <class Callable>
std::shared_ptr<void> register_task(const Host& host, std::string_view name, Callable callable,
                                    const TaskOptions& options) {
    auto entry = std::make_shared<TaskEntry>();
    entry->host = &host;
    using parameters = typename TaskParameters<Callable>::types;
    TaskOptions known = options;
    if constexpr (std::tuple_size_v<parameters> != 0)
        if (known.args_schema.is_null()) known.args_schema = schema_of_args(std::type_identity<parameters>());
    entry->function = [callable = std::move(callable)](Job& job) mutable { return call_task(callable, job); };
    const std::string text = known.dump();
    const auto status =
        jobs_of(host).register_task(host.handle, to_abi(name), to_abi(text), &TaskEntry::handle, entry.get());
    if (status != MADANG_OK) refuse(status, "task", name);
    return entry;
}

}  // namespace detail
}  // namespace madang
