#include "broker/worker/worker_core.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace madang {
namespace {

using namespace std::chrono_literals;
using outcome = link::ended::outcome;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Writes down what the core wants: "give 1 7", "tell ended 7 lost".
class recorder final : public worker_port {
  public:
    void fork(child_id child) override { add("fork", child); }
    void give(child_id child, const link::run& job) override { add("give", child, job.token); }
    void stop(child_id child, std::uint64_t token, link::stop::how how) override {
        add(how == link::stop::how::ask ? "ask" : "soft", child, token);
    }
    void call_back(child_id child, std::uint64_t token) override { add("call_back", child, token); }
    void retire(child_id child) override { add("retire", child); }
    void kill(child_id child) override { add("kill", child); }
    void tell(const link::from_worker& what) override {
        if (const auto* end = std::get_if<link::ended>(&what)) {
            static const char* names[] = {"success", "failure", "retry",      "reject",
                                          "ignore",  "lost",    "handed_back"};
            list.push_back("ended " + std::to_string(end->token) + " " + names[static_cast<int>(end->what)] +
                           (end->error.type.empty() ? "" : " " + end->error.type));
            last_error = end->error.message;
        } else if (const auto* began = std::get_if<link::began>(&what)) {
            add("began", began->token, began->child);
        } else if (const auto* far = std::get_if<link::progress>(&what)) {
            list.push_back("progress " + std::to_string(far->token) + " " + far->json);
        } else if (const auto* now = std::get_if<link::capacity>(&what)) {
            add("capacity", now->concurrency, now->prefetch);
        } else if (const auto* gone = std::get_if<link::child_ended>(&what)) {
            list.push_back("child_ended " + gone->why + (gone->expected ? ", as expected" : ""));
        } else if (std::holds_alternative<link::leaving>(what)) {
            list.push_back("leaving");
        }
    }
    std::vector<std::string> take() { return std::exchange(list, {}); }
    std::vector<std::string> list;
    std::string last_error;

  private:
    template <class... Numbers>
    void add(std::string what, Numbers... numbers) {
        ((what += " " + std::to_string(numbers)), ...);
        list.push_back(std::move(what));
    }
};

struct WorkerCore : ::testing::Test {
    void start(worker_limits with) {
        limits = with;
        core.emplace(limits, port);
        core->start(now);
        core->connected();
        port.take();
    }
    void job(std::uint64_t token, std::uint32_t soft = 0, std::uint32_t hard = 0) {
        link::run what;
        what.token = token;
        what.id = "j" + std::to_string(token);
        what.soft_limit_ms = soft;
        what.hard_limit_ms = hard;
        core->run(what, now);
    }
    void began(child_id child, std::uint64_t token) { core->began(child, {token, 100 + child}, now); }
    void ended(child_id child, std::uint64_t token, outcome how = outcome::success, std::size_t bytes = 0) {
        link::ended what;
        what.token = token;
        what.what = how;
        core->ended(child, what, bytes, now);
    }
    void stop(std::uint64_t token, link::stop::how how) { core->stop({token, how}, now); }
    void gone(child_id child, const char* why = "SIGSEGV") { core->gone(child, 100 + child, why, now); }
    void later(std::chrono::milliseconds by) {
        now += by;
        core->on_time(now);
    }
    auto took() { return port.take(); }

    worker_limits limits;
    recorder port;
    std::optional<worker_core> core;
    worker_core::time now{1h};
};

// ---- Who runs what

TEST_F(WorkerCore, MakesItsChildrenAtOnce) {
    core.emplace(worker_limits{.least = 3, .most = 3}, port);
    core->start(now);
    EXPECT_THAT(took(), ElementsAre("fork 1", "fork 2", "fork 3"));
}

TEST_F(WorkerCore, GivesEachJobToWhoHasTheLeast) {
    start({.least = 2, .most = 2, .prefetch = 2});
    for (std::uint64_t token = 1; token <= 5; ++token) job(token);
    EXPECT_THAT(took(), ElementsAre("give 1 1", "give 2 2", "give 1 3", "give 2 4"));
    began(2, 2);
    ended(2, 2);
    EXPECT_THAT(took(), ElementsAre("ended 2 success", "give 2 5"));
}

TEST_F(WorkerCore, GivesOneAtATimeWhereNothingIsPrefetched) {
    start({.least = 1, .most = 1, .prefetch = 1});
    job(1);
    job(2);
    EXPECT_THAT(took(), ElementsAre("give 1 1"));
    began(1, 1);
    ended(1, 1);
    EXPECT_THAT(took(), ElementsAre("ended 1 success", "give 1 2"));
}

TEST_F(WorkerCore, CallsBackWhatStandsBehindALongJob) {
    start({.least = 2, .most = 2, .prefetch = 3});
    for (std::uint64_t token = 1; token <= 4; ++token) job(token);
    EXPECT_THAT(took(), ElementsAre("give 1 1", "give 2 2", "give 1 3", "give 2 4"));
    began(1, 1);
    began(2, 2);
    EXPECT_EQ(core->next(), now + worker_core::short_job);
    later(4ms);
    EXPECT_THAT(took(), IsEmpty());
    ended(2, 2);
    took();
    later(1ms);
    EXPECT_THAT(took(), ElementsAre("call_back 1 3"));
    later(1ms);
    EXPECT_THAT(took(), IsEmpty());  // once
    ended(1, 3, outcome::handed_back);
    EXPECT_THAT(took(), ElementsAre("give 2 3"));
    began(2, 4);
    later(5ms);
    EXPECT_THAT(took(), ElementsAre("call_back 2 3"));
    ended(2, 3, outcome::handed_back);
    job(5);
    EXPECT_THAT(took(), IsEmpty());  // both run something long
    ended(1, 1);
    EXPECT_THAT(took(), ElementsAre("ended 1 success", "give 1 3", "give 1 5"));  // in the order they came
}

TEST_F(WorkerCore, TakesAJobThatBeganBeforeItCouldBeCalledBack) {
    start({.least = 1, .most = 1, .prefetch = 2});
    job(1);
    job(2);
    began(1, 1);
    later(5ms);
    ended(1, 1);
    began(1, 2);
    ended(1, 2);
    EXPECT_THAT(took(),
                ElementsAre("give 1 1", "give 1 2", "call_back 1 2", "ended 1 success", "ended 2 success"));
}

TEST_F(WorkerCore, TakesNoNoticeOfWhatIsNotItsJobs) {
    start({});
    job(1);
    took();
    job(1);       // twice
    began(1, 9);  // unknown
    began(7, 1);  // another's
    ended(7, 1);  // another's
    ended(1, 9);  // unknown
    stop(9, link::stop::how::kill);
    core->told({9, true});
    core->progress({1, "{}"});  // has not begun
    core->flush();
    EXPECT_THAT(took(), IsEmpty());
}

// ---- What the server is told

TEST_F(WorkerCore, TellsBeginningsOfWhatIsNotOverByThen) {
    start({});
    job(1);
    began(1, 1);
    ended(1, 1);
    job(2);
    began(1, 2);
    took();
    core->flush();
    EXPECT_THAT(took(), ElementsAre("began 2 101"));
    core->flush();
    EXPECT_THAT(took(), IsEmpty());
}

TEST_F(WorkerCore, TellsTheLastProgressOfARound) {
    start({});
    job(1);
    began(1, 1);
    took();
    core->progress({1, "1"});
    core->progress({1, "2"});
    core->flush();
    EXPECT_THAT(took(), ElementsAre("began 1 101", "progress 1 2"));
    core->progress({1, "3"});
    core->flush();
    EXPECT_THAT(took(), ElementsAre("progress 1 3"));
}

TEST_F(WorkerCore, TellsTheLastProgressBeforeTheEnd) {
    start({});
    job(1);
    began(1, 1);
    took();
    core->progress({1, "1"});
    core->progress({1, "2"});
    ended(1, 1);
    EXPECT_THAT(took(), ElementsAre("progress 1 2", "ended 1 success"));
    core->flush();
    EXPECT_THAT(took(), IsEmpty());
}

TEST_F(WorkerCore, KeepsEndsUntilTheyAreConfirmed) {
    start({.least = 2, .most = 2});
    job(1);
    job(2);
    began(1, 1);
    began(2, 2);
    ended(1, 1);
    took();
    EXPECT_EQ(core->holds().size(), 2U);
    core->disconnected();
    ended(2, 2, outcome::failure);
    EXPECT_THAT(took(), IsEmpty());
    core->connected();
    EXPECT_THAT(took(),
                ::testing::UnorderedElementsAre("capacity 2 4", "ended 1 success", "ended 2 failure"));
    core->told({1, false});
    core->told({2, true});
    EXPECT_THAT(core->holds(), IsEmpty());
}

TEST_F(WorkerCore, GoesOnWhileTheServerIsAwayAndHoldsItsLeases) {
    start({.least = 1, .most = 1, .prefetch = 2});
    job(1);
    job(2);
    began(1, 1);
    core->flush();
    core->disconnected();
    EXPECT_THAT(core->holds(),
                ::testing::UnorderedElementsAre(std::pair<std::string, std::uint64_t>{"j1", 1},
                                                std::pair<std::string, std::uint64_t>{"j2", 2}));
    ended(1, 1);
    began(1, 2);
    took();
    core->connected();
    core->flush();
    EXPECT_THAT(took(), ElementsAre("capacity 1 2", "ended 1 success", "began 2 101"));
}

TEST_F(WorkerCore, DropsWhatIsAnothersByNow) {
    start({.least = 1, .most = 1, .prefetch = 2});
    for (std::uint64_t token = 1; token <= 3; ++token) job(token);
    began(1, 1);
    took();
    core->told({3, true});  // waits
    core->told({2, true});  // given
    core->told({1, true});  // runs: may stop
    EXPECT_THAT(took(), ElementsAre("call_back 1 2", "ask 1 1"));
    ended(1, 2, outcome::handed_back);
    EXPECT_THAT(took(), IsEmpty());
    EXPECT_THAT(core->holds(), ElementsAre(std::pair<std::string, std::uint64_t>{"j1", 1}));
}

// ---- Limits and cancelling

TEST_F(WorkerCore, SignalsTheSoftLimitAndKillsAtTheHardOne) {
    start({.least = 1, .most = 1, .prefetch = 1});
    job(1, 100, 200);
    later(1h);  // waiting does not count
    began(1, 1);
    took();
    EXPECT_EQ(core->next(), now + 100ms);
    later(99ms);
    EXPECT_THAT(took(), IsEmpty());
    later(1ms);
    EXPECT_THAT(took(), ElementsAre("soft 1 1"));
    EXPECT_EQ(core->next(), now + 100ms);
    later(100ms);
    EXPECT_THAT(took(), ElementsAre("kill 1", "fork 2"));
    later(100ms);
    EXPECT_THAT(took(), IsEmpty());
    gone(1, "SIGKILL");
    EXPECT_THAT(took(), ElementsAre("ended 1 failure TimeLimitExceeded", "child_ended limit, as expected"));
    EXPECT_EQ(port.last_error, "it ran longer than 200 ms");
}

TEST_F(WorkerCore, AJobThatEndedBeforeItsKillHasEnded) {
    start({});
    job(1, 0, 10);
    began(1, 1);
    later(10ms);
    ended(1, 1);
    gone(1, "SIGKILL");
    EXPECT_THAT(took(), ElementsAre("give 1 1", "kill 1", "fork 2", "ended 1 success",
                                    "child_ended limit, as expected"));
}

TEST_F(WorkerCore, CancelsAtEveryStage) {
    start({.least = 1, .most = 1, .prefetch = 2});
    for (std::uint64_t token = 1; token <= 3; ++token) job(token);
    began(1, 1);
    took();
    stop(3, link::stop::how::ask);  // waits
    EXPECT_THAT(took(), ElementsAre("ended 3 handed_back"));
    stop(2, link::stop::how::ask);  // given
    EXPECT_THAT(took(), ElementsAre("call_back 1 2"));
    ended(1, 2, outcome::handed_back);
    EXPECT_THAT(took(), ElementsAre("ended 2 handed_back"));
    stop(1, link::stop::how::ask);
    stop(1, link::stop::how::soft);
    EXPECT_THAT(took(), ElementsAre("ask 1 1", "soft 1 1"));
    stop(1, link::stop::how::kill);
    gone(1, "SIGKILL");
    EXPECT_THAT(took(), ElementsAre("kill 1", "ended 1 failure Terminated", "child_ended stop, as expected",
                                    "fork 2"));
}

TEST_F(WorkerCore, StopsAJobThatBeganJustThen) {
    start({.least = 1, .most = 1, .prefetch = 2});
    job(1);
    stop(1, link::stop::how::soft);
    began(1, 1);
    EXPECT_THAT(took(), ElementsAre("give 1 1", "call_back 1 1", "soft 1 1"));
}

// ---- Children that end

TEST_F(WorkerCore, LosesOnlyTheJobThatRan) {
    start({.least = 1, .most = 1, .prefetch = 3});
    for (std::uint64_t token = 1; token <= 3; ++token) job(token);
    began(1, 1);
    took();
    gone(1);
    EXPECT_THAT(took(), ElementsAre("ended 1 lost WorkerLostError", "child_ended crash", "fork 2", "give 2 2",
                                    "give 2 3"));
    EXPECT_EQ(port.last_error, "its process ended: SIGSEGV");
}

TEST_F(WorkerCore, PausesLongerEachTimeAChildDiesBeforeItsFirstJob) {
    start({});
    job(1);
    took();
    gone(1);
    EXPECT_THAT(took(), ElementsAre("child_ended crash"));
    EXPECT_EQ(core->next(), now + 100ms);
    later(100ms);
    EXPECT_THAT(took(), ElementsAre("fork 2", "give 2 1"));
    gone(2);
    EXPECT_EQ(core->next(), now + 200ms);
    for (child_id child = 3; child < 13; ++child) {
        later(1s);
        gone(child);
    }
    EXPECT_EQ(core->next(), now + 1s);
    later(1s);
    took();
    began(13, 1);
    ended(13, 1);
    gone(13);  // it had one
    EXPECT_THAT(took(), ElementsAre("ended 1 success", "child_ended crash", "fork 14"));
}

TEST_F(WorkerCore, MakesAChildAnewAfterSoManyJobs) {
    start({.least = 1, .most = 1, .prefetch = 4, .max_tasks = 2});
    for (std::uint64_t token = 1; token <= 3; ++token) job(token);
    EXPECT_THAT(took(), ElementsAre("give 1 1", "give 1 2"));
    began(1, 1);
    ended(1, 1);
    began(1, 2);
    took();
    ended(1, 2);
    EXPECT_THAT(took(), ElementsAre("ended 2 success", "retire 1", "fork 2", "give 2 3"));
    gone(1, "exit code 0");
    EXPECT_THAT(took(), ElementsAre("child_ended tasks, as expected"));
}

TEST_F(WorkerCore, MakesAChildAnewThatHasTooMuchMemory) {
    start({.least = 1, .most = 1, .prefetch = 3, .max_memory = 1000});
    for (std::uint64_t token = 1; token <= 3; ++token) job(token);
    began(1, 1);
    ended(1, 1, outcome::success, 1000);
    began(1, 2);
    took();
    ended(1, 2, outcome::success, 1001);
    EXPECT_THAT(took(), ElementsAre("ended 2 success", "call_back 1 3", "fork 2"));
    ended(1, 3, outcome::handed_back);
    EXPECT_THAT(took(), ElementsAre("retire 1", "give 2 3"));
}

// ---- How many it is given

TEST_F(WorkerCore, AsksForMoreWhileJobsAreShortUpToItsPrefetch) {
    start({.least = 2, .most = 2, .prefetch = 16});
    EXPECT_EQ(core->prefetch(), 4U);
    std::vector<std::string> told;
    for (std::uint64_t token = 1; token <= 100; ++token) {
        job(token);
        began(1, token);
        ended(1, token);
        for (auto& each : took())
            if (each.starts_with("capacity")) told.push_back(std::move(each));
    }
    EXPECT_THAT(told, ElementsAre("capacity 2 8", "capacity 2 16"));
}

TEST_F(WorkerCore, HandsBackWhatStandsBehindLongJobsOfAllItsChildren) {
    start({.least = 2, .most = 2, .prefetch = 4});
    for (std::uint64_t token = 1; token <= 8; ++token) job(token);
    began(1, 1);
    began(2, 2);
    later(5ms);
    for (const std::uint64_t token : {3, 5, 7}) ended(1, token, outcome::handed_back);
    for (const std::uint64_t token : {4, 6, 8}) ended(2, token, outcome::handed_back);
    took();
    EXPECT_EQ(core->next(), now + 15ms);
    later(15ms);
    EXPECT_THAT(took(), ElementsAre("capacity 2 1", "ended 8 handed_back", "ended 6 handed_back",
                                    "ended 4 handed_back", "ended 7 handed_back", "ended 5 handed_back",
                                    "ended 3 handed_back"));
    job(9);  // was on its way
    EXPECT_THAT(took(), ElementsAre("ended 9 handed_back"));
    ended(1, 1);
    job(10);
    EXPECT_THAT(took(), ElementsAre("capacity 2 2", "ended 1 success", "give 1 10"));
}

TEST_F(WorkerCore, KeepsWhatAnotherChildTakesSoon) {
    start({.least = 2, .most = 2, .prefetch = 4});
    for (std::uint64_t token = 1; token <= 4; ++token) job(token);
    began(1, 1);
    began(2, 2);
    later(5ms);
    ended(1, 3, outcome::handed_back);
    ended(2, 4, outcome::handed_back);
    later(10ms);
    ended(2, 2);
    began(2, 3);
    took();
    later(5ms);
    EXPECT_THAT(took(), ElementsAre("capacity 2 1", "call_back 2 4"));
    ended(2, 4, outcome::handed_back);
    EXPECT_THAT(took(), IsEmpty());
    ended(2, 3);
    EXPECT_THAT(took(), ElementsAre("capacity 2 2", "ended 3 success", "give 2 4"));
}

TEST_F(WorkerCore, MakesChildrenForWhatWaitsBeforeItHandsBack) {
    start({.least = 1, .most = 2, .prefetch = 4});
    for (std::uint64_t token = 1; token <= 4; ++token) job(token);
    began(1, 1);
    later(5ms);
    for (const std::uint64_t token : {2, 3, 4}) ended(1, token, outcome::handed_back);
    took();
    later(15ms);
    EXPECT_THAT(took(), ElementsAre("capacity 1 2"));
    later(30ms);
    EXPECT_THAT(took(), ElementsAre("capacity 2 1", "fork 2", "give 2 2"));
    began(2, 2);
    later(20ms);
    EXPECT_THAT(took(), ElementsAre("ended 4 handed_back", "ended 3 handed_back"));
}

TEST_F(WorkerCore, KeepsOneThatWaitsWhereThereMayBeMoreChildren) {
    start({.least = 1, .most = 2, .prefetch = 1});
    EXPECT_EQ(core->prefetch(), 2U);
    job(1);
    job(2);
    began(1, 1);
    took();
    later(50ms);
    EXPECT_THAT(took(), ElementsAre("capacity 2 1", "fork 2", "give 2 2"));
}

// ---- As many as there are jobs

TEST_F(WorkerCore, GrowsWhileJobsWaitAndShrinksWhenThereAreNone) {
    start({.least = 1, .most = 3, .prefetch = 2});
    job(1);
    began(1, 1);
    job(2);
    later(5ms);
    ended(1, 2, outcome::handed_back);
    took();
    EXPECT_EQ(core->next(), now - 5ms + 20ms);  // then it is a long one
    later(15ms);
    EXPECT_THAT(took(), IsEmpty());  // it may have two still, since there may be more children
    EXPECT_EQ(core->next(), now - 20ms + 50ms);
    later(30ms);
    EXPECT_THAT(took(), ElementsAre("capacity 2 2", "fork 2", "give 2 2"));
    began(2, 2);
    later(1h);
    EXPECT_THAT(took(), IsEmpty());  // nothing waits
    ended(1, 1);
    took();
    EXPECT_EQ(core->next(), now + 30s);
    later(30s);
    EXPECT_THAT(took(), ElementsAre("capacity 1 2", "retire 1"));
    ended(2, 2);
    later(1h);
    EXPECT_EQ(core->target(), 1U);
    EXPECT_EQ(core->next(), worker_core::time::max());
}

TEST_F(WorkerCore, GrowsByOneAtATimeUpToTheMost) {
    start({.least = 1, .most = 3, .prefetch = 1});
    for (std::uint64_t token = 1; token <= 9; ++token) job(token);
    began(1, 1);
    took();
    later(50ms);
    EXPECT_THAT(took(), ElementsAre("capacity 2 2", "fork 2", "give 2 2"));
    later(49ms);
    EXPECT_THAT(took(), IsEmpty());
    later(1ms);
    EXPECT_THAT(took(), ElementsAre("capacity 3 1", "fork 3", "give 3 3"));
    later(1h);
    EXPECT_THAT(took(), IsEmpty());
}

TEST_F(WorkerCore, GrowsOnlyWhenItHasTheChildrenThatItWants) {
    start({.least = 1, .most = 3, .prefetch = 1});
    job(1);
    gone(1);
    now += 60ms;
    EXPECT_EQ(core->next(), now + 40ms);  // the pause after a child that had no job
    core->on_time(now);
    EXPECT_EQ(core->target(), 1U);
}

// ---- The end

TEST_F(WorkerCore, FinishesWhatRunsAndHandsBackTheRest) {
    start({.least = 2, .most = 2, .prefetch = 2});
    for (std::uint64_t token = 1; token <= 5; ++token) job(token);
    began(1, 1);
    began(2, 2);
    ended(2, 2);
    began(2, 4);
    ended(2, 4);
    began(2, 5);
    ended(2, 5);
    took();
    job(6);
    EXPECT_THAT(took(), ElementsAre("give 2 6"));
    core->warm_stop();
    EXPECT_THAT(took(), ElementsAre("leaving", "call_back 1 3", "call_back 2 6"));
    ended(2, 6, outcome::handed_back);
    EXPECT_THAT(took(), ElementsAre("ended 6 handed_back", "retire 2"));
    job(7);
    EXPECT_THAT(took(), ElementsAre("ended 7 handed_back"));
    ended(1, 3, outcome::handed_back);
    ended(1, 1);
    EXPECT_THAT(took(), ElementsAre("ended 3 handed_back", "ended 1 success", "retire 1"));
    gone(1, "exit code 0");
    gone(2, "exit code 0");
    EXPECT_TRUE(core->no_children());
    EXPECT_FALSE(core->done());
    for (std::uint64_t token = 1; token <= 7; ++token) core->told({token, false});
    EXPECT_TRUE(core->done());
}

TEST_F(WorkerCore, KillsItsChildrenWhenItHasToStopAtOnce) {
    start({.least = 1, .most = 1, .prefetch = 2});
    for (std::uint64_t token = 1; token <= 3; ++token) job(token);
    began(1, 1);
    took();
    core->warm_stop();
    core->cold_stop();
    EXPECT_THAT(took(), ElementsAre("leaving", "ended 3 handed_back", "call_back 1 2", "kill 1"));
    gone(1, "SIGKILL");
    EXPECT_THAT(took(), ElementsAre("ended 1 lost WorkerLostError", "ended 2 handed_back",
                                    "child_ended stop, as expected"));
}

TEST_F(WorkerCore, SaysAgainThatItLeaves) {
    start({});
    core->disconnected();
    core->warm_stop();
    took();
    core->connected();
    EXPECT_THAT(took(), ElementsAre("capacity 1 4", "leaving"));
}

}  // namespace
}  // namespace madang
