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
    explicit Work(nlohmann::json value) : value_(std::move(value)) {}
    const nlohmann::json& json() const noexcept { return value_; }
    std::string dump() const { return value_.dump(); }

  protected:
    nlohmann::json value_;
};

class Signature : public Work {
  public:
    explicit Signature(std::string_view task)
        : Work(nlohmann::json{{"task", task}, {"args", nlohmann::json::array()}}) {}

    // Of each, the last call counts.
    Signature& args(nlohmann::json array) { return set("args", std::move(array)); }
    Signature& kwargs(nlohmann::json object) { return set("kwargs", std::move(object)); }
    Signature& kwarg(const std::string& name, nlohmann::json value) {
        value_["kwargs"][name] = std::move(value);
        return *this;
    }
    Signature& queue(std::string_view name) { return set("queue", name); }
    Signature& priority(int level) { return set("priority", level); }  // 0-9, 9 goes first
    Signature& countdown(std::chrono::milliseconds time) { return set("countdown", detail::seconds(time)); }
    Signature& eta(std::chrono::system_clock::time_point when) {
        return set("eta", detail::unix_seconds(when));
    }
    Signature& expires(std::chrono::milliseconds after) { return set("expires", detail::seconds(after)); }
    Signature& id(std::string_view id) { return set("id", id); }
    // While another job of this task has the key, this one is not taken: the answer has that one's id.
    // Nothing: until that one is over. Not within workflows.
    Signature& unique(std::string_view key, std::optional<std::chrono::milliseconds> window = {}) {
        nlohmann::json value{{"key", key}};
        if (window) value["for"] = detail::seconds(*window);
        return set("unique", std::move(value));
    }
    Signature& unique() { return set("unique", true); }  // the key: the arguments
    Signature& headers(nlohmann::json object) { return set("headers", std::move(object)); }
    Signature& soft_time_limit(std::chrono::milliseconds time) {
        return set("soft_time_limit", detail::seconds(time));
    }
    Signature& time_limit(std::chrono::milliseconds time) { return set("time_limit", detail::seconds(time)); }
    Signature& ignore_result() { return set("ignore_result", true); }
    // When it succeeds, with its result; when it fails, with what went wrong. Called again: one more.
    Signature& link(const Work& next) { return append("link", next); }
    Signature& link_error(const Work& next) { return append("link_error", next); }
    Signature& immutable() { return set("immutable", true); }  // takes no results of others
    // Who is told of progress and end: the group user:<id>, or any.
    Signature& notify_user(std::string_view id) { return set("notify", {{"user", id}}); }
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

// While a job that the schedule fired before is not over.
enum class Overlap : std::uint8_t { skip, queue, all };

// When a signature or workflow is enqueued again and again: every(30s, …) or cron("0 3 * * *", …).
class Schedule {
  public:
    explicit Schedule(nlohmann::json value) : value_(std::move(value)) {}
    Schedule& timezone(std::string_view name) { return set("timezone", name); }  // "Asia/Seoul"; else UTC
    // Fires missed longer ago are left out.
    Schedule& catch_up(std::chrono::milliseconds window) { return set("catch_up", detail::seconds(window)); }
    Schedule& overlap(Overlap how) {
        static constexpr const char* names[] = {"skip", "queue", "all"};
        return set("overlap", names[static_cast<int>(how)]);
    }
    // Of hours that daylight saving leaves out or repeats; docs/jobs.md has the words.
    Schedule& dst_missing(std::string_view how) { return set("dst_missing", how); }
    Schedule& dst_repeated(std::string_view how) { return set("dst_repeated", how); }
    Schedule& cron_style(std::string_view name) { return set("cron_style", name); }  // "celery"
    Schedule& disabled() { return set("enabled", false); }  // there, and does not fire
    std::string dump() const { return value_.dump(); }

  private:
    Schedule& set(const char* name, nlohmann::json value) {
        value_[name] = std::move(value);
        return *this;
    }
    nlohmann::json value_;
};
inline Schedule every(std::chrono::milliseconds period, const Work& what) {
    nlohmann::json value = what.json();
    value["every"] = std::to_string(period.count()) + "ms";
    return Schedule(std::move(value));
}
inline Schedule cron(std::string_view expression, const Work& what) {
    nlohmann::json value = what.json();
    value["cron"] = expression;
    return Schedule(std::move(value));
}

}  // namespace madang
