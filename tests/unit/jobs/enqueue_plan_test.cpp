#include "broker/jobs/enqueue_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/jobs/tasks.hpp"
#include "tests/unit/jobs/times.hpp"

namespace madang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::utc;

struct EnqueuePlan : ::testing::Test {
    enqueue_plan plan(const std::string& json) {
        auto made = plan_enqueue(testing::asking({json}), now, ids.with);
        EXPECT_TRUE(made) << json << ": " << made.error();
        return made ? *made : enqueue_plan{};
    }
    job_spec job(const std::string& json) {
        const auto made = plan(json);
        EXPECT_EQ(made.jobs.size(), 1u) << json;
        return made.jobs.empty() ? job_spec{} : *made.jobs[0];
    }
    error refused(const std::vector<std::string>& jobs) {
        const auto made = plan_enqueue(testing::asking(jobs), now, ids.with);
        return made ? error{errc::internal, "taken"} : made.error();
    }
    std::string refusal(const std::string& json) {
        const auto why = refused({json});
        EXPECT_EQ(why.code, errc::bad_request) << why;
        return why.detail;
    }
    static const job_spec& named(const enqueue_plan& made, const std::string& id) {
        for (const auto& each : made.jobs)
            if (each->id == id) return *each;
        ADD_FAILURE() << "there is no job " << id;
        return *made.jobs.at(0);
    }

    const std::int64_t now = utc("2026-11-22 10:00");
    testing::some_tasks tasks{{
        {"a", ""},
        {"b", ""},
        {"c", ""},
        {"reports.build",
         R"({"queue":"reports","priority":4,"max_retries":7,"expires":"1h","soft_time_limit":5,"time_limit":9,
             "acks_late":false,"ignore_result":true,"result_expires":60})"},
        {"light", R"({"in_process":true})"},
        {"mail", R"({"rate_limit":"10/m","concurrency_limit":2,"limit_by":"to"})"},
        {"slow", R"({"concurrency_limit":1})"},
        {"strict", R"({"args_schema":{"minItems":1,"items":{"type":"integer"}},
                       "kwargs_schema":{"properties":{"size":{"type":"integer"},"deep":{"items":{"type":"string"}}},
                                        "additionalProperties":false}})"},
    }};
    testing::counted_planning ids{tasks};
};

TEST_F(EnqueuePlan, OneSignatureIsOneJobWithItsTasksOptions) {
    const auto made = plan(R"({"task":"reports.build"})");
    ASSERT_EQ(made.jobs.size(), 1u);
    EXPECT_THAT(made.barriers, IsEmpty());
    ASSERT_EQ(made.answers.size(), 1u);
    EXPECT_EQ(made.answers[0].id, "1");
    EXPECT_FALSE(made.answers[0].duplicate);
    EXPECT_THAT(made.answers[0].children, IsEmpty());
    job_spec expected;
    expected.id = expected.root = "1";
    expected.task = "reports.build";
    expected.queue = "reports";
    expected.priority = 4;
    expected.enqueued_ms = now;
    expected.expires_ms = now + 3'600'000;
    expected.retry.max_retries = 7;
    expected.soft_limit_ms = 5'000;
    expected.hard_limit_ms = 9'000;
    expected.late_ack = false;
    expected.ignore_result = true;
    expected.result_ms = 60'000;
    expected.id_made = true;
    EXPECT_EQ(*made.jobs[0], expected);
    EXPECT_TRUE(job(R"({"task":"light"})").in_process);
}

TEST_F(EnqueuePlan, EveryMemberIsRead) {
    const auto got = job(R"({"task":"a","args":[1, "two"],"kwargs":{"size":1e3},"queue":"q","priority":9,
        "countdown":1.5,"expires":"2m","id":"mine","headers":{"x":null},"notify":{"group":"room:1"},
        "immutable":true,"soft_time_limit":"1s","time_limit":2,"ignore_result":true})");
    EXPECT_EQ(got.args, R"([1, "two"])");
    EXPECT_EQ(got.kwargs, R"({"size":1e3})");
    EXPECT_EQ(got.queue, "q");
    EXPECT_EQ(got.priority, 9);
    EXPECT_EQ(got.countdown_ms, 1'500);
    EXPECT_EQ(got.eta_ms, 0);
    EXPECT_EQ(got.expires_ms, now + 120'000);
    EXPECT_EQ(got.id, "mine");
    EXPECT_EQ(got.headers, R"({"x":null})");
    EXPECT_EQ(got.notify_group, "room:1");
    EXPECT_TRUE(got.immutable);
    EXPECT_EQ(got.soft_limit_ms, 1'000u);
    EXPECT_EQ(got.hard_limit_ms, 2'000u);
    EXPECT_TRUE(got.ignore_result);
}

TEST_F(EnqueuePlan, NullIsAsIfItWereNotThere) {
    const auto plain = job(R"({"task":"a"})");
    ids.ids = 0;
    EXPECT_EQ(job(R"({"task":"a","args":null,"kwargs":null,"queue":null,"priority":null,"countdown":null,
        "eta":null,"expires":null,"id":null,"unique":null,"headers":null,"link":null,"link_error":null,
        "notify":null,"immutable":null,"soft_time_limit":null,"time_limit":null,"ignore_result":null,
        "chain":null,"group":null,"chord":null})"),
              plain);
}

TEST_F(EnqueuePlan, TimesAreTextsOrNumbers) {
    const auto eta = [&](const std::string& raw) { return job(R"({"task":"a","eta":)" + raw + "}").eta_ms; };
    EXPECT_EQ(eta(R"("2026-11-22T10:00:01Z")"), now + 1'000);
    EXPECT_EQ(eta(R"("2026-11-22T10:00:00.250Z")"), now + 250);
    EXPECT_EQ(eta(R"("2026-11-22T11:30:00+01:00")"), now + 1'800'000);
    EXPECT_EQ(eta(R"("2026-11-22T06:30:00-0400")"), now + 1'800'000);
    EXPECT_EQ(eta(R"("2026-11-22T10:00:01")"), now + 1'000);
    EXPECT_EQ(eta(R"("2026-11-22 10:00:01")"), now + 1'000);
    EXPECT_EQ(eta(std::to_string(now / 1000 + 60) + ".5"), now + 60'500);
    EXPECT_EQ(eta(R"("2020-01-01T00:00:00Z")"), 0);  // at once
    EXPECT_EQ(job(R"({"task":"a","expires":"2026-11-22T10:00:01Z"})").expires_ms, now + 1'000);
    for (const auto* wrong :
         {"\"tomorrow\"", "\"2026-13-01T00:00:00Z\"", "\"2026-11-22\"", "true", "-1",
          "\"2026-11-22T10:00:00Zebra\"", "\"2026-11-22T10:00:00+25\"", "\"2026-11-22T10:00:00-+02:00\"",
          "\"2026-11-22T10:00:00+\"", "\"2026-11-22T10:00:00.+01Z\""})
        EXPECT_THAT(refusal(std::string(R"({"task":"a","eta":)") + wrong + "}"),
                    StartsWith("eta: takes a time"))
            << wrong;
}

TEST_F(EnqueuePlan, AbsurdTimesAreRefused) {
    EXPECT_THAT(refusal(R"({"task":"a","countdown":-1})"), StartsWith("countdown: takes seconds"));
    EXPECT_THAT(refusal(R"({"task":"a","countdown":1e300})"), StartsWith("countdown: takes seconds"));
    EXPECT_THAT(refusal(R"({"task":"a","countdown":"366d"})"), HasSubstr("ahead (--job-delay-limit)"));
    EXPECT_EQ(job(R"({"task":"a","countdown":"365d"})").countdown_ms, ids.with.delay_ms);
    EXPECT_THAT(refusal(R"({"task":"a","eta":"2027-11-23T10:00:00Z"})"), HasSubstr("eta: is more than"));
    EXPECT_THAT(refusal(R"({"task":"a","expires":"2030-11-23T10:00:00Z"})"),
                HasSubstr("expires: is more than"));
    EXPECT_EQ(refusal(R"({"task":"a","expires":0})"), "expires: is over already");
    EXPECT_EQ(refusal(R"({"task":"a","expires":"2026-11-22T09:00:00Z"})"), "expires: is over already");
    EXPECT_EQ(refusal(R"({"task":"a","expires":5,"countdown":5})"),
              "expires: comes before the job may begin");
    EXPECT_EQ(refusal(R"({"task":"a","expires":5,"eta":"2026-11-22T10:00:06Z"})"),
              "expires: comes before the job may begin");
    EXPECT_EQ(refusal(R"({"task":"a","countdown":5,"eta":"2026-11-22T10:00:06Z"})"),
              "eta: not with countdown");
}

TEST_F(EnqueuePlan, RefusalsNameTheMember) {
    EXPECT_EQ(refusal(R"({"args":[]})"),
              "task: takes a task's name: 1-255 bytes of printable ASCII without space");
    EXPECT_THAT(refusal(R"({"task":5})"), StartsWith("task: takes a task's name"));
    EXPECT_THAT(refusal(R"({"task":""})"), StartsWith("task: takes a task's name"));
    EXPECT_EQ(refusal(R"({"task":"a","kwags":{}})"), "kwags: there is no such member");
    EXPECT_EQ(refusal(R"({"task":"a","task":"a"})"), "task: is there twice");
    EXPECT_EQ(refusal(R"({"task":"a","t\u0061sk":"a"})"), "task: is there twice");
    EXPECT_EQ(refusal(R"({"task":"a","args":{}})"), "args: takes an array");
    EXPECT_EQ(refusal(R"({"task":"a","kwargs":[]})"), "kwargs: takes an object");
    EXPECT_EQ(refusal(R"({"task":"a","headers":"x"})"), "headers: takes an object");
    EXPECT_EQ(refusal(R"({"task":"a","args":[1e999]})"),
              "args: has a number or a character that nobody can read");
    EXPECT_EQ(refusal(R"({"task":"a","args":["\ud800"]})"),
              "args: has a number or a character that nobody can read");
    EXPECT_THAT(refusal(R"({"task":"a","queue":"two words"})"), StartsWith("queue: takes a name"));
    EXPECT_THAT(refusal(R"({"task":"a","priority":10})"), StartsWith("priority: takes a number"));
    EXPECT_THAT(refusal(R"({"task":"a","priority":-1})"), StartsWith("priority: takes a number"));
    EXPECT_THAT(refusal(R"({"task":"a","priority":1.5})"), StartsWith("priority: takes a number"));
    EXPECT_THAT(refusal(R"({"task":"a","id":"two words"})"), StartsWith("id: takes 1-128 bytes"));
    EXPECT_THAT(refusal(R"({"task":"a","id":")" + std::string(129, 'i') + R"("})"), StartsWith("id: takes"));
    EXPECT_THAT(refusal(R"({"task":"a","id":7})"), StartsWith("id: takes"));
    EXPECT_EQ(refusal(R"({"task":"a","immutable":1})"), "immutable: takes true or false");
    EXPECT_EQ(refusal(R"({"task":"a","soft_time_limit":5,"time_limit":5})"),
              "time_limit: must be longer than soft_time_limit");
    EXPECT_THAT(refusal(R"({"task":"light","time_limit":5})"),
                StartsWith("time_limit: not for a task with in_process"));
    EXPECT_THAT(refusal("[]"), StartsWith("takes an object"));
    EXPECT_THAT(refusal(R"({"task":"a")"), StartsWith("is not JSON"));
    EXPECT_THAT(refusal(R"({"task":"a"} 1)"), StartsWith("is not JSON"));
    EXPECT_EQ(refused({}).detail, "there is no job in it");
}

TEST_F(EnqueuePlan, UnknownTasksAreNamed) {
    EXPECT_EQ(refused({R"({"task":"reports.bild"})"}),
              (error{errc::unknown_task, "task: no plugin has the task reports.bild"}));
    EXPECT_EQ(refused({R"({"task":"a"})", R"({"chain":[{"task":"a"},{"task":"x"}]})"}),
              (error{errc::unknown_task, "[1].chain[1].task: no plugin has the task x"}));
}

TEST_F(EnqueuePlan, PathsLeadToTheMember) {
    const auto bulk = [&](const std::string& third) {
        return refused({R"({"task":"a"})", R"({"task":"b"})", third}).detail;
    };
    EXPECT_EQ(bulk(R"({"task":"a","priority":99})"),
              "[2].priority: takes a number from 0 to 9; 9 goes first");
    EXPECT_EQ(
        bulk(R"({"chain":[{"task":"strict","args":[1],"kwargs":{"size":"x"}},{"task":"b"}]})").substr(0, 26),
        "[2].chain[0].kwargs.size: ");
    EXPECT_EQ(
        refusal(
            R"({"chord":{"header":[{"task":"a"},{"group":[{"task":"b","args":5}]}],"body":{"task":"c"}}})"),
        "chord.header[1].group[0].args: takes an array");
    EXPECT_EQ(refusal(R"({"chord":{"header":[{"task":"a"}],"body":{"task":"c","queue":1}}})").substr(0, 18),
              "chord.body.queue: ");
    EXPECT_EQ(refusal(R"({"task":"a","link":[{"task":"b"},{"task":"c","args":1}]})"),
              "link[1].args: takes an array");
    EXPECT_EQ(refusal(R"({"task":"a","link_error":{"task":"c","args":1}})"),
              "link_error.args: takes an array");
}

TEST_F(EnqueuePlan, SchemasAreChecked) {
    EXPECT_EQ(refusal(R"({"task":"strict"})").substr(0, 6), "args: ");
    EXPECT_EQ(refusal(R"({"task":"strict","args":[1,"x"]})").substr(0, 9), "args[1]: ");
    EXPECT_EQ(refusal(R"({"task":"strict","args":[1],"kwargs":{"deep":["x",1]}})").substr(0, 16),
              "kwargs.deep[1]: ");
    EXPECT_EQ(refusal(R"({"task":"strict","args":[1],"kwargs":{"color":1}})"),
              "kwargs.color: the task's schema does not know it");
    job(R"({"task":"strict","args":[1],"kwargs":{"size":1,"deep":["x"]}})");
}

TEST_F(EnqueuePlan, OfAJobThatGetsResultsOnlyKwargsAreChecked) {
    plan(R"({"chain":[{"task":"a"},{"task":"strict"}]})");
    EXPECT_EQ(refusal(R"({"chain":[{"task":"a"},{"task":"strict","kwargs":{"size":"x"}}]})").substr(0, 22),
              "chain[1].kwargs.size: ");
    EXPECT_EQ(refusal(R"({"chain":[{"task":"a"},{"task":"strict","immutable":true}]})").substr(0, 15),
              "chain[1].args: ");
}

TEST_F(EnqueuePlan, LargeArgumentsAreRefused) {
    ids.with.args_bytes = 100;
    const std::string fits(60, 'x');
    job(R"({"task":"a","args":[")" + fits + R"("],"kwargs":{"k":")" + std::string(20, 'y') + R"("}})");
    const auto why = refused(
        {R"({"task":"a","args":[")" + fits + R"("],"kwargs":{"k":")" + std::string(40, 'y') + R"("}})"});
    EXPECT_EQ(why.code, errc::too_large);
    EXPECT_EQ(why.detail, "args: 112 bytes with what belongs to it; at most 100 (--job-args-bytes)");
    ids.with.args_bytes = 1 << 20;
    EXPECT_EQ(refused({R"({"task":"strict","args":[")" + std::string(10 << 20, 'x') + R"("]})"}).code,
              errc::too_large);
}

TEST_F(EnqueuePlan, JobsOfARequestAreCounted) {
    ids.with.bulk = 3;
    plan(R"({"chain":[{"task":"a"},{"task":"a"},{"task":"a"}]})");
    const auto why = refused({R"({"task":"a"})", R"({"task":"a"})", R"({"task":"a","link":{"task":"b"}})"});
    EXPECT_EQ(why, (error{errc::limit_exceeded, "[2].link: more than 3 jobs (--job-bulk)"}));
}

TEST_F(EnqueuePlan, QueuesAreTheSignaturesThenTheRoutesThenTheTasks) {
    ids.with.routes = parse_job_routes({"reports.*=slow", "*=rest"}).value();
    EXPECT_EQ(job(R"({"task":"reports.build"})").queue, "slow");
    EXPECT_EQ(job(R"({"task":"a"})").queue, "rest");
    EXPECT_EQ(job(R"({"task":"a","queue":"q"})").queue, "q");
    ids.with.routes.pop_back();
    EXPECT_EQ(job(R"({"task":"a"})").queue, "default");
    for (const auto* wrong : {"reports", "=q", "a=", "a b=q", "a=two words"})
        EXPECT_THAT(parse_job_routes({wrong}).error().detail, StartsWith("job-route: ")) << wrong;
    EXPECT_TRUE(check_worker_queues({"slow", "rest"}));
    for (const auto* wrong : {"a b", "", "a\tb"})
        EXPECT_THAT(check_worker_queues({"slow", wrong}).error().detail, StartsWith("worker-queue: "))
            << wrong;
}

TEST_F(EnqueuePlan, WhomToNotifyIsAGroup) {
    EXPECT_EQ(job(R"({"task":"a","notify":{"user":"42"}})").notify_group, "user:42");
    EXPECT_EQ(job(R"({"task":"a","notify":{"user":42}})").notify_group, "user:42");
    EXPECT_EQ(job(R"({"task":"a","notify":{"group":"room"}})").notify_group, "room");
    for (const auto* wrong : {"{}", "[]", R"({"user":1,"group":"x"})", R"({"users":1})"})
        EXPECT_EQ(refusal(std::string(R"({"task":"a","notify":)") + wrong + "}"),
                  R"(notify: takes {"user":…} or {"group":…})")
            << wrong;
    EXPECT_THAT(refusal(R"({"task":"a","notify":{"user":""}})"), StartsWith("notify.user: takes"));
    EXPECT_THAT(refusal(R"({"task":"a","notify":{"group":5}})"), StartsWith("notify.group: takes"));
    EXPECT_THAT(refusal(R"({"task":"a","notify":{"group":"two words"}})"), StartsWith("notify.group: takes"));
}

TEST_F(EnqueuePlan, UniqueKeysAreTheTasksOwn) {
    const auto named = job(R"({"task":"a","unique":{"key":"x","for":"10m"}})");
    EXPECT_EQ(named.unique, "a:x");
    EXPECT_EQ(named.unique_ms, 600'000);
    EXPECT_EQ(job(R"({"task":"a","unique":{"key":"x"}})").unique_ms, 0);
    EXPECT_EQ(job(R"({"task":"a","unique":false})").unique, "");
    const auto key = [&](const std::string& rest) {
        return job(R"({"task":"a","unique":true)" + rest + "}").unique;
    };
    const auto some = key(R"(,"args":[1],"kwargs":{"a":1,"b":2})");
    EXPECT_EQ(some, key(R"(,"kwargs":{ "b": 2, "a": 1 },"args":[ 1 ])"));
    EXPECT_NE(some, key(R"(,"args":[2],"kwargs":{"a":1,"b":2})"));
    EXPECT_NE(some, key(R"(,"args":[1],"kwargs":{"a":1})"));
    EXPECT_NE(job(R"({"task":"b","unique":true})").unique, key(""));
    EXPECT_THAT(refusal(R"({"task":"a","unique":"x"})"), StartsWith("unique: takes true, or"));
    EXPECT_THAT(refusal(R"({"task":"a","unique":{}})"), StartsWith("unique.key: takes a text"));
    EXPECT_THAT(refusal(R"({"task":"a","unique":{"key":"x","for":0}})"),
                StartsWith("unique.for: takes seconds"));
    EXPECT_EQ(refusal(R"({"task":"a","unique":{"key":"x","til":0}})"), "unique.til: there is no such member");
    EXPECT_THAT(refusal(R"({"task":"a","unique":true,"link":{"task":"b"}})"),
                StartsWith("unique: is for a job that"));
    EXPECT_THAT(refusal(R"({"chain":[{"task":"a","unique":true}]})"),
                StartsWith("chain[0].unique: is for a job that"));
}

TEST_F(EnqueuePlan, LimitsHoldByTaskOrByAnArgumentsValue) {
    EXPECT_EQ(job(R"({"task":"a"})").limit, job_limit{});
    EXPECT_EQ(job(R"({"task":"slow"})").limit, (job_limit{"slow", 0, 0, 1}));
    EXPECT_EQ(job(R"({"task":"mail","kwargs":{"to":"ada"}})").limit,
              (job_limit{R"(mail:to="ada")", 10, 60'000, 2}));
    const auto key = [&](const std::string& kwargs) {
        return job(R"({"task":"mail","kwargs":)" + kwargs + "}").limit.key;
    };
    EXPECT_EQ(key("{}"), "mail:to=null");
    EXPECT_EQ(key(R"({"to":7})"), "mail:to=7");
    EXPECT_EQ(key(R"({"to":"\u0061da"})"), key(R"({"to":"ada"})"));
    EXPECT_EQ(key(R"({"to":{"b":1, "a":2}})"), key(R"({"to":{"a":2,"b":1}})"));
    EXPECT_LE(key(R"({"to":")" + std::string(10'000, 'x') + R"("})").size(), 60u);
    EXPECT_NE(key(R"({"to":")" + std::string(10'000, 'x') + R"("})"),
              key(R"({"to":")" + std::string(10'001, 'x') + R"("})"));
}

TEST_F(EnqueuePlan, AChainHandsOnItsResults) {
    const auto made =
        plan(R"({"chain":[{"task":"a","id":"A"},{"task":"b","id":"B"},{"task":"c","id":"C"}]})");
    EXPECT_THAT(made.barriers, IsEmpty());
    EXPECT_THAT(named(made, "A").next, ElementsAre("B"));
    EXPECT_THAT(named(made, "B").next, ElementsAre("C"));
    EXPECT_THAT(named(made, "C").next, IsEmpty());
    EXPECT_FALSE(named(made, "A").waits);
    EXPECT_TRUE(named(made, "B").waits);
    EXPECT_TRUE(named(made, "C").waits);
    EXPECT_EQ(made.answers[0].id, "C");
    EXPECT_THAT(made.answers[0].children, ElementsAre("A", "B", "C"));
    EXPECT_THAT(named(made, "C").children, ElementsAre("A", "B", "C"));
    EXPECT_THAT(named(made, "A").children, IsEmpty());
    EXPECT_EQ(named(made, "A").parent, "");
    EXPECT_EQ(named(made, "B").parent, "A");
    EXPECT_EQ(named(made, "C").parent, "B");
    for (const auto& each : made.jobs) EXPECT_EQ(each->root, "A");
}

TEST_F(EnqueuePlan, AGroupHasABarrierForItsResults) {
    const auto made = plan(R"({"group":[{"task":"a","id":"A"},{"task":"b","id":"B"}]})");
    ASSERT_EQ(made.barriers.size(), 1u);
    EXPECT_EQ(made.barriers[0], (barrier_spec{made.answers[0].id, 2, {}, {}, {"A", "B"}}));
    EXPECT_EQ(named(made, "A").part_of, (barrier_place{made.answers[0].id, 0}));
    EXPECT_EQ(named(made, "B").part_of, (barrier_place{made.answers[0].id, 1}));
    EXPECT_FALSE(named(made, "A").waits);
    EXPECT_FALSE(named(made, "B").waits);
    EXPECT_THAT(made.answers[0].children, ElementsAre("A", "B"));
}

TEST_F(EnqueuePlan, WhatAWorkflowIsAnsweredWithKnowsAllItsJobs) {
    const auto made = plan(
        R"({"chain":[{"group":[{"task":"a","id":"A"}]},{"group":[{"task":"b","id":"B","link":{"task":"c","id":"C"}}]}]})");
    ASSERT_EQ(made.barriers.size(), 2u);
    for (const auto& each : made.barriers)
        EXPECT_EQ(each.children.size(), each.id == made.answers[0].id ? 3u : 0u) << each.id;
    // One that stands alone is cancelled by itself: what it would begin is over with it.
    EXPECT_THAT(named(plan(R"({"task":"a","id":"A","link":{"task":"c"}})"), "A").children, IsEmpty());
}

TEST_F(EnqueuePlan, AChordsBodyWaitsForItsHeader) {
    const auto made = plan(
        R"({"chord":{"header":[{"task":"a","id":"A"},{"task":"b","id":"B"}],"body":{"task":"c","id":"C"}}})");
    ASSERT_EQ(made.barriers.size(), 1u);
    EXPECT_EQ(made.barriers[0].expected, 2u);
    EXPECT_THAT(made.barriers[0].bodies, ElementsAre("C"));
    EXPECT_TRUE(named(made, "C").waits);
    EXPECT_EQ(made.answers[0].id, "C");
    EXPECT_THAT(named(made, "A").next, IsEmpty());
}

TEST_F(EnqueuePlan, AGroupFollowedByAStepIsAChord) {
    const auto chord = plan(
        R"({"chord":{"header":[{"task":"a","id":"A"},{"task":"b","id":"B"}],"body":{"task":"c","id":"C"}}})");
    ids.ids = 0;
    const auto chain =
        plan(R"({"chain":[{"group":[{"task":"a","id":"A"},{"task":"b","id":"B"}]},{"task":"c","id":"C"}]})");
    EXPECT_EQ(chain.barriers, chord.barriers);
    ASSERT_EQ(chain.jobs.size(), chord.jobs.size());
    for (std::size_t i = 0; i < chain.jobs.size(); ++i) EXPECT_EQ(*chain.jobs[i], *chord.jobs[i]);
}

TEST_F(EnqueuePlan, AStepFollowedByAGroupBeginsAllOfIt) {
    const auto made =
        plan(R"({"chain":[{"task":"a","id":"A"},{"group":[{"task":"b","id":"B"},{"task":"c","id":"C"}]}]})");
    EXPECT_THAT(named(made, "A").next, ElementsAre("B", "C"));
    ASSERT_EQ(made.barriers.size(), 1u);
    EXPECT_THAT(made.barriers[0].bodies, IsEmpty());
    EXPECT_EQ(made.answers[0].id, made.barriers[0].id);
    EXPECT_TRUE(named(made, "B").waits);
    EXPECT_EQ(named(made, "B").parent, "A");
}

TEST_F(EnqueuePlan, GroupsFollowGroups) {
    const auto made = plan(R"({"chain":[{"group":[{"task":"a","id":"A"},{"task":"a","id":"B"}]},
                                        {"group":[{"task":"b","id":"C"},{"task":"b","id":"D"}]},
                                        {"task":"c","id":"E"}]})");
    ASSERT_EQ(made.barriers.size(), 2u);
    const auto& first =
        named(made, "A").part_of.barrier == made.barriers[0].id ? made.barriers[0] : made.barriers[1];
    const auto& second = &first == &made.barriers[0] ? made.barriers[1] : made.barriers[0];
    EXPECT_THAT(first.bodies, ElementsAre("C", "D"));
    EXPECT_THAT(second.bodies, ElementsAre("E"));
    EXPECT_EQ(named(made, "D").part_of, (barrier_place{second.id, 1}));
    EXPECT_TRUE(named(made, "C").waits);
}

TEST_F(EnqueuePlan, AChainInAHeaderIsToldByItsLastStep) {
    const auto made = plan(R"({"chord":{"header":[{"chain":[{"task":"a","id":"A"},{"task":"b","id":"B"}]},
                                                  {"task":"a","id":"C"}],
                                        "body":{"group":[{"task":"c","id":"D"},{"task":"c","id":"E"}]}}})");
    ASSERT_EQ(made.barriers.size(), 2u);
    EXPECT_EQ(named(made, "A").part_of.barrier, "");
    const auto header = named(made, "B").part_of.barrier;
    EXPECT_EQ(named(made, "C").part_of, (barrier_place{header, 1}));
    for (const auto& each : made.barriers) {
        EXPECT_EQ(each.expected, 2u);
        if (each.id == header) {
            EXPECT_THAT(each.bodies, ElementsAre("D", "E"));
        } else {
            EXPECT_EQ(each.id, made.answers[0].id);
        }
    }
}

TEST_F(EnqueuePlan, AGroupInAGroupTellsTheOuterOne) {
    const auto made = plan(R"({"group":[{"task":"a","id":"A"},{"group":[{"task":"b","id":"B"}]}]})");
    ASSERT_EQ(made.barriers.size(), 2u);
    EXPECT_EQ(made.barriers[0].id, made.answers[0].id);
    EXPECT_EQ(made.barriers[1].part_of, (barrier_place{made.barriers[0].id, 1}));
    EXPECT_EQ(named(made, "B").part_of, (barrier_place{made.barriers[1].id, 0}));
}

TEST_F(EnqueuePlan, LinksBeginOnSuccessAndOnFailure) {
    const auto made = plan(R"({"chain":[
        {"task":"a","id":"A","link":{"task":"b","id":"L"},
         "link_error":[{"task":"c","id":"E"},{"chain":[{"task":"c","id":"F"},{"task":"c","id":"G"}]}]},
        {"task":"b","id":"B"}]})");
    EXPECT_THAT(named(made, "A").next, ElementsAre("B", "L"));
    EXPECT_THAT(named(made, "A").on_error, ElementsAre("E", "F"));
    EXPECT_THAT(named(made, "F").next, ElementsAre("G"));
    for (const auto* id : {"L", "E", "F", "G", "B"}) EXPECT_TRUE(named(made, id).waits) << id;
    EXPECT_EQ(named(made, "L").parent, "A");
    EXPECT_EQ(named(made, "E").root, "A");
    EXPECT_THAT(made.answers[0].children, ElementsAre("A", "L", "E", "F", "G", "B"));
    const auto single = plan(R"({"task":"a","id":"A","link":{"task":"b","id":"L"}})");
    EXPECT_EQ(single.answers[0].id, "A");
    EXPECT_THAT(single.answers[0].children, ElementsAre("A", "L"));
}

TEST_F(EnqueuePlan, EmptyAndMalformedWorkflowsAreRefused) {
    EXPECT_EQ(refusal(R"({"chain":[]})"), "chain: is empty");
    EXPECT_EQ(refusal(R"({"chain":[{"task":"a"},{"group":[]}]})"), "chain[1].group: is empty");
    EXPECT_EQ(refusal(R"({"chord":{"header":[],"body":{"task":"a"}}})"), "chord.header: is empty");
    EXPECT_EQ(refusal(R"({"chord":{"header":[{"task":"a"}]}})"), "chord.body: is missing");
    EXPECT_EQ(refusal(R"({"chord":{"body":{"task":"a"}}})"), "chord.header: is missing");
    EXPECT_EQ(refusal(R"({"chord":{"header":[{"task":"a"}],"body":{"task":"a"},"foot":1}})"),
              "chord.foot: there is no such member");
    EXPECT_THAT(refusal(R"({"chord":[]})"), StartsWith("chord: takes"));
    EXPECT_THAT(refusal(R"({"group":{"task":"a"}})"), StartsWith("group: takes an array"));
    EXPECT_THAT(refusal(R"({"chain":[{"task":"a"}],"queue":"q"})"), StartsWith("queue: not beside chain"));
    EXPECT_THAT(refusal(R"({"chain":[{"task":"a"}],"group":[]})"), StartsWith("group: not beside chain"));
    EXPECT_THAT(refusal(R"({"chain":[1]})"), StartsWith("chain[0]: takes an object"));
}

TEST_F(EnqueuePlan, NestingHasAnEnd) {
    std::string json = R"({"task":"a"})";
    for (int i = 0; i < 32; ++i) json = R"({"group":[)" + json + "]}";
    EXPECT_EQ(plan(json).barriers.size(), 32u);
    EXPECT_THAT(refusal(R"({"group":[)" + json + "]}"), HasSubstr("nested deeper than 32"));
    std::string links = R"({"task":"a"})";
    for (int i = 0; i < 33; ++i) links = R"({"task":"a","link":)" + links + "}";
    EXPECT_THAT(refusal(links), HasSubstr("nested deeper than 32"));
    EXPECT_THAT(refusal(R"({"task":"a","args":)" + std::string(100'000, '[') + "}"),
                StartsWith("is not JSON"));
}

TEST_F(EnqueuePlan, AnIdIsUsedOnce) {
    EXPECT_EQ(refused({R"({"task":"a","id":"x"})", R"({"task":"a","id":"x"})"}).detail, "[1].id: used twice");
    EXPECT_EQ(refusal(R"({"task":"a","id":"x","link":{"task":"b","id":"x"}})"), "link.id: used twice");
    EXPECT_EQ(refusal(R"({"chain":[{"task":"a","id":"x"},{"task":"a","id":"x"}]})"),
              "chain[1].id: used twice");
}

TEST_F(EnqueuePlan, WhoAskedIsRemembered) {
    enqueue_request what{.jobs = {R"({"task":"a"})", R"({"chain":[{"task":"a"},{"task":"b"}]})"},
                         .idempotency_key = "",
                         .correlation_id = "request-1",
                         .parent = "job-1",
                         .how = std::nullopt};
    const auto made = plan_enqueue(what, now, ids.with);
    ASSERT_TRUE(made) << made.error();
    ASSERT_EQ(made->answers.size(), 2u);
    for (const auto& each : made->jobs) EXPECT_EQ(each->correlation_id, "request-1");
    EXPECT_EQ(made->jobs[0]->parent, "job-1");
    EXPECT_EQ(made->jobs[1]->parent, "job-1");
    EXPECT_EQ(made->jobs[2]->parent, made->jobs[1]->id);
    EXPECT_EQ(made->jobs[2]->root, made->jobs[1]->id);
}

TEST_F(EnqueuePlan, ArgumentsAreOneLine) {
    EXPECT_EQ(job("{\"task\":\"a\",\"args\":[\n1,\r\n\"a b\" ]}").args.find_first_of("\r\n"),
              std::string::npos);
}

TEST_F(EnqueuePlan, ResultsAreKeptAsLongAsTheServerSays) {
    ids.with.result_ms = 5'000;
    EXPECT_EQ(job(R"({"task":"a"})").result_ms, 5'000);
    EXPECT_EQ(job(R"({"task":"reports.build"})").result_ms, 60'000);
}

}  // namespace
}  // namespace madang
