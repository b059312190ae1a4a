#include <gtest/gtest.h>

#include <cstdio>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "broker/core/percent.hpp"
#include "broker/core/request_id.hpp"
#include "broker/core/utf8.hpp"

namespace madang {
namespace {

using namespace std::string_view_literals;

TEST(PercentDecode, DecodesOnce) {
    EXPECT_EQ(percent_decode("/a%20b"), "/a b");
    EXPECT_EQ(percent_decode("%2525"), "%25");
    EXPECT_EQ(percent_decode("%eb%a7%88%EB%8B%B9"), "마당");
    EXPECT_EQ(percent_decode("a+b"), "a+b");
    EXPECT_EQ(percent_decode(""), "");
}

TEST(PercentDecode, RefusesMalformedAndNul) {
    for (const auto text :
         {"%"sv, "%2"sv, "a%2g"sv, "%%41"sv, "%-1"sv, "% 1"sv, "%00"sv, "a\0b"sv, "a%0"sv}) {
        EXPECT_EQ(percent_decode(text), std::nullopt) << text;
    }
}

TEST(PercentDecode, UndoesAnyEncoding) {
    std::mt19937 random(3);
    for (int round = 0; round < 500; ++round) {
        std::string plain, encoded;
        const auto size = random() % 50;
        for (std::size_t i = 0; i < size; ++i) {
            const auto c = static_cast<unsigned char>(1 + random() % 255);
            plain += static_cast<char>(c);
            if (random() % 2 || c == '%') {
                char escaped[4];
                std::snprintf(escaped, sizeof(escaped), random() % 2 ? "%%%02x" : "%%%02X", c);
                encoded += escaped;
            } else {
                encoded += static_cast<char>(c);
            }
        }
        EXPECT_EQ(percent_decode(encoded), plain);
    }
}

TEST(Query, KeepsOrderAndLeavesOutWhatCannotBeDecoded) {
    const text_pairs expected = {{"a", "1"}, {"b", ""}, {"c", ""}, {"a", "x y=z"}, {"", "v"}};
    EXPECT_EQ(parse_query("a=1&b=&c&&a=x+y%3Dz&bad=%&=v&%zz=1"), expected);
    EXPECT_TRUE(parse_query("").empty());
    EXPECT_TRUE(parse_query("&&&").empty());
}

TEST(Query, FindsTheFirstValueThatCanBeDecoded) {
    EXPECT_EQ(query_value("x=1&token=%61b&token=c", "token"), "ab");
    EXPECT_EQ(query_value("token=%&token=c", "token"), "c");
    EXPECT_EQ(query_value("%74oken=t", "token"), "t");
    EXPECT_EQ(query_value("token", "token"), "");
    EXPECT_EQ(query_value("tokens=1", "token"), std::nullopt);
    EXPECT_EQ(query_value("", "token"), std::nullopt);
    EXPECT_EQ(query_value("a=1&&b=2", ""), std::nullopt);
}

TEST(Cookies, AreSplitAndUnquoted) {
    EXPECT_EQ(parse_cookies("sessionid=abc;e=; b=x=y; nothing; =lost"),
              (text_pairs{{"sessionid", "abc"}, {"e", ""}, {"b", "x=y"}}));
    EXPECT_EQ(parse_cookies(" sessionid = abc ;\tq=\"quoted\"; e="),
              (text_pairs{{"sessionid", "abc"}, {"q", "quoted"}, {"e", ""}}));
    EXPECT_TRUE(parse_cookies("").empty());
    EXPECT_TRUE(parse_cookies(";;;").empty());
}

TEST(Utf8, AcceptsEveryCharacterAndNothingElse) {
    const auto encode = [](char32_t c) {
        std::string out;
        if (c < 0x80) {
            out += static_cast<char>(c);
        } else if (c < 0x800) {
            out += static_cast<char>(0xc0 | c >> 6);
            out += static_cast<char>(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            out += static_cast<char>(0xe0 | c >> 12);
            out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
            out += static_cast<char>(0x80 | (c & 0x3f));
        } else {
            out += static_cast<char>(0xf0 | c >> 18);
            out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
            out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
            out += static_cast<char>(0x80 | (c & 0x3f));
        }
        return out;
    };
    for (char32_t c = 0; c <= 0x110100; ++c) {
        const auto text = encode(c);
        const bool expected = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        ASSERT_EQ(valid_utf8(text), expected) << std::hex << static_cast<unsigned>(c);
        if (!expected) continue;
        ASSERT_EQ(read_utf8(text, 0).code_point, c);
        ASSERT_EQ(read_utf8(text, 0).length, text.size());
    }
}

TEST(Utf8, RefusesBrokenSequences) {
    for (const auto text :
         {"\x80"sv, "\xc0\xaf"sv, "\xc1\xbf"sv, "\xe0\x80\x80"sv, "\xe0\x9f\xbf"sv, "\xf0\x80\x80\x80"sv,
          "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv, "\xc3"sv, "\xe2\x82"sv,
          "\xf0\x9f\x98"sv, "12345678\xe2\x28\xa1"sv, "\xed\xa0\x80"sv}) {
        EXPECT_FALSE(valid_utf8(text));
    }
    EXPECT_TRUE(valid_utf8(""));
    EXPECT_TRUE(valid_utf8("0123456701234567마당 yard 🙂"));
}

TEST(Utf8, CutsAtACharacter) {
    EXPECT_EQ(cut_utf8("마당", 6), "마당");
    EXPECT_EQ(cut_utf8("마당", 5), "마");
    EXPECT_EQ(cut_utf8("마당", 3), "마");
    EXPECT_EQ(cut_utf8("마당", 2), "");
    EXPECT_EQ(cut_utf8("abc", 2), "ab");
    EXPECT_EQ(cut_utf8("", 0), "");
    EXPECT_EQ(cut_utf8("\x80\x80\x80", 2), "");
}

TEST(RequestId, IsUniqueHexadecimalOnEveryThread) {
    std::set<std::string> seen;
    std::mutex lock;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < 500; ++n) {
                const auto id = make_request_id();
                const std::lock_guard held(lock);
                EXPECT_TRUE(seen.insert(id).second);
                EXPECT_EQ(id.size(), 32u);
                EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
            }
        });
    }
    for (auto& each : threads) each.join();
}

TEST(RequestId, AcceptsWhatIsSafeAndReplacesTheRest) {
    EXPECT_EQ(accept_request_id("Abc-1_2.3"), "Abc-1_2.3");
    EXPECT_EQ(accept_request_id(std::string(128, 'x')), std::string(128, 'x'));
    for (const auto bad : {""sv, "a b"sv, "a\nb"sv, "a\0"sv, "é"sv, "a\""sv}) {
        EXPECT_FALSE(valid_request_id(bad));
        EXPECT_TRUE(valid_request_id(accept_request_id(bad)));
        EXPECT_NE(accept_request_id(bad), bad);
    }
    EXPECT_FALSE(valid_request_id(std::string(129, 'x')));
}

}  // namespace
}  // namespace madang
