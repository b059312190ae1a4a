#include "broker/worker/call_book.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using verb = link::call::verb;

link::call a_call(verb what, std::uint64_t number) { return {what, number, 7, "body"}; }
std::uint64_t number_of(const std::optional<link::from_worker>& what) {
    return std::get<link::call>(what.value()).number;
}
link::answer an_answer(std::uint64_t number) { return {number, 0, "told"}; }

struct CallBook : ::testing::Test {
    CallBook() { (void)book.connected(); }
    call_book book;
};

TEST_F(CallBook, FindsTheWayBackToEachChild) {
    const auto one = number_of(book.ask(1, a_call(verb::find, 5)));
    const auto two = number_of(book.ask(2, a_call(verb::find, 5)));
    ASSERT_NE(one, two);
    const auto back = book.answered(an_answer(two));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->first, 2U);
    EXPECT_EQ(back->second.number, 5U);
    EXPECT_EQ(back->second.body, "told");
    EXPECT_EQ(book.answered(an_answer(one))->first, 1U);
    EXPECT_FALSE(book.answered(an_answer(one)));  // once
}

TEST_F(CallBook, NumbersCheckpointsLikewise) {
    const auto out = book.ask(1, link::checkpoint{7, 5, "half"});
    const auto back = book.answered(an_answer(std::get<link::checkpoint>(*out).call));
    EXPECT_EQ(back->second.number, 5U);
}

TEST_F(CallBook, LeavesWhatWantsNoAnswerAlone) {
    EXPECT_EQ(number_of(book.ask(1, a_call(verb::group_send, 0))), 0U);
    EXPECT_FALSE(book.answered(an_answer(0)));
    EXPECT_TRUE(book.disconnected().empty());
    EXPECT_TRUE(book.connected().empty());
}

TEST_F(CallBook, DropsAnswersToAChildThatIsGone) {
    const auto one = number_of(book.ask(1, a_call(verb::find, 5)));
    book.gone(1);
    EXPECT_FALSE(book.answered(an_answer(one)));
}

TEST_F(CallBook, HoldsWhatIsAskedWhileTheServerIsAway) {
    EXPECT_TRUE(book.disconnected().empty());
    EXPECT_FALSE(book.ask(1, a_call(verb::publish, 5)));
    EXPECT_FALSE(book.ask(1, a_call(verb::group_send, 0)));
    EXPECT_GE(book.held_bytes(), 8U);
    EXPECT_TRUE(book.disconnected().empty());  // it was not sent: nothing is known to have been done
    const auto held = book.connected();
    ASSERT_EQ(held.size(), 2U);
    EXPECT_EQ(book.held_bytes(), 0U);
    EXPECT_TRUE(book.answered(an_answer(std::get<link::call>(held[0]).number)));
    // Sent by now: the next loss may have been after it was done.
    const auto again = number_of(book.ask(1, a_call(verb::enqueue, 6)));
    const auto told = book.disconnected();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].second.number, 6U);
    EXPECT_EQ(told[0].second.code, 100U);
    EXPECT_FALSE(book.answered(an_answer(again)));
}

TEST_F(CallBook, AsksAgainWhatCanDoNoHarm) {
    const auto point = book.ask(1, link::checkpoint{7, 5, "half"});
    const auto find = number_of(book.ask(2, a_call(verb::find, 6)));
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(book.disconnected().empty());
        EXPECT_GT(book.held_bytes(), 0U);
        const auto again = book.connected();
        ASSERT_EQ(again.size(), 2U);
        EXPECT_EQ(std::get<link::checkpoint>(again[0]).data, "half");
        EXPECT_EQ(std::get<link::checkpoint>(again[0]).call, std::get<link::checkpoint>(*point).call);
        EXPECT_EQ(std::get<link::call>(again[1]).number, find);
    }
    EXPECT_EQ(book.answered(an_answer(find))->first, 2U);
}

}  // namespace
}  // namespace madang
