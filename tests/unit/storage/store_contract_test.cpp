// What every store does, in memory or on disk, with much memory or hardly any.
#include <gmock/gmock.h>

#include <map>
#include <set>
#include <thread>

#include "tests/support/store_world.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::string_literals;

enum class kind { memory, disk, disk_without_memory };

class Store : public testing::TestWithParam<kind> {
  protected:
    void SetUp() override {
        store_limits limits{4, 64 << 20, 8 << 20, 1000, 4 << 20};
        if (GetParam() == kind::disk_without_memory) {
            limits.tail_bytes = 0;
            limits.streams = 1;
        }
        store_ = make_store_of(GetParam() == kind::memory, folder_.path(), limits, clock_, counts_);
    }

    store_answer ask(store_request what, durability how = durability::buffered) {
        return test::ask(*store_, std::move(what), how);
    }
    position published_at(commands::publish what, durability how = durability::buffered) {
        return as<published>(ask(std::move(what), how)).at;
    }
    history_page page(queries::history what) { return test::page(*store_, std::move(what)); }
    errc refused(store_request what) {
        auto got = ask(std::move(what));
        return got ? errc::internal : got.error().code;
    }
    void fill(const std::string& group, int count, std::uint32_t size = 100) {
        std::vector<store_request> batch;
        for (int i = 1; i <= count; ++i) batch.push_back(publish(group, std::to_string(i), size));
        for (auto& each : test::ask(*store_, std::move(batch))) ASSERT_TRUE(each);
    }

    temporary_folder folder_;
    system_clock_source clock_;
    metrics counts_;
    std::unique_ptr<store> store_;
};

TEST_P(Store, NumbersPublicationsFromOneInTheirStreamsEpoch) {
    EXPECT_EQ(published_at(publish("a", "x")), (position{"fresh", 1}));
    EXPECT_EQ(published_at(publish("a", "y")), (position{"fresh", 2}));
    EXPECT_EQ(published_at(publish("b", "z")), (position{"fresh", 1}));
}

TEST_P(Store, GivesBackWhatWasPublishedToTheLastByte) {
    auto what = publish("a", "{\"text\":\"\xeb\xa7\x88\xeb\x8b\xb9\"}");
    publication_extra extra;
    extra.info = std::make_shared<const client_info>(client_info{"c1", "u1", "{}", "[1]"});
    extra.tags = {{"k", "v"}, {"", ""}};
    what.what.extra = std::make_shared<const publication_extra>(extra);
    published_at(what);
    const auto got = page(history("a"));
    ASSERT_EQ(got.publications.size(), 1u);
    EXPECT_EQ(got.publications[0].data.bytes(), what.what.data.bytes());
    EXPECT_EQ(got.publications[0].time_ms, noon);
    EXPECT_EQ(got.publications[0].offset, 1u);
    ASSERT_TRUE(got.publications[0].extra);
    EXPECT_EQ(*got.publications[0].extra, extra);
}

TEST_P(Store, KeepsNoMoreThanTheHistorysSize) {
    fill("a", 30, 10);
    EXPECT_THAT(offsets(page(history("a"))), ElementsAre(21, 22, 23, 24, 25, 26, 27, 28, 29, 30));
    published_at(publish("a", "31", 3));
    EXPECT_THAT(offsets(page(history("a"))), ElementsAre(29, 30, 31));
    published_at(publish("a", "32", 5));
    EXPECT_THAT(offsets(page(history("a"))), ElementsAre(29, 30, 31, 32));
}

TEST_P(Store, ShrinkingAHistoryByMuchLeavesTheNewest) {
    fill("a", 500, 1000);
    published_at(publish("a", "501", 2));
    EXPECT_THAT(texts(page(history("a"))), ElementsAre("500", "501"));
}

TEST_P(Store, PagesForwardAndBackward) {
    fill("a", 9);
    EXPECT_THAT(offsets(page(history("a", 3))), ElementsAre(1, 2, 3));
    EXPECT_THAT(offsets(page(history("a", 3, position{"fresh", 3}))), ElementsAre(4, 5, 6));
    EXPECT_THAT(offsets(page(history("a", 3, position{"fresh", 8}))), ElementsAre(9));
    EXPECT_THAT(offsets(page(history("a", 3, position{"fresh", 9}))), IsEmpty());
    EXPECT_THAT(offsets(page(history("a", 3, {}, true))), ElementsAre(9, 8, 7));
    EXPECT_THAT(offsets(page(history("a", 3, position{"fresh", 7}, true))), ElementsAre(6, 5, 4));
    EXPECT_THAT(offsets(page(history("a", 3, position{"fresh", 2}, true))), ElementsAre(1));
    EXPECT_THAT(offsets(page(history("a", 3, position{"fresh", 1}, true))), IsEmpty());
    EXPECT_THAT(offsets(page(history("a", 3, position{"fresh", 0}, true))), IsEmpty());
    EXPECT_EQ(page(history("a", 0)).top, (position{"fresh", 9}));
    EXPECT_THAT(offsets(page(history("a", 0))), IsEmpty());
}

TEST_P(Store, RefusesAPositionThatCannotBeRecovered) {
    fill("a", 20, 10);
    EXPECT_EQ(refused(history("a", 100, position{"other", 15})), errc::unrecoverable_position);
    EXPECT_THAT(offsets(page(history("a", 100, position{"", 18}))), ElementsAre(19, 20)) << "any epoch";
    EXPECT_EQ(refused(history("a", 100, position{"fresh", 21})), errc::unrecoverable_position);
    EXPECT_EQ(refused(history("a", 100, position{"fresh", 9})), errc::unrecoverable_position);
    EXPECT_THAT(offsets(page(history("a", 100, position{"fresh", 10}))).size(), 10u);
    auto few = history("a", 100, position{"fresh", 10});
    few.most = 9;
    EXPECT_EQ(refused(few), errc::unrecoverable_position);
    few.what.limit = 9;
    EXPECT_EQ(offsets(page(few)).size(), 9u);
    few.what.since.reset();
    few.what.limit = 100;
    EXPECT_EQ(offsets(page(few)).size(), 9u);
}

TEST_P(Store, AskingForAPositionBeginsAStream) {
    EXPECT_EQ(page(history("new", 0)).top, (position{"asked", 0}));
    EXPECT_EQ(published_at(publish("new", "x")), (position{"asked", 1}));
}

TEST_P(Store, PublicationsEndByTheirTime) {
    published_at(publish("a", "old", 10, noon));
    published_at(publish("a", "young", 10, noon + 30'000));
    EXPECT_THAT(texts(page(history("a", 10, {}, false, noon + 59'999))), ElementsAre("old", "young"));
    EXPECT_THAT(texts(page(history("a", 10, {}, false, noon + 60'000))), ElementsAre("young"));
    EXPECT_THAT(texts(page(history("a", 10, {}, true, noon + 60'000))), ElementsAre("young"));
    EXPECT_EQ(refused(history("a", 10, position{"fresh", 0}, false, noon + 60'000)),
              errc::unrecoverable_position);
    EXPECT_THAT(texts(page(history("a", 10, position{"fresh", 1}, false, noon + 60'000))),
                ElementsAre("young"));
    EXPECT_THAT(texts(page(history("a", 10, {}, false, noon + 90'000))), IsEmpty());
    EXPECT_EQ(page(history("a", 10, {}, false, noon + 90'000)).top, (position{"fresh", 2}));
}

TEST_P(Store, ASilentStreamLosesItsEpochAndAllElse) {
    fill("a", 5);
    const auto late = noon + 3'600'000;
    EXPECT_EQ(page(history("a", 10, {}, false, late - 1)).top.offset, 5u);
    EXPECT_EQ(page(history("a", 10, {}, false, late)).top, (position{"asked", 0}));
    auto again = publish("a", "again", 10, late);
    EXPECT_EQ(published_at(again), (position{"asked", 1}));
    EXPECT_THAT(texts(page(history("a", 10, {}, false, late))), ElementsAre("again"));
}

TEST_P(Store, RemovingHistoryKeepsThePosition) {
    fill("a", 5);
    EXPECT_EQ(as<position>(ask(commands::remove_history{"a", noon})), (position{"fresh", 5}));
    EXPECT_THAT(offsets(page(history("a"))), IsEmpty());
    EXPECT_EQ(refused(history("a", 10, position{"fresh", 4})), errc::unrecoverable_position);
    EXPECT_EQ(published_at(publish("a", "6")), (position{"fresh", 6}));
    EXPECT_THAT(offsets(page(history("a"))), ElementsAre(6));
    EXPECT_EQ(as<position>(ask(commands::remove_history{"never", noon})), position{});
}

TEST_P(Store, ARenewedStreamHasAnotherEpochAndAllElseAsBefore) {
    fill("a", 5);
    fill("b", 2);
    EXPECT_EQ(as<position>(ask(commands::renew{"a", "again", noon})), (position{"again", 5}));
    EXPECT_EQ(refused(history("a", 10, position{"fresh", 3})), errc::unrecoverable_position);
    EXPECT_THAT(offsets(page(history("a", 10, position{"again", 3}))), ElementsAre(4, 5));
    EXPECT_THAT(offsets(page(history("a"))), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_EQ(published_at(publish("a", "6")), (position{"again", 6}));
    EXPECT_EQ(page(history("b")).top, (position{"fresh", 2})) << "another stream";
}

TEST_P(Store, RenewingIsIdempotentByEpoch) {
    fill("a", 2);
    auto got = test::ask(*store_, {commands::renew{"a", "one", noon}, commands::renew{"a", "one", noon},
                                   history("a", 0), commands::renew{"a", "two", noon}, history("a", 10)});
    EXPECT_EQ(as<position>(got[0]), (position{"one", 2}));
    EXPECT_EQ(as<position>(got[1]), (position{"one", 2}));
    EXPECT_EQ(as<history_page>(got[2]).top, (position{"one", 2}));
    EXPECT_EQ(as<position>(got[3]), (position{"two", 2}));
    EXPECT_THAT(offsets(as<history_page>(got[4])), ElementsAre(1, 2));
}

TEST_P(Store, WhereThereIsNoStreamNothingIsRenewed) {
    EXPECT_EQ(as<position>(ask(commands::renew{"never", "again", noon})), position{});
    EXPECT_EQ(page(history("never", 0)).top, (position{"asked", 0}));
    fill("a", 2);
    const auto late = noon + 3'600'000;
    EXPECT_EQ(as<position>(ask(commands::renew{"a", "again", late})), position{}) << "it is over";
    EXPECT_EQ(refused(commands::renew{"", "again", noon}), errc::bad_request);
    EXPECT_EQ(refused(commands::renew{"a", std::string(70'000, 'e'), noon}), errc::bad_request);
}

TEST_P(Store, ARepeatedPublicationHasThePositionItGot) {
    auto what = publish("a", "x");
    what.idempotency_key = "key";
    published_at(what);
    ask(commands::renew{"a", "again", noon}, durability::synced);
    EXPECT_EQ(published_at(what), (position{"fresh", 1}));
}

TEST_P(Store, AnIdempotencyKeyIsGoodForFiveMinutesAndItsGroup) {
    auto what = publish("a", "x");
    what.idempotency_key = "key";
    EXPECT_EQ(published_at(what).offset, 1u);
    const auto again = as<published>(ask(what));
    EXPECT_TRUE(again.repeated);
    EXPECT_EQ(again.at, (position{"fresh", 1}));
    what.group = "b";
    EXPECT_FALSE(as<published>(ask(what)).repeated);
    what.group = "a";
    what.what.time_ms = noon + 300'000;
    EXPECT_FALSE(as<published>(ask(what)).repeated);
    EXPECT_THAT(page(history("a")).top.offset, 2u);
}

TEST_P(Store, AKeyRepeatedWithinOneBatchIsRepeated) {
    auto what = publish("a", "x");
    what.idempotency_key = "key";
    auto got = test::ask(*store_, {what, what, history("a")});
    EXPECT_FALSE(as<published>(got[0]).repeated);
    EXPECT_TRUE(as<published>(got[1]).repeated);
    EXPECT_EQ(as<history_page>(got[2]).publications.size(), 1u);
}

TEST_P(Store, AKeyIsRememberedWithoutAStreamToo) {
    auto what = publish("a", "x");
    what.key_only = true;
    what.idempotency_key = "key";
    auto got = test::ask(*store_, {what, what});
    EXPECT_FALSE(as<published>(got[0]).repeated);
    EXPECT_TRUE(as<published>(got[1]).repeated);
    EXPECT_EQ(as<published>(got[0]).at, position{});
    EXPECT_TRUE(as<published>(ask(what, durability::synced)).repeated);
    what.what.time_ms = noon + 300'000;
    EXPECT_FALSE(as<published>(ask(what)).repeated);
    EXPECT_EQ(page(history("a")).top, (position{"asked", 0})) << "there was no stream";
}

TEST_P(Store, ABatchIsAppliedInItsOrder) {
    auto got = test::ask(*store_, {publish("a", "1"), history("a"), commands::remove_history{"a", noon},
                                   history("a"), publish("a", "2"), history("a")});
    EXPECT_THAT(texts(as<history_page>(got[1])), ElementsAre("1"));
    EXPECT_THAT(texts(as<history_page>(got[3])), IsEmpty());
    EXPECT_THAT(texts(as<history_page>(got[5])), ElementsAre("2"));
}

TEST_P(Store, CountsConnectionsAndUsers) {
    EXPECT_TRUE(as<presence_change>(ask(enter("a", "c1", "u1"))).changed);
    EXPECT_TRUE(as<presence_change>(ask(enter("a", "c2", "u1"))).changed);
    EXPECT_TRUE(as<presence_change>(ask(enter("a", "c3", ""))).changed);
    EXPECT_TRUE(as<presence_change>(ask(enter("a", "c4", ""))).changed);
    const auto again = as<presence_change>(ask(enter("a", "c1", "u1")));
    EXPECT_FALSE(again.changed);
    EXPECT_EQ(again.counts.clients, 4u);
    EXPECT_EQ(again.counts.users, 3u);
    const auto left = as<presence_change>(ask(leave("a", "c2")));
    EXPECT_TRUE(left.changed);
    EXPECT_EQ(left.who.who.user, "u1");
    EXPECT_EQ(left.who.who.conn_info, "{\"a\":1}");
    EXPECT_EQ(left.counts.users, 3u);
    EXPECT_FALSE(as<presence_change>(ask(leave("a", "c2"))).changed);
    const auto now = as<presence_counts>(ask(queries::presence_stats{"a"}));
    EXPECT_EQ(now.clients, 3u);
    EXPECT_EQ(now.users, 3u);
    EXPECT_EQ(as<presence_counts>(ask(queries::presence_stats{"b"})).clients, 0u);
}

TEST_P(Store, ListsWhoIsThereByPages) {
    for (const char* each : {"d", "a", "c", "b", "e"}) ask(enter("g", each, each));
    const auto ids = [&](const presence_page& of) {
        std::string result;
        for (const auto& each : of.clients) result += each.who.client;
        return result;
    };
    auto first = as<presence_page>(ask(queries::presence{{"g", 2, ""}}));
    EXPECT_EQ(ids(first), "ab");
    EXPECT_TRUE(first.more);
    EXPECT_EQ(first.clients[0].since_ms, noon);
    auto last = as<presence_page>(ask(queries::presence{{"g", 3, "b"}}));
    EXPECT_EQ(ids(last), "cde");
    EXPECT_FALSE(last.more);
}

TEST_P(Store, RemembersWhenAUsersLastConnectionLeft) {
    ask(enter("g", "c1", "ann"));
    ask(enter("g", "c2", "ann"));
    ask(enter("g", "c3", "bob"));
    ask(enter("g", "c4", "eve"));
    ask(enter("g", "c5", ""));
    ask(leave("g", "c1", noon + 1));
    const auto seen = [&](std::size_t limit) {
        std::string result;
        for (const auto& each : as<std::vector<last_seen_entry>>(ask(queries::last_seen{"g", limit})))
            result += each.user + "@" + std::to_string(each.time_ms - noon) + " ";
        return result;
    };
    EXPECT_EQ(seen(10), "");
    ask(leave("g", "c2", noon + 2));
    ask(leave("g", "c4", noon + 3));
    ask(leave("g", "c5", noon + 4));
    ask(leave("g", "c3", noon + 5));
    EXPECT_EQ(seen(10), "bob@5 eve@3 ann@2 ");
    EXPECT_EQ(seen(2), "bob@5 eve@3 ");
    EXPECT_EQ(seen(0), "");
    ask(enter("g", "c6", "bob"));
    EXPECT_EQ(seen(2), "eve@3 ann@2 ");
    auto got = test::ask(*store_, {leave("g", "c6", noon + 9), queries::last_seen{"g", 1}});
    EXPECT_EQ(as<std::vector<last_seen_entry>>(got[1]).at(0).time_ms, noon + 9);
}

TEST_P(Store, RefusesNamesThatNoKeyCanHold) {
    EXPECT_EQ(refused(publish("", "x")), errc::bad_request);
    EXPECT_EQ(refused(publish(std::string(70'000, 'g'), "x")), errc::bad_request);
    auto what = publish("a", "x");
    what.idempotency_key = std::string(70'000, 'k');
    EXPECT_EQ(refused(what), errc::bad_request);
    EXPECT_EQ(refused(enter("a", "", "u")), errc::bad_request);
    EXPECT_EQ(refused(leave("a", std::string(70'000, 'c'))), errc::bad_request);
}

TEST_P(Store, NamesThatAreOthersBeginningsAreGroupsOfTheirOwn) {
    const std::vector<std::string> names{"a", "ab", "a\xff", "a\xff\xff", "abc", std::string("a\0b", 3), "b"};
    for (const auto& each : names) {
        fill(each, 3);
        ask(enter(each, "c" + each, "u" + each));
        ask(leave(each, "c" + each));
    }
    for (const auto& each : names) {
        EXPECT_EQ(page(history(each)).publications.size(), 3u);
        EXPECT_EQ(as<std::vector<last_seen_entry>>(ask(queries::last_seen{each, 10})).size(), 1u);
    }
}

TEST_P(Store, AStreamThatIsSurrenderedGoesUnderItsEpochAndStaysUnderAnother) {
    fill("a", 3);
    EXPECT_EQ(as<position>(ask(commands::surrender{"a", "", "left", noon})), (position{"fresh", 3}));
    EXPECT_EQ(page(history("a", 0)).top, (position{"left", 3}));
    EXPECT_EQ(as<position>(ask(commands::surrender{"a", "", "left", noon})), position{}) << "not twice";
    EXPECT_EQ(as<position>(ask(commands::surrender{"a", "given", "left again", noon})),
              (position{"given", 3}));
    EXPECT_EQ(as<position>(ask(commands::surrender{"never", "", "left", noon})), position{});
    EXPECT_EQ(published_at(publish("a", "4")), (position{"left again", 4}));
}

// All of the group's stream, as pieces of at least so many bytes.
std::vector<stream_piece> copy_of(store& from, const std::string& group, std::size_t bytes) {
    std::vector<stream_piece> all;
    do {
        queries::copy query{group, all.empty() ? std::string() : all.back().next, bytes, noon};
        all.push_back(as<stream_piece>(test::ask(from, store_request(std::move(query)))));
    } while (!all.back().next.empty() && all.size() < 1000);
    return all;
}

TEST_P(Store, AStreamIsCopiedInPiecesWithItsKeysAndWhoWasThere) {
    for (int i = 1; i <= 20; ++i) {
        auto what = publish("a", std::string(100, 'x'), 15);
        what.idempotency_key = "key " + std::to_string(i);
        published_at(what);
    }
    published_at(publish("a\0b"s, "another"));
    published_at(publish("b", "another"));
    ask(enter("a", "c1", "ann"));
    ask(enter("a", "c2", "bob"));
    ask(leave("a", "c1", noon + 5));
    ask(leave("a", "c2", noon + 6));
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{500}, std::size_t{1} << 20}) {
        const auto pieces = copy_of(*store_, "a", bytes);
        std::vector<std::uint64_t> offsets;
        std::size_t keys = 0;
        std::map<std::string, std::int64_t> seen;
        for (const auto& each : pieces) {
            EXPECT_EQ(each.top, (position{"fresh", 20}));
            EXPECT_EQ(each.oldest, 6u);
            EXPECT_EQ(each.ends_ms, noon + 3'600'000);
            for (const auto& kept : each.publications) {
                EXPECT_EQ(kept.ends_ms, noon + 60'000);
                offsets.push_back(kept.what.offset);
            }
            keys += each.keys.size();
            for (const auto& [user, time] : each.seen) seen[user] = time;
        }
        EXPECT_THAT(offsets, ElementsAre(6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20));
        EXPECT_EQ(keys, 20u);
        EXPECT_EQ(seen, (std::map<std::string, std::int64_t>{{"ann", noon + 5}, {"bob", noon + 6}}));
        EXPECT_EQ(pieces.size() == 1, bytes > 500) << pieces.size();
    }
}

TEST_P(Store, AStreamIsAdoptedWholeInThePlaceOfWhatWasThere) {
    auto keyed = publish("a", "five");
    fill("a", 4);
    keyed.idempotency_key = "key";
    published_at(keyed);
    ask(enter("a", "c1", "ann"));
    ask(leave("a", "c1", noon + 5));
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 20}) {
        const auto group = "to" + std::to_string(bytes);
        for (int i = 0; i < 30; ++i) published_at(publish(group, "old", 100));
        auto pieces = copy_of(*store_, "a", bytes);
        position at;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const bool last = i + 1 == pieces.size();
            at = as<position>(
                ask(commands::adopt{group, std::move(pieces[i]), "meanwhile", i == 0, last, noon}));
            EXPECT_EQ(at, last ? (position{"fresh", 5}) : (position{"meanwhile", 0}));
            if (!last) {
                EXPECT_THAT(offsets(page(history(group))), IsEmpty()) << "nothing of it is seen";
            }
        }
        EXPECT_THAT(texts(page(history(group))), ElementsAre("1", "2", "3", "4", "five"));
        EXPECT_THAT(offsets(page(history(group, 10, position{"fresh", 3}))), ElementsAre(4, 5));
        EXPECT_EQ(page(history(group, 0)).top, (position{"fresh", 5}));
        const auto again = as<published>(ask([&] {
            auto what = keyed;
            what.group = group;
            return what;
        }()));
        EXPECT_TRUE(again.repeated);
        EXPECT_EQ(again.at, (position{"fresh", 5}));
        EXPECT_EQ(published_at(publish(group, "6")), (position{"fresh", 6}));
        EXPECT_THAT(offsets(page(history(group, 10, position{"fresh", 4}))), ElementsAre(5, 6));
        const auto seen = as<std::vector<last_seen_entry>>(ask(queries::last_seen{group, 10}));
        ASSERT_EQ(seen.size(), 1u);
        EXPECT_EQ(seen[0].user, "ann");
        EXPECT_EQ(seen[0].time_ms, noon + 5);
    }
}

TEST_P(Store, APieceIsRefusedWhenTheStreamBeganAnewMeanwhile) {
    fill("a", 5);
    auto pieces = copy_of(*store_, "a", 1);
    ASSERT_GE(pieces.size(), 5u);
    const auto piece = [&](std::size_t i, bool last = false) {
        return commands::adopt{"b", pieces[i], "meanwhile", i == 0, last, noon};
    };
    EXPECT_EQ(refused(piece(1)), errc::unrecoverable_position) << "there was no first one";
    EXPECT_TRUE(ask(piece(0)));
    EXPECT_TRUE(ask(piece(1)));
    EXPECT_EQ(as<position>(ask(commands::renew{"b", "anew", noon})), (position{"anew", 0}));
    EXPECT_EQ(refused(piece(2)), errc::unrecoverable_position);
    EXPECT_EQ(refused(piece(4, true)), errc::unrecoverable_position);
    EXPECT_EQ(published_at(publish("b", "own")), (position{"anew", 1}));
    EXPECT_THAT(texts(page(history("b"))), ElementsAre("own"));
    EXPECT_TRUE(ask(piece(0)));
    EXPECT_EQ(published_at(publish("b", "own")), (position{"meanwhile", 1}));
    EXPECT_EQ(refused(piece(4, true)), errc::unrecoverable_position);
}

TEST_P(Store, NamesTheStreamsThatAreWantedPageByPage) {
    std::set<std::string> all;
    for (int i = 0; i < 40; ++i) {
        const auto group = "group " + std::to_string(i);
        fill(group, 1);
        if (i % 2 == 0) all.insert(group);
    }
    auto over = publish("group 100", "x");
    over.meta_ttl_ms = 10;
    published_at(over);
    std::set<std::string> found;
    std::string after;
    int pages = 0;
    do {
        queries::streams query{after, 7, [](std::string_view g) { return (g.back() - '0') % 2 == 0; },
                               noon + 1000};
        auto got = as<stream_names>(ask(std::move(query)));
        for (const auto& each : got.groups) EXPECT_TRUE(found.insert(each).second) << each;
        after = got.next;
        ++pages;
    } while (!after.empty() && pages < 100);
    EXPECT_EQ(found, all);
    EXPECT_GE(pages, 6);
}

TEST_P(Store, AnswersOneSubmittersBatchesInTheirOrder) {
    for (const auto how : {durability::buffered, durability::synced}) {
        std::promise<void> all;
        std::vector<std::uint64_t> order;
        constexpr std::uint64_t many = 300;
        const auto group = "order" + std::to_string(static_cast<int>(how));
        for (std::uint64_t i = 0; i < many; ++i)
            store_->submit({publish(group, "x")}, how, [&](std::vector<store_answer> got) {
                order.push_back(as<published>(got.at(0)).at.offset);
                if (order.size() == many) all.set_value();
            });
        ASSERT_EQ(all.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
        EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
        EXPECT_EQ(order.back(), many);
    }
}

TEST_P(Store, ManySubmittersGetEveryOffsetOnce) {
    constexpr int threads = 4, each = 200;
    std::vector<std::thread> all;
    std::mutex lock;
    std::vector<bool> given(threads * each + 1);
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                const auto how = (t + i) % 8 == 0 ? durability::synced : durability::buffered;
                const auto at =
                    as<published>(test::ask(*store_, store_request(publish("g", "x", 1000)), how)).at;
                const std::lock_guard hold(lock);
                EXPECT_FALSE(given.at(at.offset));
                given[at.offset] = true;
            }
        });
    for (auto& thread : all) thread.join();
    EXPECT_EQ(page(history("g", 1000)).publications.size(), std::size_t{threads * each});
}

TEST_P(Store, AnswersAllBeforeItIsGone) {
    std::atomic<int> answered{0};
    for (int i = 0; i < 200; ++i)
        store_->submit({publish("g", "x"), history("g")}, i % 2 ? durability::synced : durability::buffered,
                       [&](std::vector<store_answer> got) { answered += got.size() == 2; });
    store_.reset();
    EXPECT_EQ(answered, 200);
}

INSTANTIATE_TEST_SUITE_P(Every, Store, testing::Values(kind::memory, kind::disk, kind::disk_without_memory),
                         [](const auto& info) {
                             return info.param == kind::memory ? "InMemory"
                                    : info.param == kind::disk ? "OnDisk"
                                                               : "OnDiskWithoutMemory";
                         });

}  // namespace
}  // namespace madang::test
