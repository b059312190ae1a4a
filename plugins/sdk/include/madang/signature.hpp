// What is to be done, as a value: a signature (one job: a task with its arguments and when, where and for
// whom), the workflows chain, group and chord of them, and schedules. docs/jobs.md has the JSON that they
// become.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace madang {

namespace detail {
// Seconds, as Celery has them: a fraction only where there is one.
inline nlohmann::json seconds(std::chrono::milliseconds time) {
    if (time.count() % 1000 == 0) return time.count() / 1000;
    return static_cast<double>(time.count()) / 1000.0;
}
inline nlohmann::json unix_seconds(std::chrono::system_clock::time_point time) {
    return seconds(std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()));
}
}  // namespace detail

// A signature or a workflow.
class Work {
  public:
    explicit Work(nlohmann::json value) : value_(std::move(value)) {}  // of docs/jobs.md's JSON, as it is
    const nlohmann::json& json() const noexcept { return value_; }     // what the server is told
    std::string dump() const { return value_.dump(); }                 // as text

  protected:
    nlohmann::json value_;  // of docs/jobs.md
};

// One job: what, when, where, for whom. Nothing is checked here: enqueue is refused (107) with the member's
// path.
class Signature : public Work {
  public:
    // Without arguments yet; signature() takes both.
    explicit Signature(std::string_view task)
        : Work(nlohmann::json{{"task", task}, {"args", nlohmann::json::array()}}) {}

    // -- Of each, the last call counts.

    Signature& args(nlohmann::json array) { return set("args", std::move(array)); }  // positional arguments
    Signature& kwargs(nlohmann::json object) { return set("kwargs", std::move(object)); }  // all by name
    // One more by name.
    Signature& kwarg(const std::string& name, nlohmann::json value) {
        value_["kwargs"][name] = std::move(value);
        return *this;
    }
    // Stronger than the server's job-route and the task's.
    Signature& queue(std::string_view name) { return set("queue", name); }
    Signature& priority(int level) { return set("priority", level); }  // 0-9, 9 goes first
    // Begins not before so much time has passed; in a workflow: since its turn came.
    Signature& countdown(std::chrono::milliseconds time) { return set("countdown", detail::seconds(time)); }
    // Begins not before that time. Not with countdown.
    Signature& eta(std::chrono::system_clock::time_point when) {
        return set("eta", detail::unix_seconds(when));
    }
    // Revoked when it has not begun by then.
    Signature& expires(std::chrono::milliseconds after) { return set("expires", detail::seconds(after)); }
    // 1-128 bytes of printable ASCII without space; without it a UUID. One that is known already is refused.
    Signature& id(std::string_view id) { return set("id", id); }
    // While another job of this task has the key, this one is not taken: the answer has that one's id.
    // Nothing: until that one is over. Not within workflows.
    Signature& unique(std::string_view key, std::optional<std::chrono::milliseconds> window = {}) {
        nlohmann::json value{{"key", key}};
        if (window) value["for"] = detail::seconds(*window);
        return set("unique", std::move(value));
    }
    Signature& unique() { return set("unique", true); }  // the key: the arguments
    Signature& headers(nlohmann::json object) { return set("headers", std::move(object)); }  // Job::headers
    // Instead of the task's: then Job::check throws. 0: none.
    Signature& soft_time_limit(std::chrono::milliseconds time) {
        return set("soft_time_limit", detail::seconds(time));
    }
    // Instead of the task's: then its process is killed. 0: none.
    Signature& time_limit(std::chrono::milliseconds time) { return set("time_limit", detail::seconds(time)); }
    Signature& ignore_result() { return set("ignore_result", true); }  // it is not kept
    // Begun when this one succeeded, with its result before its own arguments. Called again: one more.
    Signature& link(const Work& next) { return append("link", next); }
    // Begun when this one is a dead letter, with what went wrong before its own arguments. Called again: one
    // more.
    Signature& link_error(const Work& next) { return append("link_error", next); }
    Signature& immutable() { return set("immutable", true); }  // takes no results of others
    // The group user:<id> is told of progress and end.
    Signature& notify_user(std::string_view id) { return set("notify", {{"user", id}}); }
    // Any group is.
    Signature& notify_group(std::string_view name) { return set("notify", {{"group", name}}); }

  private:
    Signature& set(const char* name, nlohmann::json value) {
        value_[name] = std::move(value);
        return *this;
    }
    Signature& append(const char* name, const Work& next) {
        value_[name].push_back(next.json());
        return *this;
    }
};

// signature("reports.build", 42, "title"): positional arguments.
template <class... Arguments>
Signature signature(std::string_view task, Arguments&&... arguments) {
    Signature made(task);
    nlohmann::json list = nlohmann::json::array();
    (list.push_back(nlohmann::json(std::forward<Arguments>(arguments))), ...);
    made.args(std::move(list));
    return made;
}

namespace detail {
inline nlohmann::json list_of(const std::vector<Work>& steps) {
    nlohmann::json list = nlohmann::json::array();
    for (const Work& step : steps) list.push_back(step.json());
    return list;
}
}  // namespace detail

// One after the other, each with the result of the one before as its first argument.
inline Work chain(const std::vector<Work>& steps) {
    return Work(nlohmann::json{{"chain", detail::list_of(steps)}});
}
// All at once.
inline Work group(const std::vector<Work>& members) {
    return Work(nlohmann::json{{"group", detail::list_of(members)}});
}
// All of the header at once, then the body with the array of their results.
inline Work chord(const std::vector<Work>& header, const Work& body) {
    return Work(nlohmann::json{{"chord", {{"header", detail::list_of(header)}, {"body", body.json()}}}});
}

// While a job that the schedule fired before is not over: skip the fire, queue it (one waits), or begin all.
enum class Overlap : std::uint8_t { skip, queue, all };

// When a signature or workflow is enqueued again and again: every(30s, …) or cron("0 3 * * *", …).
class Schedule {
  public:
    explicit Schedule(nlohmann::json value) : value_(std::move(value)) {}  // of docs/jobs.md's JSON, as it is
    Schedule& timezone(std::string_view name) { return set("timezone", name); }  // "Asia/Seoul"; else UTC
    // Fires missed longer ago are left out.
    Schedule& catch_up(std::chrono::milliseconds window) { return set("catch_up", detail::seconds(window)); }
    // Overlap::skip without it.
    Schedule& overlap(Overlap how) {
        static constexpr const char* names[] = {"skip", "queue", "all"};
        return set("overlap", names[static_cast<int>(how)]);
    }
    // A time that daylight saving leaves out: "after" (without it), "before", "skip".
    Schedule& dst_missing(std::string_view how) { return set("dst_missing", how); }
    // A time that it repeats: "first" (without it), "second", "both".
    Schedule& dst_repeated(std::string_view how) { return set("dst_repeated", how); }
    Schedule& cron_style(std::string_view name) { return set("cron_style", name); }  // "celery"
    Schedule& disabled() { return set("enabled", false); }  // there, and does not fire
    std::string dump() const { return value_.dump(); }      // what the server is told

  private:
    Schedule& set(const char* name, nlohmann::json value) {
        value_[name] = std::move(value);
        return *this;
    }
    nlohmann::json value_;
};
// Every so long, 1 s to 366 days, counted from the fire before.
inline Schedule every(std::chrono::milliseconds period, const Work& what) {
    nlohmann::json value = what.json();
    value["every"] = std::to_string(period.count()) + "ms";
    return Schedule(std::move(value));
}
// Five fields, as `0 3 * * mon-fri`, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
inline Schedule cron(std::string_view expression, const Work& what) {
    nlohmann::json value = what.json();
    value["cron"] = expression;
    return Schedule(std::move(value));
}

}  // namespace madang
