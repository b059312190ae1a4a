#include "broker/protocol/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace madang {
namespace {

std::string encoded(std::uint32_t c) {
    const auto tail = [c](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), tail(0)};
    if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8, AcceptsExactlyTheScalarValues) {
    for (std::uint32_t c = 0; c < 0x120000; ++c)
        ASSERT_EQ(utf8_checker::check(encoded(c)), c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)) << c;
}
TEST(Utf8, RefusesOverlongForms) {
    for (std::string_view bytes :
         {"\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf"})
        EXPECT_FALSE(utf8_checker::check(bytes));
}
TEST(Utf8, RefusesOctetsThatNeverOccur) {
    for (int octet : {0xc0, 0xc1, 0xf5, 0xf8, 0xfc, 0xfe, 0xff}) {
        utf8_checker checker;
        const char c = static_cast<char>(octet);
        EXPECT_FALSE(checker.feed({&c, 1})) << octet;
    }
}
TEST(Utf8, RefusesCutSequences) {
    const std::string whole = "\xf0\x9f\x98\x80";
    for (std::size_t size = 1; size < whole.size(); ++size) {
        utf8_checker checker;
        EXPECT_TRUE(checker.feed(whole.substr(0, size)));
        EXPECT_FALSE(checker.complete());
        EXPECT_FALSE(utf8_checker::check(whole.substr(0, size) + "a"));
    }
}
TEST(Utf8, FindsABadOctetAnywhereBetweenGoodOnes) {
    const std::string good = "plain ascii, 한글 조금, κόσμε, 😀, and then ascii again";
    ASSERT_TRUE(utf8_checker::check(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = '\xff';
        EXPECT_FALSE(utf8_checker::check(bad)) << i;
    }
}
TEST(Utf8, GivesTheSameForEverySplit) {
    const std::string good = "ascii 한글 κόσμε 😀";
    for (std::size_t cut = 0; cut <= good.size(); ++cut) {
        utf8_checker checker;
        EXPECT_TRUE(checker.feed(good.substr(0, cut)) && checker.feed(good.substr(cut)) && checker.complete())
            << cut;
    }
}
}  // namespace
}  // namespace madang
