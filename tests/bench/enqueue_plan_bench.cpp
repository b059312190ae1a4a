// What it costs to make a job of a request, and to find a schedule's next fire.
#include <benchmark/benchmark.h>

#include <cstdio>

#include "broker/jobs/enqueue_plan.hpp"
#include "broker/jobs/schedule.hpp"

namespace madang {
namespace {

struct one_task final : task_directory {
    explicit one_task(std::string_view json) : options(parse_task_options("reports.build", json).value()) {}
    const task_options* find(std::string_view task) const override {
        return task == options.name ? &options : nullptr;
    }
    task_options options;
};

void plan(benchmark::State& state, const std::string& json, std::string_view options) {
    const one_task tasks(options);
    std::uint64_t number = 0;
    const planning with{tasks, {}, 1 << 20, 10'000, 31'536'000'000, 86'400'000, [&number] {
                            char id[37];
                            std::snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012lx", ++number);
                            return std::string(id, 36);
                        }};
    enqueue_request what;
    what.jobs.push_back(json);
    std::size_t jobs = 0;
    for (auto _ : state) {
        const auto made = plan_enqueue(what, 1'800'000'000'000, with);
        if (!made) state.SkipWithError(made.error().detail.c_str());
        jobs += made->jobs.size();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(jobs));
}

const std::string single =
    R"({"task":"reports.build","args":[42,"2026-11"],"kwargs":{"user":17,"format":"pdf","pages":[1,2,3]}})";
void Single(benchmark::State& state) { plan(state, single, ""); }
void SingleWithSchema(benchmark::State& state) {
    plan(
        state, single,
        R"({"kwargs_schema":{"type":"object","properties":{"user":{"type":"integer"}},"required":["user"]}})");
}
void EveryMember(benchmark::State& state) {
    plan(state, R"({"task":"reports.build","args":[1],"kwargs":{"user":1},"queue":"slow","priority":5,
        "countdown":5,"expires":3600,"headers":{"a":1},"notify":{"user":"17"},"unique":{"key":"k","for":"1m"}})",
         R"({"rate_limit":"10/m","limit_by":"user"})");
}
void Chord(benchmark::State& state) {
    std::string header;
    for (int i = 0; i < 100; ++i) header.append(i == 0 ? "" : ",").append(single);
    plan(state, R"({"chord":{"header":[)" + header + R"(],"body":)" + single + "}}", "");
}

void next_fire(benchmark::State& state, const std::string& json) {
    const auto made = schedule::parse("s", json).value();
    std::int64_t at = 1'780'000'000'000;
    for (auto _ : state) {
        at = made.next(at);
        if (at == 0 || at > 2'200'000'000'000) at = 1'780'000'000'000;
    }
}
void EveryMinute(benchmark::State& state) {
    next_fire(state, R"({"task":"t","cron":"* * * * *","timezone":"Europe/Berlin"})");
}
void Daily(benchmark::State& state) {
    next_fire(state, R"({"task":"t","cron":"30 2 * * *","timezone":"Europe/Berlin"})");
}
void LeapMondays(benchmark::State& state) {
    next_fire(state,
              R"({"task":"t","cron":"0 0 29 2 mon","cron_style":"celery","timezone":"Europe/Berlin"})");
}
void Parse(benchmark::State& state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(schedule::parse("s", R"({"task":"t","cron":"0 0 30 2 *"})"));
}

BENCHMARK(Single);
BENCHMARK(SingleWithSchema);
BENCHMARK(EveryMember);
BENCHMARK(Chord);
BENCHMARK(EveryMinute);
BENCHMARK(Daily);
BENCHMARK(LeapMondays);
BENCHMARK(Parse)->Name("RefuseNever");

}  // namespace
}  // namespace madang
