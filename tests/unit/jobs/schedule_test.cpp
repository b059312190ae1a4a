#include "broker/jobs/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/jobs/times.hpp"

namespace madang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::utc;
using testing::utc_text;

schedule parsed(const std::string& json) {
    auto made = schedule::parse("s", json);
    EXPECT_TRUE(made) << json << ": " << made.error();
    return made ? *made : schedule();
}
std::string refusal(const std::string& json, std::string_view name = "s") {
    const auto made = schedule::parse(name, json);
    if (made) return "taken";
    EXPECT_EQ(made.error().code, errc::bad_request);
    return made.error().detail;
}
std::vector<std::string> fires(const std::string& json, const std::string& after, std::size_t count) {
    std::vector<std::string> texts;
    for (const auto at : parsed(json).next(utc(after), count)) texts.push_back(utc_text(at));
    return texts;
}

TEST(Schedule, IntervalsAreCountedFromTheFireBefore) {
    EXPECT_THAT(fires(R"({"task":"t","every":"90s"})", "2026-01-01 00:00:07", 3),
                ElementsAre("2026-01-01 00:01:37.000", "2026-01-01 00:03:07.000", "2026-01-01 00:04:37.000"));
    EXPECT_EQ(parsed(R"({"task":"t","every":1.5})").interval_ms(), 1'500);
}

TEST(Schedule, CronIsInUtcUnlessItSays) {
    EXPECT_THAT(fires(R"({"task":"t","cron":"15 10 * * *"})", "2026-01-01 10:15", 2),
                ElementsAre("2026-01-02 10:15", "2026-01-03 10:15"));
    EXPECT_THAT(fires(R"({"task":"t","cron":"15 10 * * *","timezone":"Asia/Seoul"})", "2026-01-01 10:15", 2),
                ElementsAre("2026-01-02 01:15", "2026-01-03 01:15"));
}

TEST(Schedule, TheNextOneIsAlwaysLater) {
    const auto each = parsed(R"({"task":"t","cron":"* * * * *"})");
    EXPECT_EQ(each.next(utc("2026-01-01 10:15")), utc("2026-01-01 10:16"));
    EXPECT_EQ(each.next(utc("2026-01-01 10:15") - 1), utc("2026-01-01 10:15"));
    EXPECT_EQ(each.next(utc("2026-01-01 10:15") + 59'999), utc("2026-01-01 10:16"));
}

TEST(Schedule, DaysAreEitherOrBothByStyle) {
    // 2026: Friday the 13th is in February, March and November.
    EXPECT_THAT(fires(R"({"task":"t","cron":"0 0 13 * fri"})", "2026-02-01 00:00", 4),
                ElementsAre("2026-02-06 00:00", "2026-02-13 00:00", "2026-02-20 00:00", "2026-02-27 00:00"));
    EXPECT_THAT(fires(R"({"task":"t","cron":"0 0 13 * fri","cron_style":"celery"})", "2026-02-01 00:00", 3),
                ElementsAre("2026-02-13 00:00", "2026-03-13 00:00", "2026-11-13 00:00"));
}

TEST(Schedule, MonthsEndWhenTheyEnd) {
    EXPECT_THAT(fires(R"({"task":"t","cron":"0 12 31 * *"})", "2026-01-31 12:00", 3),
                ElementsAre("2026-03-31 12:00", "2026-05-31 12:00", "2026-07-31 12:00"));
}

TEST(Schedule, RareDatesAreFound) {
    EXPECT_THAT(fires(R"({"task":"t","cron":"0 0 29 2 *"})", "2094-01-01 00:00", 2),
                ElementsAre("2096-02-29 00:00", "2104-02-29 00:00"));  // 2100 is no leap year
    EXPECT_THAT(fires(R"({"task":"t","cron":"0 0 29 2 mon","cron_style":"celery"})", "2026-01-01 00:00", 2),
                ElementsAre("2044-02-29 00:00", "2072-02-29 00:00"));
}

TEST(Schedule, DatesThatNeverAreAreRefused) {
    EXPECT_EQ(refusal(R"({"task":"t","cron":"0 0 * * *","args":["\ud800"]})"),
              "holds half of a character, or a number that no double holds");
    EXPECT_EQ(refusal(R"({"task":"t","cron":"0 0 30 2 *"})"), "cron: never fires: there is no such date");
    EXPECT_EQ(refusal(R"({"task":"t","cron":"0 0 31 4,6,9,11 *"})"),
              "cron: never fires: there is no such date");
    EXPECT_EQ(refusal(R"({"task":"t","cron":"0 0 30 2 mon"})"), "taken");  // Mondays of February
    EXPECT_EQ(refusal(R"({"task":"t","cron":"0 0 30 2 mon","cron_style":"celery"})"),
              "cron: never fires: there is no such date");
}

TEST(Schedule, TimeEndsWithTheYear9999) {
    EXPECT_THAT(fires(R"({"task":"t","cron":"0 0 1 1 *"})", "9998-06-01 00:00", 3),
                ElementsAre("9999-01-01 00:00"));
    EXPECT_EQ(parsed(R"({"task":"t","cron":"* * * * *"})").next(INT64_MAX), 0);
    EXPECT_EQ(parsed(R"({"task":"t","every":1})").next(INT64_MAX), 0);
    EXPECT_EQ(parsed(R"({"task":"t","cron":"* * * * *"})").next(INT64_MIN), 60'000);
}

TEST(Schedule, WhatIsNotItsOwnIsTheSignatures) {
    const auto made = parsed(
        R"({"cron":"@daily","task":"a.b","enabled":false,"args":[1,{"every":2}],"overlap":"all","catch_up":"2d","queue":"q"})");
    EXPECT_EQ(made.signature(), R"({"task":"a.b","args":[1,{"every":2}],"queue":"q"})");
    EXPECT_FALSE(made.enabled());
    EXPECT_EQ(made.when_running(), schedule::overlap::all);
    EXPECT_EQ(made.catch_up_ms(), 2 * 86'400'000);
    EXPECT_EQ(parsed(R"({"every":"1m","chain":[{"task":"a"}]})").signature(), R"({"chain":[{"task":"a"}]})");
}

TEST(Schedule, DefaultsSkipOverlapsAndCatchUpForAnHour) {
    const auto made = parsed(R"({"task":"t","every":1})");
    EXPECT_TRUE(made.enabled());
    EXPECT_EQ(made.when_running(), schedule::overlap::skip);
    EXPECT_EQ(made.catch_up_ms(), 3'600'000);
}

TEST(Schedule, RefusalsNameTheMember) {
    EXPECT_EQ(refusal(R"({"task":"t"})"), "every: one of every and cron is needed, not both");
    EXPECT_EQ(refusal(R"({"task":"t","every":1,"cron":"* * * * *"})"),
              "every: one of every and cron is needed, not both");
    EXPECT_THAT(refusal(R"({"every":0.5})"), StartsWith("every: takes seconds"));
    EXPECT_THAT(refusal(R"({"every":"400d"})"), StartsWith("every: takes seconds"));
    EXPECT_THAT(refusal(R"({"cron":5})"), StartsWith("cron: takes a text"));
    EXPECT_EQ(refusal(R"({"cron":"0 25 * * *"})"), "cron.hour: 25 is above 23");
    EXPECT_THAT(refusal(R"({"cron":"* * * * *","timezone":"Mars/Olympus"})"), StartsWith("timezone: takes"));
    EXPECT_THAT(refusal(R"({"cron":"* * * * *","timezone":"../etc/passwd"})"), StartsWith("timezone: takes"));
    EXPECT_THAT(refusal(R"({"every":1,"timezone":"Asia/Seoul"})"), StartsWith("every: not with timezone"));
    EXPECT_THAT(refusal(R"({"every":1,"cron_style":"vixie"})"), StartsWith("every: not with timezone"));
    EXPECT_THAT(refusal(R"({"every":1,"catch_up":"long"})"), StartsWith("catch_up: takes"));
    EXPECT_THAT(refusal(R"({"every":1,"enabled":"yes"})"), StartsWith("enabled: takes"));
    EXPECT_EQ(refusal(R"({"every":1,"overlap":"none"})"), R"(overlap: takes one of "skip", "queue", "all")");
    EXPECT_EQ(refusal(R"({"cron":"@daily","dst_missing":"x"})"),
              R"(dst_missing: takes one of "skip", "before", "after")");
    EXPECT_EQ(refusal(R"({"cron":"@daily","dst_repeated":1})"),
              R"(dst_repeated: takes one of "first", "second", "both")");
    EXPECT_EQ(refusal(R"({"cron":"@daily","cron_style":"quartz"})"),
              R"(cron_style: takes one of "vixie", "celery")");
    EXPECT_EQ(refusal(R"({"every":1,"every":2})"), "every: is there twice");
    EXPECT_EQ(refusal("[]"), "takes a JSON object");
    EXPECT_EQ(refusal(R"({"every":1)"), "takes a JSON object");
    EXPECT_THAT(refusal(R"({"every":1})", "two words"), StartsWith("name: takes"));
}

}  // namespace
}  // namespace madang
