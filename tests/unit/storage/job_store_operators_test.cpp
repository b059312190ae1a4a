// What operators and limits do to jobs in the store: cancelled, paused, purged, dead, bounded, listed.
#include "tests/unit/storage/job_store_fixture.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using verdict = jc::fail::verdict;

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

}  // namespace
}  // namespace madang::test
