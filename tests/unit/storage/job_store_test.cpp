// What the jobs' shard does, in memory or on disk, with much memory or hardly any.
#include <gmock/gmock.h>

#include <set>

#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using verdict = jc::fail::verdict;

enum class kind { memory, disk, disk_little_memory, disk_without_memory };

class JobStore : public testing::TestWithParam<kind> {
  protected:
    void SetUp() override {
        store_limits limits{4, 64 << 20, 8 << 20, 1000, 4 << 20};
        limits.job_args_bytes = 2000;
        limits.job_dead_ms = 100'000;
        if (GetParam() == kind::disk_little_memory) limits.job_cache_bytes = 200'000;
        if (GetParam() == kind::disk_without_memory) limits.job_cache_bytes = 0;
        std::unique_ptr<kv> bytes;
        generation now;
        if (GetParam() == kind::memory)
            bytes = std::make_unique<memory_kv>();
        else {
            auto opened = open_rocks_kv(disk_world(folder_.path()).settings).value();
            now = opened->now();
            bytes = std::move(opened);
        }
        store_ = make_store(std::move(bytes), now, limits, clock_, counts_).value();
        store_->watch_jobs([this](job_effects&& what) { heard_.take(std::move(what)); });
    }

    job_answer ask(job_request what) { return ask_job(*store_, std::move(what)); }
    errc refused(job_request what) {
        auto got = ask(std::move(what));
        return got ? errc::internal : got.error().code;
    }
    void put(std::vector<job_spec> specs, job_time now = at(0)) {
        ask(enqueue(std::move(specs), now)).value();
    }
    std::vector<job_assignment> take(std::uint32_t count, job_time now = at(0),
                                     std::vector<std::string> queues = {}) {
        heard_.taken();
        ask(offer(1, count, std::move(queues), now)).value();
        auto got = heard_.taken().assigned;
        ask(jc::withdraw{1}).value();
        return got;
    }
    std::vector<std::string> taken_ids(std::uint32_t count, job_time now = at(0),
                                       std::vector<std::string> queues = {}) {
        std::vector<std::string> ids;
        for (const auto& each : take(count, now, std::move(queues))) ids.push_back(each.spec->id);
        return ids;
    }
    job_lease take_one(job_time now = at(0)) {
        auto got = take(1, now);
        if (got.size() != 1) throw std::runtime_error("no job");
        return {got[0].spec->id, got[0].token};
    }
    void run(const std::string& result = "1", job_time now = at(0)) {
        ask(succeed(take_one(now), result, now)).value();
    }
    job_view find(const std::string& id) { return job_as<job_view>(ask(jq::find{id})); }
    job_state state(const std::string& id) { return find(id).state; }
    queue_view queue(const std::string& name) {
        for (auto& each : job_as<std::vector<queue_view>>(ask(jq::queues{})))
            if (each.name == name) return each;
        return {};
    }
    void tick(job_time now) { ask(jc::tick{now}).value(); }

    temporary_folder folder_;
    system_clock_source clock_;
    metrics counts_;
    job_listener heard_;
    std::unique_ptr<store> store_;
};

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

TEST_P(JobStore, CancelledJobsAreRevokedOrTold) {
    auto late = spec("late");
    late.countdown_ms = 1000;
    put({spec("runs"), spec("ready"), late});
    const auto lease = take_one();
    heard_.taken();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"runs", "ready", "late", "none"}, "enough", at(1)})), 3u);
    EXPECT_EQ(state("ready"), job_state::revoked);
    EXPECT_EQ(state("late"), job_state::revoked);
    EXPECT_EQ(find("late").error.message, "enough");
    const auto told = heard_.taken().cancelled;
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].token, lease.token);
    EXPECT_TRUE(find("runs").cancelled);
    ask(failed(lease, verdict::retry, 10)).value();
    EXPECT_EQ(state("runs"), job_state::revoked);
    EXPECT_EQ(find("runs").error, (job_error{"Cancelled", "enough", {}}));  // whatever its task said
    EXPECT_THAT(taken_ids(5, at(2000)), IsEmpty());
    EXPECT_EQ(queue("q").ready + queue("q").scheduled + queue("q").leased, 0u);
}

TEST_P(JobStore, AGroupIsCancelledByItsId) {
    auto late = spec("late"), runs = spec("runs"), ready = spec("ready");
    late.countdown_ms = 1000;
    late.part_of = {"g", 0}, runs.part_of = {"g", 1}, ready.part_of = {"g", 2};
    auto what = enqueue({runs, ready, late, spec("other")});
    what.barriers.push_back({"g", 3, {}, {}, {"late", "runs", "ready"}});
    ask(std::move(what)).value();
    const auto lease = take_one();
    heard_.taken();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"g"}, "enough", at(1)})), 3u);
    EXPECT_EQ(heard_.taken().cancelled.size(), 1u);
    for (const auto* each : {"ready", "late"}) {
        EXPECT_EQ(state(each), job_state::revoked);
        EXPECT_EQ(find(each).error, (job_error{"Cancelled", "enough", {}}));
    }
    EXPECT_EQ(state("g"), job_state::waiting);  // for the one that runs
    ask(failed(lease, verdict::retry, 10)).value();
    EXPECT_EQ(state("runs"), job_state::revoked);
    EXPECT_EQ(state("g"), job_state::failure);
    EXPECT_EQ(find("g").error.type, "Cancelled");
    EXPECT_EQ(state("other"), job_state::ready);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"g"}, "enough", at(3)})), 0u);  // it is over
}

TEST_P(JobStore, AGroupWithinAWorkflowIsNoJobThatCanBeCancelled) {
    auto member = spec("member");
    member.part_of = {"g", 0};
    auto what = enqueue({member, spec("alone")});
    what.barriers.push_back({"g", 1, {}, {}});
    ask(std::move(what)).value();
    const auto done = ask(jc::cancel{{"alone", "g"}, "enough", at(1)});
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().detail, HasSubstr("id: g is a group within a workflow"));
    EXPECT_EQ(state("alone"), job_state::ready);  // all or nothing
}

TEST_P(JobStore, SeveralWorkflowsAreCancelledAsFarAsOneWriteGoes) {
    auto large = spec("large");
    large.children.assign(30'000, "nobody");
    large.children.push_back("large");
    put({large, spec("small")});
    EXPECT_EQ(refused(jc::cancel{{"large", "small", "large"}, "", at(1)}), errc::limit_exceeded);
    EXPECT_EQ(state("small"), job_state::ready);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"large", "small"}, "", at(2)})), 2u);
}

TEST_P(JobStore, OnlyAttemptsThatAreMadeAgainAreRetries) {
    put({spec("ignores"), spec("rejects"), spec("again"), spec("fails")});
    const auto four = take(4, at(0));
    ASSERT_EQ(four.size(), 4u);
    const verdict how[] = {verdict::ignored, verdict::rejected, verdict::requeued, verdict::dead};
    for (std::size_t i = 0; i < 4; ++i) ask(failed({four[i].spec->id, four[i].token}, how[i], 5)).value();
    for (const auto* each : {"ignores", "rejects", "again", "fails"})
        EXPECT_EQ(find(each).retries, 0u) << each;
    EXPECT_EQ(state("again"), job_state::scheduled);
    EXPECT_EQ(find("again").history.size(), 1u);
}

TEST_P(JobStore, ADeadLettersRetriesAreThoseThatWereMade) {
    put({spec("a")});
    ask(failed(take_one(), verdict::retry, 0, at(0))).value();
    ask(jc::lose{{take_one()}, {"WorkerLostError", "", {}}, 3, false, at(1)}).value();
    EXPECT_EQ(find("a").retries, 1u);
    ask(failed(take_one(), verdict::retry, 0, at(2))).value();
    ask(failed(take_one(), verdict::dead, 0, at(3))).value();
    const auto view = find("a");
    EXPECT_EQ(view.state, job_state::failure);
    EXPECT_EQ(view.retries, 2u);
    EXPECT_EQ(view.losses, 1u);
    EXPECT_EQ(view.history.size(), 4u);
}

TEST_P(JobStore, AWorkersDeathRevokesWhatWasCancelled) {
    put({spec("a")});
    const auto lease = take_one();
    ask(jc::cancel{{"a"}, "enough", at(1)}).value();
    ask(jc::lose{{lease}, {"WorkerLostError", "", {}}, 3, false, at(2)}).value();
    EXPECT_EQ(state("a"), job_state::revoked);
    EXPECT_EQ(find("a").error, (job_error{"Cancelled", "enough", {}}));
}

TEST_P(JobStore, OfAllQueuesTheFirstJobGoesFirst) {
    std::vector<job_spec> many;
    std::vector<std::string> wanted;
    for (int i = 0; i < 300; ++i) {
        many.push_back(spec("j" + std::to_string(i)));
        many.back().queue = "q" + std::to_string(i * 7 % 40);
        many.back().priority = static_cast<std::uint8_t>(i % 3);
    }
    for (const int priority : {2, 1, 0})
        for (int i = priority; i < 300; i += 3) wanted.push_back("j" + std::to_string(i));
    put(many);
    ask(jc::pause{"q0", true}).value();
    std::erase_if(wanted, [](const auto& id) { return std::stoi(id.substr(1)) * 7 % 40 == 0; });
    EXPECT_EQ(taken_ids(300), wanted);
}

TEST_P(JobStore, WhatFollowsFromAnExpiryIsGivenInTheSameRound) {
    // The group of one that expires fails its body, and that one's link begins, in a queue of its own.
    auto late = spec("late"), body = spec("body"), then = spec("then");
    late.expires_ms = at(10).wall_ms;
    late.part_of = {"b", 0};
    body.waits = then.waits = true;
    body.on_error = {"then"};
    then.queue = "other";
    auto what = enqueue({late, body, then});
    what.barriers = {{"b", 1, {"body"}, {}}};
    ask(what).value();
    EXPECT_THAT(taken_ids(2, at(20)), ElementsAre("then"));
}

TEST_P(JobStore, APausedQueueGivesNothing) {
    put({spec("a")});
    EXPECT_FALSE(job_as<bool>(ask(jc::pause{"q", true})));
    EXPECT_TRUE(job_as<bool>(ask(jc::pause{"q", true})));
    EXPECT_THAT(taken_ids(1), IsEmpty());
    EXPECT_TRUE(queue("q").paused);
    ask(offer(1, 1)).value();
    ask(jc::pause{"q", false}).value();
    EXPECT_EQ(heard_.taken().assigned.size(), 1u);  // at once
}

TEST_P(JobStore, APurgeRevokesWhatIsReadyOrScheduledAndNoMore) {
    std::vector<job_spec> many;
    for (int i = 0; i < 2500; ++i) many.push_back(spec("j" + std::to_string(i)));
    auto late = spec("late");
    late.countdown_ms = 1000;
    put(many);
    const auto runs = take_one();
    ask_jobs(*store_, {enqueue({late, spec("other", "r")}), jc::purge{"q", at(1)}});
    put({spec("new")}, at(2));
    EXPECT_THAT(taken_ids(5, at(2), {"q"}),
                IsEmpty());  // so many are put aside in one round, and none is begun
    for (int i = 0; i < 10; ++i) tick(at(3));
    EXPECT_EQ(queue("q").ready, 1u);
    EXPECT_THAT(taken_ids(5, at(2), {"q"}), ElementsAre("new"));
    EXPECT_EQ(queue("q").scheduled, 0u);
    EXPECT_EQ(state("j2499"), job_state::revoked);
    EXPECT_EQ(state("late"), job_state::revoked);
    EXPECT_EQ(state("other"), job_state::ready);
    ask(jc::lose{{runs}, {}, 3, false, at(4)}).value();
    EXPECT_EQ(state(runs.job), job_state::ready);
}

TEST_P(JobStore, DeadLettersAreListedRequeuedAndDiscarded) {
    put({spec("a"), spec("b"), spec("c")});
    for (int i = 0; i < 3; ++i) ask(failed(take_one(), i == 1 ? verdict::rejected : verdict::dead)).value();
    job_filter dead;
    dead.dead = true;
    EXPECT_EQ(job_as<job_page>(ask(jq::list{dead})).jobs.size(), 3u);
    EXPECT_EQ(queue("q").dead, 3u);
    EXPECT_EQ(state("b"), job_state::rejected);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::requeue{{"a", "none"}, at(1)})), 1u);
    const auto again = take(1, at(2));
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].retries, 0u);
    EXPECT_EQ(find("a").history.size(), 1u);
    ask(succeed({"a", again[0].token})).value();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::discard{{"b", "a"}, at(2)})), 1u);
    EXPECT_EQ(refused(jq::find{"b"}), errc::not_found);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::requeue{{"*"}, at(3)})), 1u);
    tick(at(4));
    EXPECT_EQ(state("c"), job_state::ready);
    EXPECT_EQ(queue("q").dead, 0u);
    EXPECT_EQ(job_as<job_page>(ask(jq::list{dead})).jobs.size(), 0u);
}

TEST_P(JobStore, DeadLettersGoWhenTheirTimeIsOver) {
    put({spec("a")});
    ask(failed(take_one(), verdict::dead, 0, at(0))).value();
    tick(at(99'999));
    EXPECT_EQ(queue("q").dead, 1u);
    EXPECT_EQ(heard_.taken().next.wall_ms, at(100'000).wall_ms);
    tick(at(100'000));
    EXPECT_EQ(queue("q").dead, 0u);
    EXPECT_EQ(refused(jq::find{"a"}), errc::not_found);
}

TEST_P(JobStore, NoMoreRunAtOnceThanTheLimitSays) {
    std::vector<job_spec> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(spec("j" + std::to_string(i), i % 2 ? "q" : "r"));
        all.back().limit = {"key", 0, 0, 2};
    }
    put(all);
    auto first = take(10);
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(queue("q").parked + queue("r").parked, 3u);
    ask(offer(1, 10)).value();
    for (int left = 3; left > 0; --left) {
        heard_.taken();
        ask(succeed({first[0].spec->id, first[0].token})).value();
        auto got = heard_.taken().assigned;
        ASSERT_EQ(got.size(), 1u);
        first.erase(first.begin());
        first.push_back(got[0]);
    }
    EXPECT_EQ(queue("q").parked + queue("r").parked, 0u);
}

TEST_P(JobStore, AParkedJobIsNotForgottenWhenTheOneBeforeItIsCancelled) {
    std::vector<job_spec> all;
    for (int i = 0; i < 3; ++i) {
        all.push_back(spec("j" + std::to_string(i)));
        all.back().limit = {"key", 0, 0, 1};
    }
    put(all);
    const auto first = take(5);
    ASSERT_EQ(first.size(), 1u);
    ask(succeed({"j0", first[0].token})).value();  // j1 is ready now
    EXPECT_EQ(state("j1"), job_state::ready);
    ask(jc::cancel{{"j1"}, "", at(1)}).value();
    EXPECT_THAT(taken_ids(1), ElementsAre("j2"));
}

TEST_P(JobStore, BeginsAreAsFarApartAsTheRateSays) {
    std::vector<job_spec> all;
    for (int i = 0; i < 4; ++i) {
        all.push_back(spec("j" + std::to_string(i)));
        all.back().limit = {"key", 10, 1000, 0};  // 100 ms apart
    }
    put(all);
    EXPECT_THAT(taken_ids(10, at(0)), ElementsAre("j0"));
    EXPECT_EQ(queue("q").scheduled, 3u);
    EXPECT_EQ(find("j2").due_ms, at(200).wall_ms);
    tick(at(99));
    EXPECT_THAT(taken_ids(10, at(99)), IsEmpty());
    tick(at(200));
    EXPECT_THAT(taken_ids(10, at(200)), ElementsAre("j1", "j2"));
    tick(at(300));
    EXPECT_THAT(taken_ids(10, at(300)), ElementsAre("j3"));
}

TEST_P(JobStore, ACheckpointComesWithTheNextLeaseAndGoesWithTheJob) {
    put({spec("a")});
    auto lease = take_one();
    ask(jc::checkpoint{lease, "half"}).value();
    ask(jc::checkpoint{lease, "more"}).value();
    ask(jc::lose{{lease}, {}, 3, false, at(1)}).value();
    const auto got = take(1);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].checkpoint, "more");
    ask(failed({"a", got[0].token}, verdict::dead)).value();
    ask(jc::requeue{{"a"}, at(2)}).value();
    EXPECT_EQ(take(1).at(0).checkpoint, "");
}

TEST_P(JobStore, ListsNewestFirstInPages) {
    std::vector<job_spec> many;
    for (int i = 0; i < 7; ++i) many.push_back(spec("j" + std::to_string(i), i % 2 ? "q" : "r"));
    put(many);
    run();
    job_filter filter;
    filter.limit = 3;
    auto page = job_as<job_page>(ask(jq::list{filter}));
    ASSERT_EQ(page.jobs.size(), 3u);
    EXPECT_EQ(page.jobs[0].spec.id, "j6");
    filter.after = page.next;
    page = job_as<job_page>(ask(jq::list{filter}));
    EXPECT_EQ(page.jobs.at(0).spec.id, "j3");
    filter.after = page.next;
    page = job_as<job_page>(ask(jq::list{filter}));
    ASSERT_EQ(page.jobs.size(), 1u);
    EXPECT_EQ(page.jobs[0].state, job_state::success);
    EXPECT_EQ(page.next, "");
    filter = {};
    filter.queue = "q";
    filter.state = job_state::ready;
    EXPECT_EQ(job_as<job_page>(ask(jq::list{filter})).jobs.size(), 3u);
    filter = {};
    filter.text = "j5";
    EXPECT_EQ(job_as<job_page>(ask(jq::list{filter})).jobs.size(), 1u);
    filter.after = "rubbish";
    EXPECT_EQ(refused(jq::list{filter}), errc::bad_request);
}

// Ids that say when they came, beside others: by time, whichever it is.
TEST_P(JobStore, ListsAllKindsOfIdsByTheirTime) {
    std::vector<std::string> wanted;
    for (int i = 0; i < 9; ++i) {
        auto each = spec(i % 3 == 0 ? "given" + std::to_string(i) : made_id(noon + i));
        each.id_made = i % 3 != 0;
        wanted.insert(wanted.begin(), each.id);
        put({each}, at(i));
    }
    auto other = spec("0999b2c3-d4e5-7678-9abc-def012345678");  // of another century
    wanted.insert(wanted.begin(), other.id);
    put({other}, at(20));
    for (const std::size_t limit : {1, 2, 3, 100}) {
        std::vector<std::string> listed;
        job_filter filter;
        filter.limit = limit;
        do {
            const auto page = job_as<job_page>(ask(jq::list{filter}));
            EXPECT_LE(page.jobs.size(), limit);
            for (const auto& each : page.jobs) listed.push_back(each.spec.id);
            filter.after = page.next;
        } while (!filter.after.empty() && listed.size() < 20);
        EXPECT_EQ(listed, wanted) << limit;
    }
}

// ---- Workflows

TEST_P(JobStore, AChainHandsResultsOn) {
    auto a = spec("a"), b = spec("b"), c = spec("c");
    a.next = {"b"};
    b.waits = true;
    b.args = "[2,3]";
    b.next = {"c"};
    c.waits = c.immutable = true;
    c.args = "[9]";
    put({a, b, c});
    EXPECT_EQ(state("b"), job_state::waiting);
    run("{\"r\":1}");
    const auto got = take(5);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].args, "[{\"r\":1},2,3]");
    ask(succeed({"b", got[0].token}, "7")).value();
    const auto last = take(5);
    ASSERT_EQ(last.size(), 1u);
    EXPECT_EQ(last[0].args, "");
    EXPECT_EQ(last[0].spec->args, "[9]");
}

TEST_P(JobStore, AFailureEndsTheRestOfAChainAndBeginsItsErrorJobOnce) {
    auto a = spec("a"), b = spec("b"), c = spec("c"), error = spec("error");
    a.next = {"b"};
    b.next = {"c"};
    a.on_error = b.on_error = c.on_error = {"error"};
    b.waits = c.waits = error.waits = true;
    put({a, b, c, error});
    run();
    ask(failed(take_one(), verdict::dead)).value();
    EXPECT_EQ(state("c"), job_state::revoked);
    EXPECT_EQ(find("c").error.type, "UpstreamFailed");
    const auto got = take(5);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].spec->id, "error");
    EXPECT_THAT(got[0].args, HasSubstr("\"id\":\"b\""));
    EXPECT_THAT(got[0].args, HasSubstr("\"type\":\"Oops\""));
    EXPECT_EQ(queue("q").dead, 1u);  // what was over for another's failure is no dead letter
}

TEST_P(JobStore, AnErrorJobThatNobodyNeedsIsOver) {
    auto a = spec("a"), error = spec("error");
    a.on_error = {"error"};
    error.waits = true;
    put({a, error});
    run();
    EXPECT_EQ(state("error"), job_state::revoked);
    EXPECT_EQ(find("error").error.type, "NotNeeded");
}

jc::enqueue chord(int headers, std::string prefix = "") {
    std::vector<job_spec> all;
    for (int i = 0; i < headers; ++i) {
        all.push_back(spec(prefix + "h" + std::to_string(i)));
        all.back().part_of = {prefix + "barrier", static_cast<std::uint32_t>(i)};
    }
    all.push_back(spec(prefix + "body"));
    all.back().waits = true;
    all.back().args = "[5]";
    auto what = enqueue(all);
    what.barriers.push_back({prefix + "barrier", static_cast<std::uint32_t>(headers), {prefix + "body"}, {}});
    return what;
}

TEST_P(JobStore, AChordsBodyBeginsWithAllResultsInOrder) {
    ask(chord(12)).value();
    auto headers = take(20);
    ASSERT_EQ(headers.size(), 12u);
    std::swap(headers[0], headers[7]);
    for (const auto& each : headers) {
        EXPECT_EQ(state("body"), job_state::waiting);
        ask(succeed({each.spec->id, each.token}, "\"" + each.spec->id + "\"")).value();
    }
    const auto body = take(5);
    ASSERT_EQ(body.size(), 1u);
    EXPECT_EQ(body[0].args,
              "[[\"h0\",\"h1\",\"h2\",\"h3\",\"h4\",\"h5\",\"h6\",\"h7\",\"h8\",\"h9\",\"h10\",\"h11\"],5]");
}

TEST_P(JobStore, AChordsBodyFailsNamingTheFirstFailedHeaderWhenAllAreOver) {
    auto what = chord(3);
    auto error = spec("error");
    error.waits = true;
    auto body = *what.jobs.back();
    body.on_error = {"error"};
    what.jobs.back() = std::make_shared<const job_spec>(body);
    what.jobs.push_back(std::make_shared<const job_spec>(error));
    ask(what).value();
    const auto headers = take(3);
    ask(failed({"h1", headers[1].token}, verdict::dead)).value();
    EXPECT_EQ(state("body"), job_state::waiting);
    ask(succeed({"h0", headers[0].token})).value();
    ask(failed({"h2", headers[2].token}, verdict::dead)).value();
    EXPECT_EQ(state("body"), job_state::failure);
    EXPECT_THAT(find("body").error.message, HasSubstr("job h1"));
    EXPECT_THAT(take(5).at(0).args, HasSubstr("\"id\":\"body\""));
    EXPECT_EQ(queue("q").dead, 2u);
}

TEST_P(JobStore, AGroupLeavesItsResultsUnderItsId) {
    auto a = spec("a"), b = spec("b");
    a.part_of = {"g", 0};
    b.part_of = {"g", 1};
    auto what = enqueue({a, b});
    what.barriers.push_back({"g", 2, {}, {}});
    ask(what).value();
    EXPECT_EQ(state("g"), job_state::waiting);
    run("1");
    heard_.taken();
    const auto lease = take_one();
    ask(succeed(lease, "2")).value();
    std::vector<std::string> ended;  // those who wait for it are told
    for (const auto& each : heard_.taken().ended) ended.push_back(each.spec->id);
    EXPECT_THAT(ended, ElementsAre("b", "g"));
    EXPECT_EQ(state("g"), job_state::success);
    EXPECT_EQ(find("g").result, "[1,2]");
}

TEST_P(JobStore, DeadAreThoseThatAreInTheDeadLetterQueueAndNoOthers) {
    auto member = spec("member"), first = spec("first"), rest = spec("rest"), giver = spec("giver"),
         taker = spec("taker");
    member.part_of = {"g", 0};
    first.next = {"rest"};
    giver.next = {"taker"};
    rest.waits = taker.waits = true;
    auto what = enqueue({giver, taker, member, first, rest});
    what.barriers.push_back({"g", 1, {}, {}});
    ask(what).value();
    run('"' + std::string(3000, 'x') + '"');  // more than a job's arguments may be
    ask(chord(2, "c-")).value();
    for (const auto& each : take(5)) ask(failed({each.spec->id, each.token}, verdict::dead)).value();

    const auto dead = [&] {
        job_filter all, letters;
        letters.dead = true;
        std::set<std::string> here, listed;
        for (const auto& each : job_as<job_page>(ask(jq::list{all})).jobs) {
            EXPECT_EQ(each.dead, find(each.spec.id).dead) << each.spec.id;
            if (each.dead) here.insert(each.spec.id);
        }
        for (const auto& each : job_as<job_page>(ask(jq::list{letters})).jobs) listed.insert(each.spec.id);
        EXPECT_EQ(here, listed);
        return here;
    };
    EXPECT_THAT(dead(), UnorderedElementsAre("member", "first", "c-h0", "c-h1"));
    for (const auto* each : {"g", "c-body", "taker"}) EXPECT_EQ(state(each), job_state::failure) << each;
    EXPECT_EQ(state("rest"), job_state::revoked);

    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::requeue{{"first", "g", "c-body", "taker"}, at(1)})), 1u);
    EXPECT_THAT(dead(), UnorderedElementsAre("member", "c-h0", "c-h1"));
    ask(failed(take_one(at(2)), verdict::rejected)).value();
    EXPECT_TRUE(find("first").dead);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::discard{{"member", "g", "c-body", "taker"}, at(3)})), 1u);
    EXPECT_THAT(dead(), UnorderedElementsAre("first", "c-h0", "c-h1"));
    EXPECT_EQ(refused(jq::find{"member"}), errc::not_found);
    EXPECT_EQ(state("g"), job_state::failure);
}

TEST_P(JobStore, ABarrierTellsTheOuterOne) {
    auto a = spec("a"), b = spec("b"), c = spec("c"), body = spec("body");
    a.part_of = {"inner", 0};
    b.part_of = {"inner", 1};
    c.part_of = {"outer", 1};
    body.waits = true;
    auto what = enqueue({a, b, c, body});
    what.barriers = {{"outer", 2, {"body"}, {}}, {"inner", 2, {}, {"outer", 0}}};
    ask(what).value();
    for (const auto* each : {"1", "2", "3"}) run(each);
    EXPECT_EQ(take(1).at(0).args, "[[[1,2],3]]");
}

TEST_P(JobStore, AWorkflowIsCancelledFromItsLastJobOn) {
    auto first = spec("first"), second = spec("second"), last = spec("last");
    first.next = {"second"}, second.next = {"last"};
    second.waits = last.waits = true;
    last.children = {"first", "second", "last"};
    ask(enqueue({first, second, last})).value();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"last"}, "enough", at(1)})), 3u);
    for (const auto* each : {"first", "second", "last"})  // none for what came before it
        EXPECT_EQ(find(each).error, (job_error{"Cancelled", "enough", {}})) << each;
    EXPECT_TRUE(find("last").spec.children.empty());
}

TEST_P(JobStore, AWorkflowIsCancelledWhateverStageItsJobsAreAt) {
    auto what = chord(7);
    std::vector<job_spec> all;
    for (const auto& each : what.jobs) all.push_back(*each);
    for (const auto& each : all) all.back().children.push_back(each.id);
    all[1].countdown_ms = 1000;
    all[2].priority = 9;
    all[3].priority = 8;
    all[4].priority = all[5].priority = 7;
    all[4].limit = all[5].limit = {"limit", 0, 0, 1};
    all[6].priority = 6;
    auto barriers = std::move(what.barriers);
    what = enqueue(all);
    what.barriers = std::move(barriers);
    ask(std::move(what)).value();
    ask(succeed(take_one())).value();                       // h2
    ask(failed(take_one(), verdict::retry, 5000)).value();  // h3
    const auto runs = take(2);                              // h4, h6; h5 is parked
    ASSERT_EQ(runs.size(), 2u);
    const std::map<std::string, job_state> before{{"h0", job_state::ready},   {"h1", job_state::scheduled},
                                                  {"h2", job_state::success}, {"h3", job_state::scheduled},
                                                  {"h4", job_state::leased},  {"h5", job_state::parked},
                                                  {"h6", job_state::leased},  {"body", job_state::waiting}};
    for (const auto& [id, wanted] : before) EXPECT_EQ(state(id), wanted) << id;
    heard_.taken();

    const auto cancel = [&] {
        return job_as<std::uint64_t>(ask(jc::cancel{{"body", "h6"}, "enough", at(1)}));
    };
    EXPECT_EQ(cancel(), 7u);
    EXPECT_EQ(heard_.taken().cancelled.size(), 2u);
    for (const auto* each : {"h0", "h1", "h3", "h5", "body"}) {
        EXPECT_EQ(state(each), job_state::revoked) << each;
        EXPECT_EQ(find(each).error, (job_error{"Cancelled", "enough", {}})) << each;
    }
    EXPECT_EQ(state("h2"), job_state::success);
    EXPECT_EQ(cancel(), 2u);  // that run still
    ask(jc::lose{{{"h4", runs[0].token}}, {"WorkerLostError", "", {}}, 3, false, at(2)}).value();
    ask(succeed({"h6", runs[1].token}, "1", at(2))).value();
    EXPECT_EQ(state("h4"), job_state::revoked);
    EXPECT_EQ(state("h6"), job_state::success);
    EXPECT_EQ(cancel(), 0u);
    tick(at(10'000));
    EXPECT_THAT(taken_ids(10, at(10'000)), IsEmpty());
    const auto left = queue("q");
    EXPECT_EQ(left.ready + left.scheduled + left.leased + left.parked + left.dead, 0u);
}

// Groups after one another: each end of the first is counted in a record that names all of the second.
TEST_P(JobStore, ALargeWorkflowIsCancelledInOneWrite) {
    constexpr std::uint32_t each_has = 4000;
    std::vector<job_spec> all;
    barrier_spec first{"first", each_has, {}, {}, {}}, second{"second", each_has, {}, {}, {}};
    for (std::uint32_t i = 0; i < 2 * each_has; ++i) {
        auto& one = all.emplace_back(spec("j" + std::to_string(i)));
        one.waits = i >= each_has;
        one.part_of = {one.waits ? "second" : "first", i % each_has};
        if (one.waits) first.bodies.push_back(one.id);
        second.children.push_back(one.id);
    }
    auto what = enqueue(std::move(all));
    what.barriers = {first, second};
    ask(std::move(what)).value();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"second"}, "enough", at(1)})), 2 * each_has);
    EXPECT_EQ(state("second"), job_state::failure);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"second"}, "enough", at(1)})), 0u);
    EXPECT_EQ(queue("q").ready, 0u);
}

TEST_P(JobStore, ACancelledHeaderDoesNotLeaveItsChordHanging) {
    ask(chord(2)).value();
    ask(jc::cancel{{"h0"}, "", at(1)}).value();
    run();
    EXPECT_EQ(state("body"), job_state::failure);
    ask(chord(2, "x")).value();
    ask(jc::cancel{{"xbody"}, "", at(1)}).value();
    run();
    run();
    EXPECT_EQ(state("xbody"), job_state::revoked);
}

TEST_P(JobStore, AChordWhoseHeaderWasIgnoredSaysSo) {
    ask(chord(1)).value();
    ask(failed(take_one(), verdict::ignored)).value();
    EXPECT_EQ(state("body"), job_state::failure);
    EXPECT_THAT(find("body").error.message,
                ::testing::EndsWith("failed: Ignored: it ended without a result"));
}

TEST_P(JobStore, SaysWhichIdIsThereAlready) {
    put({spec("a")});
    EXPECT_EQ(ask(enqueue({spec("a")})).error().detail, "id: job a is known already");
    EXPECT_EQ(ask(enqueue({spec("b"), spec("b")})).error().detail, "id: used twice");
}

TEST_P(JobStore, ArgumentsThatGrowTooLargeFailTheirJobAndNotTheServer) {
    auto a = spec("a"), b = spec("b");
    a.next = {"b"};
    b.waits = true;
    put({a, b});
    run("\"" + std::string(3000, 'x') + "\"");
    EXPECT_EQ(state("b"), job_state::failure);
    EXPECT_EQ(find("b").error.type, "ArgumentsTooLarge");
    ask(chord(5)).value();
    for (int i = 0; i < 5; ++i) run("\"" + std::string(700, 'x') + "\"");
    EXPECT_EQ(find("body").error.type, "ArgumentsTooLarge");
}

TEST_P(JobStore, ARequeuedLetterTellsItsFollowersNothingNew) {
    ask(chord(2)).value();
    const auto headers = take(2);
    ask(failed({"h0", headers[0].token}, verdict::dead)).value();
    ask(jc::requeue{{"h0"}, at(1)}).value();
    run();
    EXPECT_EQ(state("body"), job_state::waiting);
    ask(succeed({"h1", headers[1].token})).value();
    EXPECT_EQ(state("body"), job_state::failure);
}

TEST_P(JobStore, ALongWorkflowEndsWithoutDeepCalls) {
    std::vector<job_spec> all;
    const int length = 5000;
    for (int i = 0; i < length; ++i) {
        all.push_back(spec("j" + std::to_string(i)));
        all.back().waits = i != 0;
        if (i + 1 < length) all.back().next = {"j" + std::to_string(i + 1)};
    }
    put(all);
    ask(failed(take_one(), verdict::dead)).value();
    EXPECT_EQ(state("j4999"), job_state::revoked);
}

TEST_P(JobStore, WhatIsMissingInAWorkflowIsRefused) {
    auto a = spec("a"), lonely = spec("lonely");
    a.next = {"nobody"};
    lonely.waits = true;
    EXPECT_EQ(refused(enqueue({a})), errc::bad_request);
    EXPECT_EQ(refused(enqueue({lonely})), errc::bad_request);
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
