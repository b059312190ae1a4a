// Tasks, jobs, workflows and schedules of the C++ layer, over the test kit.
#include "madang/jobs.hpp"

#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace {

using namespace std::chrono_literals;
using madang::chain;
using madang::chord;
using madang::group;
using madang::Job;
using madang::json;
using madang::signature;
using madang::testing::Communicator;
using madang::testing::Failure;
using madang::testing::HttpCommunicator;
using madang::testing::TestJob;

struct TooBusy : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct JobsTest : ::testing::Test {
    JobsTest() {
        server.setup([](madang::Plugin& plugin) {
            plugin.task("add", [](Job&, int a, int b) { return a + b; });
            plugin.task("sum", [](Job&, const std::vector<int>& all) {
                int sum = 0;
                for (const int each : all) sum += each;
                return sum;
            });
            plugin.task("fail", [](Job&) { throw TooBusy("full"); }, {.max_retries = 0});
            plugin.task("note", [](Job& job) { return job.args(); });
        });
    }
    template <class Function>
    void task(std::string_view name, Function function, const madang::TaskOptions& options = {}) {
        server.setup([&](madang::Plugin& plugin) { plugin.task(name, std::move(function), options); });
    }
    // Enqueues and lets all happen that happens at once.
    TestJob run(const madang::Work& what) {
        const auto id = server.enqueue(what);
        server.advance(0ms);
        return server.job(id);
    }
    madang::testing::Server server;
};

TEST_F(JobsTest, GiveAFunctionItsArgumentsAndKeepWhatItReturns) {
    const auto done = run(signature("add", 2, 3));
    EXPECT_EQ(done.state, "SUCCESS");
    EXPECT_EQ(done.result, 5);
    task("nothing", [](Job&) {});
    EXPECT_EQ(run(signature("nothing")).result, nullptr);
    EXPECT_EQ(run(signature("note", "a", 1, json{{"b", 2}})).result, json({"a", 1, {{"b", 2}}}));
}

TEST_F(JobsTest, RefuseArgumentsThatDoNotFitAndDoNotTryAgain) {
    const auto few = run(signature("add", 2));
    EXPECT_EQ(few.state, "FAILURE");
    EXPECT_EQ(few.error_type, "ArgumentError");
    EXPECT_EQ(few.error, "args: takes 2, not 1");
    EXPECT_EQ(few.retries, 0);
    EXPECT_NE(run(signature("add", 2, "x")).error.find("args[1]: "), std::string::npos);
}

TEST_F(JobsTest, AnExceptionIsAFailureOfItsTypesName) {
    const auto failed = run(signature("fail"));
    EXPECT_EQ(failed.state, "FAILURE");
    EXPECT_NE(failed.error_type.find("TooBusy"), std::string::npos);
    EXPECT_EQ(failed.error, "full");
    task("odd", [](Job&) { throw 7; }, {.max_retries = 0});
    EXPECT_EQ(run(signature("odd")).error_type, "int");
    task("std", [](Job&) { throw std::out_of_range("x"); }, {.max_retries = 0});
    EXPECT_EQ(run(signature("std")).error_type, "std::out_of_range");
}

TEST_F(JobsTest, WaitForTheirCountdownOnTheKitsClock) {
    const auto id = server.enqueue(signature("add", 1, 1).countdown(10s));
    server.advance(9'999ms);
    EXPECT_EQ(server.job(id).state, "PENDING");
    server.advance(1ms);
    EXPECT_EQ(server.job(id).state, "SUCCESS");
}

TEST_F(JobsTest, RetryWithPatience) {
    int runs = 0;
    task("flaky",
         [&](Job& job) {
             EXPECT_EQ(job.retries(), runs);
             EXPECT_EQ(job.max_retries(), 5);
             if (++runs < 4) throw TooBusy("not yet");
             return runs;
         },
         {.max_retries = 5, .retry_backoff = 2s, .retry_backoff_max = 5s});
    const auto id = server.enqueue(signature("flaky"));
    server.advance(0ms);
    EXPECT_EQ(server.job(id).state, "RETRY");
    server.advance(1'999ms);
    EXPECT_EQ(runs, 1);
    server.advance(1ms);
    EXPECT_EQ(runs, 2);
    server.advance(4s);
    EXPECT_EQ(runs, 3);
    server.advance(4'999ms);
    EXPECT_EQ(runs, 3);
    server.advance(1ms);
    EXPECT_EQ(server.job(id).result, 4);
}

TEST_F(JobsTest, RetryOnlyWhatTheOptionsName) {
    int runs = 0;
    task("picky",
         [&](Job&) {
             ++runs;
             throw std::out_of_range("no");
         },
         {.default_retry_delay = 1s, .autoretry_for = {"std::runtime_error"}});
    EXPECT_EQ(run(signature("picky")).state, "FAILURE");
    EXPECT_EQ(runs, 1);
    task("never",
         [&](Job&) {
             ++runs;
             throw std::out_of_range("no");
         },
         {.default_retry_delay = 1s, .dont_autoretry_for = {"std::out_of_range"}});
    EXPECT_EQ(run(signature("never")).state, "FAILURE");
    EXPECT_EQ(runs, 2);
}

TEST_F(JobsTest, EndAsTheTaskSays) {
    task("again",
         [](Job& job) {
             try {
                 throw TooBusy("the printer is out of paper");
             } catch (const std::exception&) {
                 job.retry(30s);
             }
         },
         {.max_retries = 1, .autoretry_for = {"nothing"}});
    const auto id = server.enqueue(signature("again"));
    server.advance(0ms);
    EXPECT_EQ(server.job(id).state, "RETRY");
    EXPECT_EQ(server.job(id).error, "the printer is out of paper");
    server.advance(30s);
    EXPECT_EQ(server.job(id).state, "FAILURE");

    task("reject", [](Job& job) { job.reject("a forged order"); });
    const auto rejected = run(signature("reject"));
    EXPECT_EQ(rejected.state, "REJECTED");
    EXPECT_EQ(rejected.error, "a forged order");

    task("later", [n = 0](Job& job) mutable {
        if (++n == 1) job.reject("not here", 5s);
    });
    const auto later = server.enqueue(signature("later"));
    server.advance(4'999ms);
    EXPECT_EQ(server.job(later).state, "PENDING");
    server.advance(1ms);
    EXPECT_EQ(server.job(later).state, "SUCCESS");

    task("ignore", [](Job& job) { job.ignore(); });
    EXPECT_EQ(run(signature("ignore")).state, "IGNORED");
}

TEST_F(JobsTest, ATasksOwnHandlersLetAnEndPass) {
    task("caught", [](Job& job) {
        try {
            job.ignore();
        } catch (const std::exception&) {
            ADD_FAILURE() << "an end is no std::exception";
        }
    });
    EXPECT_EQ(run(signature("caught")).state, "IGNORED");
}

TEST_F(JobsTest, KnowWhatTheyAre) {
    task("who",
         [](Job& job) {
             EXPECT_EQ(job.id(), "mine");
             EXPECT_EQ(job.task(), "who");
             EXPECT_EQ(job.queue(), "slow");
             EXPECT_EQ(job.kwargs(), json({{"size", "A4"}}));
             EXPECT_EQ(job.headers(), json({{"tenant", 7}}));
             EXPECT_EQ(job.losses(), 0);
             EXPECT_EQ(job.deadline_ms(), 0);
             EXPECT_FALSE(job.cancelled());
             job.check();
             return true;
         },
         {.queue = "slow", .priority = 3});
    const auto done =
        run(signature("who").id("mine").kwarg("size", "A4").headers({{"tenant", 7}}).priority(9));
    EXPECT_EQ(done.state, "SUCCESS");
    EXPECT_EQ(done.priority, 9);
    EXPECT_THROW(server.enqueue(signature("who").id("mine")), Failure);
}

TEST_F(JobsTest, GoOnFromTheirCheckpoint) {
    std::vector<int> pages;
    task("print",
         [&](Job& job) {
             const json saved = job.checkpoint_json();
             for (int page = saved.is_null() ? 1 : saved["page"].get<int>() + 1; page <= 4; ++page) {
                 job.check();
                 pages.push_back(page);
                 job.save_json({{"page", page}});
                 job.progress({{"page", page}});
             }
         },
         {.default_retry_delay = 1s});
    bool stopped = false;
    server.on_progress([&](const TestJob& job) {
        if (job.progress.size() == 2 && !std::exchange(stopped, true)) server.reach_soft_limit(job.id);
    });
    const auto id = server.enqueue(signature("print"));
    server.advance(0ms);
    EXPECT_EQ(server.job(id).error_type, "SoftTimeLimitExceeded");
    EXPECT_EQ(server.job(id).checkpoint, R"({"page":2})");
    server.advance(1s);
    EXPECT_EQ(server.job(id).state, "SUCCESS");
    EXPECT_EQ(pages, (std::vector<int>{1, 2, 3, 4}));
}

TEST_F(JobsTest, AreCancelledAtEveryStage) {
    const auto waiting = server.enqueue(signature("add", 1, 1).countdown(1h));
    EXPECT_TRUE(server.cancel_job(waiting));
    EXPECT_FALSE(server.cancel_job(waiting));
    server.advance(1h);
    EXPECT_EQ(server.job(waiting).state, "REVOKED");
    // A workflow by the id that it was answered with.
    const auto last = server.enqueue(chain({signature("add", 1, 2).id("first"), signature("add", 3)}));
    EXPECT_TRUE(server.cancel_job(last));
    EXPECT_FALSE(server.cancel_job(last));
    const auto both = server.enqueue(group({signature("note").id("one"), signature("note").id("two")}));
    EXPECT_TRUE(server.cancel_job(both));
    server.advance(0ms);
    for (const auto* each : {"first", "one", "two"}) EXPECT_EQ(server.job(each).state, "REVOKED") << each;

    int turns = 0;
    task("long", [&](Job& job) {
        for (;;) {
            ++turns;
            job.progress(turns);
            job.wait(1s);
        }
    });
    server.on_progress([&](const TestJob& job) {
        if (job.progress.size() == 3) server.cancel_job(job.id);
    });
    EXPECT_EQ(run(signature("long")).state, "REVOKED");
    EXPECT_EQ(turns, 3);
}

TEST_F(JobsTest, ExpireWhenNobodyHadTime) {
    const auto id = server.enqueue(signature("add", 1, 1).countdown(10s).expires(5s));
    server.advance(10s);
    EXPECT_EQ(server.job(id).state, "REVOKED");
}

TEST_F(JobsTest, OfOneUniqueKeyThereIsOne) {
    const auto first = server.enqueue(signature("note").unique("k"));
    EXPECT_EQ(server.enqueue(signature("note", 2).unique("k")), first);
    server.advance(0ms);
    EXPECT_NE(server.enqueue(signature("note").unique("k")), first);
    const auto windowed = server.enqueue(signature("add", 1, 1).unique("w", 10min));
    server.advance(1min);
    EXPECT_EQ(server.enqueue(signature("add", 1, 1).unique("w", 10min)), windowed);
    const auto same = server.enqueue(signature("add", 5, 5).unique());
    EXPECT_EQ(server.enqueue(signature("add", 5, 5).unique()), same);
    EXPECT_NE(server.enqueue(signature("add", 5, 6).unique()), same);
}

TEST_F(JobsTest, AUniqueJobStandsAlone) {
    EXPECT_THROW(server.enqueue(chain({signature("note").unique("k"), signature("note")})), Failure);
    EXPECT_THROW(server.enqueue(signature("note").unique("k").link(signature("note"))), Failure);
}

TEST_F(JobsTest, AChainHandsResultsOn) {
    const auto done = run(chain({signature("add", 1, 2), signature("add", 10), signature("add", 100)}));
    EXPECT_EQ(done.result, 113);
    EXPECT_EQ(server.jobs().size(), 3u);
    EXPECT_EQ(run(chain({signature("add", 1, 2), signature("note", "own").immutable()})).result,
              json({"own"}));
}

TEST_F(JobsTest, AChainEndsAtItsFirstFailure) {
    const auto id = server.enqueue(
        chain({signature("fail").link_error(signature("note").id("errback")), signature("note")}));
    server.advance(0ms);
    EXPECT_EQ(server.job(id).state, "REVOKED");
    const auto told = server.job("errback");
    EXPECT_EQ(told.state, "SUCCESS");
    EXPECT_EQ(told.result[0]["task"], "fail");
    EXPECT_EQ(told.result[0]["error"]["message"], "full");
}

TEST_F(JobsTest, AGroupAndAChordCollectResults) {
    const auto done = run(
        chord({signature("add", 1, 1), signature("add", 2, 2), signature("add", 3, 3)}, signature("sum")));
    EXPECT_EQ(done.result, 12);
    server.enqueue(group({signature("note", 1), signature("note", 2)}));
    server.advance(0ms);
    EXPECT_EQ(server.jobs("note").size(), 2u);
    const auto nested = run(chord({chain({signature("add", 1, 1), signature("add", 1)}),
                                   chord({signature("add", 2, 2)}, signature("sum"))},
                                  signature("sum")));
    EXPECT_EQ(nested.result, 7);
}

TEST_F(JobsTest, AChordWhoseHeaderFailsFailsItsBodyOnce) {
    const auto id = server.enqueue(
        chord({signature("add", 1, 1), signature("fail").id("bad"), signature("fail").id("worse")},
              signature("sum").link_error(signature("note").id("errback"))));
    server.advance(0ms);
    EXPECT_EQ(server.job(id).state, "FAILURE");
    EXPECT_EQ(server.job(id).error_type, "ChordError");
    EXPECT_NE(server.job(id).error.find("bad"), std::string::npos);
    EXPECT_EQ(server.job("errback").state, "SUCCESS");
    EXPECT_EQ(server.jobs("note").size(), 1u);
    EXPECT_EQ(server.jobs("add").at(0).state, "SUCCESS");
}

TEST_F(JobsTest, RunInPlaceWhenEager) {
    server.eager_jobs();
    int runs = 0;
    task("flaky", [&](Job&) {
        if (++runs < 3) throw TooBusy("no");
    });
    EXPECT_EQ(server.job(server.enqueue(signature("flaky").countdown(1h))).state, "SUCCESS");
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(server.job(server.enqueue(chain({signature("add", 1, 2), signature("add", 3)}))).result, 6);
    EXPECT_EQ(server.job(server.enqueue(chord({signature("add", 1, 1)}, signature("sum")))).result, 2);
}

TEST_F(JobsTest, MayEnqueueOthersAndPublish) {
    task("parent", [](Job& job) {
        job.layer().publish("room:1", json{{"from", job.id()}});
        job.jobs().enqueue(signature("note", "child"));
    });
    server.declare_namespace("room", {{"history_size", 10}, {"history_ttl", "1h"}});
    const auto id = server.enqueue(signature("parent"));
    server.advance(0ms);
    EXPECT_EQ(server.history("room:1").at(0)["from"], id);
    EXPECT_EQ(server.jobs("note").at(0).parent, id);
    EXPECT_EQ(server.jobs("note").at(0).state, "SUCCESS");
}

TEST_F(JobsTest, TellWhomTheyNotify) {
    server.declare_namespace("user", {{"history_size", 10}, {"history_ttl", "1h"}});
    task("steps", [](Job& job) {
        job.progress({{"page", 1}});
        return "done";
    });
    run(signature("steps").notify_user("42"));
    const auto told = server.history("user:42");
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0]["state"], "PROGRESS");
    EXPECT_EQ(told[0]["progress"]["page"], 1);
    EXPECT_EQ(told[1]["state"], "SUCCESS");
    EXPECT_EQ(told[1]["result"], "done");
}

struct AskingConsumer : madang::JsonConsumer {
    void receive_json(const json& content) override {
        if (content.contains("find")) {
            jobs().find(content["find"].get<std::string>(), 10s, [this](const madang::FoundJob& found) {
                send_json(found ? found.job : json{{"code", found.code}});
            });
        } else if (content.contains("cancel")) {
            jobs().cancel(content["cancel"].get<std::string>(), "enough",
                          [this](const madang::Cancelled& done) {
                              send_json({{"cancelled", done.count}});
                          });
        } else {
            jobs().enqueue(madang::Work(content), [this](const madang::Enqueued& done) {
                send_json(done ? json{{"id", done.id()}, {"children", done.jobs[0].children}}
                               : json{{"code", done.code}, {"message", done.message}});
            });
        }
    }
};

TEST_F(JobsTest, AreAskedForByConsumersAndAnsweredThere) {
    server.websocket<AskingConsumer>("/ws/");
    Communicator client(server, "/ws/");
    ASSERT_TRUE(client.connect());
    client.send_json(chain({signature("add", 1, 1), signature("add", 5)}).json());
    const auto told = client.receive_json();
    EXPECT_EQ(told["children"].size(), 2u);
    EXPECT_EQ(server.job(told["id"].get<std::string>()).correlation_id, "test");
    client.send_json({{"find", told["id"]}});
    EXPECT_TRUE(client.receive_nothing());  // it waits for the end
    server.advance(0ms);
    EXPECT_EQ(client.receive_json()["result"], 7);
    client.send_json({{"find", "nobody"}});
    EXPECT_EQ(client.receive_json()["code"], 404);
    client.send_json({{"cancel", told["id"]}});
    EXPECT_EQ(client.receive_json()["cancelled"], 0);
    client.send_json({{"task", "unknown"}});
    EXPECT_EQ(client.receive_json()["code"], 470);
    client.send_json({{"task", "add"}, {"prio", 3}});
    EXPECT_EQ(client.receive_json()["message"], "prio: there is no such member");
}

TEST_F(JobsTest, FindGivesUpWhenItsTimeIsOver) {
    server.websocket<AskingConsumer>("/ws/");
    Communicator client(server, "/ws/");
    ASSERT_TRUE(client.connect());
    const auto id = server.enqueue(signature("note").countdown(1min));
    client.send_json({{"find", id}});
    server.advance(9'999ms);
    EXPECT_TRUE(client.receive_nothing());
    server.advance(1ms);
    EXPECT_EQ(client.receive_json()["state"], "PENDING");
}

TEST_F(JobsTest, AreAskedForByViewsWithTheirRequestsId) {
    server.setup([](madang::Plugin& plugin) {
        plugin.post("/jobs/", [](const madang::Request& request, madang::Reply reply) {
            auto held = std::make_shared<madang::Reply>(std::move(reply));
            request.jobs().enqueue(
                signature("note"), {.idempotency_key = "once"}, [held](const madang::Enqueued& done) {
                    (*held)(madang::json_response({{"id", done.id()}, {"repeated", done.repeated}}, 202));
                });
        });
    });
    const auto first = HttpCommunicator(server, "POST", "/jobs/").get_response();
    EXPECT_EQ(first.status, 202);
    const auto second = HttpCommunicator(server, "POST", "/jobs/").get_response();
    EXPECT_EQ(second.json_body()["id"], first.json_body()["id"]);
    EXPECT_TRUE(second.json_body()["repeated"]);
    EXPECT_EQ(server.jobs("note").size(), 1u);
    EXPECT_EQ(server.jobs("note")[0].correlation_id, "test");
}

TEST_F(JobsTest, BulkIsAllOrNone) {
    std::uint32_t code = 0;
    std::size_t count = 0;
    server.setup([&](madang::Plugin& plugin) {
        plugin.jobs().enqueue_all({signature("note"), signature("unknown")}, {},
                                  [&](const madang::Enqueued& done) { code = done.code; });
        plugin.jobs().enqueue_all({signature("note"), signature("note")}, {},
                                  [&](const madang::Enqueued& done) { count = done.jobs.size(); });
    });
    server.advance(0ms);
    EXPECT_EQ(code, 470u);
    EXPECT_EQ(count, 2u);
    EXPECT_EQ(server.jobs("note").size(), 2u);
}

TEST_F(JobsTest, SchedulesFireAsTheClockIsAdvanced) {
    server.setup([](madang::Plugin& plugin) {
        plugin.schedule("often", madang::every(10min, signature("note", "tick")));
        plugin.schedule("nightly", madang::cron("0 3 * * *", signature("note", "night"))
                                       .timezone("Asia/Seoul")
                                       .overlap(madang::Overlap::all));
        EXPECT_THROW(plugin.schedule("often", madang::every(1min, signature("note"))), madang::Error);
    });
    server.advance(35min);
    EXPECT_EQ(server.jobs("note").size(), 3u);
    server.fire_schedule("nightly");
    EXPECT_EQ(server.jobs("note").back().args, json({"night"}));
    EXPECT_THROW(server.fire_schedule("yearly"), Failure);
}

TEST_F(JobsTest, CrontabsFireOnTheKitsClock) {  // which begins at 00:16:40 UTC, 09:16:40 in Seoul
    server.setup([](madang::Plugin& plugin) {
        plugin.schedule("nightly", madang::cron("0 3 * * *", signature("note")).timezone("Asia/Seoul"));
        EXPECT_THROW(
            plugin.schedule("no zone", madang::cron("* * * * *", signature("note")).timezone("Mars")),
            madang::Error);
        EXPECT_THROW(plugin.schedule("no hour", madang::cron("0 25 * * *", signature("note"))),
                     madang::Error);
    });
    const auto count = [&] { return server.jobs("note").size(); };
    server.advance(17h + 43min);
    EXPECT_EQ(count(), 0u);
    server.advance(20s);
    EXPECT_EQ(count(), 1u);
    EXPECT_EQ(server.jobs("note")[0].due_ms, 18u * 3'600'000);
    server.advance(24h * 6);
    EXPECT_EQ(count(), 7u);
}

TEST(Signature, BecomesWhatTheServerReads) {
    const auto made = signature("a", 1)
                          .queue("q")
                          .priority(3)
                          .countdown(1500ms)
                          .expires(2h)
                          .unique("k", 10min)
                          .notify_group("room:1")
                          .soft_time_limit(1s)
                          .time_limit(2s)
                          .ignore_result()
                          .immutable();
    EXPECT_EQ(made.json(), json::parse(R"({"task":"a","args":[1],"queue":"q","priority":3,"countdown":1.5,
        "expires":7200,"unique":{"key":"k","for":600},"notify":{"group":"room:1"},"soft_time_limit":1,
        "time_limit":2,"ignore_result":true,"immutable":true})"));
    EXPECT_EQ(json::parse(madang::cron("0 3 * * fri", madang::chain({signature("a"), signature("b")}))
                              .cron_style("celery")
                              .disabled()
                              .dump()),
              json::parse(R"({"chain": [{"task": "a", "args": []}, {"task": "b", "args": []}],
                              "cron": "0 3 * * fri", "cron_style": "celery", "enabled": false})"));
    EXPECT_EQ(json::parse(madang::every(90s, signature("a")).catch_up(1h).dump()),
              json::parse(R"({"task":"a","args":[],"every":"90000ms","catch_up":3600})"));
}

TEST(TaskOptions, BecomeWhatTheServerReads) {
    EXPECT_EQ(json::parse(madang::TaskOptions{}.dump()),
              json::parse(R"({"dont_autoretry_for":["ArgumentError"]})"));
    const madang::TaskOptions all{.queue = "slow",
                                  .max_retries = madang::TaskOptions::for_ever,
                                  .autoretry_for = {"Busy"},
                                  .retry_backoff = 500ms,
                                  .retry_jitter = false,
                                  .soft_time_limit = 10s,
                                  .rate_limit = "10/s",
                                  .concurrency_limit = 2,
                                  .limit_by = "user"};
    EXPECT_EQ(json::parse(all.dump()),
              json::parse(R"({"queue":"slow","max_retries":null,"autoretry_for":["Busy"],
        "dont_autoretry_for":["ArgumentError"],"retry_backoff":0.5,"retry_jitter":false,"soft_time_limit":10,
        "rate_limit":"10/s","concurrency_limit":2,"limit_by":"user"})"));
}

TEST(TaskOptions, SayTheArgumentsTypes) {
    EXPECT_EQ(madang::detail::schema_of_args(
                  std::type_identity<std::tuple<int, double, std::string, bool, json>>()),
              json::parse(R"({"type":"array","minItems":5,"maxItems":5,"items":[{"type":"integer"},
        {"type":"number"},{"type":"string"},{"type":"boolean"},{}]})"));
}

}  // namespace
