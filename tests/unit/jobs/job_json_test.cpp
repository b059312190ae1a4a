#include "broker/jobs/job_json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "broker/jobs/task_options.hpp"

namespace madang {
namespace {

using json = nlohmann::json;

TEST(JobJson, AnAnswerNamesItsJobs) {
    const enqueued what{{{"1", false, {}}, {"2", true, {"a", "b"}}}, true};
    EXPECT_EQ(to_json(what), R"({"jobs":[{"id":"1","duplicate":false,"children":[]},)"
                             R"({"id":"2","duplicate":true,"children":["a","b"]}],"repeated":true})");
    EXPECT_EQ(to_json(enqueued{}), R"({"jobs":[],"repeated":false})");
}

job_view some_view() {
    job_view what;
    what.spec.id = "7";
    what.spec.task = "a.b";
    what.spec.queue = "q";
    what.spec.args = "[1]";
    what.spec.headers = R"({"h":1})";
    what.spec.root = "7";
    what.spec.enqueued_ms = 1;
    what.spec.next = {"8"};
    what.spec.part_of = {"g", 3};
    what.spec.soft_limit_ms = 1'500;
    what.state = job_state::failure;
    what.dead = true;
    what.retries = 4;
    what.ended_ms = 9;
    what.error = {"std::runtime_error", "no \"more\"\n", ""};
    what.history = {{1, 2, "host:1", what.error}, {3, 4, "host:2", {}}};
    what.progress = R"({"done":5})";
    return what;
}

TEST(JobJson, AJobIsToldInCelerysWords) {
    const auto got = json::parse(to_json(some_view(), false));
    EXPECT_EQ(got["id"], "7");
    EXPECT_EQ(got["state"], "FAILURE");
    EXPECT_EQ(got["ready"], true);
    EXPECT_EQ(got["dead"], true);
    EXPECT_EQ(got["retries"], 4);
    EXPECT_EQ(got["error"]["message"], "no \"more\"\n");
    EXPECT_EQ(got["progress"]["done"], 5);
    for (const auto* absent : {"args", "history", "result", "began_ms", "worker"})
        EXPECT_FALSE(got.contains(absent));
}

TEST(JobJson, AFailureThatIsNoDeadLetterIsNotCalledOne) {
    auto what = some_view();
    what.dead = false;
    const auto got = json::parse(to_json(what, false));
    EXPECT_EQ(got["state"], "FAILURE");
    EXPECT_EQ(got["dead"], false);
}

TEST(JobJson, DetailsAreArgumentsAndAttempts) {
    const auto got = json::parse(to_json(some_view(), true));
    EXPECT_EQ(got["args"], json::parse("[1]"));
    EXPECT_EQ(got["kwargs"], json::object());
    EXPECT_EQ(got["headers"]["h"], 1);
    EXPECT_EQ(got["soft_time_limit"], 1.5);
    EXPECT_EQ(got["next"], json::parse(R"(["8"])"));
    EXPECT_EQ(got["group"], "g");
    EXPECT_EQ(got["group_index"], 3);
    ASSERT_EQ(got["history"].size(), 2u);
    EXPECT_EQ(got["history"][0]["error"]["type"], "std::runtime_error");
    EXPECT_FALSE(got["history"][1].contains("error"));
}

TEST(JobJson, ATracesIdStandsBesideTheRequests) {
    job_view what;
    what.spec.correlation_id = "r-1;00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const auto got = json::parse(to_json(what, false));
    EXPECT_EQ(got.at("correlation_id"), "r-1");
    EXPECT_EQ(got.at("trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_FALSE(json::parse(to_json(some_view(), false)).contains("trace_id"));
}

TEST(JobJson, ASuccessAlwaysHasAResult) {
    job_view what;
    what.state = job_state::success;
    EXPECT_TRUE(json::parse(to_json(what, false)).at("result").is_null());
    what.result = "[1]";
    EXPECT_EQ(json::parse(to_json(what, false)).at("result"), json::parse("[1]"));
}

TEST(JobJson, PagesAndViews) {
    const auto page = json::parse(to_json(job_page{{some_view(), some_view()}, "cursor"}));
    EXPECT_EQ(page["jobs"].size(), 2u);
    EXPECT_EQ(page["next"], "cursor");
    queue_view queue;
    queue.name = "q";
    queue.ready = 5;
    queue.paused = true;
    EXPECT_EQ(json::parse(to_json(queue)),
              json::parse(R"({"name":"q","ready":5,"scheduled":0,"leased":0,"parked":0,
                                                           "dead":0,"paused":true})"));
    worker_view worker;
    worker.id = "1";
    worker.queues = {"a", "b"};
    EXPECT_EQ(json::parse(to_json(worker))["queues"].size(), 2u);
    schedule_view schedule;
    schedule.name = "s";
    schedule.json = R"({"every":1})";
    schedule.next_fire_ms = 5;
    const auto got = json::parse(to_json(schedule));
    EXPECT_EQ(got["schedule"]["every"], 1);
    EXPECT_EQ(got["next_fire_ms"], 5);
    EXPECT_FALSE(got.contains("last_fire_ms"));
}

TEST(JobJson, OptionsAreWrittenAsTheyAreRead) {
    for (const auto* text :
         {"{}",
          R"({"max_retries":null,"retry_backoff":2.5,"rate_limit":"10/h","concurrency_limit":3,"limit_by":"k",
              "soft_time_limit":0.25,"time_limit":1,"expires":60,"result_expires":5,"queue":"q","priority":3,
              "autoretry_for":["a"],"dont_autoretry_for":["b"],"kwargs_schema":{"type":"object"}})"}) {
        const auto first = parse_task_options("t", text).value();
        auto object = json::parse(to_json(first));
        EXPECT_EQ(object["name"], "t");
        object.erase("name");
        const auto again = parse_task_options("t", object.dump());
        ASSERT_TRUE(again) << again.error() << object;
        EXPECT_EQ(to_json(*again), to_json(first));
        EXPECT_EQ(again->retry, first.retry);
        EXPECT_EQ(again->rate_ms, first.rate_ms);
    }
}

}  // namespace
}  // namespace madang
