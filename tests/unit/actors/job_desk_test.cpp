// What the desk does with requests, workers and their words.
#include "broker/core/log.hpp"
#include "tests/unit/actors/job_desk_fixture.hpp"

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

}  // namespace
}  // namespace madang
