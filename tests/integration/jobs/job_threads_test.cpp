#include "actors/job_threads.hpp"

#include <gmock/gmock.h>

#include <future>

#include "actors/job_desk.hpp"
#include "broker/core/cpu_time.hpp"
#include "plugins/host/plugin_host.hpp"
#include "tests/integration/jobs/end_with.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t worked_us = 3000;

// Waits, which takes time but no CPU, and then works.
madang_status wait_and_work(void*, madang_job* job) {
    plugin_host::jobs_api().job_wait_stop(job, 30);
    const auto begin = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    while (cpu_us(CLOCK_THREAD_CPUTIME_ID) - begin < worked_us) continue;
    return end_with(job, "null");
}

TEST(JobThreads, AnAttemptsEndSaysHowLongItTookAndHowMuchCpu) {
    plugin owner;
    task_table tasks;
    std::string error;
    ASSERT_EQ(tasks.add(owner, "work", R"({"in_process":true})", wait_and_work, nullptr, error), MADANG_OK)
        << error;
    std::promise<link::ended> told;
    auto later = told.get_future();
    const system_clock_source clock;
    job_threads threads(tasks, clock, 1, [&](std::vector<link::from_worker>& words) {
        for (auto& each : words)
            if (auto* end = std::get_if<link::ended>(&each)) told.set_value(std::move(*end));
        words.clear();
    });
    auto what = std::make_shared<job_spec>();
    what->task = "work";
    std::vector<job_assignment> batch(1);
    batch[0].token = 7;
    batch[0].spec = what;
    threads.run(batch);
    ASSERT_EQ(later.wait_for(60s), std::future_status::ready);
    const auto how = later.get();
    EXPECT_EQ(how.token, 7u);
    EXPECT_EQ(how.what, link::ended::outcome::success);
    EXPECT_GE(how.cpu_us, worked_us);
    EXPECT_GE(how.run_us, 30'000 + worked_us);
    EXPECT_LT(how.cpu_us, how.run_us);
}

}  // namespace
}  // namespace madang
