// What a shard keeps in memory is bounded, and what it does not keep is on the disk.
#include "storage/shard.hpp"

#include <gtest/gtest.h>

#include "storage/memory_kv.hpp"
#include "tests/support/store_world.hpp"

namespace madang::test {
namespace {

class Shard : public testing::Test {
  protected:
    store_answer apply(const store_request& what) {
        auto got = shard_.apply(what, durability::buffered, {*batch_, ++round_});
        if (got.later) got.answer = run(*got.later, bytes_);
        shard_.seal_round(*batch_);
        bytes_.set_now(noon);
        EXPECT_TRUE(bytes_.commit(*batch_));
        batch_->clear();
        shard_.end_round();
        return got.answer;
    }

    memory_kv bytes_;
    cache_totals totals_;
    std::unique_ptr<kv_batch> batch_ = bytes_.new_batch();
    std::uint64_t round_ = 0;
    shard shard_{0, bytes_, generation{}, {100, 50'000}, totals_};
};

TEST_F(Shard, RandomGroupNamesLeaveMemoryBounded) {
#ifdef MADANG_SANITIZED
    constexpr int many = 20'000;
#else
    constexpr int many = 1'000'000;
#endif
    for (int i = 0; i < many; ++i) apply(publish("random" + std::to_string(i), "x"));
    EXPECT_LE(totals_.streams, 100u);
    EXPECT_LE(totals_.tail_bytes, 50'000u);
    EXPECT_EQ(as<published>(apply(publish("random0", "y"))).at.offset, 2u);
    EXPECT_EQ(texts(as<history_page>(apply(history("random1")))), std::vector<std::string>{"x"});
}

TEST_F(Shard, OneLongStreamKeepsItsNewestInMemory) {
    for (int i = 0; i < 100; ++i) apply(publish("a", std::string(2000, 'x'), 1000));
    EXPECT_LE(totals_.tail_bytes, 50'000u);
    EXPECT_GT(totals_.tail_bytes, 40'000u);
    EXPECT_EQ(as<history_page>(apply(history("a"))).publications.size(), 100u);
    // The newest need no disk.
    EXPECT_FALSE(shard_
                     .apply(store_request(history("a", 20, position{"fresh", 80})), durability::buffered,
                            {*batch_, ++round_})
                     .later);
    EXPECT_TRUE(shard_
                    .apply(store_request(history("a", 20, position{"fresh", 10})), durability::buffered,
                           {*batch_, ++round_})
                    .later);
}

TEST_F(Shard, WhatIsOverGoesFromTheDisk) {
    for (int i = 0; i < 100; ++i) apply(publish("a" + std::to_string(i), "x"));
    const auto before = bytes_.records();
    bytes_.set_now(noon + 3'600'001);
    for (int i = 0; i < 300; ++i) {
        batch_->put(column::facts, "x", "y");
        EXPECT_TRUE(bytes_.commit(*batch_));
        batch_->clear();
    }
    EXPECT_EQ(before, 200u);
    EXPECT_EQ(bytes_.records(), 1u);
}

TEST_F(Shard, IdempotencyKeysInMemoryHaveABound) {
    memory_kv bytes(100);
    shard one(0, bytes, generation{}, {100, 50'000}, totals_);
    const auto ask_for = [&](int key) {
        auto what = publish("a", "x");
        what.key_only = true;
        what.idempotency_key = std::to_string(key);
        auto got = one.apply(store_request(what), durability::buffered, {*batch_, ++round_});
        EXPECT_TRUE(bytes.commit(*batch_));
        batch_->clear();
        one.end_round();
        return as<published>(got.answer).repeated;
    };
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(ask_for(i));
    EXPECT_EQ(bytes.records(), 100u);
    EXPECT_EQ(bytes.keys_forgotten(), 900u);
    EXPECT_TRUE(ask_for(999));
    EXPECT_TRUE(ask_for(900));
    EXPECT_FALSE(ask_for(899));
}

TEST_F(Shard, AnIdempotencyKeyThatCameAgainIsForgottenInItsNewTurn) {
    memory_kv bytes(2);
    std::string value;
    const auto keep = [&](std::string_view key, std::int64_t ends_ms) {
        encode(idempotency_record{ends_ms, {}}, value);
        batch_->put(column::idempotency, key, value);
        EXPECT_TRUE(bytes.commit(*batch_));
        batch_->clear();
    };
    keep("often", noon + 1);
    keep("once", noon + 2);
    keep("often", noon + 300);
    keep("new", noon + 301);
    EXPECT_TRUE(bytes.get(column::idempotency, "often").value());
    EXPECT_FALSE(bytes.get(column::idempotency, "once").value());
}

TEST_F(Shard, APublicationHoldsNoMoreThanItself) {
    const auto whole = payload::copy_of(std::string(100'000, 'x'));
    auto what = publish("a", "");
    what.what.data = payload::part_of(whole, whole.bytes().substr(0, 0));
    apply(what);
    const auto got = as<history_page>(apply(history("a")));
    EXPECT_EQ(got.publications.at(0).data.root(), got.publications.at(0).data);
}

}  // namespace
}  // namespace madang::test
