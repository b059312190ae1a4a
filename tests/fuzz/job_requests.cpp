// First line: what the rest is. A request's plan must hang together and come out the same each time; a
// schedule's fires must grow; whatever is refused must say why in a text that can be logged.
#include <nlohmann/json.hpp>
#include <set>

#include "broker/jobs/cron.hpp"
#include "broker/jobs/enqueue_plan.hpp"
#include "broker/jobs/job_json.hpp"
#include "broker/jobs/schedule.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace madang::fuzz {
namespace {

struct tasks final : task_directory {
    const task_options* find(std::string_view task) const override {
        return task == "a" ? &plain : task == "b" ? &strict : nullptr;
    }
    task_options plain = parse_task_options("a", R"({"rate_limit":"5/m","limit_by":"k"})").value();
    task_options strict =
        parse_task_options(
            "b",
            R"({"args_schema":{"items":{"type":"integer"}},"kwargs_schema":{"properties":{"k":{"pattern":"^x"}}}})")
            .value();
};

void refused(const error& why) {
    require(!why.detail.empty(), "a refusal says why");
    require(why.code == errc::bad_request || why.code == errc::unknown_task || why.code == errc::too_large ||
                why.code == errc::limit_exceeded,
            "a refusal is one of the documented ones");
}

void plan(std::string_view text) {
    static const tasks known;
    enqueue_request what;
    for (;;) {
        const auto end = text.find('\n');
        what.jobs.emplace_back(text.substr(0, end));
        if (end == text.npos) break;
        text.remove_prefix(end + 1);
    }
    int ids = 0;
    const planning with{known, {{"a*", "routed"}}, 1 << 14, 100, 31'536'000'000, 86'400'000, [&ids] {
                            return "#" + std::to_string(++ids);
                        }};
    const auto made = plan_enqueue(what, 1'800'000'000'000, with);
    if (!made) return refused(made.error());
    require(made->jobs.size() <= 100, "no more jobs than may be");
    require(made->answers.size() == what.jobs.size(), "an answer each");
    std::set<std::string> begun;
    for (const auto& job : made->jobs) {
        require(nlohmann::json::parse(job->args).is_array(), "args are an array");
        require(nlohmann::json::parse(job->kwargs).is_object(), "kwargs are an object");
        require(job->headers.empty() || nlohmann::json::parse(job->headers).is_object(), "headers, too");
        require(job->args.find('\n') == job->args.npos, "arguments are one line");
        require(job->args.size() + job->kwargs.size() <= 1 << 14, "arguments are bounded");
        require(!job->id.empty() && job->id.size() <= 128, "an id is bounded");
        require(job->priority <= 9, "a priority is a digit");
        for (const auto& next : job->next) require(begun.insert(next).second, "a job is begun once");
        for (const auto& next : job->on_error) require(begun.insert(next).second, "a job is begun once");
    }
    for (const auto& barrier : made->barriers) {
        require(barrier.expected != 0, "a barrier expects somebody");
        for (const auto& next : barrier.bodies) require(begun.insert(next).second, "a job is begun once");
    }
    for (const auto& job : made->jobs) require(job->waits == begun.contains(job->id), "who is begun waits");
}

void fires(std::string_view json) {
    const auto made = schedule::parse("s", json);
    if (!made) return refused(made.error());
    require(nlohmann::json::accept(made->signature()), "the signature is JSON");
    std::int64_t before = 1'790'000'000'000;
    for (const auto at : made->next(before, 5)) {
        require(at > before, "fires grow");
        require(made->interval_ms() != 0 || made->next(at - 1) == at, "a fire is found from just before it");
        before = at;
    }
}

}  // namespace
}  // namespace madang::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in{data, size};
    const auto kind = in.line();
    const auto text = in.rest();
    if (kind == "plan") {
        fuzz::plan(text);
    } else if (kind == "schedule") {
        fuzz::fires(text);
    } else if (kind == "task") {
        const auto made = parse_task_options("t", text);
        if (!made) {
            fuzz::refused(made.error());
        } else {
            fuzz::require(nlohmann::json::accept(to_json(*made)), "options are told as JSON");
        }
    } else if (kind == "cron" || kind == "celery") {
        const auto style = kind == "cron" ? cron_style::vixie : cron_style::celery;
        const auto made = cron_fields::parse(text, style);
        if (!made) {
            fuzz::refused(made.error());
        } else {
            fuzz::require(made->minutes != 0 && made->minutes >> 60 == 0, "minutes are 0-59");
            fuzz::require(made->hours != 0 && made->hours >> 24 == 0, "hours are 0-23");
            fuzz::require(made->days != 0 && (made->days & 1) == 0, "days are 1-31");
            fuzz::require(made->months != 0 && (made->months & 1) == 0 && made->months >> 13 == 0,
                          "months are 1-12");
            fuzz::require(made->weekdays != 0 && made->weekdays >> 7 == 0, "weekdays are 0-6");
        }
    }
    return 0;
}
