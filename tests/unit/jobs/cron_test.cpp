#include "broker/jobs/cron.hpp"

#include <gtest/gtest.h>

#include <string>

namespace madang {
namespace {

cron_fields fields(std::string_view text, cron_style style = cron_style::vixie) {
    const auto parsed = cron_fields::parse(text, style);
    EXPECT_TRUE(parsed) << text << ": " << parsed.error();
    return parsed ? *parsed : cron_fields{};
}
std::string refusal(std::string_view text, cron_style style = cron_style::vixie) {
    const auto parsed = cron_fields::parse(text, style);
    return parsed ? "taken" : parsed.error().detail;
}

TEST(Cron, StarsAreEverything) {
    const auto all = fields("* * * * *");
    EXPECT_EQ(all.minutes, 0x0fffffffffffffffu);
    EXPECT_EQ(all.hours, 0xffffffu);
    EXPECT_EQ(all.days, 0xfffffffeu);
    EXPECT_EQ(all.months, 0x1ffeu);
    EXPECT_EQ(all.weekdays, 0x7fu);
    EXPECT_TRUE(all.every_hour());
}

TEST(Cron, ListsRangesAndStepsAddUp) {
    const auto got = fields("0,5-7,*/30 1-10/3\t2,4 2-3 1,3-5");
    EXPECT_EQ(got.minutes, 1ull | 1ull << 5 | 1ull << 6 | 1ull << 7 | 1ull << 30);
    EXPECT_EQ(got.hours, 1u << 1 | 1u << 4 | 1u << 7 | 1u << 10);
    EXPECT_EQ(got.days, 1u << 2 | 1u << 4);
    EXPECT_EQ(got.months, 1u << 2 | 1u << 3);
    EXPECT_EQ(got.weekdays, 1u << 1 | 1u << 3 | 1u << 4 | 1u << 5);
    EXPECT_EQ(fields("*/7 * * * *").minutes, 1ull | 1ull << 7 | 1ull << 14 | 1ull << 21 | 1ull << 28 |
                                                 1ull << 35 | 1ull << 42 | 1ull << 49 | 1ull << 56);
    EXPECT_EQ(fields("*/100 * * * *").minutes, 1u);
    EXPECT_EQ(fields("* * */10 * *").days, 1u << 1 | 1u << 11 | 1u << 21 | 1u << 31);
}

TEST(Cron, NamesAreNumbers) {
    EXPECT_EQ(fields("0 0 * jan,DEC sun-Tue"), fields("0 0 * 1,12 0-2"));
    EXPECT_EQ(refusal("0 0 * january *"), "cron.month_of_year: there is no january");
    EXPECT_EQ(refusal("mon * * * *"), "cron.minute: there is no mon");
}

TEST(Cron, SundayIsSevenToo) {
    EXPECT_EQ(fields("0 0 * * 7").weekdays, 1u);
    EXPECT_EQ(fields("0 0 * * 5-7").weekdays, 1u | 1u << 5 | 1u << 6);
    EXPECT_EQ(fields("0 0 * * 0-7").weekdays, 0x7fu);
    EXPECT_EQ(refusal("0 0 * * 7", cron_style::celery), "cron.day_of_week: 7 is above 6");
}

TEST(Cron, EitherDayIsEnoughUnlessOneBeginsWithAStar) {
    EXPECT_TRUE(fields("0 0 1 * 1").either_day);
    EXPECT_FALSE(fields("0 0 * * 1").either_day);
    EXPECT_FALSE(fields("0 0 1 * *").either_day);
    EXPECT_FALSE(fields("0 0 */2 * 1").either_day);
    EXPECT_FALSE(fields("0 0 1 * 1", cron_style::celery).either_day);
    const auto either = fields("0 0 13 * 5");
    EXPECT_TRUE(either.has_day(13, 2));
    EXPECT_TRUE(either.has_day(12, 5));
    EXPECT_FALSE(either.has_day(12, 2));
    const auto both = fields("0 0 13 * 5", cron_style::celery);
    EXPECT_TRUE(both.has_day(13, 5));
    EXPECT_FALSE(both.has_day(13, 2));
}

TEST(Cron, RangesGoRoundOnlyInCelerysStyle) {
    EXPECT_EQ(refusal("0 22-2 * * *"), "cron.hour: 22-2 goes backwards; write two ranges");
    EXPECT_EQ(fields("0 22-2 * * *", cron_style::celery).hours, 1u << 22 | 1u << 23 | 1u | 1u << 1 | 1u << 2);
    EXPECT_EQ(fields("0 0 * * fri-mon", cron_style::celery).weekdays, 1u << 5 | 1u << 6 | 1u | 1u << 1);
    EXPECT_EQ(fields("0 0 * nov-feb *", cron_style::celery).months, 1u << 11 | 1u << 12 | 1u << 1 | 1u << 2);
}

TEST(Cron, Shorthands) {
    EXPECT_EQ(fields("@hourly"), fields("0 * * * *"));
    EXPECT_EQ(fields("@daily"), fields("0 0 * * *"));
    EXPECT_EQ(fields("@weekly"), fields("0 0 * * 0"));
    EXPECT_EQ(fields("@monthly"), fields("0 0 1 * *"));
    EXPECT_EQ(fields("@yearly"), fields("0 0 1 1 *"));
    EXPECT_EQ(refusal("@reboot"), "cron: there is no @reboot");
}

TEST(Cron, RefusalsNameTheField) {
    EXPECT_EQ(refusal("0 25 * * *"), "cron.hour: 25 is above 23");
    EXPECT_EQ(refusal("60 * * * *"), "cron.minute: 60 is above 59");
    EXPECT_EQ(refusal("0 0 0 * *"), "cron.day_of_month: 0 is below 1");
    EXPECT_EQ(refusal("0 0 32 * *"), "cron.day_of_month: 32 is above 31");
    EXPECT_EQ(refusal("0 0 * 13 *"), "cron.month_of_year: 13 is above 12");
    EXPECT_EQ(refusal("0 0 * * 8"), "cron.day_of_week: 8 is above 7");
    EXPECT_EQ(refusal("*/0 * * * *"), "cron.minute: a step of 0");
    EXPECT_EQ(refusal("5/15 * * * *"), "cron.minute: a step needs * or a range before it");
    EXPECT_EQ(refusal("1,, * * * *"), "cron.minute: \"\" is no number");
    EXPECT_EQ(refusal("-5 * * * *"), "cron.minute: \"\" is no number");
    EXPECT_EQ(refusal("1-2-3 * * * *"), "cron.minute: \"2-3\" is no number");
    EXPECT_EQ(refusal("0x1 * * * *"), "cron.minute: \"0x1\" is no number");
    EXPECT_EQ(refusal("*5 * * * *"), "cron.minute: \"*5\" is no number");
    for (const auto* wrong : {"", " ", "* * * *", "* * * * * *"})
        EXPECT_EQ(refusal(wrong), "cron: takes five fields: minute, hour, day of month, month, day of week");
}

}  // namespace
}  // namespace madang
