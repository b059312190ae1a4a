// `madang worker` as a process, against the server's side of the link in this one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>

#include <nlohmann/json.hpp>

#include "broker/app/own_worker.hpp"
#include "broker/jobs/call_codec.hpp"
#include "madang/abi.h"
#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/worker/fake_server.hpp"

namespace madang::test {
namespace {

using outcome = link::ended::outcome;

// A process, by something that cannot become another's.
class watched {
  public:
    explicit watched(pid_t pid) : descriptor_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}
    ~watched() { ::close(descriptor_); }
    watched(const watched&) = delete;
    bool ends() const {
        pollfd one{descriptor_, POLLIN, 0};
        return descriptor_ >= 0 && ::poll(&one, 1, 30'000) == 1;
    }

  private:
    int descriptor_;
};

command worker_command(const fake_server& server, std::vector<std::string> flags) {
    command what;
    what.words = {server_binary(),     "worker",          "--no-bundled", "--plugin",
                  MADANG_TASKS_PLUGIN, "--worker-socket", server.path()};
    what.words.insert(what.words.end(), flags.begin(), flags.end());
    return what;
}

struct Worker : ::testing::Test {
    void start(std::vector<std::string> flags = {"--concurrency", "1"}) {
        process.emplace(worker_command(server, std::move(flags)));
        who = server.welcome();
    }
    void TearDown() override {
        if (HasFailure() && process) std::cerr << process->err();
    }

    fake_server server;
    std::optional<child> process;
    link::hello who;
};

// ---- Jobs

TEST_F(Worker, SaysWhoItIsAndRunsAJob) {
    start({"--concurrency", "2", "--queues", "a,b", "--worker-prefetch", "3"});
    EXPECT_EQ(who.version, link::version);
    EXPECT_EQ(who.cookie, "crumbs");
    EXPECT_THAT(who.name, ::testing::EndsWith(":" + std::to_string(process->pid())));
    EXPECT_THAT(who.queues, ::testing::ElementsAre("a", "b"));
    EXPECT_THAT(who.tasks, ::testing::Contains("t.echo"));
    EXPECT_EQ(who.concurrency, 2U);
    EXPECT_EQ(who.prefetch, 3U);
    EXPECT_THAT(who.holds, ::testing::IsEmpty());
    const std::filesystem::directory_iterator threads("/proc/" + std::to_string(process->pid()) + "/task");
    EXPECT_EQ(std::distance(begin(threads), end(threads)), 1);  // it forks
    const auto token = server.run("t.echo", {.args = "[1,\"two\"]"});
    const auto end = server.ended(token);
    EXPECT_EQ(end.what, outcome::success);
    EXPECT_EQ(end.result, "[1,\"two\"]");
}

TEST_F(Worker, TellsWhatATaskMadeOfItsJob) {
    start();
    auto end = server.ended(server.run("t.fail"));
    EXPECT_EQ(end.what, outcome::failure);
    EXPECT_EQ(end.error, (job_error{"std::runtime_error", "no ink", ""}));
    end = server.ended(server.run("t.retry"));
    EXPECT_EQ(end.what, outcome::retry);
    EXPECT_EQ(end.after_ms, 1500);
    end = server.ended(server.run("t.nobody"));
    EXPECT_EQ(end.error.type, "NotRegistered");
    end = server.ended(
        server.run("t.numbers", {.retries = 2, .losses = 1, .max_retries = -1, .hard_limit_ms = 60'000}));
    EXPECT_EQ(end.result, "[2,-1,1,1]");
}

TEST_F(Worker, RefusesAResultThatIsTooLarge) {
    start({"--concurrency", "1", "--job-result-bytes", "1M"});
    const auto end = server.ended(server.run("t.big"));
    EXPECT_EQ(end.what, outcome::failure);
    EXPECT_EQ(end.error.type, "ResultTooLarge");
    EXPECT_EQ(server.ended(server.run("t.noop")).result, "null");
}

TEST_F(Worker, TellsThatALongJobBegan) {
    start();
    const auto token = server.run("t.wait");
    const auto began = server.next<link::began>();
    EXPECT_EQ(began.token, token);
    EXPECT_NE(began.child, static_cast<std::uint32_t>(process->pid()));
    server.say(link::stop{token, link::stop::how::ask});
    EXPECT_EQ(server.ended(token).result, "1");
}

TEST_F(Worker, RunsManyJobsInAllItsChildren) {
    start({"--concurrency", "3"});
    std::vector<std::uint64_t> tokens;
    for (int i = 0; i < 300; ++i)
        tokens.push_back(server.run("t.echo", {.args = "[" + std::to_string(i) + "]"}));
    for (std::size_t i = 0; i < tokens.size(); ++i)
        EXPECT_EQ(server.ended(tokens[i]).result, "[" + std::to_string(i) + "]");
}

// ---- What goes wrong

TEST_F(Worker, LosesOnlyTheJobOfAChildThatCrashed) {
    start({"--concurrency", "1", "--worker-prefetch", "3"});
    const auto bad = server.run("t.crash");
    const auto behind = server.run("t.echo", {.args = "[2]"});
    const auto left = server.run("t.leave");
    auto end = server.ended(bad);
    EXPECT_EQ(end.what, outcome::lost);
    EXPECT_EQ(end.error.type, "WorkerLostError");
    EXPECT_EQ(end.error.message, "its process ended: SIGSEGV");
    EXPECT_EQ(server.ended(behind).result, "[2]");
    EXPECT_EQ(server.ended(left).error.message, "its process ended: exit code 3");
    EXPECT_EQ(server.next<link::child_ended>().why, "crash");
}

TEST_F(Worker, SignalsTheSoftLimit) {
    start();
    EXPECT_EQ(server.ended(server.run("t.wait", {.soft_limit_ms = 20, .hard_limit_ms = 600'000})).result,
              "2");
}

TEST_F(Worker, KillsAtTheHardLimitAndWhatTheTaskStartedToo) {
    start();
    const auto token = server.run("t.spawn", {.hard_limit_ms = 1'000});
    const auto made = server.next<link::progress>();
    const watched started(std::stoi(made.json));
    const auto end = server.ended(token);
    EXPECT_EQ(end.what, outcome::failure);
    EXPECT_EQ(end.error.type, "TimeLimitExceeded");
    EXPECT_TRUE(started.ends());
    EXPECT_EQ(server.ended(server.run("t.noop")).what, outcome::success);
}

TEST_F(Worker, KillsACancelledJobWhenItIsTold) {
    start();
    const auto token = server.run("t.hang");
    server.next<link::began>();
    server.say(link::stop{token, link::stop::how::ask});
    server.say(link::stop{token, link::stop::how::kill});
    EXPECT_EQ(server.ended(token).error.type, "Terminated");
}

TEST_F(Worker, TakesItsChildrenWithItWhenItIsKilled) {
    start();
    server.run("t.hang");
    const watched running(static_cast<pid_t>(server.next<link::began>().child));
    process->signal(SIGKILL);
    EXPECT_TRUE(running.ends());
}

TEST_F(Worker, MakesAChildAnewThatHasTooMuchMemory) {
    start({"--concurrency", "1", "--worker-max-memory", "350M"});
    const auto before = server.ended(server.run("t.pid")).result;
    EXPECT_EQ(server.ended(server.run("t.pid")).result, before);
    server.ended(server.run("t.eat"));
    EXPECT_NE(server.ended(server.run("t.pid")).result, before);
    const auto gone = server.next<link::child_ended>();
    EXPECT_EQ(std::to_string(gone.child), before);
    EXPECT_EQ(gone.why, "memory");
    EXPECT_TRUE(gone.expected);
}

TEST_F(Worker, MakesAChildAnewAfterSoManyJobs) {
    start({"--concurrency", "1", "--worker-max-tasks", "2"});
    const auto first = server.ended(server.run("t.pid")).result;
    EXPECT_EQ(server.ended(server.run("t.pid")).result, first);
    EXPECT_NE(server.ended(server.run("t.pid")).result, first);
}

TEST_F(Worker, GrowsWithItsJobs) {
    start({"--autoscale", "3,1"});
    EXPECT_EQ(who.concurrency, 1U);
    std::vector<std::uint64_t> tokens;
    for (int i = 0; i < 3; ++i) tokens.push_back(server.run("t.wait"));
    while (server.next<link::capacity>().concurrency != 3) {
    }
    for (int i = 0; i < 3; ++i) server.next<link::began>();
    for (const auto token : tokens) server.say(link::stop{token, link::stop::how::ask});
    for (const auto token : tokens) EXPECT_EQ(server.ended(token).result, "1");
}

// ---- What a task asks of the server

TEST_F(Worker, KeepsCheckpoints) {
    start();
    const auto token = server.run("t.checkpoint", {.checkpoint = "before"});
    const auto asked = server.next<link::checkpoint>();
    EXPECT_EQ(asked.token, token);
    EXPECT_EQ(asked.data, "half");
    server.say(link::answer{asked.call, 0, ""});
    EXPECT_EQ(server.ended(token).result, "[\"before\",0]");
    const auto late = server.run("t.checkpoint");
    server.say(link::failed(server.next<link::checkpoint>().call, fail(errc::stale_lease)));
    EXPECT_EQ(server.ended(late).result, "[\"\"," + std::to_string(MADANG_CLOSED) + "]");
}

TEST_F(Worker, EnqueuesWithItsJobAsTheParent) {
    start();
    const auto token = server.run("t.enqueue", {.correlation_id = "req-1"});
    const auto asked = server.next<link::call>();
    EXPECT_EQ(asked.what, link::call::verb::enqueue);
    EXPECT_EQ(asked.token, token);
    const auto what = link::from_body<enqueue_request>(asked.body);
    ASSERT_TRUE(what);
    EXPECT_EQ(what->parent, "j" + std::to_string(token));
    EXPECT_EQ(what->correlation_id, "req-1");
    server.say(link::answer{asked.number, 0, link::to_body(enqueued{{{"j99", false, {}}}, false})});
    EXPECT_EQ(nlohmann::json::parse(server.ended(token).result)["jobs"][0]["id"], "j99");
    const auto refused = server.run("t.enqueue");
    server.say(link::failed(server.next<link::call>().number, fail(errc::unknown_task, "t.noop")));
    EXPECT_EQ(server.ended(refused).result, "470");
}

TEST_F(Worker, SendsAndPublishes) {
    start();
    const auto token = server.run("t.send");
    const auto event = server.next<link::call>();
    EXPECT_EQ(event.what, link::call::verb::group_send);
    EXPECT_EQ(event.number, 0U);
    const auto sent = link::from_body<link::sent>(event.body);
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->to + " " + sent->type + " " + std::string(sent->event.bytes()), "news x.y {\"a\":1}");
    const auto published = server.next<link::call>();
    EXPECT_EQ(link::from_body<publish_request>(published.body)->data.bytes(), "{\"a\":1}");
    server.say(link::answer{published.number, 0, link::to_body(position{"e", 42})});
    EXPECT_EQ(server.ended(token).result, "42");
}

// ---- The server goes away

TEST_F(Worker, HoldsItsLeasesWhileTheServerIsAway) {
    start({"--concurrency", "1", "--worker-prefetch", "2"});
    const auto runs = server.run("t.wait");
    const auto waits = server.run("t.echo", {.args = "[7]"});
    server.next<link::began>();
    const auto again = server.accept();
    EXPECT_THAT(again.holds, ::testing::UnorderedElementsAre(std::pair{"j" + std::to_string(runs), runs},
                                                             std::pair{"j" + std::to_string(waits), waits}));
    server.say(link::welcome{9, "node"});
    EXPECT_EQ(server.next<link::began>().token, runs);
    server.say(link::stop{runs, link::stop::how::ask});
    EXPECT_EQ(server.ended(runs).result, "1");
    EXPECT_EQ(server.ended(waits).what, outcome::handed_back);  // what runs is a long one by now
}

TEST_F(Worker, TellsAgainHowAJobEndedUntilItIsConfirmed) {
    start();
    const auto token = server.run("t.echo", {.args = "[7]"});
    EXPECT_EQ(server.next<link::ended>().token, token);
    for (int i = 0; i < 2; ++i) {
        const auto again = server.welcome();  // the connection before is closed without a word
        ASSERT_EQ(again.holds.size(), 1U);
        EXPECT_EQ(server.next<link::ended>().result, "[7]");
    }
    server.say(link::told{token, true});
    const auto other = server.run("t.noop");
    server.ended(other);
    EXPECT_EQ(server.welcome().holds.size(), 0U);
}

TEST_F(Worker, AsksAgainForACheckpointThatWasNotAnswered) {
    start();
    const auto token = server.run("t.checkpoint");
    server.next<link::checkpoint>();
    server.welcome();
    const auto again = server.next<link::checkpoint>();
    EXPECT_EQ(again.data, "half");
    server.say(link::answer{again.call, 0, ""});
    EXPECT_EQ(server.ended(token).result, "[\"\",0]");
}

TEST_F(Worker, AnswersAnEnqueueOfWhichNothingIsKnown) {
    start();
    const auto token = server.run("t.enqueue");
    server.next<link::call>();
    server.welcome();
    EXPECT_EQ(server.ended(token).result, "100");
}

TEST_F(Worker, ComesAgainAfterItWasRefusedOrMisunderstood) {
    process.emplace(worker_command(server, {"--concurrency", "1"}));
    server.accept();
    server.say(link::refused{"too many"});
    server.accept();
    server.say_bytes("what?");
    server.welcome();
    EXPECT_EQ(server.ended(server.run("t.noop")).what, outcome::success);
}

// ---- The end

TEST_F(Worker, FinishesWhatItRunsWhenItIsTold) {
    start({"--concurrency", "1", "--worker-prefetch", "2"});
    const auto runs = server.run("t.wait");
    const auto waits = server.run("t.noop");
    server.next<link::began>();
    process->signal(SIGTERM);
    server.next<link::leaving>();
    EXPECT_EQ(server.ended(waits).what, outcome::handed_back);
    server.say(link::stop{runs, link::stop::how::ask});
    EXPECT_EQ(server.ended(runs).result, "1");
    EXPECT_EQ(process->wait(30s), 0);
}

TEST_F(Worker, FinishesWhenTheServerDrains) {
    start();
    server.say(link::warm_stop{});
    server.next<link::leaving>();
    EXPECT_EQ(process->wait(30s), 0);
}

TEST_F(Worker, KillsItsChildrenAtTheSecondSignalOrAtQuit) {
    for (const auto& signals : {std::vector{SIGQUIT}, std::vector{SIGTERM, SIGINT}}) {
        start();
        const auto runs = server.run("t.hang");
        const watched running(static_cast<pid_t>(server.next<link::began>().child));
        for (const int each : signals) {
            process->signal(each);
            if (each != signals.back()) server.next<link::leaving>();
        }
        EXPECT_EQ(server.ended(runs).what, outcome::lost);
        EXPECT_TRUE(running.ends());
        EXPECT_EQ(process->wait(30s), 0);
    }
}

TEST_F(Worker, DoesNotWaitForEverToTellHowItEnded) {
    start({"--concurrency", "1", "--drain-timeout", "100ms", "--drain-spread", "0"});
    server.run("t.noop");
    server.next<link::ended>();
    process->signal(SIGTERM);
    EXPECT_EQ(process->wait(30s), 1);
}

TEST_F(Worker, EndsWithTheProcessThatStartedIt) {
    auto what = worker_command(server, {});
    std::string line = "exec 3>&1; ";
    for (const auto& each : what.words) line += "'" + each + "' ";
    what.words = {"/bin/sh", "-c", line + "--parent $$ & wait"};
    process.emplace(what);
    const auto name = server.welcome().name;
    const watched worker(std::stoi(name.substr(name.rfind(':') + 1)));
    process->signal(SIGKILL);
    EXPECT_TRUE(worker.ends());
}

TEST_F(Worker, RefusesWhatItCannotBe) {
    const auto said = [](std::vector<std::string> flags) {
        flags.insert(flags.begin(), {server_binary(), "worker", "--no-bundled"});
        const auto how = run({.words = flags});
        EXPECT_EQ(how.code, 2);
        return how.err;
    };
    EXPECT_THAT(said({}), ::testing::HasSubstr("--worker-socket"));
    EXPECT_THAT(said({"--worker-socket", "x", "--autoscale", "1,8"}), ::testing::HasSubstr("MAX,MIN"));
    EXPECT_THAT(said({"--worker-socket", "x", "--autoscale", "8"}), ::testing::HasSubstr("MAX,MIN"));
    EXPECT_THAT(said({"--worker-socket", "x", "--concurrency", "many"}),
                ::testing::HasSubstr("not a number"));
    EXPECT_THAT(said({"--worker-socket", "x", "--plugin", "/nowhere.so"}),
                ::testing::HasSubstr("/nowhere.so"));
}

// ---- The one that the server starts

TEST_F(Worker, OfTheServerIsMadeAnewUntilItIsToldToStop) {
    options settings;
    settings.bundled = false;
    settings.plugins = {MADANG_TASKS_PLUGIN};
    settings.workers = 1;
    settings.worker_queues = {"a", "b"};
    settings.jwt_hmac_secret = "a secret that the worker does not need";
    own_worker own({.settings = settings, .config = "", .socket = server.path(), .binary = server_binary()});
    own.start();
    const auto first = server.welcome();
    EXPECT_THAT(first.queues, ::testing::ElementsAre("a", "b"));
    EXPECT_EQ(first.name, "own");
    std::ifstream environment("/proc/" + std::to_string(own.pid()) + "/environ");
    const std::string variables(std::istreambuf_iterator<char>(environment), {});
    EXPECT_THAT(variables, ::testing::HasSubstr("MADANG_WORKER_QUEUES=a,b"));
    EXPECT_THAT(variables, ::testing::Not(::testing::HasSubstr("SECRET")));
    EXPECT_EQ(server.ended(server.run("t.noop")).what, outcome::success);
    const auto killed = own.pid();
    ::kill(killed, SIGKILL);
    EXPECT_EQ(server.welcome().name, "own");
    EXPECT_NE(own.pid(), killed);
    EXPECT_EQ(server.ended(server.run("t.noop")).what, outcome::success);
    EXPECT_FALSE(own.ended());
    own.begin_stop();
    server.next<link::leaving>();
    EXPECT_TRUE(eventually([&] { return own.ended(); }, 30s));
}

}  // namespace
}  // namespace madang::test
