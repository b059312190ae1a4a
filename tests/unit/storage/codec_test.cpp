#include "storage/codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/support/hex.hpp"

namespace madang {
namespace {

using test::hex;

// These bytes are what is on the disks of others: a test that has to be changed means a new format version.
TEST(Codec, KeysAreTheirGoldenBytes) {
    EXPECT_EQ(hex(keys::where(0x0102, "ab")), "010200026162");
    EXPECT_EQ(hex(keys::publication(keys::where(1, "a"), 0x0203)), "00010001610000000000000203");
    EXPECT_EQ(hex(keys::named(keys::where(1, "a"), "user")),
              "0001000161"
              "75736572");
    EXPECT_EQ(hex(keys::shard_begin(258)), "0102");
    EXPECT_EQ(hex(keys::end(std::string_view("a\xff", 2))), "62");
}

TEST(Codec, ValuesAreTheirGoldenBytes) {
    std::string value;
    encode(stream_record{1, durability::synced, 2, 3, 4, "ep"}, value);
    EXPECT_EQ(hex(value),
              "0000000000000001"
              "01"
              "00000002"
              "0000000000000003"
              "0000000000000004"
              "00000002"
              "6570");
    encode(idempotency_record{5, {"e", 6}}, value);
    EXPECT_EQ(hex(value),
              "0000000000000005"
              "0000000000000006"
              "00000001"
              "65");
    encode(present_client{{"c", "u", "{}", ""}, 7}, "inc", value);
    EXPECT_EQ(hex(value),
              "0000000000000007"
              "0000000175"
              "000000027b7d"
              "00000000"
              "00000003696e63");
    publication_extra extra{std::make_shared<const client_info>(client_info{"c", "u", "", ""}), {{"k", "v"}}};
    encode(publication{payload::copy_of("{}"), 9, 8, std::make_shared<const publication_extra>(extra)}, 10,
           value);
    EXPECT_EQ(hex(value),
              "000000000000000a"
              "0000000000000008"
              "03"
              "000000027b7d"
              "0000000163"
              "0000000175"
              "00000000"
              "00000000"
              "00000001"
              "000000016b"
              "0000000176");
    encode_time(11, value);
    EXPECT_EQ(hex(value), "000000000000000b");
}

TEST(Codec, ShardsAreFrozen) {
    EXPECT_EQ(shard_of("", 16), 0xcbf29ce484222325u % 16);
    EXPECT_EQ(shard_of("a", 1000), 0xaf63dc4c8601ec8cu % 1000);
}

TEST(Codec, KeysSortAsShardGroupAndOffsetDo) {
    std::mt19937_64 dice(7);
    struct place {
        std::uint16_t shard;
        std::string group;
        std::uint64_t offset;
    };
    std::vector<place> places;
    for (int i = 0; i < 500; ++i) {
        std::string group(1 + dice() % 3, '\0');
        for (char& each : group) each = static_cast<char>(dice() % 3 * 127);
        places.push_back({static_cast<std::uint16_t>(dice() % 3 * 255), group, dice() >> (dice() % 64)});
    }
    const auto key = [](const place& of) {
        return keys::publication(keys::where(of.shard, of.group), of.offset);
    };
    for (const auto& a : places)
        for (const auto& b : places) {
            if (a.shard == b.shard && a.group == b.group) {
                EXPECT_EQ(a.offset < b.offset, key(a) < key(b));
                continue;
            }
            // Another group's keys are all before, or all behind.
            const auto where = keys::where(b.shard, b.group);
            EXPECT_TRUE(key(a) < where || key(a) >= keys::end(where));
            if (a.shard != b.shard) {
                EXPECT_EQ(a.shard < b.shard, key(a) < key(b));
            }
        }
}

TEST(Codec, WhatIsCutOrLongerIsRefused) {
    std::string value;
    publication_extra extra{std::make_shared<const client_info>(client_info{"c", "u", "", ""}), {{"k", "v"}}};
    encode(publication{payload::copy_of("{}"), 9, 8, std::make_shared<const publication_extra>(extra)}, 10,
           value);
    ASSERT_TRUE(decode_publication(9, value));
    for (std::size_t size = 0; size < value.size(); ++size)
        EXPECT_FALSE(decode_publication(9, std::string_view(value).substr(0, size))) << size;
    EXPECT_FALSE(decode_publication(9, value + "x"));
    encode(stream_record{}, value);
    ASSERT_TRUE(decode_stream(value));
    EXPECT_FALSE(decode_stream(value + "x"));
    EXPECT_FALSE(decode_stream(std::string_view(value).substr(1)));
    value[8] = 2;  // no durability
    EXPECT_FALSE(decode_stream(value));
    EXPECT_FALSE(decode_idempotency("short"));
    EXPECT_FALSE(decode_presence("c", "short"));
    EXPECT_FALSE(decode_time("short"));
    EXPECT_FALSE(keys::parse(std::string_view("\0\1\0\5abc", 7)));
    EXPECT_FALSE(keys::offset_of(keys::where(1, "a") + "1234567"));
}

TEST(Codec, AnEndBeyondAllTimeIsNever) {
    EXPECT_EQ(end_of(5, 6), 11);
    EXPECT_EQ(end_of(5, INT64_MAX), 0);
    EXPECT_FALSE(is_over(0, INT64_MAX));
    EXPECT_TRUE(is_over(5, 5));
}

}  // namespace
}  // namespace madang
