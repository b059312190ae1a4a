#include "broker/core/log.hpp"
#include "tests/unit/actors/job_desk_world.hpp"

namespace madang {
namespace {

using outcome = link::ended::outcome;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class JobDesk : public testing::Test, public test::job_desk_world {
  protected:
    void SetUp() override { begin(); }
    std::string found;  // what find() answered
    void look(const std::string& id, std::chrono::milliseconds wait = std::chrono::milliseconds(0)) {
        found.clear();
        desk->find(id, wait, [this](result<job_view> got) {
            found = got ? std::string(name_of(got->state, got->retries, got->started)) + got->progress
                        : std::string(describe(got.error().code).name);
        });
    }
};

TEST_F(JobDesk, GathersATurnsRequestsInOneSubmission) {
    enqueue();
    enqueue();
    worker();
    EXPECT_THAT(submitted, IsEmpty());
    turn();
    ASSERT_THAT(submitted, SizeIs(1));
    EXPECT_THAT(submitted[0].batch->requests, SizeIs(3));  // two jobs and the worker's offer
    settle();
    EXPECT_THAT(outcomes, SizeIs(2));
}

TEST_F(JobDesk, OffersAsManyAsTheWorkerHasRoomForAndOneMoreForEachThatEnded) {
    const auto who = worker(2, 2);
    for (int i = 0; i < 6; ++i) enqueue();
    settle();
    ASSERT_THAT(given, SizeIs(4));
    end(who, given[0].second.token);
    settle();
    EXPECT_THAT(given, SizeIs(5));
    EXPECT_THAT(said_to[who], Contains("told"));
}

TEST_F(JobDesk, EndsAndNextOfferAreOneSubmission) {
    const auto who = worker();
    enqueue();
    enqueue();
    settle();
    end(who, given[0].second.token);
    turn();
    ASSERT_THAT(submitted, SizeIs(1));
    EXPECT_THAT(submitted[0].batch->requests, SizeIs(2));
}

TEST_F(JobDesk, KeepsAnEndUntilTheStoreTakesIt) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    refusing = true;
    end(who, given[0].second.token);
    settle();
    EXPECT_THAT(said_to[who], Not(Contains("told")));
    EXPECT_EQ(state_of(id), job_state::leased);
    refusing = false;
    pass(200);
    EXPECT_EQ(state_of(id), job_state::success);
    EXPECT_THAT(said_to[who], Contains("told"));
    EXPECT_EQ(jobs.at(id).ends, 1u);
}

TEST_F(JobDesk, RefusesAnEnqueueThatTheStoreRefuses) {
    refusing = true;
    enqueue();
    settle();
    EXPECT_THAT(outcomes, ElementsAre("busy"));
    EXPECT_EQ(counts.value(labelled_counter::jobs_refused, "busy"), 1u);
}

TEST_F(JobDesk, RetriesAsThePolicySays) {
    const auto who = worker();
    job_spec spec;
    spec.retry = {.max_retries = 1, .delay_ms = 1000};
    spec.id = "r";
    enqueue(spec);
    settle();
    end(who, token_of("r"), outcome::failure);
    settle();
    EXPECT_EQ(state_of("r"), job_state::scheduled);
    EXPECT_EQ(counts.value(counter::job_retries), 1u);
    pass(900);
    EXPECT_EQ(state_of("r"), job_state::scheduled);
    pass(200);
    ASSERT_EQ(state_of("r"), job_state::leased);
    end(who, token_of("r"), outcome::failure);
    settle();
    EXPECT_EQ(state_of("r"), job_state::failure);
}

TEST_F(JobDesk, AFailureForGoodIsALineOfTheLogAndAFloodOfThemANumber) {
    std::vector<std::string> lines;
    const log_capture capture(log_format::text, log_level::info,
                              [&](std::string_view line) { lines.emplace_back(line); });
    const auto who = worker(20, 20);
    const auto fails = [&](const std::string& id) {
        job_spec spec;
        spec.id = id;
        spec.correlation_id = "c-" + id;
        spec.retry = {.max_retries = 0, .delay_ms = 1000};
        enqueue(spec);
        settle();
        end(who, token_of(id), outcome::failure);
        settle();
    };
    for (int i = 0; i < 13; ++i) fails("f" + std::to_string(i));
    EXPECT_THAT(lines, SizeIs(10));
    EXPECT_THAT(lines, Each(HasSubstr(" warn  job.failed job=f")));
    EXPECT_THAT(lines[9], HasSubstr("correlation_id=c-f9"));
    pass(1000);
    fails("later");
    ASSERT_THAT(lines, SizeIs(12));
    EXPECT_THAT(lines[10], HasSubstr("job.more_failed jobs=3"));
    EXPECT_THAT(lines[11], HasSubstr("job=later"));
}

TEST_F(JobDesk, ALossTakesNoRetryAway) {
    auto who = worker();
    job_spec spec;
    spec.retry = {.max_retries = 1, .delay_ms = 1000};
    spec.id = "r";
    enqueue(spec);
    settle();
    desk->said(who, link::began{token_of("r"), 7});
    desk->gone(who);
    settle();
    who = worker();
    settle();
    end(who, token_of("r"), outcome::failure);
    settle();
    EXPECT_EQ(state_of("r"), job_state::scheduled);
    EXPECT_EQ(jobs.at("r").retries, 1u);
    EXPECT_EQ(jobs.at("r").losses, 1u);
}

TEST_F(JobDesk, OnlyFailuresThatAreMadeAgainAreRetries) {
    const auto who = worker(1, 4);
    job_spec spec;
    spec.retry = {.max_retries = 0, .delay_ms = 1000};
    spec.id = "again";
    enqueue(spec);
    const auto ignored = enqueue(), rejected = enqueue(), cancelled = enqueue();
    settle();
    for (int i = 0; i < 3; ++i) {  // as often as it likes
        link::ended how;
        how.token = token_of("again");
        how.what = outcome::reject;
        how.after_ms = 100;
        desk->said(who, std::move(how));
        settle();
        ASSERT_EQ(state_of("again"), job_state::scheduled);
        pass(150);
        ASSERT_EQ(state_of("again"), job_state::leased);
    }
    desk->cancel({cancelled}, "", nullptr);
    settle();
    end(who, token_of(ignored), outcome::ignore);
    end(who, token_of(rejected), outcome::reject);
    end(who, token_of(cancelled), outcome::failure);
    settle();
    EXPECT_EQ(state_of(ignored), job_state::ignored);
    EXPECT_EQ(state_of(rejected), job_state::rejected);
    EXPECT_EQ(counts.value(counter::job_retries), 0u);
}

TEST_F(JobDesk, AResultThatIsTooLargeFailsTheJob) {
    settings.job_result_bytes = 1024;
    const auto who = worker();
    const auto id = enqueue();
    settle();
    link::ended how;
    how.token = token_of(id);
    how.result = std::string(1025, '1');
    desk->said(who, std::move(how));
    settle();
    EXPECT_EQ(state_of(id), job_state::failure);
    EXPECT_EQ(errors[id], "ResultTooLarge");
}

TEST_F(JobDesk, ADeadWorkersJobsAreLostIfTheyBeganAndHandedBackIfNot) {
    const auto who = worker(1, 2);
    const auto first = enqueue(), second = enqueue();
    settle();
    desk->said(who, link::began{token_of(first), 7});
    desk->gone(who);
    settle();
    EXPECT_EQ(jobs.at(first).losses, 1u);
    EXPECT_EQ(jobs.at(second).losses, 0u);
    EXPECT_EQ(state_of(first), job_state::ready);
    EXPECT_EQ(state_of(second), job_state::ready);
    EXPECT_EQ(counts.value(counter::job_losses), 1u);
    EXPECT_EQ(counts.value(gauge::jobs_running), 0);
    EXPECT_EQ(counts.value(gauge::job_workers), 0);
}

TEST_F(JobDesk, AJobThatMustNotRunTwiceIsNotBegunAgainEvenIfItSaidNothing) {
    const auto who = worker();
    job_spec spec;
    spec.late_ack = false;
    const auto id = enqueue(spec);
    settle();
    desk->gone(who);
    settle();
    EXPECT_EQ(state_of(id), job_state::failure);
}

TEST_F(JobDesk, APoisonJobIsADeadLetterAfterItsLosses) {
    const auto id = enqueue();
    for (std::uint32_t i = 0; i < settings.job_loss_limit; ++i) {
        const auto who = worker();
        settle();
        ASSERT_EQ(state_of(id), job_state::leased);
        desk->said(who, link::began{token_of(id), 7});
        desk->gone(who);
        settle();
    }
    EXPECT_EQ(state_of(id), job_state::failure);
}

TEST_F(JobDesk, ATaskThatAsksForItIsADeadLetterAtTheFirstLoss) {
    const auto who = worker();
    job_spec spec;
    spec.task = "fragile";
    const auto id = enqueue(spec);
    settle();
    end(who, token_of(id), outcome::lost);
    settle();
    EXPECT_EQ(state_of(id), job_state::failure);
}

TEST_F(JobDesk, ASilentWorkerIsDroppedAndItsJobsAreGivenToOthers) {
    const auto silent = worker();
    const auto id = enqueue();
    settle();
    desk->said(silent, link::began{token_of(id), 7});
    const auto token = token_of(id);
    pass(settings.worker_timeout.count() - 100);
    EXPECT_THAT(dropped, IsEmpty());
    pass(1500);
    EXPECT_THAT(dropped, ElementsAre(silent));
    const auto other = worker();
    settle();
    ASSERT_EQ(state_of(id), job_state::leased);
    EXPECT_NE(token_of(id), token);
    // The first comes back with its end: its lease is another's.
    const auto again = worker();
    end(again, token);
    settle();
    EXPECT_THAT(said_to[again], Contains("stale"));
    EXPECT_EQ(state_of(id), job_state::leased);
    EXPECT_EQ(counts.value(counter::job_stale_ends), 1u);
    end(other, token_of(id));
    settle();
    EXPECT_EQ(state_of(id), job_state::success);
}

TEST_F(JobDesk, AWorkerThatSaysItIsAliveIsKept) {
    const auto who = worker();
    for (int i = 0; i < 10; ++i) {
        pass(1000);
        desk->said(who, link::alive{});
    }
    EXPECT_THAT(dropped, IsEmpty());
}

TEST_F(JobDesk, AServerThatSleptDoesNotCallItsWorkersSilent) {
    worker();
    settle();
    time.elapsed_ms += 60'000;
    desk->tick();
    settle();
    EXPECT_THAT(dropped, IsEmpty());
}

TEST_F(JobDesk, ACancelledJobIsAskedThenLimitedThenKilled) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    desk->said(who, link::began{token_of(id), 7});
    std::size_t count = 0;
    desk->cancel({id}, "why", [&](result<std::size_t> got) { count = *got; });
    settle();
    EXPECT_EQ(count, 1u);
    const auto grace = settings.job_cancel_grace.count();
    for (std::int64_t at = 0; at < 3 * grace; at += 500) {
        pass(500);
        desk->said(who, link::alive{});
    }
    EXPECT_THAT(said_to[who], ElementsAre("run " + id, "stop 0", "stop 1", "stop 2"));
    end(who, token_of(id), outcome::lost);
    settle();
    EXPECT_EQ(state_of(id), job_state::revoked);
}

TEST_F(JobDesk, ACancelledJobIsRevokedWhateverItAnswers) {
    const auto who = worker(1, 3);
    const auto first = enqueue(), second = enqueue(), third = enqueue();
    settle();
    desk->cancel({first, second, third}, "", nullptr);
    settle();
    end(who, token_of(first));
    end(who, token_of(second), outcome::failure);
    end(who, token_of(third), outcome::handed_back);
    settle();
    for (const auto& each : {first, second, third}) EXPECT_EQ(state_of(each), job_state::revoked);
}

TEST_F(JobDesk, TellsProgressAtMostFourTimesASecondAndTheLastOne) {
    const auto who = worker();
    job_spec spec;
    spec.notify_group = "g";
    spec.id = "p";
    enqueue(spec);
    settle();
    for (int i = 0; i < 20; ++i) {
        desk->said(who, link::progress{token_of("p"), std::to_string(i)});
        pass(50);
    }
    EXPECT_GE(published.size(), 4u);
    EXPECT_LE(published.size(), 5u);
    pass(300);
    EXPECT_EQ(published.back(), R"(g  {"event":"job","id":"p","task":"t","state":"PROGRESS","progress":19})");
    look("p");
    settle();
    EXPECT_EQ(found, "RECEIVED19");
}

TEST_F(JobDesk, TellsTheLastProgressBeforeTheEnd) {
    const auto who = worker();
    job_spec spec;
    spec.notify_group = "g";
    spec.id = "p";
    enqueue(spec);
    settle();
    for (const auto* each : {"1", "2", "3"}) desk->said(who, link::progress{token_of("p"), each});
    end(who, token_of("p"));
    settle();
    const auto told = [](const std::string& far) {
        return R"(g  {"event":"job","id":"p","task":"t","state":"PROGRESS","progress":)" + far + "}";
    };
    const std::vector<std::string> all{told("1"), told("3"), R"(g job:1 {"id":"p"})"};
    EXPECT_EQ(published, all);
    pass(1000);
    EXPECT_EQ(published, all);  // once
}

TEST_F(JobDesk, PublishesNewsOnceAndThenSaysSo) {
    const auto who = worker();
    job_spec spec;
    spec.notify_group = "g";
    spec.id = "n";
    enqueue(spec);
    settle();
    publish_fails = true;
    end(who, token_of("n"));
    settle();
    EXPECT_THAT(told_news, IsEmpty());
    publish_fails = false;
    pass(1500);
    EXPECT_THAT(published, ElementsAre(R"(g job:1 {"id":"n"})", R"(g job:1 {"id":"n"})"));  // one key
    EXPECT_THAT(told_news, ElementsAre(1u));
}

TEST_F(JobDesk, FindWaitsForTheEnd) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    desk->said(who, link::began{token_of(id), 7});
    look(id, std::chrono::milliseconds(1000));
    settle();
    EXPECT_EQ(found, "");
    end(who, token_of(id));
    settle();
    EXPECT_EQ(found, "SUCCESS");
    look("nobody", std::chrono::milliseconds(1000));
    settle();
    EXPECT_EQ(found, "not_found");
}

TEST_F(JobDesk, FindAnswersWhatItIsWhenTheWaitIsOver) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    desk->said(who, link::began{token_of(id), 7});
    look(id, std::chrono::milliseconds(1000));
    pass(900);
    EXPECT_EQ(found, "");
    pass(200);
    EXPECT_EQ(found, "STARTED");
}

TEST_F(JobDesk, FindSeesAnEndThatComesWhileItsAnswerIsOnItsWay) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    look(id, std::chrono::milliseconds(1000));
    turn();
    ASSERT_THAT(submitted, SizeIs(1));
    auto late = submitted.front().batch;  // the question is asked now, and answered behind the end
    submitted.clear();
    std::vector<job_answer> answers{answer_to(late->requests[0])};
    end(who, token_of(id));
    settle();
    EXPECT_EQ(found, "");
    desk->complete(*late, std::move(answers));
    settle();
    EXPECT_EQ(found, "SUCCESS");
}

TEST_F(JobDesk, OnlyTasksThatTrackItWriteThatTheyBegan) {
    const auto who = worker(1, 2);
    job_spec spec;
    spec.task = "tracked";
    const auto tracked = enqueue(spec), other = enqueue();
    settle();
    desk->said(who, link::began{token_of(tracked), 7});
    desk->said(who, link::began{token_of(other), 7});
    settle();
    EXPECT_EQ(started, 1);
}

TEST_F(JobDesk, AnswersCheckpointsWhenTheyAreKept) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    settings.job_checkpoint_bytes = 1024;
    desk->said(who, link::checkpoint{token_of(id), 1, "half"});
    EXPECT_THAT(said_to[who], Not(Contains("answer 0")));
    settle();
    EXPECT_THAT(said_to[who], Contains("answer 0"));
    EXPECT_EQ(jobs.at(id).checkpoint, "half");
    desk->said(who, link::checkpoint{token_of(id), 2, std::string(1025, 'x')});
    EXPECT_THAT(said_to[who], Contains("answer 413"));
    desk->said(who, link::checkpoint{99, 3, "x"});
    EXPECT_THAT(said_to[who], Contains("answer 471"));
}

TEST_F(JobDesk, ALeavingWorkerIsGivenNothingMore) {
    const auto who = worker(1, 2);
    enqueue();
    settle();
    desk->said(who, link::leaving{});
    settle();
    enqueue();
    settle();
    EXPECT_THAT(given, SizeIs(1));
    end(who, given[0].second.token, outcome::handed_back);
    settle();
    EXPECT_THAT(given, SizeIs(1));
}

TEST_F(JobDesk, ASmallerCapacityTakesBackWhatWasOffered) {
    const auto who = worker(4, 1);
    settle();
    desk->said(who, link::capacity{1});
    settle();
    for (int i = 0; i < 4; ++i) enqueue();
    settle();
    EXPECT_THAT(given, SizeIs(1));
    EXPECT_EQ(counts.value(gauge::job_children), 1);
}

TEST_F(JobDesk, GivesAsManyAheadAsTheWorkerAsksForNow) {
    const auto who = worker(2, 1);
    for (int i = 0; i < 20; ++i) enqueue();
    settle();
    EXPECT_THAT(given, SizeIs(2));
    desk->said(who, link::capacity{2, 4});
    settle();
    EXPECT_THAT(given, SizeIs(8));
    desk->said(who, link::capacity{2, 1});
    for (int i = 2; i < 8; ++i)
        end(who, given[static_cast<std::size_t>(i)].second.token, outcome::handed_back);
    settle();
    EXPECT_THAT(given, SizeIs(8));  // what it handed back is for others
    const auto other = worker(2, 1);
    settle();
    EXPECT_THAT(given, SizeIs(10));
    EXPECT_EQ(given.back().first, other);
}

TEST_F(JobDesk, OffersNothingToAWorkerWhoseBytesPileUp) {
    const auto who = worker(1, 4);
    desk->stall(who, true);
    settle();
    enqueue();
    settle();
    EXPECT_THAT(given, IsEmpty());
    desk->stall(who, false);
    settle();
    EXPECT_THAT(given, SizeIs(1));
}

TEST_F(JobDesk, DrainingTellsWorkersAndAssignsNoMore) {
    const auto who = worker(1, 2);
    enqueue();
    settle();
    EXPECT_EQ(desk->running(), 1u);
    desk->drain();
    settle();
    EXPECT_THAT(said_to[who], Contains("warm_stop"));
    enqueue();
    settle();
    EXPECT_THAT(given, SizeIs(1));
    end(who, given[0].second.token);
    settle();
    EXPECT_EQ(desk->running(), 0u);
}

TEST_F(JobDesk, OffersAnewWhenTheStoreForgotThem) {
    worker(1, 2);
    settle();
    restart();
    settle();
    enqueue();
    settle();
    EXPECT_THAT(given, SizeIs(1));
}

TEST_F(JobDesk, AClockThatJumpsLosesNoWorkerAndNoLease) {
    constexpr std::int64_t hour = 3'600'000, day = 24 * hour;
    const auto who = worker();
    const auto id = enqueue();
    settle();
    for (const auto by : {day, -day, -hour, 2 * hour, -hour}) {
        time.wall_ms += by;
        desk->tick();
        settle();
        for (int i = 0; i < 5; ++i) {
            pass(1000);
            desk->said(who, link::alive{});
        }
        EXPECT_EQ(state_of(id), job_state::leased);
        EXPECT_LE(desk->wait(), job_desk::longest_wait);
    }
    EXPECT_THAT(dropped, IsEmpty());
    EXPECT_THAT(given, SizeIs(1));
    time.wall_ms += day;
    pass(settings.worker_timeout.count() + 2000);  // but silence is silence
    EXPECT_THAT(dropped, ElementsAre(who));
    EXPECT_EQ(state_of(id), job_state::ready);
}

class JobDeskAfterARestart : public JobDesk {
  protected:
    void SetUp() override {
        begin();
        who_ = worker();
        id_ = enqueue();
        settle();
        token_ = token_of(id_);
        desk = std::make_unique<job_desk>(*this, settings, with, counts);
        submitted.clear();
        begin();
    }
    std::uint64_t who_ = 0, token_ = 0;
    std::string id_;
};

TEST_F(JobDeskAfterARestart, AWorkerThatComesBackKeepsItsLease) {
    const auto who = worker(1, 1, {{id_, token_}});
    settle();
    pass(settings.worker_timeout.count() - 500);
    desk->said(who, link::alive{});
    pass(1000);
    EXPECT_EQ(state_of(id_), job_state::leased);
    end(who, token_, outcome::failure);
    settle();
    EXPECT_EQ(state_of(id_), job_state::scheduled);  // judged by its spec, which was asked for
    EXPECT_EQ(errors[id_], "E");
}

TEST_F(JobDeskAfterARestart, AnEndThatComesBeforeItsSpecIsKnownWaits) {
    const auto who = worker(1, 1, {{id_, token_}});
    end(who, token_, outcome::failure);
    settle();
    EXPECT_EQ(state_of(id_), job_state::scheduled);
}

TEST_F(JobDeskAfterARestart, WhatNobodyClaimsIsGivenToOthersAfterAGraceAndNotToBlame) {
    pass(settings.worker_timeout.count() - 100);
    EXPECT_EQ(state_of(id_), job_state::leased);
    pass(200);
    EXPECT_EQ(state_of(id_), job_state::ready);
    EXPECT_EQ(jobs.at(id_).losses, 0u);
    const auto late = worker(1, 1, {{id_, token_}});
    EXPECT_THAT(said_to[late], Contains("stale"));
}

TEST_F(JobDeskAfterARestart, WhatDiedWithTheServerIsGivenToOthersAtOnceAndNotToBlame) {
    for (const auto name : {in_process_name, own_worker_name}) {
        worker();
        settle();
        auto& job = jobs.at(id_);
        ASSERT_EQ(job.state, job_state::leased);
        job.worker_name = name;
        desk = std::make_unique<job_desk>(*this, settings, with, counts);
        submitted.clear();
        begin();
        EXPECT_EQ(state_of(id_), job_state::ready);
        EXPECT_EQ(job.losses, 0u);
    }
}

TEST_F(JobDeskAfterARestart, AClaimOfAnotherJobsTokenIsRefused) {
    const auto who = worker(1, 1, {{"other", token_}});
    EXPECT_THAT(said_to[who], Contains("stale"));
}

TEST_F(JobDesk, PutsDeclaredSchedulesAndRemovesThoseThatVanished) {
    stored["old"] = {"old", R"({"task":"t","every":"1m"})", "config", 1, 0, 0, 0};
    stored["mine"] = {"mine", R"({"task":"t","every":"1m"})", "api", 1, 0, 0, 0};
    desk = std::make_unique<job_desk>(*this, settings, with, counts);
    submitted.clear();
    begin({{"p", R"({"task":"t","every":"2m"})", "plugin:x"},
           {"p", R"({"task":"t","every":"1m"})", "config"},
           {"q", R"({"task":"t","every":"1m"})", "plugin:x"}});
    ASSERT_TRUE(stored.contains("p") && stored.contains("q") && stored.contains("mine"));
    EXPECT_FALSE(stored.contains("old"));
    EXPECT_EQ(stored["p"].source, "config");
    EXPECT_EQ(stored["p"].json, R"({"task":"t","every":"1m"})");
}

TEST_F(JobDesk, FiresASchedulesJobAndSkipsWhileItRuns) {
    std::string put;
    desk->put_schedule("s", R"({"task":"t","every":"10s"})", "api",
                       [&](result<schedule_view> got) { put = got ? got->name : got.error().text(); });
    settle();
    ASSERT_EQ(put, "s");
    const auto last_fire = [&] {
        std::int64_t last = -1;
        desk->schedules([&](result<std::vector<schedule_view>> got) { last = got->at(0).last_fire_ms; });
        settle();
        return last;
    };
    EXPECT_EQ(last_fire(), 0);  // it was made only
    pass(10'100);
    ASSERT_THAT(jobs, SizeIs(1));
    EXPECT_GT(last_fire(), 0);
    EXPECT_EQ(stored["s"].fired, 1u);
    pass(10'000);
    EXPECT_THAT(jobs, SizeIs(1));
    EXPECT_GE(stored["s"].skipped, 1u);
    EXPECT_GE(counts.value(counter::schedule_skips), 1u);
    const auto who = worker();
    settle();
    end(who, given[0].second.token);
    settle();
    pass(10'000);
    EXPECT_THAT(jobs, SizeIs(2));
    EXPECT_EQ(counts.value(counter::schedule_fires), 2u);
}

TEST_F(JobDesk, TellsTheFiresThatAScheduleWaitsForWhenever) {
    desk->put_schedule("s", R"({"task":"t","every":"10s"})", "api", nullptr);
    settle();
    std::vector<std::vector<std::int64_t>> told;
    for (int i = 0; i < 2; ++i) {
        desk->next_fires("s", "", 3, [&](result<std::vector<std::int64_t>> got) { told.push_back(*got); });
        settle();
        pass(4'000);
    }
    ASSERT_THAT(told, SizeIs(2));
    ASSERT_THAT(told[0], SizeIs(3));
    EXPECT_EQ(told[0], told[1]);
    EXPECT_EQ(told[0][2] - told[0][0], 20'000);
}

TEST_F(JobDesk, AFireThatTheStoreRefusedIsTriedAgain) {
    desk->put_schedule("s", R"({"task":"t","every":"10s"})", "api", nullptr);
    settle();
    refusing = true;
    pass(10'500);
    EXPECT_THAT(jobs, IsEmpty());
    refusing = false;
    pass(500);
    EXPECT_THAT(jobs, SizeIs(1));
}

TEST_F(JobDesk, AFireOfAnEarlierProcessStillCountsAsUnfinished) {
    desk->put_schedule("s", R"({"task":"t","every":"10s"})", "api", nullptr);
    settle();
    pass(10'100);
    ASSERT_THAT(jobs, SizeIs(1));
    desk = std::make_unique<job_desk>(*this, settings, with, counts);
    submitted.clear();
    begin();
    pass(10'000);
    EXPECT_THAT(jobs, SizeIs(1));
    const auto who = worker();
    settle();
    end(who, given.back().second.token);
    pass(12'000);
    EXPECT_THAT(jobs, SizeIs(2));
}

TEST_F(JobDesk, RefusesAScheduleOfAnUnknownTask) {
    errc why = errc::internal;
    desk->put_schedule("s", R"({"task":"nobody","every":"10s"})", "api",
                       [&](result<schedule_view> got) { why = got.error().code; });
    settle();
    EXPECT_EQ(why, errc::unknown_task);
    EXPECT_THAT(stored, IsEmpty());
}

TEST_F(JobDesk, RefusesAScheduleThatIsGoodForOneFireOnly) {
    for (const auto* each : {R"({"task":"t","every":"10s","id":"x"})",
                             R"({"task":"t","every":"10s","link":{"task":"t","id":"x"}})",
                             R"({"task":"t","every":"10s","eta":"2100-01-01T00:00:00Z"})",
                             R"({"task":"t","every":"10s","eta":"2000-01-01T00:00:00Z"})",
                             R"({"task":"t","every":"10s","expires":"2023-11-15T00:00:00Z"})"}) {
        SCOPED_TRACE(each);
        errc put = errc::internal, shown = errc::internal;
        desk->put_schedule("s", each, "api", [&](result<schedule_view> got) { put = got.error().code; });
        desk->next_fires("", each, 3,
                         [&](result<std::vector<std::int64_t>> got) { shown = got.error().code; });
        settle();
        EXPECT_EQ(put, errc::bad_request);
        EXPECT_EQ(shown, errc::bad_request);
    }
    EXPECT_THAT(stored, IsEmpty());
}

TEST_F(JobDesk, APreviewIsCheckedAsASchedule) {
    errc why = errc::internal;
    desk->next_fires("", R"({"task":"nobody","every":"10s"})", 3,
                     [&](result<std::vector<std::int64_t>> got) { why = got.error().code; });
    EXPECT_EQ(why, errc::unknown_task);
    std::size_t count = 0;
    desk->next_fires("", R"({"task":"t","every":"10s"})", 3,
                     [&](result<std::vector<std::int64_t>> got) { count = got->size(); });
    EXPECT_EQ(count, 3u);
}

TEST_F(JobDesk, LooksAtTheQueuesWhenSomethingChanged) {
    enqueue();
    settle();
    pass(1'100);
    ASSERT_THAT(figures, SizeIs(1));
    EXPECT_EQ(figures[0].ready, 1u);
}

// ---- As a node of a cluster

using serving = job_desk::serving;

TEST_F(JobDesk, HeldItBeginsNothingAndTakesWhatEnds) {
    desk->put_schedule("s", R"({"task":"t","every":"10s"})", "api", nullptr);
    const auto who = worker(1, 2);
    const auto runs = enqueue();
    settle();
    desk->serve(serving::held);
    settle();
    const auto waits = enqueue();
    pass(2'000);
    EXPECT_EQ(state_of(waits), job_state::ready);
    for (int i = 0; i < 12; ++i) {
        desk->said(who, link::alive{});
        pass(1'000);
    }
    EXPECT_EQ(stored["s"].fired, 0u);
    EXPECT_THAT(dropped, IsEmpty());
    end(who, token_of(runs));
    settle();
    EXPECT_EQ(state_of(runs), job_state::success);
    desk->serve(serving::yes);
    settle();
    EXPECT_EQ(state_of(waits), job_state::leased);
    pass(100);
    EXPECT_EQ(stored["s"].fired, 1u) << "made good: nobody else fired it";
}

TEST_F(JobDesk, WhatIsAssignedBehindAHoldIsHandedBack) {
    worker();
    settle();  // its offer stands
    enqueue();
    turn();
    desk->serve(serving::held);
    answer();
    settle();
    EXPECT_THAT(given, IsEmpty());
    EXPECT_EQ(state_of("j1"), job_state::ready);
}

TEST_F(JobDesk, WhenAnotherNodeKeepsTheJobsWorkersAreDroppedWithWhatTheyHave) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    desk->serve(serving::no);
    settle();
    EXPECT_THAT(dropped, ElementsAre(who));
    EXPECT_EQ(desk->running(), 0u);
    pass(settings.worker_timeout.count() - 100);
    EXPECT_EQ(state_of(id), job_state::leased);
    pass(300);
    EXPECT_EQ(state_of(id), job_state::ready) << "nobody claimed it";
    EXPECT_EQ(jobs.at(id).losses, 0u);
    pass(5'000);
    EXPECT_EQ(state_of(id), job_state::ready);
}

TEST_F(JobDesk, WhoWaitsForAnEndIsAnsweredWhenTheJobsGo) {
    const auto id = enqueue();
    look(id, std::chrono::seconds(20));
    settle();
    EXPECT_EQ(found, "");
    desk->serve(serving::no);
    settle();
    EXPECT_EQ(found, "PENDING");
}

TEST_F(JobDesk, AWorkerThatDriftedBackKeepsItsLease) {
    const auto who = worker();
    const auto id = enqueue();
    settle();
    const auto token = token_of(id);
    desk->said(who, link::began{token, 7});
    desk->adrift(who);
    pass(settings.worker_timeout.count() / 2);
    const auto again = worker(1, 1, {{id, token}});
    settle();
    pass(settings.worker_timeout.count() / 2 + 200);
    EXPECT_EQ(state_of(id), job_state::leased);
    end(again, token);
    settle();
    EXPECT_EQ(state_of(id), job_state::success);
}

TEST_F(JobDesk, SchedulesThatAnotherNodeHadGoOnFromNow) {
    stored["s"] = {"s", R"({"task":"t","cron":"* * * * *"})", "api", time.wall_ms - 600'000, 0, 0, 0};
    desk = std::make_unique<job_desk>(*this, settings, with, counts);
    submitted.clear();
    desk->serve(serving::no);
    begin();
    desk->serve(serving::yes, job_desk::tenure::taken_over);
    settle();
    pass(100);
    EXPECT_THAT(jobs, IsEmpty());
    pass(60'000);
    EXPECT_THAT(jobs, SizeIs(1));
}

TEST_F(JobDesk, SchedulesOfTheConfigurationAreMadeEachTimeThatItServes) {
    desk = std::make_unique<job_desk>(*this, settings, with, counts);
    submitted.clear();
    desk->serve(serving::no);
    begin({{"s", R"({"task":"t","every":"10s"})", "config"}});
    EXPECT_THAT(stored, IsEmpty());
    desk->serve(serving::yes);
    settle();
    EXPECT_THAT(stored, SizeIs(1));
    desk->serve(serving::no);
    stored.clear();  // given to who serves
    pass(11'000);
    EXPECT_THAT(jobs, IsEmpty());
    desk->serve(serving::yes, job_desk::tenure::taken_over);
    settle();
    EXPECT_THAT(stored, SizeIs(1));
    pass(10'100);
    EXPECT_THAT(jobs, SizeIs(1));
}

class JobDeskOfACluster : public JobDesk {
  protected:
    void SetUp() override {
        settings.cluster_listen = "127.0.0.1:0";
        desk = std::make_unique<job_desk>(*this, settings, with, counts);
        begin();
    }
    // As another book's chunk brings it.
    void lease_comes(const std::string& id, std::uint64_t token) {
        job_spec spec;
        spec.id = id;
        spec.task = "t";
        auto& made = jobs[id];
        made.spec = std::make_shared<const job_spec>(spec);
        made.state = job_state::leased;
        made.token = token;
        job_effects came;
        came.held.push_back({{id, token}, "host:1", 77});
        desk->see(std::move(came));
    }
};

TEST_F(JobDeskOfACluster, AWorkerMayComeBeforeTheJobThatItHas) {
    const auto who = worker(1, 1, {{"moved", 5'000}});
    settle();
    EXPECT_THAT(said_to[who], Not(Contains("stale")));
    end(who, 5'000);
    lease_comes("moved", 5'000);
    settle();
    EXPECT_EQ(state_of("moved"), job_state::success);
    EXPECT_TRUE(confirmed.contains({who, 5'000}));
}

TEST_F(JobDeskOfACluster, AClaimOfWhatNeverComesIsRefusedInTheEnd) {
    const auto who = worker(1, 1, {{"moved", 5'000}});
    for (std::int64_t at = 0; at < 2 * settings.worker_timeout.count() + 500; at += 500) {
        desk->said(who, link::alive{});
        pass(500);
    }
    EXPECT_THAT(said_to[who], Contains("stale"));
}

TEST_F(JobDeskOfACluster, ALeaseThatCameAndIsNotClaimedIsGivenToOthers) {
    lease_comes("moved", 5'000);
    settle();
    pass(settings.worker_timeout.count() + 200);
    EXPECT_EQ(state_of("moved"), job_state::ready);
}

// Workers die, fall silent and come back, the store refuses and answers out of order, servers are killed:
// each job ends once, and no token counts twice.
TEST(JobDeskAtRandom, EachJobEndsOnce) {
    for (unsigned seed = 0; seed < 150; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const auto dice = [&](unsigned sides) { return random() % sides; };
        test::job_desk_world world;
        world.settings.job_loss_limit = 1000;
        world.begin();
        struct held {
            std::string job;
            bool over;
        };
        std::map<std::uint64_t, std::map<std::uint64_t, held>> workers;  // what each has, by token
        std::size_t seen = 0;
        std::int64_t of_killed = 0;  // what a killed server counted as running
        const auto take = [&] {
            for (; seen < world.given.size(); ++seen) {
                auto& [who, what] = world.given[seen];
                if (workers.contains(who)) workers[who].emplace(what.token, held{what.spec->id, false});
            }
            for (const auto& [who, token] : world.confirmed)
                if (workers.contains(who)) workers[who].erase(token);
        };
        const auto holds = [](const std::map<std::uint64_t, held>& all) {
            std::vector<std::pair<std::string, std::uint64_t>> list;
            for (const auto& [token, each] : all) list.emplace_back(each.job, token);
            return list;
        };
        const auto come_back = [&](const std::map<std::uint64_t, held>& had) {
            const auto who = world.worker(2, 2, holds(had));
            workers[who] = had;
            take();
            for (const auto& [token, each] : had)
                if (each.over) world.end(who, token);
        };
        const auto end_one = [&] {
            for (auto& [who, had] : workers)
                for (auto& [token, each] : had) {
                    if (each.over || dice(3) == 0) continue;
                    if (dice(4) == 0) world.desk->said(who, link::began{token, 7});
                    each.over = true;
                    constexpr outcome ends[] = {outcome::success, outcome::success, outcome::retry,
                                                outcome::handed_back, outcome::lost};
                    world.end(who, token, ends[dice(5)]);
                    return;
                }
        };
        for (int step = 0; step < 300; ++step) {
            switch (dice(12)) {
                case 0:
                case 1: {
                    job_spec spec;
                    spec.retry = {.max_retries = -1, .delay_ms = 100};
                    spec.countdown_ms = dice(3) == 0 ? 200 : 0;
                    world.enqueue(spec);
                    break;
                }
                case 2:
                    if (workers.size() < 4) come_back({});
                    break;
                case 3:
                    if (dice(3) == 0 && !workers.empty()) {
                        auto node = workers.extract(std::next(workers.begin(), dice(workers.size())));
                        world.desk->gone(node.key());
                        if (dice(2) == 0) come_back(node.mapped());
                    }
                    break;
                case 4:
                    if (!world.jobs.empty() && dice(5) == 0)
                        world.desk->cancel({std::next(world.jobs.begin(), dice(world.jobs.size()))->first},
                                           "", nullptr);
                    break;
                case 5:
                    world.refusing = dice(4) == 0;
                    break;
                case 6:
                    world.time.elapsed_ms += 60;
                    world.time.wall_ms += 60;
                    world.desk->tick();
                    break;
                case 7:
                    if (dice(10) == 0) {  // kill -9 of the server: what was not answered is lost
                        world.submitted.clear();
                        of_killed = world.counts.value(gauge::jobs_running);
                        world.desk =
                            std::make_unique<job_desk>(world, world.settings, world.with, world.counts);
                        world.desk->start({});
                        world.restart();
                        auto all = std::exchange(workers, {});
                        for (const auto& [who, had] : all)
                            if (dice(2) == 0) come_back(had);
                    }
                    break;
                default:
                    end_one();
            }
            if (dice(2) == 0) world.turn();
            // Changes are answered in their order, questions whenever.
            if (!world.submitted.empty() && dice(3) != 0) world.answer(0);
            take();
        }
        // Then all goes well.
        world.refusing = false;
        come_back({});
        for (int i = 0; i < 2000; ++i) {
            world.time.elapsed_ms += 50;
            world.time.wall_ms += 50;
            for (auto& [who, had] : workers) world.desk->said(who, link::alive{});
            world.desk->tick();
            world.settle();
            take();
            for (auto& [who, had] : workers)
                for (auto& [token, each] : had)
                    if (!std::exchange(each.over, true)) world.end(who, token);
            world.settle();
            take();
            if (std::all_of(world.jobs.begin(), world.jobs.end(),
                            [](const auto& each) { return is_over(each.second.state); }))
                break;
        }
        for (const auto& [id, each] : world.jobs) {
            EXPECT_TRUE(is_over(each.state)) << id << " is " << static_cast<int>(each.state);
            EXPECT_EQ(each.ends, 1u) << id;
        }
        EXPECT_EQ(world.desk->running(), 0u);
        EXPECT_EQ(world.counts.value(gauge::jobs_running), of_killed);
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace madang
