// What the jobs' shard does with jobs by themselves: leases, retries, times, keys, news, schedules.
#include <set>

#include "tests/unit/storage/job_store_fixture.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using verdict = jc::fail::verdict;

TEST_P(JobStore, BeginsByPriorityThenInOrder) {
    put({spec("a"), spec("b", "q", 5), spec("c"), spec("d", "q", 9), spec("e", "q", 5)});
    EXPECT_THAT(taken_ids(10), ElementsAre("d", "b", "e", "a", "c"));
}

TEST_P(JobStore, EnqueueAndLeaseAreOneRound) {
    ask(offer(1, 1)).value();
    put({spec("a"), spec("b")});
    const auto heard = heard_.taken();
    ASSERT_EQ(heard.assigned.size(), 1u);
    EXPECT_EQ(heard.assigned[0].spec->id, "a");
    EXPECT_EQ(state("a"), job_state::leased);
    EXPECT_EQ(state("b"), job_state::ready);
    EXPECT_EQ(queue("q").ready, 1u);
    EXPECT_EQ(queue("q").leased, 1u);
}

TEST_P(JobStore, AWorkersQueuesAreServedInItsOrder) {
    put({spec("a", "one"), spec("b", "two", 9), spec("c", "three", 9)});
    EXPECT_THAT(taken_ids(10, at(0), {"one", "two"}), ElementsAre("a", "b"));
    EXPECT_THAT(taken_ids(10, at(0), {"one"}), IsEmpty());
    EXPECT_THAT(taken_ids(10), ElementsAre("c"));
}

TEST_P(JobStore, WorkersTakeTurns) {
    ask_jobs(*store_, {offer(1, 10), offer(2, 10)});
    std::vector<job_spec> many;
    for (int i = 0; i < 10; ++i) many.push_back(spec("j" + std::to_string(i)));
    put(many);
    std::map<std::uint64_t, int> by_worker;
    for (const auto& each : heard_.taken().assigned) ++by_worker[each.worker_id];
    EXPECT_THAT(by_worker, ElementsAre(std::pair(1u, 5), std::pair(2u, 5)));
}

TEST_P(JobStore, InProcessJobsGoToInProcessWorkersOnly) {
    auto inner = spec("in");
    inner.in_process = true;
    put({inner, spec("out")});
    EXPECT_THAT(taken_ids(5), ElementsAre("out"));
    ask(offer(2, 5, {"q"}, at(0), true)).value();
    EXPECT_EQ(heard_.taken().assigned.at(0).spec->id, "in");
}

TEST_P(JobStore, AnEndedJobHasItsResultAndItsLeaseIsGone) {
    put({spec("a")});
    const auto lease = take_one();
    ask(jc::started{lease, at(1)}).value();
    EXPECT_TRUE(find("a").started);
    ask(succeed(lease, "{\"x\":1}", at(5))).value();
    const auto view = find("a");
    EXPECT_EQ(view.state, job_state::success);
    EXPECT_EQ(view.result, "{\"x\":1}");
    EXPECT_EQ(view.ended_ms, at(5).wall_ms);
    EXPECT_EQ(view.worker, "w1");
    EXPECT_EQ(refused(succeed(lease)), errc::stale_lease);
    EXPECT_EQ(refused(failed(lease, verdict::dead)), errc::stale_lease);
    EXPECT_EQ(refused(jc::checkpoint{lease, "x"}), errc::stale_lease);
    EXPECT_EQ(heard_.taken().ended.at(0).state, job_state::success);
    EXPECT_EQ(queue("q").leased, 0u);
}

TEST_P(JobStore, ALateWordOfALostLeaseIsStale) {
    put({spec("a")});
    const auto lost = take_one();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::lose{{lost}, {"WorkerLostError", "", ""}, 3, false, at(1)})), 1u);
    const auto again = take_one(at(2));
    EXPECT_GT(again.token, lost.token);
    EXPECT_EQ(refused(succeed(lost)), errc::stale_lease);
    EXPECT_EQ(state("a"), job_state::leased);
    ask(succeed(again)).value();
    const auto view = find("a");
    EXPECT_EQ(view.losses, 1u);
    ASSERT_EQ(view.history.size(), 2u);
    EXPECT_EQ(view.history[0].error.type, "WorkerLostError");
    EXPECT_EQ(view.history[1].error.type, "");
}

TEST_P(JobStore, LostJobsReturnToTheirPlaces) {
    put({spec("a"), spec("b"), spec("c")});
    const auto a = take_one(), b = take_one();
    ask(jc::lose{{b, a}, {"WorkerLostError", "", ""}, 3, false, at(1)}).value();
    EXPECT_THAT(taken_ids(3), ElementsAre("a", "b", "c"));
}

TEST_P(JobStore, APoisonJobIsADeadLetterAfterItsLastLoss) {
    auto early = spec("early");
    early.late_ack = false;
    put({spec("poison"), early});
    for (std::uint32_t i = 0; i < 2; ++i)
        ask(jc::lose{{take_one()}, {"WorkerLostError", "", ""}, 2, false, at(1)}).value();
    EXPECT_EQ(state("poison"), job_state::failure);
    ask(jc::lose{{take_one()}, {"WorkerLostError", "", ""}, 2, false, at(1)}).value();
    EXPECT_EQ(state("early"), job_state::failure);
    EXPECT_EQ(queue("q").dead, 2u);
}

TEST_P(JobStore, TheServersDeathIsNoLossUntilNothingElseIsRemembered) {
    put({spec("a")});
    const auto die = [&] {
        ask(jc::lose{{take_one()}, {"ServerLostError", "", ""}, 1, true, at(1), false}).value();
    };
    for (int i = 0; i < 9; ++i) die();
    EXPECT_EQ(state("a"), job_state::ready);
    ask(failed(take_one(), verdict::retry, 0, at(1))).value();  // it got to an end of its own
    for (int i = 0; i < 9; ++i) die();
    auto view = find("a");
    EXPECT_EQ(view.state, job_state::ready);
    EXPECT_EQ(view.losses, 0u);
    EXPECT_EQ(view.retries, 1u);
    die();
    view = find("a");
    EXPECT_EQ(view.state, job_state::failure);
    EXPECT_EQ(view.error.type, "ServerLostError");
    EXPECT_EQ(view.history.size(), 10u);
    EXPECT_EQ(view.losses, 0u);
}

TEST_P(JobStore, ARetryWaitsForPassedTimeAndACountsItsAttempts) {
    put({spec("a")});
    ask(failed(take_one(), verdict::retry, 500, at(0))).value();
    EXPECT_EQ(state("a"), job_state::scheduled);
    EXPECT_EQ(heard_.taken().next.elapsed_ms, at(500).elapsed_ms);
    tick(at(499));
    EXPECT_EQ(state("a"), job_state::scheduled);
    tick({noon - 86'400'000, at(500).elapsed_ms});  // whatever the clock says
    EXPECT_EQ(state("a"), job_state::ready);
    const auto got = take(1, at(500));
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].retries, 1u);
    EXPECT_EQ(find("a").error.type, "Oops");
}

TEST_P(JobStore, AnEtaFollowsTheWallClockAndACountdownDoesNot) {
    auto eta = spec("eta"), countdown = spec("countdown");
    eta.eta_ms = noon + 1000;
    countdown.countdown_ms = 1000;
    put({eta, countdown});
    EXPECT_EQ(queue("q").scheduled, 2u);
    tick({noon + 1000, 1001});
    EXPECT_THAT(taken_ids(5), ElementsAre("eta"));
    tick({noon + 1000, 2000});
    EXPECT_THAT(taken_ids(5), ElementsAre("countdown"));
}

TEST_P(JobStore, ClocksThatJumpByAnHourOrADayBeginNothingTwiceAndEndNoLease) {
    constexpr std::int64_t hour = 3'600'000, day = 24 * hour;
    for (const auto by : {-day, -hour, hour, day}) {
        SCOPED_TRACE(by);
        const auto name = [&](const char* what) { return what + std::to_string(by); };
        const auto passed = [](std::int64_t ms, std::int64_t jump = 0) {
            return job_time{noon + ms + jump, at(ms).elapsed_ms};
        };
        auto eta = spec(name("eta")), countdown = spec(name("countdown")), expires = spec(name("expires"));
        put({spec(name("runs")), spec(name("fails"))});
        const auto runs = take_one(), fails = take_one();
        ask(failed(fails, verdict::retry, 5000)).value();
        eta.eta_ms = noon + 5000;
        countdown.countdown_ms = 5000;
        expires.expires_ms = noon + 30 * 60'000;
        expires.countdown_ms = 5000;
        put({eta, countdown, expires});

        tick(passed(1000, by));  // forward: what the clock names is due; back: nothing is
        EXPECT_EQ(state(eta.id), by > 0 ? job_state::ready : job_state::scheduled);
        EXPECT_EQ(state(expires.id), by > 0 ? job_state::revoked : job_state::scheduled);
        EXPECT_EQ(state(countdown.id), job_state::scheduled);
        EXPECT_EQ(state(fails.job), job_state::scheduled);
        EXPECT_EQ(state(runs.job), job_state::leased);
        tick(passed(1500, -by));
        tick(passed(2000, by));
        tick(passed(6000));  // and it is right again
        std::set<std::string> begun;
        for (const auto& each : taken_ids(10, passed(6000))) EXPECT_TRUE(begun.insert(each).second) << each;
        EXPECT_EQ(state(expires.id), job_state::revoked);  // whichever way, the clock was past it once
        EXPECT_EQ(begun, (std::set<std::string>{eta.id, countdown.id, fails.job}));
        ask(succeed(runs, "1", passed(6000))).value();
        EXPECT_EQ(refused(succeed(fails)), errc::stale_lease);
    }
}

TEST_P(JobStore, HandedBackIsAsIfNothingHadHappened) {
    put({spec("a"), spec("b")});
    ask(failed(take_one(), verdict::handed_back)).value();
    const auto got = take(2);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].spec->id, "a");
    EXPECT_EQ(got[0].retries, 0u);
    EXPECT_THAT(find("a").history, IsEmpty());
}

TEST_P(JobStore, WhatExpiredIsRevokedInsteadOfBegun) {
    auto a = spec("a"), b = spec("b");
    a.expires_ms = noon + 10;
    b.expires_ms = noon + 10;
    b.countdown_ms = 1'000'000;
    put({a, b});
    EXPECT_THAT(taken_ids(1, at(10)), IsEmpty());
    EXPECT_EQ(state("a"), job_state::revoked);
    tick(at(10));
    EXPECT_EQ(state("b"), job_state::revoked);
    EXPECT_EQ(find("b").error.type, "Expired");
}

TEST_P(JobStore, AUniqueKeyIsHeldUntilTheJobIsOver) {
    auto a = spec("a"), b = spec("b"), c = spec("c");
    a.unique = b.unique = c.unique = "key";
    put({a});
    auto got = job_as<enqueued>(ask(enqueue({b})));
    ASSERT_EQ(got.jobs.size(), 1u);
    EXPECT_TRUE(got.jobs[0].duplicate);
    EXPECT_EQ(got.jobs[0].id, "a");
    EXPECT_EQ(refused(jq::find{"b"}), errc::not_found);
    run();
    EXPECT_FALSE(job_as<enqueued>(ask(enqueue({c}))).jobs[0].duplicate);
    b.next = {"n"};
    auto n = spec("n");
    n.waits = true;
    EXPECT_EQ(refused(enqueue({b, n})), errc::bad_request);  // a step of a workflow
    EXPECT_EQ(refused(jq::find{"n"}), errc::not_found);
}

TEST_P(JobStore, AUniqueKeyWithAWindowIsHeldSoLong) {
    auto a = spec("a"), b = spec("b"), c = spec("c");
    a.unique = b.unique = c.unique = "key";
    a.unique_ms = b.unique_ms = c.unique_ms = 1000;
    put({a});
    run();
    EXPECT_TRUE(job_as<enqueued>(ask(enqueue({b}, at(999)))).jobs[0].duplicate);
    EXPECT_FALSE(job_as<enqueued>(ask(enqueue({c}, at(1000)))).jobs[0].duplicate);
}

TEST_P(JobStore, AnIdempotencyKeyIsAnsweredAsTheFirstTime) {
    auto what = enqueue({spec("a")});
    what.idempotency_key = "k";
    what.answers = {{"a", false, {"x", "y"}}};
    EXPECT_FALSE(job_as<enqueued>(ask(what)).repeated);
    auto again = enqueue({spec("b")}, at(299'000));
    again.idempotency_key = "k";
    const auto got = job_as<enqueued>(ask(again));
    EXPECT_TRUE(got.repeated);
    ASSERT_EQ(got.jobs.size(), 1u);
    EXPECT_EQ(got.jobs[0].id, "a");
    EXPECT_THAT(got.jobs[0].children, ElementsAre("x", "y"));
    EXPECT_EQ(refused(jq::find{"b"}), errc::not_found);
    again.now = at(300'000);
    EXPECT_FALSE(job_as<enqueued>(ask(again)).repeated);
}

TEST_P(JobStore, AnIdThatIsThereIsRefusedWithAllOfItsRequest) {
    put({spec("a")});
    EXPECT_EQ(refused(enqueue({spec("b"), spec("a")})), errc::bad_request);
    EXPECT_EQ(refused(enqueue({spec("c"), spec("c")})), errc::bad_request);
    EXPECT_EQ(refused(jq::find{"b"}), errc::not_found);
    run();
    EXPECT_EQ(refused(enqueue({spec("a")})), errc::bad_request);  // its result is kept
    EXPECT_EQ(ask(enqueue({spec("a")}, at(86'400'000))).has_value(), true);
}

// ---- News and schedules

TEST_P(JobStore, TellsOfAnEndUntilItIsSaidToBeTold) {
    auto a = spec("a");
    a.notify_group = "user:1";
    put({a});
    run("[1]");
    auto heard = heard_.taken();
    ASSERT_EQ(heard.news.size(), 1u);
    EXPECT_EQ(heard.news[0].group, "user:1");
    EXPECT_EQ(heard.news[0].data,
              "{\"event\":\"job\",\"id\":\"a\",\"task\":\"t.run\",\"state\":\"SUCCESS\",\"result\":[1]}");
    store_->watch_jobs([this](job_effects&& what) { heard_.take(std::move(what)); });
    ask(jq::queues{}).value();
    const auto again = heard_.taken();
    EXPECT_TRUE(again.restarted);
    ASSERT_EQ(again.news.size(), 1u);
    EXPECT_EQ(again.news[0].id, heard.news[0].id);
    EXPECT_EQ(again.news[0].data, heard.news[0].data);
    ask(jc::told{{heard.news[0].id}}).value();
    store_->watch_jobs([this](job_effects&& what) { heard_.take(std::move(what)); });
    ask(jq::queues{}).value();
    EXPECT_THAT(heard_.taken().news, IsEmpty());
}

TEST_P(JobStore, AScheduleFiresOncePerTime) {
    ask(jc::put_schedule{"s", "{}", "api", 100}).value();
    auto fire = enqueue({spec("a")});
    fire.schedule = "s";
    fire.fire_ms = 200;
    EXPECT_FALSE(job_as<enqueued>(ask(fire)).repeated);
    fire.jobs = enqueue({spec("b")}).jobs;
    EXPECT_TRUE(job_as<enqueued>(ask(fire)).repeated);
    ask(jc::skip_fire{"s", 300, 2}).value();
    auto known = job_as<std::vector<stored_schedule>>(ask(jq::schedules{}));
    ASSERT_EQ(known.size(), 1u);
    EXPECT_EQ(known[0].last_fire_ms, 300);
    EXPECT_EQ(known[0].fired, 1u);
    EXPECT_EQ(known[0].skipped, 2u);
    EXPECT_EQ(known[0].unfinished, 1u);
    run();
    ask(jc::put_schedule{"s", "{\"x\":1}", "api", 900}).value();
    known = job_as<std::vector<stored_schedule>>(ask(jq::schedules{}));
    EXPECT_EQ(known[0].unfinished, 0u);
    EXPECT_EQ(known[0].last_fire_ms, 300);
    EXPECT_TRUE(job_as<bool>(ask(jc::remove_schedule{"s"})));
    EXPECT_FALSE(job_as<bool>(ask(jc::remove_schedule{"s"})));
    fire.fire_ms = 400;
    EXPECT_EQ(refused(fire), errc::bad_request);
}

TEST_P(JobStore, AQueueLongerThanMemoryKeepsItsOrder) {
    const int count = 5000;
    std::vector<job_spec> many;
    for (int i = 0; i < count; ++i) many.push_back(spec("j" + std::to_string(i)));
    put(many);
    std::vector<job_assignment> got;
    std::vector<std::string> ids;
    for (int i = 0; i < 10; ++i)
        for (auto& each : take(300)) {
            ids.push_back(each.spec->id);
            got.push_back(each);
        }
    for (int i = 0; i < 3000; ++i) ASSERT_EQ(ids[static_cast<std::size_t>(i)], "j" + std::to_string(i));
    std::vector<job_lease> lost;
    for (const auto& each : got) lost.push_back({each.spec->id, each.token});
    ask(jc::lose{lost, {}, 3, false, at(1)}).value();
    put({spec("first", "q", 9)});
    ids = taken_ids(10'000);
    ASSERT_EQ(ids.size(), static_cast<std::size_t>(count) + 1);
    EXPECT_EQ(ids[0], "first");
    for (int i = 0; i < count; ++i) ASSERT_EQ(ids[static_cast<std::size_t>(i) + 1], "j" + std::to_string(i));
}

INSTANTIATE_TEST_SUITE_P(All, JobStore,
                         testing::Values(kind::memory, kind::disk, kind::disk_little_memory,
                                         kind::disk_without_memory),
                         [](const auto& info) {
                             return info.param == kind::memory               ? "Memory"
                                    : info.param == kind::disk               ? "Disk"
                                    : info.param == kind::disk_little_memory ? "DiskLittleMemory"
                                                                             : "DiskWithoutMemory";
                         });

}  // namespace
}  // namespace madang::test
