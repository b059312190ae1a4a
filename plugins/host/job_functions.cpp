// The table "madang.jobs/1" over job_port, task_table and attempt_port. Nothing throws out of it; what a
// plugin passes is checked before it is used, and copied: answers come later.

#include <nlohmann/json.hpp>
#include <optional>

#include "broker/jobs/enqueue_plan.hpp"
#include "broker/jobs/job_json.hpp"
#include "plugins/host/abi_values.hpp"
#include "plugins/host/running_job.hpp"

namespace madang {

using namespace abi_values;  // NOLINT

namespace {

std::chrono::milliseconds wait_time(std::uint64_t ms) {
    return std::chrono::milliseconds(std::min<std::uint64_t>(ms, 86'400'000));
}

// tell(context, failure, json), from what `text` makes of the value.
template <class T, class Text>
job_port::answer<T> told(madang_connection* connection, madang_json_answer answer, void* context,
                         madang_drop drop, Text text) {
    if (!answer) {
        if (drop) return [kept = hold(context, drop)](result<T>) {};
        return nullptr;
    }
    return bound<T>(connection, hold(context, drop),
                    [answer, text](void* to, const madang_failure* failed, const T* value) {
                        const std::string json = value ? text(*value) : std::string();
                        answer(to, failed, to_abi(std::string_view(json)));
                    });
}

}  // namespace

struct job_functions {
    static job_port& jobs(madang_host* host) { return *from(host).host_->services_.jobs; }

    static madang_status register_task(madang_host* host, madang_str name, madang_str options,
                                       madang_task_handler handler, void* context) noexcept {
        if (!host || !valid(name) || !valid(options)) return MADANG_INVALID;
        return guarded([&] {
            return from(host).host_->add_task(from(host), from(name), from(options), handler, context);
        });
    }
    static madang_status declare_schedule(madang_host* host, madang_str name, madang_str json) noexcept {
        if (!host || !valid(name) || !valid(json)) return MADANG_INVALID;
        return guarded(
            [&] { return from(host).host_->declare_schedule(from(host), from(name), from(json)); });
    }

    static madang_status enqueue(madang_host* host, madang_connection* connection, madang_str json,
                                 const madang_enqueue_options* given, madang_json_answer answer,
                                 void* context, madang_drop drop) noexcept {
        if (!host || !valid(json)) return MADANG_INVALID;
        return guarded([&] {
            madang_enqueue_options options{};
            options.durability = -1;
            if (given) options = copy_options(given);
            if (options.durability < -1 || options.durability > 1 || !valid(options.idempotency_key) ||
                !valid(options.correlation_id))
                return MADANG_INVALID;
            auto list = requested_jobs(from(json));
            if (!list) return MADANG_INVALID;
            enqueue_request what;
            what.jobs = std::move(*list);
            what.idempotency_key = from(options.idempotency_key);
            what.correlation_id = from(options.correlation_id);
            if (options.durability >= 0)
                what.how = options.durability == 1 ? durability::synced : durability::buffered;
            const auto* job = task_table::current();
            if (job) what.parent = job->get(MADANG_JOB_ID);
            if (what.correlation_id.empty() && connection)
                what.correlation_id = from(connection).get_scope().get(scope_field::request_id);
            else if (what.correlation_id.empty() && job)
                what.correlation_id = job->get(MADANG_JOB_CORRELATION_ID);
            jobs(host).enqueue(std::move(what),
                               told<enqueued>(connection, answer, context, drop,
                                              [](const enqueued& made) { return to_json(made); }));
            return MADANG_OK;
        });
    }
    static madang_status cancel(madang_host* host, madang_connection* connection, madang_str id,
                                madang_str reason, madang_json_answer answer, void* context,
                                madang_drop drop) noexcept {
        if (!host || !valid(id) || id.size == 0 || !valid(reason)) return MADANG_INVALID;
        return guarded([&] {
            jobs(host).cancel({std::string(from(id))}, std::string(from(reason)),
                              told<std::size_t>(connection, answer, context, drop, [](std::size_t count) {
                                  return R"({"cancelled":)" + std::to_string(count) + "}";
                              }));
            return MADANG_OK;
        });
    }
    static madang_status find(madang_host* host, madang_connection* connection, madang_str id,
                              std::uint64_t wait_ms, madang_json_answer answer, void* context,
                              madang_drop drop) noexcept {
        if (!host || !valid(id) || id.size == 0 || !answer) return MADANG_INVALID;
        return guarded([&] {
            jobs(host).find(std::string(from(id)), wait_time(wait_ms),
                            told<job_view>(connection, answer, context, drop,
                                           [](const job_view& known) { return to_json(known, true); }));
            return MADANG_OK;
        });
    }

    static madang_str job_get(const madang_job* job, madang_job_field field) noexcept {
        madang_str value{nullptr, 0};
        if (job && static_cast<unsigned>(field) <= MADANG_JOB_TRACEPARENT)
            guarded([&] {
                value = to_abi(running_job::from(job).port().get(field));
                return MADANG_OK;
            });
        return value;
    }
    static std::int64_t job_number(const madang_job* job, madang_job_number number) noexcept {
        std::int64_t value = 0;
        if (job && static_cast<unsigned>(number) <= MADANG_JOB_LOSSES)
            guarded([&] {
                value = running_job::from(job).port().number(number);
                return MADANG_OK;
            });
        return value;
    }
    static madang_job_stop job_stop(const madang_job* job) noexcept { return job_wait_stop(job, 0); }
    static madang_job_stop job_wait_stop(const madang_job* job, std::uint64_t ms) noexcept {
        auto why = MADANG_JOB_GO_ON;
        if (job)
            guarded([&] {
                const auto& port = running_job::from(job).port();
                why = ms == 0 ? port.stop() : port.wait_stop(wait_time(ms));
                return MADANG_OK;
            });
        return why;
    }
    static madang_status job_progress(madang_job* job, madang_str json) noexcept {
        if (!job || !valid(json)) return MADANG_INVALID;
        return guarded([&] {
            if (!nlohmann::json::accept(from(json))) return MADANG_INVALID;
            return running_job::from(job).port().progress(from(json));
        });
    }
    static madang_status job_checkpoint(madang_job* job, madang_str data) noexcept {
        if (!job || !valid(data)) return MADANG_INVALID;
        return guarded([&] { return running_job::from(job).port().checkpoint(from(data)); });
    }
    // The first end counts. One that is malformed ends it too: as a failure that says so.
    static madang_status job_end(madang_job* job, const madang_job_end* given) noexcept {
        if (!job || !given) return MADANG_INVALID;
        return guarded([&] {
            const auto end = copy_options(given);
            attempt_end how;
            const auto malformed = [&](std::string what) {
                how.error = {"TaskError", std::move(what), {}};
                running_job::from(job).end(std::move(how));
                return MADANG_INVALID;
            };
            if (end.outcome > MADANG_JOB_IGNORE) return malformed("it ended in a way that is not known");
            if (!valid(end.json) || !valid(end.error_type) || !valid(end.message) || !valid(end.trace))
                return malformed("it ended with a text that is NULL");
            const auto outcome = static_cast<madang_job_outcome>(end.outcome);
            if (outcome == MADANG_JOB_SUCCESS) {
                how.json = end.json.size == 0 ? "null" : std::string(from(end.json));
                if (!nlohmann::json::accept(how.json)) return malformed("its result is not JSON");
            }
            how.outcome = outcome;
            how.error = {std::string(from(end.error_type)), std::string(from(end.message)),
                         std::string(from(end.trace))};
            if (outcome == MADANG_JOB_FAILURE && how.error.type.empty()) how.error.type = "Error";
            how.after_ms = std::max<std::int64_t>(end.after_ms, -1);
            return running_job::from(job).end(std::move(how)) ? MADANG_OK : MADANG_INVALID;
        });
    }
};

const madang_jobs& plugin_host::jobs_api() noexcept {
    using f = job_functions;
    static const madang_jobs table = {
        sizeof(madang_jobs), f::register_task, f::declare_schedule, f::enqueue,
        f::cancel,           f::find,          f::job_get,          f::job_number,
        f::job_stop,         f::job_wait_stop, f::job_progress,     f::job_checkpoint,
        f::job_end,
    };
    return table;
}

}  // namespace madang
