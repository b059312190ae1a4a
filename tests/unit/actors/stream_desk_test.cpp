// Publications of the desk of streams: their order, keys, history and recovery.
#include "tests/unit/actors/stream_desk_world.hpp"

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(StreamDesk, EventsOfGroupsThatKeepNothingGoStraightOn) {
    send("lobby", "a");
    publish("room:1", "b", ticket());
    EXPECT_THAT(told, ElementsAre("lobby a", "room:1 b"));
    EXPECT_THAT(positions, ElementsAre("0"));
    EXPECT_TRUE(submitted.empty());
    EXPECT_FALSE(desk.keeps("lobby"));
    EXPECT_TRUE(desk.keeps("kept:1"));
}

TEST_F(StreamDesk, APublicationIsSeenOnlyWhenItIsKept) {
    publish("kept:1", "a", ticket());
    publish("kept:1", "b", ticket());
    turn();
    EXPECT_THAT(told, IsEmpty());
    ASSERT_EQ(submitted.size(), 1u);
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1", "kept:1 b@2"));
    EXPECT_THAT(positions, ElementsAre("1", "2"));
}

TEST_F(StreamDesk, ATurnIsOneSubmissionPerDurability) {
    publish("kept:1", "a");
    publish("synced:1", "b");
    publish("kept:2", "c");
    turn();
    ASSERT_EQ(submitted.size(), 2u);
    EXPECT_EQ(submitted[0].second, durability::buffered);
    EXPECT_EQ(submitted[0].first->requests.size(), 2u);
    EXPECT_EQ(submitted[1].second, durability::synced);
    EXPECT_EQ(touches, 2);
}

TEST_F(StreamDesk, EventsWaitBehindPublicationsOfTheirGroup) {
    publish("kept:1", "a");
    send("kept:1", "x");
    send("kept:2", "free");
    turn();
    publish("kept:1", "b");
    send("kept:1", "y");
    turn();
    EXPECT_THAT(told, ElementsAre("kept:2 free"));
    answer();
    EXPECT_THAT(told, ElementsAre("kept:2 free", "kept:1 a@1", "kept:1 x"));
    answer();
    EXPECT_THAT(told, ElementsAre("kept:2 free", "kept:1 a@1", "kept:1 x", "kept:1 b@2", "kept:1 y"));
    send("kept:1", "z");
    EXPECT_EQ(told.back(), "kept:1 z");
}

TEST_F(StreamDesk, UnlessTheNamespaceSaysOtherwise) {
    publish("loose:1", "a");
    send("loose:1", "x");
    EXPECT_THAT(told, ElementsAre("loose:1 x"));
}

TEST_F(StreamDesk, HistoryThatIsTurnedOnBeginsWithTheNextPublicationInOrder) {
    publish("later:1", "a");
    EXPECT_THAT(told, ElementsAre("later:1 a"));
    publish("later:1", "b", ticket("k"));  // on its way, for its key
    auto rules = names.now();
    EXPECT_TRUE(rules.set("later", R"({"history_size":3,"history_ttl":"1m","history_durability":"synced"})",
                          "reload"));
    names.replace(std::move(rules));
    EXPECT_TRUE(desk.concerns("later:1"));
    publish("later:1", "c", ticket());
    send("later:1", "x");
    turn();
    answer();
    answer();
    EXPECT_THAT(told, ElementsAre("later:1 a", "later:1 b", "later:1 c@1", "later:1 x"));
    EXPECT_THAT(positions, ElementsAre("0", "1"));
    EXPECT_EQ(subscribe("later:1", std::nullopt), "[] top 1");
}

TEST_F(StreamDesk, EachPublicationIsKeptByTheRulesOfItsTime) {
    for (const auto* each : {"1", "2", "3"}) publish("kept:1", each);
    auto rules = names.now();
    EXPECT_TRUE(rules.set("kept", R"({"history_size":1})", "reload"));
    names.replace(std::move(rules));
    turn();
    answer();
    EXPECT_EQ(streams["kept:1"].kept.size(), 3u);
    publish("kept:1", "4");
    turn();
    answer();
    EXPECT_EQ(asked_size, 1u);
}

TEST_F(StreamDesk, ASecondPublishWithTheSameKeyIsAnsweredAndNotSent) {
    publish("kept:1", "a", ticket("k"));
    publish("kept:1", "a", ticket("k"));
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1"));
    EXPECT_THAT(positions, ElementsAre("1", "1"));
}

TEST_F(StreamDesk, WhatTheStoreRefusesIsToldToItsSenderAndToNobodyElse) {
    publish("kept:1", "a", ticket());
    send("kept:1", "x");
    turn();
    failing = fail(errc::storage_full);
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 x")) << "live events go on";
    EXPECT_THAT(positions, ElementsAre("storage_full"));
    EXPECT_EQ(refused, 1);
}

TEST_F(StreamDesk, SkippedHistoryIsLiveOnlyButInOrder) {
    auto live = ticket();
    live->skip_history = true;
    publish("kept:1", "a");
    publish("kept:1", "b", live);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1", "kept:1 b"));
    EXPECT_THAT(positions, ElementsAre("0"));
}

struct StreamDeskRecovery : StreamDesk {
    StreamDeskRecovery() {
        for (const auto* body : {"a", "b", "c", "d", "e"}) publish("kept:1", body);
        turn();
        answer();  // 3, 4 and 5 are kept
    }
    position at(std::uint64_t offset) { return {streams["kept:1"].epoch, offset}; }
};
TEST_F(StreamDeskRecovery, GivesAllThatWasMissed) {
    EXPECT_EQ(subscribe("kept:1", at(2)), "recovered [3 4 5] top 5");
    EXPECT_EQ(subscribe("kept:1", at(4)), "recovered [5] top 5");
    EXPECT_EQ(subscribe("kept:1", at(5)), "recovered [] top 5");
}
TEST_F(StreamDeskRecovery, OrSaysThatItCannot) {
    EXPECT_EQ(subscribe("kept:1", at(1)), "[] top 5") << "2 is not kept any more";
    EXPECT_EQ(subscribe("kept:1", at(6)), "[] top 5") << "a position that never was";
    EXPECT_EQ(subscribe("kept:1", position{"other", 4}), "[] top 5");
    EXPECT_EQ(subscribe("kept:1", at(2), false, 2), "[] top 5") << "more than the limit";
}
TEST_F(StreamDeskRecovery, AnEmptyEpochMatchesAny) {
    EXPECT_EQ(subscribe("kept:1", position{"", 3}), "recovered [4 5] top 5");
}
TEST_F(StreamDeskRecovery, WithoutAPositionGivesThePosition) {
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 5");
    EXPECT_EQ(subscribe("room:1", std::nullopt), "[] no stream");
}
TEST_F(StreamDeskRecovery, OfACacheIsTheLatest) {
    EXPECT_EQ(subscribe("kept:1", position{"other", 1}, true), "recovered [5] top 5");
    EXPECT_EQ(subscribe("kept:1", at(5), true), "recovered [] top 5");
    EXPECT_EQ(subscribe("kept:2", position{"", 0}, true), "[] top 0");
}
TEST_F(StreamDeskRecovery, AStoreThatFailsIsToldAsItIs) {
    failing = fail(errc::storage_failed);
    EXPECT_EQ(subscribe("kept:1", at(3)), "storage_failed");
}

TEST_F(StreamDesk, AKeyHoldsInGroupsThatKeepNothing) {
    publish("room:1", "a", ticket("k"));
    send("room:1", "b");
    turn();
    EXPECT_THAT(told, IsEmpty());
    EXPECT_TRUE(desk.concerns("room:1")) << "what comes waits behind it";
    answer();
    EXPECT_FALSE(desk.concerns("room:1"));
    publish("room:1", "a", ticket("k"));
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 a", "room:1 b"));
    EXPECT_THAT(positions, ElementsAre("0", "0"));
}

TEST_F(StreamDesk, AKeyHoldsForWhatSkipsHistory) {
    for (int i = 0; i < 2; ++i) {
        auto once = ticket("k");
        once->skip_history = true;
        publish("kept:1", "a", std::move(once));
        turn();
        answer();
    }
    EXPECT_THAT(told, ElementsAre("kept:1 a"));
    EXPECT_EQ(streams["kept:1"].top, 0u);
}

TEST_F(StreamDesk, AKeyThatCannotBeRememberedIsRefused) {
    failing = fail(errc::storage_full);
    publish("room:1", "a", ticket("k"));
    turn();
    answer();
    EXPECT_THAT(told, IsEmpty());
    EXPECT_THAT(positions, ElementsAre("storage_full"));
}

TEST_F(StreamDesk, AStreamThatBeginsAnewIsToldBeforeWhatComesOfIt) {
    publish("kept:1", "a");
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1")) << "nobody knew it";
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 1");
    streams.clear();  // as after a long silence
    told.clear();
    for (const auto text : {"b", "c"}) publish("kept:1", text);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 began", "kept:1 b@1", "kept:1 c@2"));
}

TEST_F(StreamDesk, AStreamThatASubscriberFindsBegunAnewIsToldToTheOthers) {
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 0");
    streams.clear();
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 0");
    EXPECT_THAT(told, ElementsAre("kept:1 began"));
    streams.clear();
    desk.emptied("kept:1");
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 0");
    EXPECT_EQ(told.size(), 1u) << "nobody was there";
}

}  // namespace
}  // namespace madang
