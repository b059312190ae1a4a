// The table "madang.jobs/1" over fakes of the ports, and the tasks' table.
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <nlohmann/json.hpp>

#include "plugins/host/plugin_host.hpp"
#include "tests/unit/host/recording_ports.hpp"

namespace madang {
namespace {

madang_str s(std::string_view text) { return {text.data(), text.size()}; }
constexpr std::string_view schedule = R"({"task":"a.b","every":"10s"})";
std::string text(madang_str given) { return given.size == 0 ? "" : std::string(given.data, given.size); }

// Keeps what it is asked; answers when told.
struct fake_jobs final : job_port {
    void enqueue(enqueue_request what, answer<enqueued> done) override {
        asked.push_back(std::move(what));
        answers.push_back(std::move(done));
    }
    void cancel(std::vector<std::string> ids, std::string reason, answer<std::size_t> done) override {
        cancelled = ids.at(0) + " " + reason;
        if (done) done(ids.size());
    }
    void find(std::string id, std::chrono::milliseconds wait, answer<job_view> done) override {
        waited = wait;
        if (id == "gone") return done(error{errc::not_found, id});
        job_view known;
        known.spec.id = id;
        done(known);
    }
    void list(job_filter, answer<job_page>) override {}
    void requeue(std::vector<std::string>, answer<std::size_t>) override {}
    void discard(std::vector<std::string>, answer<std::size_t>) override {}
    void queues(answer<std::vector<queue_view>>) override {}
    void pause(std::string, bool, answer<bool>) override {}
    void purge(std::string, answer<std::size_t>) override {}
    void workers(answer<std::vector<worker_view>>) override {}
    void tasks(answer<std::vector<task_options>>) override {}
    void schedules(answer<std::vector<schedule_view>>) override {}
    void put_schedule(std::string, std::string, answer<schedule_view>) override {}
    void remove_schedule(std::string, answer<bool>) override {}
    void next_fires(std::string, std::string, std::size_t, answer<std::vector<std::int64_t>>) override {}

    std::vector<enqueue_request> asked;
    std::vector<answer<enqueued>> answers;
    std::string cancelled;
    std::chrono::milliseconds waited{-1};
};

struct fake_attempt final : attempt_port {
    std::string_view get(madang_job_field what) const override {
        switch (what) {
            case MADANG_JOB_ID:
                return "j1";
            case MADANG_JOB_CORRELATION_ID:
                return "req-7";
            case MADANG_JOB_ARGS:
                return args;
            case MADANG_JOB_CHECKPOINT:
                return saved;
            default:
                return {};
        }
    }
    std::int64_t number(madang_job_number what) const override { return what == MADANG_JOB_RETRIES ? 2 : 0; }
    madang_job_stop stop() const override { return MADANG_JOB_CANCELLED; }
    madang_job_stop wait_stop(std::chrono::milliseconds longest) const override {
        waited = longest;
        return MADANG_JOB_SOFT_LIMIT;
    }
    madang_status progress(std::string_view json) override {
        told = json;
        return MADANG_OK;
    }
    madang_status checkpoint(std::string_view data) override {
        if (data == "throw") throw std::runtime_error("no");
        saved = data;
        return MADANG_OK;
    }
    std::string args = "[1]", told, saved;
    mutable std::chrono::milliseconds waited{-1};
};

using task_function = std::function<madang_status(madang_job*)>;
using setup_function = std::function<void(madang_host*, const madang_host_api*)>;
setup_function setup;
bool starts = true;
madang_status run_function(void* context, madang_job* job) {
    return (*static_cast<task_function*>(context))(job);
}

template <int N>
const madang_plugin_descriptor& plugin_n() {
    static const std::string id = "plugin" + std::to_string(N);
    static const madang_plugin_descriptor descriptor = {
        MADANG_ABI_MAGIC,
        sizeof descriptor,
        1,
        0,
        id.c_str(),
        "1",
        nullptr,
        [](madang_host* host, const madang_host_api* api) {
            setup(host, api);
            return starts ? reinterpret_cast<madang_plugin*>(1) : nullptr;
        },
        [](madang_plugin*) {},
        nullptr,
    };
    return descriptor;
}

struct answered {
    std::vector<std::string> told;  // the JSON, or the code and message
    int dropped = 0;
    static void answer(void* context, const madang_failure* failed, madang_str json) {
        auto& self = *static_cast<answered*>(context);
        self.told.push_back(failed ? std::to_string(failed->code) + " " + text(failed->message) : text(json));
    }
    static void drop(void* context) { ++static_cast<answered*>(context)->dropped; }
};

struct JobFunctions : ::testing::Test {
    JobFunctions() {
        add<0>([&](madang_host* host, const madang_host_api* api) {
            me = host;
            table = static_cast<const madang_jobs*>(api->get_extension(host, MADANG_JOBS));
        });
    }
    template <int N>
    bool add(setup_function fn, bool good = true) {
        setup = std::move(fn);
        starts = good;
        return host.add(plugin_n<N>(), "in the test", why) != nullptr;
    }
    // Registers a task of plugin N, and runs it.
    template <int N>
    attempt_end run(task_function fn) {
        functions.push_back(std::move(fn));
        const auto name = "t" + std::to_string(N);
        EXPECT_TRUE(add<N>([&](madang_host* to, const madang_host_api*) {
            EXPECT_EQ(table->register_task(to, s(name), s(""), run_function, &functions.back()), MADANG_OK);
        }));
        return host.tasks().run(name, attempt);
    }
    madang_status enqueue(std::string_view json, const madang_enqueue_options* options = nullptr,
                          madang_connection* connection = nullptr) {
        return table->enqueue(me, connection, s(json), options, answered::answer, &mine, answered::drop);
    }

    recording_layer layer;
    fake_jobs jobs;
    std::vector<std::string> logged;
    plugin_host host{
        {.layer = layer,
         .log =
             [this](const plugin&, madang_log_level, std::string_view event, std::string_view message) {
                 logged.push_back(std::string(event) + " " + std::string(message));
             },
         .config_json = {},
         .jobs = &jobs}};
    std::deque<task_function> functions;
    fake_attempt attempt;
    madang_host* me = nullptr;
    const madang_jobs* table = nullptr;
    answered mine;
    std::string why;
};

TEST_F(JobFunctions, AreThereOnlyWhereThereAreJobs) {
    ASSERT_NE(table, nullptr);
    plugin_host without{{.layer = layer, .log = {}, .config_json = {}}};
    const void* found = this;
    setup = [&](madang_host* to, const madang_host_api* api) { found = api->get_extension(to, MADANG_JOBS); };
    ASSERT_NE(without.add(plugin_n<1>(), "in the test", why), nullptr);
    EXPECT_EQ(found, nullptr);
}

TEST_F(JobFunctions, RegisterTasksWithTheirOptions) {
    task_function none;
    ASSERT_TRUE(add<1>([&](madang_host* to, const madang_host_api*) {
        EXPECT_EQ(table->register_task(to, s("a.b"), s(R"({"queue":"slow"})"), run_function, &none),
                  MADANG_OK);
        EXPECT_EQ(table->register_task(to, s("a.b"), s(""), run_function, &none), MADANG_INVALID);
        EXPECT_EQ(table->register_task(to, s("a.c"), s(R"({"quue":"slow"})"), run_function, &none),
                  MADANG_INVALID);
        EXPECT_EQ(table->register_task(to, s("a c"), s(""), run_function, &none), MADANG_INVALID);
        EXPECT_EQ(table->register_task(to, s(""), s(""), run_function, &none), MADANG_INVALID);
        EXPECT_EQ(table->register_task(to, s("a.d"), s(""), nullptr, &none), MADANG_INVALID);
    }));
    const auto* known = host.tasks().find("a.b");
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->queue, "slow");
    EXPECT_EQ(known->name, "a.b");
    EXPECT_EQ(known->plugin, "plugin1");
    EXPECT_EQ(host.tasks().all().size(), 1u);
    ASSERT_EQ(logged.size(), 5u);
    EXPECT_NE(logged[0].find("task a.b: plugin plugin1 has registered it already"), std::string::npos);
    EXPECT_NE(logged[1].find("task a.c: "), std::string::npos);
    EXPECT_NE(logged[1].find("quue"), std::string::npos);
    EXPECT_EQ(table->register_task(me, s("late"), s(""), run_function, &none), MADANG_INVALID);
}

TEST_F(JobFunctions, LeaveNothingOfAPluginThatDidNotStart) {
    task_function none;
    EXPECT_FALSE(add<1>(
        [&](madang_host* to, const madang_host_api*) {
            EXPECT_EQ(table->register_task(to, s("a.b"), s(""), run_function, &none), MADANG_OK);
            EXPECT_EQ(table->declare_schedule(to, s("nightly"), s(schedule)), MADANG_OK);
        },
        false));
    EXPECT_EQ(host.tasks().find("a.b"), nullptr);
    EXPECT_TRUE(host.schedules().empty());
}

TEST_F(JobFunctions, KeepDeclaredSchedulesApart) {
    ASSERT_TRUE(add<1>([&](madang_host* to, const madang_host_api*) {
        EXPECT_EQ(table->declare_schedule(to, s("nightly"), s(schedule)), MADANG_OK);
        EXPECT_EQ(table->declare_schedule(to, s("nightly"), s(schedule)), MADANG_INVALID);
        EXPECT_EQ(table->declare_schedule(to, s("other"), s("{")), MADANG_INVALID);
    }));
    ASSERT_EQ(host.schedules().size(), 1u);
    EXPECT_EQ(host.schedules()[0].json, schedule);
    EXPECT_EQ(host.schedules()[0].owner->id, "plugin1");
    EXPECT_NE(logged.at(1).find("schedule other: "), std::string::npos);
}

TEST_F(JobFunctions, HandAnEnqueueOnAndItsAnswerBack) {
    const std::string key = "k", correlation = "c";
    const madang_enqueue_options options{sizeof options, 0, s(key), s(correlation)};
    ASSERT_EQ(enqueue(R"({"task":"a"})", &options), MADANG_OK);
    ASSERT_EQ(jobs.asked.size(), 1u);
    const auto& what = jobs.asked[0];
    EXPECT_EQ(what.jobs, std::vector<std::string>{R"({"task":"a"})"});
    EXPECT_EQ(what.idempotency_key, "k");
    EXPECT_EQ(what.correlation_id, "c");
    EXPECT_EQ(what.how, durability::buffered);
    EXPECT_TRUE(mine.told.empty());
    jobs.answers[0](enqueued{{{"j9", false, {}}}, false});
    jobs.answers.clear();
    ASSERT_EQ(mine.told.size(), 1u);
    EXPECT_EQ(nlohmann::json::parse(mine.told[0])["jobs"][0]["id"], "j9");
    EXPECT_EQ(mine.dropped, 1);
}

TEST_F(JobFunctions, SayWhyAnEnqueueWasRefused) {
    ASSERT_EQ(enqueue(R"({"task":"a"})"), MADANG_OK);
    jobs.answers[0](error{errc::unknown_task, "a"});
    ASSERT_EQ(mine.told.size(), 1u);
    EXPECT_TRUE(mine.told[0].starts_with("470 ")) << mine.told[0];
    EXPECT_FALSE(jobs.asked[0].how.has_value());
}

TEST_F(JobFunctions, CutAnArrayIntoItsElements) {
    const auto cut = [&](std::string_view json) {
        jobs.asked.clear();
        const auto status = enqueue(json);
        return status == MADANG_OK ? jobs.asked.at(0).jobs : std::vector<std::string>{"refused"};
    };
    using list = std::vector<std::string>;
    EXPECT_EQ(cut(R"( [ {"task":"a","args":[1,[2]]} , {"b":"],\"["} ] )"),
              (list{R"({"task":"a","args":[1,[2]]})", R"({"b":"],\"["})"}));
    EXPECT_EQ(cut("[]"), list{});
    EXPECT_EQ(cut("[{}]"), list{"{}"});
    EXPECT_EQ(cut(" {} "), list{"{}"});
    EXPECT_EQ(cut("[{},]"), list{"refused"});
    EXPECT_EQ(cut("[{}"), list{"refused"});
    EXPECT_EQ(cut("[{}}"), list{"refused"});
    EXPECT_EQ(cut("[{}] {}"), list{"refused"});
    EXPECT_EQ(cut("[\"{]"), list{"refused"});
}

TEST_F(JobFunctions, RefuseWhatCannotBe) {
    const madang_enqueue_options unknown{sizeof unknown, 2, {}, {}};
    EXPECT_EQ(enqueue("{}", &unknown), MADANG_INVALID);
    EXPECT_EQ(table->enqueue(nullptr, nullptr, s("{}"), nullptr, nullptr, nullptr, nullptr), MADANG_INVALID);
    EXPECT_EQ(table->enqueue(me, nullptr, {nullptr, 3}, nullptr, nullptr, nullptr, nullptr), MADANG_INVALID);
    EXPECT_EQ(table->find(me, nullptr, s(""), 0, answered::answer, &mine, nullptr), MADANG_INVALID);
    EXPECT_EQ(table->find(me, nullptr, s("a"), 0, nullptr, &mine, nullptr), MADANG_INVALID);
    EXPECT_EQ(table->cancel(me, nullptr, s(""), s(""), nullptr, nullptr, nullptr), MADANG_INVALID);
    EXPECT_EQ(table->job_end(nullptr, nullptr), MADANG_INVALID);
    EXPECT_EQ(table->job_get(nullptr, MADANG_JOB_ID).size, 0u);
    EXPECT_TRUE(jobs.asked.empty());
    EXPECT_EQ(mine.dropped, 0);
}

TEST_F(JobFunctions, NobodyHasToAsk) {
    ASSERT_EQ(table->enqueue(me, nullptr, s("{}"), nullptr, nullptr, nullptr, nullptr), MADANG_OK);
    EXPECT_EQ(jobs.answers.at(0), nullptr);
    ASSERT_EQ(table->enqueue(me, nullptr, s("{}"), nullptr, nullptr, &mine, answered::drop), MADANG_OK);
    jobs.answers.clear();
    EXPECT_EQ(mine.dropped, 1);
}

TEST_F(JobFunctions, AnswerAConnectionOnItsThreadAndKnowItsRequest) {
    recording_connection connection;
    scope_builder known;
    known.set(scope_field::request_id, "req-1");
    connection.known = known.build();
    ASSERT_EQ(enqueue("{}", nullptr, to_abi(&connection)), MADANG_OK);
    EXPECT_EQ(jobs.asked[0].correlation_id, "req-1");
    jobs.answers[0](enqueued{});
    EXPECT_TRUE(mine.told.empty());
    ASSERT_EQ(connection.posted.size(), 1u);
    connection.posted[0]();
    EXPECT_EQ(mine.told.size(), 1u);
}

TEST_F(JobFunctions, CancelAndFind) {
    ASSERT_EQ(table->cancel(me, nullptr, s("j1"), s("enough"), answered::answer, &mine, nullptr), MADANG_OK);
    EXPECT_EQ(jobs.cancelled, "j1 enough");
    ASSERT_EQ(table->find(me, nullptr, s("j1"), UINT64_MAX, answered::answer, &mine, nullptr), MADANG_OK);
    EXPECT_EQ(jobs.waited, std::chrono::hours(24));
    ASSERT_EQ(table->find(me, nullptr, s("gone"), 5, answered::answer, &mine, nullptr), MADANG_OK);
    EXPECT_EQ(mine.told[0], R"({"cancelled":1})");
    EXPECT_EQ(nlohmann::json::parse(mine.told[1])["id"], "j1");
    EXPECT_TRUE(mine.told[2].starts_with("404 "));
}

TEST_F(JobFunctions, GiveAnAttemptItsJob) {
    const auto end = run<1>([&](madang_job* job) {
        EXPECT_EQ(text(table->job_get(job, MADANG_JOB_ID)), "j1");
        EXPECT_EQ(text(table->job_get(job, static_cast<madang_job_field>(15))), "");
        EXPECT_EQ(table->job_number(job, MADANG_JOB_RETRIES), 2);
        EXPECT_EQ(table->job_stop(job), MADANG_JOB_CANCELLED);
        EXPECT_EQ(table->job_wait_stop(job, 250), MADANG_JOB_SOFT_LIMIT);
        EXPECT_EQ(attempt.waited, std::chrono::milliseconds(250));
        EXPECT_EQ(table->job_progress(job, s("{\"page\":1}")), MADANG_OK);
        EXPECT_EQ(table->job_progress(job, s("page 2")), MADANG_INVALID);
        EXPECT_EQ(table->job_checkpoint(job, s("page 1")), MADANG_OK);
        EXPECT_EQ(table->job_checkpoint(job, s("throw")), MADANG_FAILED);
        EXPECT_EQ(text(table->job_get(job, MADANG_JOB_CHECKPOINT)), "page 1");
        EXPECT_EQ(enqueue("{}"), MADANG_OK);
        const madang_job_end good{sizeof good, MADANG_JOB_SUCCESS, s("[1]"), {}, {}, {}, -1};
        EXPECT_EQ(table->job_end(job, &good), MADANG_OK);
        EXPECT_EQ(table->job_end(job, &good), MADANG_INVALID);
        return MADANG_OK;
    });
    EXPECT_EQ(end.outcome, MADANG_JOB_SUCCESS);
    EXPECT_EQ(end.json, "[1]");
    EXPECT_EQ(attempt.told, "{\"page\":1}");
    EXPECT_EQ(jobs.asked.at(0).parent, "j1");
    EXPECT_EQ(jobs.asked.at(0).correlation_id, "req-7");
    ASSERT_EQ(enqueue("{}"), MADANG_OK);  // and outside of it nobody is its parent
    EXPECT_EQ(jobs.asked.at(1).parent, "");
}

TEST_F(JobFunctions, TakeEveryKindOfEnd) {
    const auto end_with = [&](madang_job_end how) {
        return [this, how](madang_job* job) {
            EXPECT_EQ(table->job_end(job, &how), MADANG_OK);
            return MADANG_OK;
        };
    };
    const auto empty = run<1>(end_with({sizeof(madang_job_end), MADANG_JOB_SUCCESS, {}, {}, {}, {}, -1}));
    EXPECT_EQ(empty.json, "null");
    const auto again = run<2>(
        end_with({sizeof(madang_job_end), MADANG_JOB_RETRY, {}, s("Busy"), s("later"), s("at x"), 1500}));
    EXPECT_EQ(again.outcome, MADANG_JOB_RETRY);
    EXPECT_EQ(again.after_ms, 1500);
    EXPECT_EQ(again.error, (job_error{"Busy", "later", "at x"}));
    const auto nameless = run<3>(end_with({sizeof(madang_job_end), MADANG_JOB_FAILURE, {}, {}, {}, {}, -9}));
    EXPECT_EQ(nameless.error.type, "Error");
    EXPECT_EQ(nameless.after_ms, -1);
}

TEST_F(JobFunctions, MakeAFailureOfWhatATaskGotWrong) {
    const auto wrong = [](const attempt_end& end) {
        EXPECT_EQ(end.outcome, MADANG_JOB_FAILURE);
        EXPECT_EQ(end.error.type, "TaskError");
        return end.error.message;
    };
    EXPECT_NE(wrong(run<1>([](madang_job*) { return MADANG_OK; })).find("without an end"), std::string::npos);
    EXPECT_NE(wrong(run<2>([](madang_job*) { return MADANG_FAILED; })).find("status 1"), std::string::npos);
    EXPECT_NE(wrong(run<3>([](madang_job*) -> madang_status { throw std::runtime_error("oh"); })).find("oh"),
              std::string::npos);
    EXPECT_NE(wrong(run<4>([](madang_job*) -> madang_status { throw 1; })).find("threw"), std::string::npos);
    EXPECT_NE(wrong(run<5>([&](madang_job* job) {
                  const madang_job_end bad{sizeof bad, MADANG_JOB_SUCCESS, s("{"), {}, {}, {}, -1};
                  EXPECT_EQ(table->job_end(job, &bad), MADANG_INVALID);
                  return MADANG_OK;
              })).find("not JSON"),
              std::string::npos);
    EXPECT_NE(wrong(run<6>([&](madang_job* job) {
                  const madang_job_end bad{sizeof bad, 77, {}, {}, {}, {}, -1};
                  EXPECT_EQ(table->job_end(job, &bad), MADANG_INVALID);
                  return MADANG_OK;
              })).find("not known"),
              std::string::npos);
    EXPECT_EQ(host.tasks().run("nobody's", attempt).error.type, "NotRegistered");
}

}  // namespace
}  // namespace madang
