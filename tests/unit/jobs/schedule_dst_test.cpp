// Local times that are missing or come twice, in the zones where that is strangest. All expected times were
// worked out by hand, from the changes that `zdump -v` lists; each comment says the local time that it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/jobs/schedule.hpp"
#include "tests/unit/jobs/times.hpp"

namespace madang {
namespace {

using ::testing::ElementsAre;

// The first fires in UTC after that time in UTC. `more`: further members, with their comma before them.
std::vector<std::string> fires(const std::string& cron, const std::string& zone, const std::string& more,
                               const std::string& after, std::size_t count) {
    const auto made = schedule::parse(
        "s", R"({"task":"t","cron":")" + cron + R"(","timezone":")" + zone + "\"" + more + "}");
    EXPECT_TRUE(made) << made.error();
    std::vector<std::string> texts;
    if (!made) return texts;
    for (const auto at : made->next(testing::utc(after), count)) texts.push_back(testing::utc_text(at));
    return texts;
}
const std::string missing_skip = R"(,"dst_missing":"skip")";
const std::string missing_before = R"(,"dst_missing":"before")";
const std::string missing_after = R"(,"dst_missing":"after")";
const std::string first = R"(,"dst_repeated":"first")";
const std::string second = R"(,"dst_repeated":"second")";
const std::string both = R"(,"dst_repeated":"both")";

// 2026-03-29 01:00 UTC: 02:00 (+1) becomes 03:00 (+2). 2026-10-25 01:00 UTC: 03:00 (+2) becomes 02:00 (+1).
TEST(ScheduleDst, BerlinLosesAnHourInMarch) {
    const auto at = [](const std::string& more) {
        return fires("30 2 * * *", "Europe/Berlin", more, "2026-03-27 12:00", 3);
    };
    EXPECT_THAT(at(missing_after), ElementsAre("2026-03-28 01:30",    // 02:30 +1
                                               "2026-03-29 01:30",    // 03:30 +2
                                               "2026-03-30 00:30"));  // 02:30 +2
    EXPECT_EQ(at(""), at(missing_after));
    EXPECT_THAT(at(missing_before), ElementsAre("2026-03-28 01:30",  //
                                                "2026-03-29 00:30",  // 01:30 +1
                                                "2026-03-30 00:30"));
    EXPECT_THAT(at(missing_skip), ElementsAre("2026-03-28 01:30", "2026-03-30 00:30", "2026-03-31 00:30"));
}

TEST(ScheduleDst, BerlinHasAnHourTwiceInOctober) {
    const auto at = [](const std::string& more) {
        return fires("30 2 * * *", "Europe/Berlin", more, "2026-10-23 12:00", 3);
    };
    EXPECT_THAT(at(first), ElementsAre("2026-10-24 00:30",    // 02:30 +2
                                       "2026-10-25 00:30",    // 02:30 +2
                                       "2026-10-26 01:30"));  // 02:30 +1
    EXPECT_EQ(at(""), at(first));
    EXPECT_THAT(at(second), ElementsAre("2026-10-24 00:30", "2026-10-25 01:30", "2026-10-26 01:30"));
    EXPECT_THAT(at(both), ElementsAre("2026-10-24 00:30", "2026-10-25 00:30", "2026-10-25 01:30"));
}

TEST(ScheduleDst, EveryHourGoesByTheTimeThatPasses) {
    EXPECT_THAT(fires("0 * * * *", "Europe/Berlin", "", "2026-03-28 23:30", 4),
                ElementsAre("2026-03-29 00:00",    // 01:00 +1
                            "2026-03-29 01:00",    // 03:00 +2
                            "2026-03-29 02:00",    // 04:00
                            "2026-03-29 03:00"));  // 05:00
    EXPECT_THAT(fires("0 * * * *", "Europe/Berlin", "", "2026-10-24 23:30", 4),
                ElementsAre("2026-10-25 00:00",    // 02:00 +2
                            "2026-10-25 01:00",    // 02:00 +1
                            "2026-10-25 02:00",    // 03:00
                            "2026-10-25 03:00"));  // 04:00
    // The choice is the schedule's.
    EXPECT_THAT(fires("0 * * * *", "Europe/Berlin", first, "2026-10-24 23:30", 3),
                ElementsAre("2026-10-25 00:00", "2026-10-25 02:00", "2026-10-25 03:00"));
    // 02:00 moves to 03:00, where there is a fire already: one, not two.
    EXPECT_THAT(fires("0 * * * *", "Europe/Berlin", missing_after, "2026-03-28 23:30", 3),
                ElementsAre("2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"));
}

TEST(ScheduleDst, MissingTimesKeepTheirDistances) {
    EXPECT_THAT(fires("*/20 2 * * *", "Europe/Berlin", "", "2026-03-28 12:00", 4),
                ElementsAre("2026-03-29 01:00",    // 03:00 +2
                            "2026-03-29 01:20",    // 03:20
                            "2026-03-29 01:40",    // 03:40
                            "2026-03-30 00:00"));  // 02:00 +2
    EXPECT_THAT(fires("*/20 2 * * *", "Europe/Berlin", missing_before, "2026-03-28 12:00", 4),
                ElementsAre("2026-03-29 00:00",  // 01:00 +1
                            "2026-03-29 00:20", "2026-03-29 00:40", "2026-03-30 00:00"));
}

// 2026-03-08 07:00 UTC: 02:00 (-5) becomes 03:00 (-4). 2026-11-01 06:00 UTC: 02:00 (-4) becomes 01:00 (-5).
TEST(ScheduleDst, NewYork) {
    const auto spring = [](const std::string& more) {
        return fires("30 2 * * *", "America/New_York", more, "2026-03-06 12:00", 3);
    };
    EXPECT_THAT(spring(missing_after), ElementsAre("2026-03-07 07:30",    // 02:30 -5
                                                   "2026-03-08 07:30",    // 03:30 -4
                                                   "2026-03-09 06:30"));  // 02:30 -4
    EXPECT_THAT(spring(missing_before), ElementsAre("2026-03-07 07:30",   //
                                                    "2026-03-08 06:30",   // 01:30 -5
                                                    "2026-03-09 06:30"));
    EXPECT_THAT(spring(missing_skip),
                ElementsAre("2026-03-07 07:30", "2026-03-09 06:30", "2026-03-10 06:30"));
    const auto autumn = [](const std::string& more) {
        return fires("30 1 * * *", "America/New_York", more, "2026-10-30 12:00", 3);
    };
    EXPECT_THAT(autumn(first), ElementsAre("2026-10-31 05:30",    // 01:30 -4
                                           "2026-11-01 05:30",    // 01:30 -4
                                           "2026-11-02 06:30"));  // 01:30 -5
    EXPECT_THAT(autumn(second), ElementsAre("2026-10-31 05:30", "2026-11-01 06:30", "2026-11-02 06:30"));
    EXPECT_THAT(autumn(both), ElementsAre("2026-10-31 05:30", "2026-11-01 05:30", "2026-11-01 06:30"));
}

// 2026-09-26 14:00 UTC: 02:45 (+12:45) becomes 03:45 (+13:45). 2026-04-04 14:00 UTC: 03:45 becomes 02:45.
TEST(ScheduleDst, ChathamChangesAtAQuarterToThree) {
    const auto spring = [](const std::string& more) {
        return fires("0 3 * * *", "Pacific/Chatham", more, "2026-09-25 12:00", 3);
    };
    EXPECT_THAT(spring(missing_after), ElementsAre("2026-09-25 14:15",    // Sep 26 03:00 +12:45
                                                   "2026-09-26 14:15",    // Sep 27 04:00 +13:45
                                                   "2026-09-27 13:15"));  // Sep 28 03:00 +13:45
    EXPECT_THAT(spring(missing_before), ElementsAre("2026-09-25 14:15",   //
                                                    "2026-09-26 13:15",   // Sep 27 02:00 +12:45
                                                    "2026-09-27 13:15"));
    EXPECT_THAT(spring(missing_skip),
                ElementsAre("2026-09-25 14:15", "2026-09-27 13:15", "2026-09-28 13:15"));
    const auto autumn = [](const std::string& cron, const std::string& more) {
        return fires(cron, "Pacific/Chatham", more, "2026-04-03 12:00", 3);
    };
    EXPECT_THAT(autumn("0 3 * * *", first), ElementsAre("2026-04-03 13:15",    // Apr 4 03:00 +13:45
                                                        "2026-04-04 13:15",    // Apr 5 03:00 +13:45
                                                        "2026-04-05 14:15"));  // Apr 6 03:00 +12:45
    EXPECT_THAT(autumn("0 3 * * *", second),
                ElementsAre("2026-04-03 13:15", "2026-04-04 14:15", "2026-04-05 14:15"));
    EXPECT_THAT(autumn("0 3 * * *", both),
                ElementsAre("2026-04-03 13:15", "2026-04-04 13:15", "2026-04-04 14:15"));
    // 02:40 is before what repeats.
    EXPECT_THAT(autumn("40 2 * * *", both), ElementsAre("2026-04-03 12:55",    // Apr 4 02:40 +13:45
                                                        "2026-04-04 12:55",    // Apr 5 02:40 +13:45
                                                        "2026-04-05 13:55"));  // Apr 6 02:40 +12:45
}

// 2026-03-29 01:00 UTC: 01:00 (+0) becomes 03:00 (+2). 2026-10-25 01:00 UTC: 03:00 (+2) becomes 01:00 (+0).
TEST(ScheduleDst, TrollMovesByTwoHours) {
    const auto spring = [](const std::string& more) {
        return fires("30 1 * * *", "Antarctica/Troll", more, "2026-03-27 12:00", 3);
    };
    EXPECT_THAT(spring(missing_after), ElementsAre("2026-03-28 01:30",    // 01:30 +0
                                                   "2026-03-29 01:30",    // 03:30 +2
                                                   "2026-03-29 23:30"));  // Mar 30 01:30 +2
    EXPECT_THAT(spring(missing_before), ElementsAre("2026-03-28 01:30",   //
                                                    "2026-03-28 23:30",   // Mar 28 23:30 +0
                                                    "2026-03-29 23:30"));
    EXPECT_THAT(spring(missing_skip),
                ElementsAre("2026-03-28 01:30", "2026-03-29 23:30", "2026-03-30 23:30"));
    EXPECT_THAT(fires("30 2 * * *", "Antarctica/Troll", missing_after, "2026-03-28 12:00", 1),
                ElementsAre("2026-03-29 02:30"));  // 04:30 +2
    const auto autumn = [](const std::string& more) {
        return fires("30 2 * * *", "Antarctica/Troll", more, "2026-10-23 12:00", 3);
    };
    EXPECT_THAT(autumn(first), ElementsAre("2026-10-24 00:30",    // 02:30 +2
                                           "2026-10-25 00:30",    // 02:30 +2
                                           "2026-10-26 02:30"));  // 02:30 +0
    EXPECT_THAT(autumn(second), ElementsAre("2026-10-24 00:30", "2026-10-25 02:30", "2026-10-26 02:30"));
    EXPECT_THAT(fires("0 * * * *", "Antarctica/Troll", "", "2026-10-24 22:30", 5),
                ElementsAre("2026-10-24 23:00",    // 01:00 +2
                            "2026-10-25 00:00",    // 02:00 +2
                            "2026-10-25 01:00",    // 01:00 +0
                            "2026-10-25 02:00",    // 02:00 +0
                            "2026-10-25 03:00"));  // 03:00 +0
}

// 2026-10-03 15:30 UTC: 02:00 (+10:30) becomes 02:30 (+11). 2026-04-04 15:00 UTC: 02:00 (+11) becomes 01:30.
TEST(ScheduleDst, LordHoweMovesByHalfAnHour) {
    const auto spring = [](const std::string& more) {
        return fires("15 2 * * *", "Australia/Lord_Howe", more, "2026-10-02 12:00", 3);
    };
    EXPECT_THAT(spring(missing_after), ElementsAre("2026-10-02 15:45",    // Oct 3 02:15 +10:30
                                                   "2026-10-03 15:45",    // Oct 4 02:45 +11
                                                   "2026-10-04 15:15"));  // Oct 5 02:15 +11
    EXPECT_THAT(spring(missing_before), ElementsAre("2026-10-02 15:45",   //
                                                    "2026-10-03 15:15",   // Oct 4 01:45 +10:30
                                                    "2026-10-04 15:15"));
    EXPECT_THAT(spring(missing_skip),
                ElementsAre("2026-10-02 15:45", "2026-10-04 15:15", "2026-10-05 15:15"));
    EXPECT_THAT(fires("*/15 * * * *", "Australia/Lord_Howe", "", "2026-10-03 15:10", 4),
                ElementsAre("2026-10-03 15:15",    // 01:45 +10:30
                            "2026-10-03 15:30",    // 02:30 +11
                            "2026-10-03 15:45",    // 02:45
                            "2026-10-03 16:00"));  // 03:00
    const auto autumn = [](const std::string& more) {
        return fires("45 1 * * *", "Australia/Lord_Howe", more, "2026-04-03 12:00", 3);
    };
    EXPECT_THAT(autumn(first), ElementsAre("2026-04-03 14:45",    // Apr 4 01:45 +11
                                           "2026-04-04 14:45",    // Apr 5 01:45 +11
                                           "2026-04-05 15:15"));  // Apr 6 01:45 +10:30
    EXPECT_THAT(autumn(second), ElementsAre("2026-04-03 14:45", "2026-04-04 15:15", "2026-04-05 15:15"));
    EXPECT_THAT(fires("*/15 * * * *", "Australia/Lord_Howe", "", "2026-04-04 14:40", 4),
                ElementsAre("2026-04-04 14:45",    // 01:45 +11
                            "2026-04-04 15:00",    // 01:30 +10:30
                            "2026-04-04 15:15",    // 01:45 +10:30
                            "2026-04-04 15:30"));  // 02:00 +10:30
}

// 2026-09-06 04:00 UTC: 00:00 (-4) becomes 01:00 (-3). 2026-04-05 03:00 UTC: Apr 5 00:00 (-3) becomes Apr 4
// 23:00 (-4).
TEST(ScheduleDst, SantiagoHasADayWithoutMidnight) {
    const auto spring = [](const std::string& more) {
        return fires("0 0 * * *", "America/Santiago", more, "2026-09-04 12:00", 3);
    };
    EXPECT_THAT(spring(missing_after), ElementsAre("2026-09-05 04:00",    // 00:00 -4
                                                   "2026-09-06 04:00",    // 01:00 -3
                                                   "2026-09-07 03:00"));  // 00:00 -3
    EXPECT_THAT(spring(missing_before), ElementsAre("2026-09-05 04:00",   //
                                                    "2026-09-06 03:00",   // Sep 5 23:00 -4
                                                    "2026-09-07 03:00"));
    EXPECT_THAT(spring(missing_skip),
                ElementsAre("2026-09-05 04:00", "2026-09-07 03:00", "2026-09-08 03:00"));
    // It is a Sunday's midnight, also where it moves to.
    EXPECT_THAT(fires("0 0 * * sun", "America/Santiago", "", "2026-09-04 12:00", 2),
                ElementsAre("2026-09-06 04:00", "2026-09-13 03:00"));
    const auto autumn = [](const std::string& more) {
        return fires("30 23 * * *", "America/Santiago", more, "2026-04-03 12:00", 3);
    };
    EXPECT_THAT(autumn(first), ElementsAre("2026-04-04 02:30",    // Apr 3 23:30 -3
                                           "2026-04-05 02:30",    // Apr 4 23:30 -3
                                           "2026-04-06 03:30"));  // Apr 5 23:30 -4
    EXPECT_THAT(autumn(second), ElementsAre("2026-04-04 02:30", "2026-04-05 03:30", "2026-04-06 03:30"));
    // Apr 5 00:00 itself comes once, an hour later than the clock first said.
    EXPECT_THAT(fires("0 0 * * *", "America/Santiago", both, "2026-04-04 12:00", 2),
                ElementsAre("2026-04-05 04:00",    // Apr 5 00:00 -4
                            "2026-04-06 04:00"));  // Apr 6 00:00 -4
}

// 2026-04-23 22:00 UTC: Apr 24 00:00 (+2) becomes 01:00 (+3). 2026-10-29 21:00 UTC: Oct 30 00:00 (+3) becomes
// Oct 29 23:00 (+2).
TEST(ScheduleDst, CairoHasADayWithoutMidnight) {
    const auto spring = [](const std::string& more) {
        return fires("0 0 * * *", "Africa/Cairo", more, "2026-04-22 12:00", 3);
    };
    EXPECT_THAT(spring(missing_after), ElementsAre("2026-04-22 22:00",    // Apr 23 00:00 +2
                                                   "2026-04-23 22:00",    // Apr 24 01:00 +3
                                                   "2026-04-24 21:00"));  // Apr 25 00:00 +3
    EXPECT_THAT(spring(missing_before), ElementsAre("2026-04-22 22:00",   //
                                                    "2026-04-23 21:00",   // Apr 23 23:00 +2
                                                    "2026-04-24 21:00"));
    EXPECT_THAT(spring(missing_skip),
                ElementsAre("2026-04-22 22:00", "2026-04-24 21:00", "2026-04-25 21:00"));
    const auto autumn = [](const std::string& cron, const std::string& more) {
        return fires(cron, "Africa/Cairo", more, "2026-10-28 12:00", 3);
    };
    EXPECT_THAT(autumn("0 23 * * *", first), ElementsAre("2026-10-28 20:00",    // 23:00 +3
                                                         "2026-10-29 20:00",    // 23:00 +3
                                                         "2026-10-30 21:00"));  // 23:00 +2
    EXPECT_THAT(autumn("0 23 * * *", second),
                ElementsAre("2026-10-28 20:00", "2026-10-29 21:00", "2026-10-30 21:00"));
    EXPECT_THAT(autumn("0 0 * * *", both), ElementsAre("2026-10-28 21:00",    // Oct 29 00:00 +3
                                                       "2026-10-29 22:00",    // Oct 30 00:00 +2
                                                       "2026-10-30 22:00"));  // Oct 31 00:00 +2
}

// 2011-12-30 10:00 UTC: Dec 30 00:00 (-10) becomes Dec 31 00:00 (+14). There was no Friday that week.
TEST(ScheduleDst, SamoaNeverHadTheThirtiethOfDecember2011) {
    // Whichever way it moves, it meets another day's: nothing comes twice.
    for (const auto& more : {missing_skip, missing_before, missing_after})
        EXPECT_THAT(fires("0 9 * * *", "Pacific/Apia", more, "2011-12-28 12:00", 4),
                    ElementsAre("2011-12-28 19:00",    // Dec 28 09:00 -10
                                "2011-12-29 19:00",    // Dec 29 09:00 -10
                                "2011-12-30 19:00",    // Dec 31 09:00 +14
                                "2011-12-31 19:00"));  // Jan 1 09:00 +14
    const auto that_day = [](const std::string& more) {
        return fires("0 9 30 12 *", "Pacific/Apia", more, "2011-01-01 12:00", 2);
    };
    EXPECT_THAT(that_day(missing_after), ElementsAre("2011-12-30 19:00",    // Dec 31 09:00 +14
                                                     "2012-12-29 19:00"));  // Dec 30 09:00 +14
    EXPECT_THAT(that_day(missing_before), ElementsAre("2011-12-29 19:00",   // Dec 29 09:00 -10
                                                      "2012-12-29 19:00"));
    EXPECT_THAT(that_day(missing_skip), ElementsAre("2012-12-29 19:00", "2013-12-29 19:00"));
    const auto fridays = [](const std::string& more) {
        return fires("0 0 * * fri", "Pacific/Apia", more, "2011-12-20 12:00", 3);
    };
    EXPECT_THAT(fridays(missing_after), ElementsAre("2011-12-23 10:00",    // Dec 23 00:00 -10
                                                    "2011-12-30 10:00",    // Sat Dec 31 00:00 +14
                                                    "2012-01-05 10:00"));  // Jan 6 00:00 +14
    EXPECT_THAT(fridays(missing_skip),
                ElementsAre("2011-12-23 10:00", "2012-01-05 10:00", "2012-01-12 10:00"));
}

TEST(ScheduleDst, WhereItIsAskedFromDoesNotMatter) {
    for (const auto* zone :
         {"Europe/Berlin", "Antarctica/Troll", "Australia/Lord_Howe", "America/Santiago"}) {
        for (const auto& more : {missing_before, missing_after, missing_skip + both}) {
            const auto made =
                schedule::parse("s", std::string(R"({"task":"t","cron":"*/7 0-3,23 * * *","timezone":")") +
                                         zone + "\"" + more + "}");
            ASSERT_TRUE(made) << made.error();
            for (const auto* from :
                 {"2026-03-27 20:00", "2026-10-24 10:00", "2026-04-04 10:00", "2026-09-05 10:00"}) {
                const auto start = testing::utc(from);
                const auto all = made->next(start, 80);
                std::size_t at = 0;
                for (auto now = start; now < all[40]; now += 130'000) {
                    while (all[at] <= now) ++at;
                    ASSERT_EQ(made->next(now), all[at]) << zone << more << testing::utc_text(now);
                }
            }
        }
    }
}

}  // namespace
}  // namespace madang
