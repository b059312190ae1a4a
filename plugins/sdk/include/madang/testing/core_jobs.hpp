// The test kit's "madang.jobs/1".
#pragma once

#include "madang/testing/core.hpp"

namespace madang::testing::detail {

inline void Core::set_up_jobs() {
    jobs_.now = [this] { return now_ms(); };
    jobs_.pass = [this](std::uint64_t ms) { now_ms_ += ms; };
    jobs_.publish = [this](const std::string& group, const json& data) {
        Block& block = *new Block(data.dump(), payloads_alive_);
        post([this, group, payload = BlockRef(block)] {
            publish(group, Stored{payload, 0, 0, false, {}, {}, {}, {}, {}}, {}, false);
        });
        block.release();
    };
}

inline json Core::enqueue(std::string_view text, const std::string& key, const std::string& correlation_id) {
    if (const auto before = enqueued_.find(key);
        !key.empty() && before != enqueued_.end() && before->second.second > now_ms_) {
        json answer = before->second.first;
        answer["repeated"] = true;
        return answer;
    }
    const json asked = json::parse(text, nullptr, false);
    if (asked.is_discarded()) throw Refusal{107, "not JSON"};
    json answer;
    try {
        answer = jobs_.enqueue(asked, correlation_id);
    } catch (const json::exception& error) {
        throw Refusal{107, error.what()};
    }
    if (!key.empty()) enqueued_[key] = {answer, now_ms_ + 300'000};
    return answer;
}

inline madang_jobs Core::make_jobs() {
    madang_jobs t{};
    t.struct_size = sizeof t;
    t.register_task = [](madang_host* host, madang_str name, madang_str options, madang_task_handler handler,
                         void* context) {
        auto& tasks = of(host).core->jobs_.tasks;
        const json given =
            options.size == 0 ? json::object() : json::parse(from_abi(options), nullptr, false);
        if (name.size == 0 || !given.is_object() || tasks.contains(from_abi(name))) return MADANG_INVALID;
        tasks.emplace(std::string(from_abi(name)), KitTask{given, handler, context});
        return MADANG_OK;
    };
    t.declare_schedule = [](madang_host* host, madang_str name, madang_str text) {
        Core& core = *of(host).core;
        const json given = json::parse(from_abi(text), nullptr, false);
        if (!given.is_object() || given.contains("every") == given.contains("cron")) return MADANG_INVALID;
        const auto cron = given.contains("cron") ? Cron::parse(given) : std::nullopt;
        if (given.contains("cron") && !cron) return MADANG_INVALID;
        const auto [at, fresh] =
            core.jobs_.schedules.try_emplace(std::string(from_abi(name)), JobEngine::Repeated{given, cron});
        if (!fresh) return MADANG_INVALID;
        at->second.set_next(core.now_ms_);
        return MADANG_OK;
    };
    t.enqueue = [](madang_host* host, madang_connection* c, madang_str text,
                   const madang_enqueue_options* options, madang_json_answer answer, void* context,
                   madang_drop drop) {
        Core& core = *of(host).core;
        std::string key, correlation_id;
        if (options != nullptr) {
            key = from_abi(options->idempotency_key);
            correlation_id = from_abi(options->correlation_id);
        }
        if (correlation_id.empty() && c != nullptr)
            correlation_id = of(c).scope.fields[MADANG_SCOPE_REQUEST_ID];
        if (correlation_id.empty() && core.jobs_.running() != nullptr)
            correlation_id = core.jobs_.running()->known.correlation_id;
        std::optional<Refusal> refused;
        std::string told;
        try {
            told = core.enqueue(from_abi(text), key, correlation_id).dump();
        } catch (const Refusal& why) {
            refused = why;
        }
        core.ask(c == nullptr ? nullptr : &of(c), context, drop, [answer, refused, told]() -> Tell {
            return [answer, refused, told](void* to) {
                if (answer == nullptr) return;
                madang_failure failed{};
                if (refused) failed = {refused->code, to_abi(refused->message)};
                answer(to, refused ? &failed : nullptr, to_abi(told));
            };
        });
        return MADANG_OK;
    };
    t.cancel = [](madang_host* host, madang_connection* c, madang_str id, madang_str,
                  madang_json_answer answer, void* context, madang_drop drop) {
        Core& core = *of(host).core;
        const auto count = core.jobs_.cancel(from_abi(id));
        core.ask(c == nullptr ? nullptr : &of(c), context, drop, [answer, count]() -> Tell {
            return [answer, count](void* to) {
                const auto text = json{{"cancelled", count}}.dump();
                if (answer != nullptr) answer(to, nullptr, to_abi(text));
            };
        });
        return MADANG_OK;
    };
    t.find = [](madang_host* host, madang_connection* c, madang_str name, std::uint64_t wait_ms,
                madang_json_answer answer, void* context, madang_drop drop) {
        Core& core = *of(host).core;
        std::shared_ptr<void> kept(context, [drop](void* given) {
            if (drop != nullptr) drop(given);
        });
        const auto told = std::make_shared<bool>(false);
        auto tell = [&core, answer, kept, told, who = c == nullptr ? nullptr : &of(c),
                     id = std::string(from_abi(name))] {
            if (std::exchange(*told, true)) return;
            core.post([&core, answer, kept, who, id] {
                if (who != nullptr && who->consumer == nullptr) return;
                const KitJob* job = core.jobs_.find_or_null(id);
                const madang_failure failed{404, to_abi("not_found")};
                const auto text = job == nullptr ? std::string() : core.jobs_.view(*job).dump();
                answer(kept.get(), job == nullptr ? &failed : nullptr, to_abi(text));
            });
        };
        KitJob* job = core.jobs_.find_or_null(from_abi(name));
        if (job == nullptr || job->known.over() || wait_ms == 0) {
            tell();
        } else {
            job->waiters.push_back(tell);
            core.answers_.emplace(core.now_ms_ + wait_ms, tell);
        }
        return MADANG_OK;
    };
    t.job_get = [](const madang_job* handle, madang_job_field field) {
        KitJob& job = of(handle);
        const TestJob& known = job.known;
        const std::string values[] = {known.id,
                                      known.task,
                                      known.queue,
                                      known.args.dump(),
                                      known.kwargs.dump(),
                                      known.headers.is_null() ? "" : known.headers.dump(),
                                      known.correlation_id,
                                      known.parent,
                                      known.root,
                                      known.checkpoint,
                                      ""};
        return to_abi(job.fields[field] = values[field]);
    };
    t.job_number = [](const madang_job* handle, madang_job_number number) -> std::int64_t {
        const KitJob& job = of(handle);
        if (number == MADANG_JOB_RETRIES) return job.known.retries;
        if (number != MADANG_JOB_MAX_RETRIES) return 0;
        const auto& options = static_cast<JobEngine*>(job.engine)->tasks.find(job.known.task)->second.options;
        const json most = options.value("max_retries", json(3));
        return most.is_null() ? -1 : most.get<std::int64_t>();
    };
    t.job_stop = [](const madang_job* job) { return of(job).stop; };
    // Time passes while a task waits, and nothing else happens meanwhile.
    t.job_wait_stop = [](const madang_job* job, std::uint64_t ms) {
        if (of(job).stop == MADANG_JOB_GO_ON) static_cast<JobEngine*>(of(job).engine)->pass(ms);
        return of(job).stop;
    };
    t.job_progress = [](madang_job* handle, madang_str text) {
        KitJob& job = of(handle);
        const json value = json::parse(from_abi(text), nullptr, false);
        if (value.is_discarded()) return MADANG_INVALID;
        job.known.progress.push_back(value);
        auto& engine = *static_cast<JobEngine*>(job.engine);
        if (!job.known.notify_group.empty())
            engine.publish(job.known.notify_group, {{"event", "job"},
                                                    {"id", job.known.id},
                                                    {"task", job.known.task},
                                                    {"state", "PROGRESS"},
                                                    {"progress", value}});
        if (engine.on_progress) engine.on_progress(job.known);
        return MADANG_OK;
    };
    t.job_checkpoint = [](madang_job* job, madang_str data) {
        of(job).known.checkpoint = from_abi(data);
        return MADANG_OK;
    };
    t.job_end = [](madang_job* handle, const madang_job_end* end) {
        KitJob& job = of(handle);
        if (job.end) return MADANG_INVALID;
        const auto result = end->json.size == 0 ? json() : json::parse(from_abi(end->json), nullptr, false);
        if (end->outcome == MADANG_JOB_SUCCESS && result.is_discarded()) return MADANG_INVALID;
        job.end = {*end, json{{"result", result},
                              {"type", from_abi(end->error_type)},
                              {"message", from_abi(end->message)}}};
        return MADANG_OK;
    };
    return t;
}

}  // namespace madang::testing::detail
