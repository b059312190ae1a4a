#include "broker/protocol/client_recovery.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/protocol/client_talk.hpp"

namespace madang {
namespace {

using testing::news_of;
using testing::pub;
using offsets = std::vector<std::uint64_t>;

offsets of(const std::vector<publication>& all) {
    offsets result;
    for (const auto& each : all) result.push_back(each.offset);
    return result;
}
offsets of(const std::vector<group_news>& all) {
    offsets result;
    for (const auto& each : all) result.push_back(each.published.offset);
    return result;
}

subscribed answer_of(std::uint64_t top, const offsets& missed = {}, bool recovered = false) {
    subscribed made{position{"e", top}, recovered, {}};
    for (const auto each : missed) made.missed.push_back(pub(each));
    return made;
}
std::vector<group_news> all_news(const offsets& all) {
    std::vector<group_news> made;
    for (const auto each : all) made.push_back(news_of(pub(each)));
    return made;
}

constexpr settle_how unpositioned{};
constexpr settle_how positioned{.positioned = true};
constexpr settle_how since_2{.positioned = true, .since = 2};
constexpr settle_how cache_since_2{.positioned = true, .since = 2, .cache = true};

struct row {
    const char* claim;
    settle_how how;
    std::uint64_t top;
    offsets missed;
    bool recovered;
    offsets news;
    // Then:
    bool gap;
    std::uint64_t at;
    offsets publications;
    offsets after;
};
const row rows[] = {
    {"NothingHappened", positioned, 5, {}, false, {}, false, 5, {}, {}},
    {"NewsFollowThePosition", positioned, 5, {}, false, {6, 7}, false, 5, {}, {6, 7}},
    {"NewsUpToThePositionAreKnown", positioned, 5, {}, false, {4, 5, 6}, false, 5, {}, {6}},
    {"NewsAreSorted", positioned, 5, {}, false, {8, 6, 7, 6}, false, 5, {}, {6, 7, 8}},
    {"AGapBehindThePosition", positioned, 5, {}, false, {7}, true, 0, {}, {}},
    {"AGapWithinTheNews", positioned, 5, {}, false, {6, 8}, true, 0, {}, {}},
    {"RecoversNothing", since_2, 2, {}, true, {}, false, 2, {}, {}},
    {"RecoversWhatWasMissed", since_2, 4, {3, 4}, true, {}, false, 2, {3, 4}, {}},
    {"MergesNews", since_2, 4, {3, 4}, true, {5, 6}, false, 2, {3, 4, 5, 6}, {}},
    {"MergesDuplicates", since_2, 4, {3, 4}, true, {3, 4, 5, 5}, false, 2, {3, 4, 5}, {}},
    {"MergesOldNews", since_2, 4, {3, 4}, true, {1, 2, 5}, false, 2, {3, 4, 5}, {}},
    {"NewsFillWhatTheAnswerLacks", since_2, 4, {3}, true, {4, 5}, false, 2, {3, 4, 5}, {}},
    {"AGapInWhatWasMissed", since_2, 5, {3, 5}, true, {}, true, 0, {}, {}},
    {"AGapBeforeWhatWasMissed", since_2, 5, {4, 5}, true, {}, true, 0, {}, {}},
    {"AGapBeforeTheNews", since_2, 4, {3, 4}, true, {6}, true, 0, {}, {}},
    {"LessThanTheTop", since_2, 5, {3, 4}, true, {}, true, 0, {}, {}},
    {"CannotRecover", since_2, 900, {}, false, {901}, false, 900, {}, {901}},
    {"CacheGivesTheLatest", cache_since_2, 9, {9}, true, {}, false, 9, {9}, {}},
    {"CacheGivesTheLatestNews", cache_since_2, 9, {9}, true, {10, 11}, false, 11, {11}, {}},
    {"CacheHasNothing", cache_since_2, 2, {}, true, {}, false, 2, {}, {}},
    {"CacheWithAGap", cache_since_2, 9, {9}, true, {11}, true, 0, {}, {}},
    {"NobodyIsToldPositions", unpositioned, 5, {}, false, {9, 3}, false, 0, {}, {9, 3}},
};

class ClientStream : public ::testing::TestWithParam<row> {};
INSTANTIATE_TEST_SUITE_P(, ClientStream, ::testing::ValuesIn(rows),
                         [](const auto& each) { return each.param.claim; });

TEST_P(ClientStream, Settles) {
    const auto& it = GetParam();
    const auto got = settle(answer_of(it.top, it.missed, it.recovered), all_news(it.news), it.how);
    ASSERT_EQ(got.gap, it.gap);
    if (it.gap) return;
    EXPECT_EQ(got.recovered, it.recovered);
    EXPECT_EQ(got.at.value_or(position{}), (it.how.positioned ? position{"e", it.at} : position{}));
    EXPECT_EQ(of(got.publications), it.publications);
    EXPECT_EQ(of(got.after), it.after);
}

TEST(ClientRecovery, KeepsWhatHasNoOffset) {
    auto news = all_news({6, 0});
    news.push_back(news_of(group_news::kind::join, "c2"));
    const auto got = settle(answer_of(5), std::move(news), positioned);
    ASSERT_FALSE(got.gap);
    ASSERT_EQ(of(got.after), (offsets{6, 0, 0}));
    EXPECT_EQ(got.after[2].what, group_news::kind::join);
}

// Whatever part of a stream the answer has, and in whatever order the rest came: one stream, or a gap said.
TEST(ClientRecovery, SurvivesEveryOrderOfArrival) {
    for (unsigned seed = 0; seed < 2000; ++seed) {
        std::mt19937 random(seed);
        const std::uint64_t since = random() % 20;
        const std::uint64_t top = since + random() % 20;
        const std::uint64_t last = top + random() % 20;
        offsets missed;
        for (auto each = since + 1; each <= top; ++each) missed.push_back(each);
        offsets news;
        for (auto each = since + 1; each <= last; ++each)
            for (auto copies = each > top ? 1 + random() % 2 : random() % 2; copies > 0; --copies)
                news.push_back(each);
        std::shuffle(news.begin(), news.end(), random);
        const bool lose = random() % 4 == 0 && last > top + 1;
        const auto lost =
            lose ? top + 1 + random() % (last - top - 1) : 0;  // not the last one: nobody could know
        std::erase(news, lost);
        const bool recover = random() % 2 == 0;
        const auto got = settle(answer_of(top, recover ? missed : offsets{}, recover), all_news(news),
                                recover ? settle_how{.positioned = true, .since = since} : positioned);
        ASSERT_EQ(got.gap, lose) << seed;
        if (got.gap) continue;
        offsets expected;
        for (auto each = (recover ? since : top) + 1; each <= last; ++each) expected.push_back(each);
        ASSERT_EQ(recover ? of(got.publications) : of(got.after), expected) << seed;
    }
}

}  // namespace
}  // namespace madang
