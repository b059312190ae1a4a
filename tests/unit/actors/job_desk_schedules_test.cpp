// Schedules, and the queues that the desk looks at.
#include "tests/unit/actors/job_desk_fixture.hpp"

namespace madang {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

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

}  // namespace
}  // namespace madang
