// What the SDK's C++ layer writes is what the server reads.
#include <gtest/gtest.h>

#include "broker/jobs/enqueue_plan.hpp"
#include "broker/jobs/schedule.hpp"
#include "broker/jobs/task_options.hpp"
#include "tests/unit/host/sdk_texts.hpp"

namespace madang {
namespace {

struct two_tasks final : task_directory {
    two_tasks() {
        a = *parse_task_options("a", sdk_texts::task_options());
        b = *parse_task_options("b", sdk_texts::plain_task_options());
    }
    const task_options* find(std::string_view task) const override {
        return task == "a" ? &a : task == "b" ? &b : nullptr;
    }
    task_options a, b;
};

TEST(JobsContract, TaskOptionsAreRead) {
    const auto read = parse_task_options("a", sdk_texts::task_options());
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->queue, "slow");
    EXPECT_EQ(read->retry, (retry_rule{-1, 1500, 2000, 60'000, false}));
    EXPECT_EQ(read->autoretry_for, std::vector<std::string>{"std::runtime_error"});
    EXPECT_EQ(read->dont_autoretry_for, (std::vector<std::string>{"std::out_of_range", "ArgumentError"}));
    EXPECT_EQ(read->soft_limit_ms, 10'000u);
    EXPECT_EQ(read->hard_limit_ms, 20'000u);
    EXPECT_EQ(read->expires_ms, 3'600'000);
    EXPECT_EQ(read->result_ms, 7'200'000);
    EXPECT_FALSE(read->late_ack);
    EXPECT_TRUE(read->reject_on_worker_lost && read->ignore_result && read->track_started);
    EXPECT_EQ(read->rate, 10u);
    EXPECT_EQ(read->rate_ms, 60'000u);
    EXPECT_EQ(read->at_once, 2u);
    EXPECT_EQ(read->limit_by, "user");
    const auto plain = parse_task_options("b", sdk_texts::plain_task_options());
    ASSERT_TRUE(plain) << plain.error();
    EXPECT_EQ(plain->retry, retry_rule{});
    EXPECT_EQ(plain->autoretry_for, std::vector<std::string>{"*"});
}

TEST(JobsContract, SignaturesAndWorkflowsArePlanned) {
    const two_tasks tasks;
    int ids = 0;
    planning with{.tasks = tasks, .routes = {}, .new_id = [&] { return "id" + std::to_string(++ids); }};
    for (const auto& text : sdk_texts::requests()) {
        const auto plan = plan_enqueue(
            {.jobs = {text}, .idempotency_key = {}, .correlation_id = {}, .parent = {}, .how = {}},
            1'700'000'000'000, with);
        EXPECT_TRUE(plan) << plan.error() << "\n" << text;
    }
    const auto full = plan_enqueue({.jobs = {sdk_texts::requests()[0]},
                                    .idempotency_key = {},
                                    .correlation_id = {},
                                    .parent = {},
                                    .how = {}},
                                   1'700'000'000'000, with);
    const auto& job = *full->jobs.at(0);
    EXPECT_EQ(job.id, "mine");
    EXPECT_EQ(job.args, R"(["x",1])");
    EXPECT_EQ(job.countdown_ms, 1500);
    EXPECT_EQ(job.priority, 9);
    EXPECT_EQ(job.notify_group, "user:42");
    EXPECT_EQ(job.next.size(), 1u);
    EXPECT_EQ(job.on_error.size(), 1u);
}

TEST(JobsContract, ArgumentsOfOtherTypesAreRefusedByTheirPlace) {
    const two_tasks tasks;
    const planning with{.tasks = tasks, .routes = {}, .new_id = [] { return "id"; }};
    const auto plan = plan_enqueue({.jobs = {R"({"task":"a","args":["x","y"]})"},
                                    .idempotency_key = {},
                                    .correlation_id = {},
                                    .parent = {},
                                    .how = {}},
                                   1, with);
    ASSERT_FALSE(plan);
    EXPECT_TRUE(plan.error().detail.starts_with("args[1]: ")) << plan.error();
}

TEST(JobsContract, SchedulesAreRead) {
    for (const auto& text : sdk_texts::schedules()) {
        const auto read = schedule::parse("s", text);
        ASSERT_TRUE(read) << read.error() << "\n" << text;
        EXPECT_NE(read->next(1'700'000'000'000), 0);
    }
    const auto every = *schedule::parse("s", sdk_texts::schedules()[0]);
    EXPECT_EQ(every.catch_up_ms(), 3'600'000);
    EXPECT_EQ(every.when_running(), schedule::overlap::queue);
}

}  // namespace
}  // namespace madang
