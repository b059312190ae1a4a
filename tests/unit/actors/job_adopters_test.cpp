#include "actors/job_adopters.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace madang {
namespace {

// What each adopter was told, in order.
struct told_adopters {
    adopter_answer of(std::string who) {
        return [this, who](result<std::string> got) {
            all.push_back(who + ": " + (got ? *got : got.error().text()));
        };
    }
    std::vector<std::string> all;
};
using said = std::vector<std::string>;
const auto busy = fail(errc::busy).text();

TEST(AdoptersAway, GiveEachTheAnswerOfTheNodeThatWasAsked) {
    told_adopters told;
    adopters_away away;
    const auto first = away.ask(0, 1, told.of("a"));
    const auto second = away.ask(1, 1, told.of("b"));
    away.came(0, second, "not its own");
    away.came(1, second, "two");
    away.came(1, second, "again");
    away.came(0, first, "one");
    EXPECT_EQ(told.all, (said{"b: two", "a: one"}));
    EXPECT_EQ(away.waiting(), 0U);
}

TEST(AdoptersAway, TellWhenTheLinkEnded) {
    told_adopters told;
    adopters_away away;
    away.ask(0, 1, told.of("a"));
    away.ask(0, 2, told.of("b"));
    away.lost([](std::size_t peer, std::uint64_t link) { return peer == 0 && link == 2; });
    ASSERT_EQ(told.all.size(), 1U);
    EXPECT_TRUE(told.all[0].starts_with("a: " + busy)) << told.all[0];
    EXPECT_EQ(away.waiting(), 1U);
}

TEST(AdoptersAway, AreNotMoreThanMayBe) {
    told_adopters told;
    adopters_away away;
    for (std::size_t i = 0; i <= adopters_away::most; ++i) away.ask(0, 1, told.of(std::to_string(i)));
    ASSERT_EQ(told.all.size(), 1U);
    EXPECT_TRUE(told.all[0].starts_with("0: " + busy)) << told.all[0];
    EXPECT_EQ(away.waiting(), adopters_away::most);
}

TEST(AdopterHere, AnswersTheLastWordOfOneBook) {
    told_adopters told;
    adopter_here here;
    EXPECT_EQ(here.came(7, 0, told.of("1")), adopter_here::verdict::another);
    here.answer("more");
    EXPECT_EQ(here.came(7, 10, told.of("2")), adopter_here::verdict::same);
    EXPECT_EQ(here.came(7, 20, told.of("3")), adopter_here::verdict::same);  // it asked again
    here.answer("taken");
    here.answer("nobody waits");
    EXPECT_EQ(told.all, (said{"1: more", "2: ", "3: taken"}));
}

TEST(AdopterHere, LetsAnotherBookWaitUntilTheFirstIsSilent) {
    told_adopters told;
    adopter_here here;
    here.came(7, 0, told.of("first"));
    here.answer("more");
    EXPECT_EQ(here.came(8, 9'999, told.of("second")), adopter_here::verdict::refused);
    EXPECT_EQ(here.came(8, 10'000, told.of("second")), adopter_here::verdict::another);
    EXPECT_EQ(here.came(7, 10'001, told.of("first")), adopter_here::verdict::refused);
    here.answer("taken");
    ASSERT_EQ(told.all.size(), 4U);
    EXPECT_TRUE(told.all[1].starts_with("second: " + busy)) << told.all[1];
    EXPECT_TRUE(told.all[2].starts_with("first: " + busy)) << told.all[2];
    EXPECT_EQ(told.all[3], "second: taken");
}

TEST(AdopterHere, SaysWhenWhatCameIsToBeForgotten) {
    told_adopters told;
    adopter_here here;
    EXPECT_FALSE(here.until());
    EXPECT_FALSE(here.silent(1'000'000));
    here.came(7, 5, told.of("1"));
    EXPECT_EQ(here.until(), 10'005);
    EXPECT_FALSE(here.silent(10'004));
    EXPECT_TRUE(here.silent(10'005));
    EXPECT_FALSE(here.until());
    EXPECT_FALSE(here.silent(10'006));
    EXPECT_EQ(told.all, said{"1: "});
}

}  // namespace
}  // namespace madang
