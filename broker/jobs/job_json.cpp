#include "broker/jobs/job_json.hpp"

#include <type_traits>

#include "broker/core/trace_context.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {
namespace {

// One object, member by member.
class object_writer {
  public:
    object_writer& text(std::string_view name, std::string_view value) {
        begin(name);
        append_json_string(out_, value);
        return *this;
    }
    // Left out when empty.
    object_writer& text_if(std::string_view name, std::string_view value) {
        return value.empty() ? *this : text(name, value);
    }
    object_writer& raw(std::string_view name, std::string_view json) {
        begin(name);
        out_ += json;
        return *this;
    }
    object_writer& raw_if(std::string_view name, std::string_view json) {
        return json.empty() ? *this : raw(name, json);
    }
    object_writer& number(std::string_view name, std::int64_t value) {
        return raw(name, std::to_string(value));
    }
    object_writer& number_if(std::string_view name, std::int64_t value) {
        return value == 0 ? *this : number(name, value);
    }
    object_writer& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
    object_writer& texts(std::string_view name, const std::vector<std::string>& values) {
        begin(name);
        out_ += '[';
        for (const auto& value : values) {
            if (&value != &values.front()) out_ += ',';
            append_json_string(out_, value);
        }
        out_ += ']';
        return *this;
    }
    template <class T>
    object_writer& objects(std::string_view name, const std::vector<T>& values) {
        begin(name);
        out_ += '[';
        for (const auto& value : values) {
            if (&value != &values.front()) out_ += ',';
            out_ += to_json(value);
        }
        out_ += ']';
        return *this;
    }
    // Seconds, as options are written.
    object_writer& seconds(std::string_view name, std::int64_t ms) {
        auto value = std::to_string(ms / 1000);
        if (ms % 1000 != 0) {
            auto rest = std::to_string(1000 + ms % 1000);
            rest[0] = '.';
            value += rest.substr(0, rest.find_last_not_of('0') + 1);
        }
        return raw(name, value);
    }
    std::string done() { return std::move(out_ += '}'); }

  private:
    // Found by the types' namespace, and for those below by this one.
    static std::string to_json(const enqueued_job& what);
    static std::string to_json(const job_attempt& what);
    static std::string to_json(const job_view& what) { return madang::to_json(what, false); }

    void begin(std::string_view name) {
        if (out_.size() > 1) out_ += ',';
        append_json_string(out_, name);
        out_ += ':';
    }
    std::string out_ = "{";
};

std::string error_json(const job_error& what) {
    object_writer out;
    out.text("type", what.type).text("message", what.message).text_if("trace", what.trace);
    return out.done();
}

std::string object_writer::to_json(const enqueued_job& what) {
    object_writer out;
    return out.text("id", what.id).flag("duplicate", what.duplicate).texts("children", what.children).done();
}

std::string object_writer::to_json(const job_attempt& what) {
    object_writer out;
    out.number("began_ms", what.began_ms).number("ended_ms", what.ended_ms).text("worker", what.worker);
    if (!what.error.type.empty()) out.raw("error", error_json(what.error));
    return out.done();
}

void append_details(object_writer& out, const job_view& what) {
    const auto& spec = what.spec;
    out.raw("args", spec.args).raw("kwargs", spec.kwargs).raw_if("headers", spec.headers);
    out.text_if("unique", spec.unique).text_if("notify_group", spec.notify_group);
    out.number("max_retries", spec.retry.max_retries).flag("acks_late", spec.late_ack);
    if (spec.soft_limit_ms != 0) out.seconds("soft_time_limit", spec.soft_limit_ms);
    if (spec.hard_limit_ms != 0) out.seconds("time_limit", spec.hard_limit_ms);
    out.flag("ignore_result", spec.ignore_result).flag("in_process", spec.in_process);
    out.text_if("limit", spec.limit.key);
    if (!spec.next.empty()) out.texts("next", spec.next);
    if (!spec.on_error.empty()) out.texts("on_error", spec.on_error);
    if (!spec.part_of.barrier.empty())
        out.text("group", spec.part_of.barrier).number("group_index", spec.part_of.index);
    out.objects("history", what.history);
}

}  // namespace

std::string to_json(const enqueued& what) {
    object_writer out;
    return out.objects("jobs", what.jobs).flag("repeated", what.repeated).done();
}

std::string to_json(const job_view& what, bool details) {
    const auto& spec = what.spec;
    object_writer out;
    out.text("id", spec.id).text("task", spec.task).text("queue", spec.queue);
    out.text("state", name_of(what.state, what.retries, what.started)).flag("ready", is_over(what.state));
    out.flag("dead", what.dead).number("priority", spec.priority);
    out.number("retries", what.retries).number("losses", what.losses).flag("cancelled", what.cancelled);
    out.number("enqueued_ms", spec.enqueued_ms).number_if("due_ms", what.due_ms);
    out.number_if("began_ms", what.began_ms).number_if("ended_ms", what.ended_ms);
    out.number_if("expires_ms", spec.expires_ms).text_if("worker", what.worker);
    const auto origin = split_origin(spec.correlation_id);
    if (origin.trace) out.text("trace_id", to_hex(origin.trace->trace));
    out.text_if("correlation_id", origin.request_id)
        .text_if("parent", spec.parent)
        .text_if("root", spec.root);
    out.raw_if("progress", what.progress);
    if (what.state == job_state::success) out.raw("result", what.result.empty() ? "null" : what.result);
    if (!what.error.type.empty()) out.raw("error", error_json(what.error));
    if (details) append_details(out, what);
    return out.done();
}

std::string to_json(const job_page& what) {
    object_writer out;
    return out.objects("jobs", what.jobs).text("next", what.next).done();
}

std::string to_json(const queue_view& what) {
    object_writer out;
    out.text("name", what.name).number("ready", static_cast<std::int64_t>(what.ready));
    out.number("scheduled", static_cast<std::int64_t>(what.scheduled));
    out.number("leased", static_cast<std::int64_t>(what.leased));
    out.number("parked", static_cast<std::int64_t>(what.parked));
    out.number("dead", static_cast<std::int64_t>(what.dead));
    return out.number_if("oldest_ms", what.oldest_ms).flag("paused", what.paused).done();
}

std::string to_json(const worker_view& what) {
    object_writer out;
    out.text("id", what.id).text("name", what.name).texts("queues", what.queues);
    out.number("concurrency", what.concurrency).number("running", what.running);
    out.number("prefetched", what.prefetched).number("done", static_cast<std::int64_t>(what.done));
    out.number("child_restarts", static_cast<std::int64_t>(what.child_restarts));
    return out.number("since_ms", what.since_ms).flag("stopping", what.stopping).done();
}

std::string to_json(const schedule_view& what) {
    object_writer out;
    out.text("name", what.name)
        .raw("schedule", what.json.empty() ? "null" : what.json)
        .text("source", what.source);
    out.number_if("last_fire_ms", what.last_fire_ms).number_if("next_fire_ms", what.next_fire_ms);
    out.number("fired", static_cast<std::int64_t>(what.fired));
    return out.number("skipped", static_cast<std::int64_t>(what.skipped))
        .flag("enabled", what.enabled)
        .done();
}

std::string to_json(const task_options& what) {
    object_writer out;
    out.text("name", what.name).text_if("plugin", what.plugin).text("queue", what.queue);
    out.number("priority", what.priority);
    if (what.retry.max_retries < 0)
        out.raw("max_retries", "null");
    else
        out.number("max_retries", what.retry.max_retries);
    out.seconds("default_retry_delay", what.retry.delay_ms);
    if (what.retry.backoff_ms == 0)
        out.flag("retry_backoff", false);
    else
        out.seconds("retry_backoff", what.retry.backoff_ms);
    out.seconds("retry_backoff_max", what.retry.backoff_max_ms).flag("retry_jitter", what.retry.jitter);
    out.texts("autoretry_for", what.autoretry_for).texts("dont_autoretry_for", what.dont_autoretry_for);
    if (what.soft_limit_ms != 0) out.seconds("soft_time_limit", what.soft_limit_ms);
    if (what.hard_limit_ms != 0) out.seconds("time_limit", what.hard_limit_ms);
    if (what.expires_ms != 0) out.seconds("expires", what.expires_ms);
    out.flag("acks_late", what.late_ack).flag("reject_on_worker_lost", what.reject_on_worker_lost);
    out.flag("ignore_result", what.ignore_result).flag("track_started", what.track_started);
    out.flag("in_process", what.in_process);
    if (what.result_ms >= 0) out.seconds("result_expires", what.result_ms);
    if (what.rate != 0)
        out.text("rate_limit", std::to_string(what.rate) + (what.rate_ms == 1000     ? "/s"
                                                            : what.rate_ms == 60'000 ? "/m"
                                                                                     : "/h"));
    if (what.at_once != 0) out.number("concurrency_limit", what.at_once);
    out.text_if("limit_by", what.limit_by);
    return out.raw_if("args_schema", what.args_schema).raw_if("kwargs_schema", what.kwargs_schema).done();
}

}  // namespace madang
