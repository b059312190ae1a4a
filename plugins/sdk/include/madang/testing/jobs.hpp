// Jobs in the test kit: what was enqueued, what follows what, and how each attempt ends. One thread, no clock
// of its own: whoever has it says what time it is. Delays without their jitter, so that tests can name them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "madang/testing/cron.hpp"
#include "madang/testing/job_state.hpp"

namespace madang::testing::detail {

class JobEngine {
  public:
    bool eager = false;
    std::function<std::uint64_t()> now;
    std::function<void(std::uint64_t ms)> pass;  // lets time pass
    std::function<void(const std::string& group, const json& data)> publish;
    std::function<void(const TestJob&)> on_progress;
    std::map<std::string, KitTask, std::less<>> tasks;
    struct Repeated {
        json what;
        std::optional<Cron> cron;   // else every
        std::uint64_t next_ms = 0;  // 0: by hand only
        void set_next(std::uint64_t after_ms) {
            next_ms = cron ? cron->next(after_ms) : after_ms + time_ms(what.at("every"));
        }
    };
    std::map<std::string, Repeated, std::less<>> schedules;

    // Throws Refusal. `parent`: the job that asks, or null.
    json enqueue(const json& asked, const std::string& correlation_id) {
        const json list = asked.is_array() ? asked : json::array({asked});
        if (list.empty()) throw Refusal{107, "there is no job in it"};
        for (const json& each : list) check(each, "", false);
        json answers = json::array();
        for (json each : list) {
            if (const KitJob* other = same_unique(each)) {
                answers.push_back(
                    {{"id", other->known.id}, {"duplicate", true}, {"children", json::array()}});
                continue;
            }
            std::vector<std::string> ids;
            name_all(each, ids);
            const auto starts = add(each, {}, {}, correlation_id, ids.front());
            if (!each.contains("task")) workflows_[answer_id(each)] = ids;
            answers.push_back({{"id", answer_id(each)},
                               {"duplicate", false},
                               {"children", ids.size() == 1 ? json::array() : json(ids)}});
            for (const auto& id : starts) start(find(id), std::nullopt);
        }
        return {{"jobs", answers}, {"repeated", false}};
    }
    KitJob* find_or_null(std::string_view id) {
        for (KitJob& job : jobs_)
            if (job.known.id == id) return &job;
        return nullptr;
    }
    const std::deque<KitJob>& jobs() const noexcept { return jobs_; }
    KitJob* running() const noexcept { return running_; }

    // How many were not over: the job, or the workflow's that was answered with this id.
    std::size_t cancel(std::string_view id) {
        const auto found = workflows_.find(id);
        if (found == workflows_.end()) return cancel_one(id);
        std::size_t count = 0;
        for (auto at = found->second.rbegin(); at != found->second.rend(); ++at) count += cancel_one(*at);
        return count;
    }
    // When something is due next; nothing: never.
    std::optional<std::uint64_t> next_due() const {
        std::optional<std::uint64_t> next;
        const auto consider = [&](std::uint64_t due) {
            if (!next || due < *next) next = due;
        };
        for (const KitJob& job : jobs_)
            if (waiting(job)) consider(job.known.due_ms);
        for (const auto& [name, each] : schedules)
            if (each.next_ms != 0) consider(each.next_ms);
        return next;
    }
    // Runs the one thing that is due first.
    void run_next() {
        for (auto& [name, each] : schedules) {
            if (each.next_ms == 0 || each.next_ms > now()) continue;
            each.set_next(each.next_ms);
            return fire(each.what);
        }
        KitJob* first = nullptr;
        for (KitJob& job : jobs_) {
            if (!waiting(job) || job.known.due_ms > now()) continue;
            const auto before = [](const KitJob& a, const KitJob& b) {
                return std::tuple(-a.known.priority, a.known.due_ms, a.sequence) <
                       std::tuple(-b.known.priority, b.known.due_ms, b.sequence);
            };
            if (first == nullptr || before(job, *first)) first = &job;
        }
        if (first != nullptr) run(*first);
    }
    void fire(json what) {
        for (const char* name : {"every", "cron", "timezone", "cron_style", "catch_up", "overlap",
                                 "dst_missing", "dst_repeated", "enabled"})
            what.erase(name);
        enqueue(what, "");
    }
    json view(const KitJob& job) const {
        const TestJob& known = job.known;
        json made{{"id", known.id},           {"task", known.task},    {"queue", known.queue},
                  {"state", known.state},     {"args", known.args},    {"kwargs", known.kwargs},
                  {"retries", known.retries}, {"ready", known.over()}, {"headers", known.headers}};
        if (!known.notify_group.empty()) made["notify_group"] = known.notify_group;
        if (known.state == "SUCCESS") made["result"] = known.result;
        if (!known.progress.empty()) made["progress"] = known.progress.back();
        if (!known.error_type.empty()) made["error"] = error_of(known);
        return made;
    }

  private:
    KitJob& find(std::string_view id) { return *find_or_null(id); }
    std::size_t cancel_one(std::string_view id) {
        KitJob* job = find_or_null(id);
        if (job == nullptr || job->known.over()) return 0;
        if (job->runs)
            job->stop = MADANG_JOB_CANCELLED;
        else
            finish(*job, "REVOKED");
        return 1;
    }
    static bool waiting(const KitJob& job) { return !job.known.waits && !job.runs && !job.known.over(); }
    static json error_of(const TestJob& known) {
        return {{"type", known.error_type}, {"message", known.error}};
    }

    void check(const json& what, const std::string& path, bool in_flow) {
        static constexpr std::string_view known[] = {
            "task",       "args",    "kwargs",    "queue",           "priority",   "countdown",
            "eta",        "expires", "id",        "unique",          "headers",    "link",
            "link_error", "notify",  "immutable", "soft_time_limit", "time_limit", "ignore_result",
            "chain",      "group",   "chord"};
        const auto at = [&](const std::string& member) {
            return path.empty() ? member : path + "." + member;
        };
        if (!what.is_object()) throw Refusal{107, at("") + ": takes an object: a signature or a workflow"};
        for (const auto& item : what.items())
            if (std::find(std::begin(known), std::end(known), item.key()) == std::end(known))
                throw Refusal{107, at(item.key()) + ": there is no such member"};
        const auto each_of = [&](const json& list, const std::string& name) {
            if (!list.is_array() || list.empty()) throw Refusal{107, at(name) + ": is empty"};
            for (std::size_t i = 0; i < list.size(); ++i)
                check(list[i], at(name) + "[" + std::to_string(i) + "]", true);
        };
        if (what.contains("chain")) return each_of(what["chain"], "chain");
        if (what.contains("group")) return each_of(what["group"], "group");
        if (what.contains("chord")) {
            each_of(what["chord"].at("header"), "chord.header");
            return check(what["chord"].at("body"), at("chord.body"), true);
        }
        const auto task = what.value("task", std::string());
        if (!tasks.contains(task)) throw Refusal{470, at("task") + ": " + task};
        if (what.contains("args") && !what["args"].is_array())
            throw Refusal{107, at("args") + ": takes an array"};
        if (what.contains("kwargs") && !what["kwargs"].is_object())
            throw Refusal{107, at("kwargs") + ": takes an object"};
        if (what.contains("unique") && (in_flow || what.contains("link") || what.contains("link_error")))
            throw Refusal{107, at("unique") + ": is for a job that stands alone, without workflow or links"};
        if (what.contains("id") && find_or_null(what["id"].get<std::string>()) != nullptr)
            throw Refusal{107, at("id") + ": used twice"};
        for (const char* name : {"link", "link_error"})
            if (what.contains(name)) each_of(as_list(what[name]), name);
    }
    static json as_list(const json& value) { return value.is_array() ? value : json::array({value}); }

    static std::string unique_key(const json& what) {
        const auto found = what.find("unique");
        if (found == what.end() || found->is_null() || *found == false) return {};
        const json none;
        return what.at("task").get<std::string>() + ":" +
               (found->is_object() ? found->at("key").get<std::string>()
                                   : what.value("args", none).dump() + what.value("kwargs", none).dump());
    }
    const KitJob* same_unique(const json& what) const {
        const auto key = unique_key(what);
        if (key.empty()) return nullptr;
        for (const KitJob& job : jobs_) {
            if (job.unique != key) continue;
            const json& asked = job.signature["unique"];
            const bool holds = asked.is_object() && asked.contains("for")
                                   ? now() < job.enqueued_ms + time_ms(asked["for"])
                                   : !job.known.over();
            if (holds) return &job;
        }
        return nullptr;
    }

    // Every signature gets its id, in the order in which they are written; groups get one too.
    void name_all(json& what, std::vector<std::string>& ids) {
        const auto each_of = [&](json& list) {
            for (json& each : list) name_all(each, ids);
        };
        if (what.contains("chain")) return each_of(what["chain"]);
        if (what.contains("group")) {
            what["id"] = "group-" + std::to_string(++last_group_);
            return each_of(what["group"]);
        }
        if (what.contains("chord")) {
            each_of(what["chord"]["header"]);
            return name_all(what["chord"]["body"], ids);
        }
        if (!what.contains("id")) what["id"] = "job-" + std::to_string(++last_job_);
        ids.push_back(what["id"]);
        for (const char* name : {"link", "link_error"}) {
            if (!what.contains(name)) continue;
            what[name] = as_list(what[name]);
            each_of(what[name]);
        }
    }
    static std::string answer_id(const json& what) {
        if (what.contains("chain")) return answer_id(what["chain"].back());
        if (what.contains("chord")) return answer_id(what["chord"]["body"]);
        return what.at("id");
    }
    // Adds its jobs; `next` and `part_of` are what follows it. Those with which it begins.
    std::vector<std::string> add(const json& what, std::vector<std::string> next, Place part_of,
                                 const std::string& correlation_id, const std::string& root) {
        if (what.contains("chain")) {
            const json& steps = what["chain"];
            for (std::size_t i = steps.size(); i-- > 0;) {
                next = add(steps[i], std::move(next), std::exchange(part_of, {}), correlation_id, root);
            }
            return next;
        }
        if (what.contains("chord")) {
            auto body = add(what["chord"]["body"], std::move(next), part_of, correlation_id, root);
            return add_group(what["chord"]["header"], std::move(body), {}, correlation_id, root);
        }
        if (what.contains("group"))
            return add_group(what["group"], std::move(next), part_of, correlation_id, root);

        KitJob job;
        job.signature = what;
        job.sequence = ++last_sequence_;
        job.enqueued_ms = now();
        job.next = std::move(next);
        job.part_of = part_of;
        job.immutable = what.value("immutable", false);
        job.unique = unique_key(what);
        job.engine = this;
        TestJob& known = job.known;
        known.id = what.at("id");
        known.task = what.at("task");
        const json& options = tasks.find(known.task)->second.options;
        known.queue = what.value("queue", options.value("queue", std::string("default")));
        known.priority = what.value("priority", options.value("priority", 0));
        known.args = what.value("args", json::array());
        known.kwargs = what.value("kwargs", json::object());
        known.headers = what.value("headers", json());
        known.correlation_id = correlation_id;
        known.root = root;
        if (running_ != nullptr) known.parent = running_->known.id;
        known.waits = true;
        if (const auto notify = what.find("notify"); notify != what.end())
            known.notify_group = notify->contains("user") ? "user:" + notify->at("user").get<std::string>()
                                                          : notify->at("group").get<std::string>();
        const auto expires = what.contains("expires") ? what["expires"] : options.value("expires", json());
        if (!expires.is_null()) job.expires_ms = now() + time_ms(expires);
        for (const auto& each : what.value("link", json::array()))
            for (auto& id : add(each, {}, {}, correlation_id, root)) job.next.push_back(std::move(id));
        for (const auto& each : what.value("link_error", json::array()))
            for (auto& id : add(each, {}, {}, correlation_id, root)) job.on_error.push_back(std::move(id));
        jobs_.push_back(std::move(job));
        return {jobs_.back().known.id};
    }
    std::vector<std::string> add_group(const json& members, std::vector<std::string> bodies, Place part_of,
                                       const std::string& correlation_id, const std::string& root) {
        const auto which = barriers_.size();
        barriers_.push_back(
            {std::vector<json>(members.size()), members.size(), std::move(bodies), part_of, {}});
        std::vector<std::string> starts;
        for (std::size_t i = 0; i < members.size(); ++i)
            for (auto& id : add(members[i], {}, {which, i}, correlation_id, root))
                starts.push_back(std::move(id));
        return starts;
    }

    void start(KitJob& job, const std::optional<json>& before) {
        if (!job.known.waits || job.known.over()) return;
        job.known.waits = false;
        if (before && !job.immutable) job.known.args.insert(job.known.args.begin(), *before);
        job.known.due_ms = now();
        if (!eager && job.signature.contains("countdown"))
            job.known.due_ms += time_ms(job.signature["countdown"]);
        if (!eager && job.signature.contains("eta"))
            job.known.due_ms = std::max(job.known.due_ms, time_ms(job.signature["eta"]));
        if (eager) run(job);
    }
    void again(KitJob& job, const char* state, std::uint64_t after_ms) {
        job.known.state = state;
        job.known.due_ms = now() + (eager ? 0 : after_ms);
        if (eager) run(job);
    }

    void run(KitJob& job) {
        if (job.expires_ms && now() > *job.expires_ms) return finish(job, "REVOKED");
        const KitTask& task = tasks.find(job.known.task)->second;
        job.known.state = "STARTED";
        job.runs = true;
        job.stop = MADANG_JOB_GO_ON;
        job.end.reset();
        auto* outer = std::exchange(running_, &job);
        const auto status = task.handler(task.context, reinterpret_cast<madang_job*>(&job));
        running_ = outer;
        job.runs = false;
        if (job.stop == MADANG_JOB_CANCELLED) return finish(job, "REVOKED");
        if (status != MADANG_OK || !job.end) return fail(job, "TaskError", "it ended without saying how", {});
        const auto [end, texts] = *job.end;
        const std::string type = texts["type"], message = texts["message"];
        const auto after =
            end.after_ms < 0 ? std::optional<std::uint64_t>() : static_cast<std::uint64_t>(end.after_ms);
        switch (end.outcome) {
            case MADANG_JOB_SUCCESS:
                job.known.result = texts["result"];
                return finish(job, "SUCCESS");
            case MADANG_JOB_RETRY:
                return fail(job, type, message, after, true);
            case MADANG_JOB_REJECT:
                if (after) return again(job, "PENDING", *after);
                job.known.error_type = type, job.known.error = message;
                return finish(job, "REJECTED");
            case MADANG_JOB_IGNORE:
                return finish(job, "IGNORED");
            default:
                return fail(job, type, message, {});
        }
    }
    void fail(KitJob& job, const std::string& type, const std::string& message,
              std::optional<std::uint64_t> after, bool always = false) {
        const json& options = tasks.find(job.known.task)->second.options;
        job.known.error_type = type;
        job.known.error = message;
        const auto listed = [&](const char* name, const json& otherwise) {
            const json list = options.value(name, otherwise);
            return std::any_of(list.begin(), list.end(),
                               [&](const json& each) { return each == "*" || each == type; });
        };
        const bool retried = always || (listed("autoretry_for", {"*"}) && !listed("dont_autoretry_for", {}));
        const json most = options.value("max_retries", json(3));
        const int failed = job.known.retries;
        if (!retried || (!most.is_null() && failed >= most.get<int>())) return finish(job, "FAILURE");
        ++job.known.retries;
        again(job, "RETRY", after ? *after : delay(options, failed));
    }
    static std::uint64_t delay(const json& options, int failed) {
        const json backoff = options.value("retry_backoff", json());
        if (backoff.is_null() || backoff == false)
            return time_ms(options.value("default_retry_delay", json(180)));
        const auto first = backoff == true ? 1000 : time_ms(backoff);
        return std::min(time_ms(options.value("retry_backoff_max", json(600))),
                        first << std::min(failed, 30));
    }

    void finish(KitJob& job, const char* state) {
        job.known.state = state;
        job.known.waits = false;
        const bool good = job.known.state == "SUCCESS";
        tell(job);
        for (const auto& waiter : std::exchange(job.waiters, {})) waiter();
        for (const auto& id : job.next) {
            if (good)
                start(find(id), job.known.result);
            else if (!find(id).known.over())
                finish(find(id), "REVOKED");
        }
        if (job.known.state == "FAILURE" || job.known.state == "REJECTED") {
            const json why{{"id", job.known.id}, {"task", job.known.task}, {"error", error_of(job.known)}};
            for (const auto& id : job.on_error) start(find(id), why);
        } else {
            for (const auto& id : job.on_error)
                if (!find(id).known.over()) find(id).known.state = "REVOKED";
        }
        count(job.part_of, good ? std::optional(job.known.result) : std::nullopt, job.known.id);
    }
    void count(Place place, const std::optional<json>& result, const std::string& id) {
        if (place.barrier == SIZE_MAX) return;
        auto& failed = barriers_[place.barrier].failed;
        if (result)
            barriers_[place.barrier].results[place.index] = *result;
        else if (!failed || place.index < failed->first)
            failed = {place.index, id};
        if (--barriers_[place.barrier].missing != 0) return;
        const Barrier done = barriers_[place.barrier];
        for (const auto& body : done.bodies) {
            KitJob& job = find(body);
            if (!done.failed) {
                start(job, json(done.results));
            } else if (!job.known.over()) {
                job.known.error_type = "ChordError";
                job.known.error = "the job " + done.failed->second + " before it failed";
                finish(job, "FAILURE");
            }
        }
        count(done.part_of, done.failed ? std::nullopt : std::optional(json(done.results)),
              done.failed ? done.failed->second : std::string());
    }
    void tell(const KitJob& job) const {
        if (job.known.notify_group.empty()) return;
        json news{
            {"event", "job"}, {"id", job.known.id}, {"task", job.known.task}, {"state", job.known.state}};
        if (job.known.state == "SUCCESS") news["result"] = job.known.result;
        if (!job.known.error_type.empty() && job.known.state != "SUCCESS")
            news["error"] = error_of(job.known);
        publish(job.known.notify_group, news);
    }

    std::deque<KitJob> jobs_;  // addresses are stable: tasks hold theirs
    std::deque<Barrier> barriers_;
    std::map<std::string, std::vector<std::string>, std::less<>> workflows_;  // their jobs, by their answers
    KitJob* running_ = nullptr;
    std::uint64_t last_job_ = 0, last_group_ = 0, last_sequence_ = 0;
};

}  // namespace madang::testing::detail
