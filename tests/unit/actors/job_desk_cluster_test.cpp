// Leases after a restart, and the desk of a node of a cluster: held, without the jobs, or with another's.
#include "tests/unit/actors/job_desk_fixture.hpp"

namespace madang {
namespace {

using outcome = link::ended::outcome;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

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

}  // namespace
}  // namespace madang
