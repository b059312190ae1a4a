#include "broker/cluster/beat_codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/hex.hpp"

namespace madang {
namespace {

using test::hex;

beat small_beat() {
    return {.from = {"a", 0x0102030405060708},
            .state = node_state::up,
            .vouches = true,
            .stamp = 9,
            .address = "h:1",
            .view = {.number = 7, .proposer = "b", .members = {{{"b", 2}, node_state::dead, "h:2"}}},
            .hears = {{{"c", 3}, 4}},
            .removed = {{"d", 5}},
            .others = {{{"e", 6}, 8, "h:5", 7, "b", {{"a", 1}}}}};
}
beat least_beat() {
    beat what;
    what.from.name = "a";
    return what;
}
beat largest_beat() {
    const auto id = [](std::size_t i) {
        auto number = std::to_string(i);
        return node_id{std::string(60 - number.size(), 'n') +
                           std::string(4, '0').replace(4 - number.size(), 4, number) +
                           std::string(number.size(), 'z'),
                       ~std::uint64_t{0}};
    };
    const std::string address(beat_address_limit, 'h');
    auto what = small_beat();
    what.from = id(0);
    what.address = address;
    what.view.members.clear();
    what.hears.clear();
    what.removed.clear();
    what.others.clear();
    std::vector<node_id> ids;
    for (std::size_t i = 0; i < beat_list_limit; ++i) ids.push_back(id(i));
    std::ranges::sort(ids);
    for (const auto& each : ids) {
        what.view.members.push_back({each, node_state::up, address});
        what.hears.push_back({each, 1});
        what.removed.push_back(each);
    }
    for (std::size_t i = 0; i < sightings_limit; ++i)
        what.others.push_back({ids[i], 1, address, 1, ids[0].name, {}});
    for (std::size_t i = 0; i < 4; ++i)
        what.others[i].hears.assign(ids.begin(), ids.begin() + sighting_ids_limit / 4);
    return what;
}
// What decoding says of a beat that was changed, or "taken".
template <class Change>
std::string refusal(Change&& change) {
    auto what = small_beat();
    change(what);
    const auto found = decode_beat(encode(what));
    if (!found) {
        EXPECT_EQ(found.error().code, errc::bad_request);
        return found.error().detail;
    }
    EXPECT_EQ(*found, what);
    return "taken";
}

// Frozen: version 1.
TEST(BeatCodec, WritesTheseBytes) {
    // Version, from, state, vouches, stamp, address; a node is its name and its incarnation.
    const std::string head = "010001610102030405060708010100000000000000090003683a31";
    const std::string member = "0001620000000000000002040003683a32";
    const std::string view = "0000002400000000000000070001620000000100000011" + member;
    const std::string hears = "000000010000001300016300000000000000030000000000000004";
    const std::string removed = "000000010000000b0001640000000000000005";
    const std::string seen = "000165000000000000000600000000000000080003683a350000000000000007000162";
    const std::string others = "0000000100000032" + seen + "000000010001610000000000000001";
    EXPECT_EQ(hex(encode(small_beat())), head + view + hears + removed + others);
}

TEST(BeatCodec, ReadsWhatItWrote) {
    EXPECT_EQ(*decode_beat(encode(small_beat())), small_beat());
    EXPECT_EQ(*decode_beat(encode(least_beat())), least_beat());
}

TEST(BeatCodec, TakesTheLargestBeatThatItsLimitsAllow) {
    const auto what = largest_beat();
    const auto bytes = encode(what);
    EXPECT_LE(bytes.size(), beat_bytes_limit);
    const auto found = decode_beat(bytes);
    ASSERT_TRUE(found) << found.error().detail;
    EXPECT_EQ(*found, what);
}

TEST(BeatCodec, RefusesEveryCut) {
    const auto bytes = encode(small_beat());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto found = decode_beat(std::string_view(bytes).substr(0, size));
        ASSERT_FALSE(found) << size;
        EXPECT_FALSE(found.error().detail.empty()) << size;
    }
}

TEST(BeatCodec, SkipsWhatALaterVersionAddsToItsRecords) {
    const auto whole = encode(small_beat());
    EXPECT_EQ(*decode_beat(whole + "later"), small_beat());
    // Each record's length stands four bytes before it; what it holds is found by its first bytes.
    const auto longer = [](std::string bytes, std::string_view first, std::size_t length) {
        const auto at = bytes.find(first);
        EXPECT_NE(at, std::string::npos);
        bytes.insert(at + length, "later");
        bytes[at - 1] = static_cast<char>(bytes[at - 1] + 5);
        return bytes;
    };
    const std::string_view member("\0\1b\0\0\0\0\0\0\0\2", 11), heard("\0\1c\0\0\0\0\0\0\0\3", 11),
        removed("\0\1d\0\0\0\0\0\0\0\5", 11), seen("\0\1e\0\0\0\0\0\0\0\6", 11);
    auto bytes = longer(whole, seen, 11 + 8 + 5 + 8 + 3 + 4 + 11);
    bytes = longer(bytes, removed, 11);
    bytes = longer(bytes, heard, 11 + 8);
    const std::string_view view("\0\0\0\0\0\0\0\7\0\1b", 11);
    bytes = longer(bytes, view, 8 + 3 + 4 + 4 + 11 + 1 + 5);
    const auto inner = bytes.find(member, bytes.find(view) + view.size());
    bytes.insert(inner + 11 + 1 + 5, "later");
    bytes[inner - 1] = static_cast<char>(bytes[inner - 1] + 5);
    const auto record = bytes.find(view);
    bytes[record - 1] = static_cast<char>(bytes[record - 1] + 5);
    const auto found = decode_beat(bytes);
    ASSERT_TRUE(found) << found.error().detail;
    EXPECT_EQ(*found, small_beat());
}

TEST(BeatCodec, NamesTheFieldThatIsWrong) {
    EXPECT_EQ(decode_beat("").error().detail, "version");
    auto bytes = encode(small_beat());
    bytes[0] = 2;
    EXPECT_EQ(decode_beat(bytes).error().detail, "version");
    EXPECT_EQ(decode_beat(std::string(beat_bytes_limit + 1, '\1')).error().detail, "size");
    EXPECT_EQ(refusal([](beat& it) { it.from.name = ""; }), "from");
    EXPECT_EQ(refusal([](beat& it) { it.from.name = "a b"; }), "from");
    EXPECT_EQ(refusal([](beat& it) { it.from.name = std::string(65, 'a'); }), "from");
    EXPECT_EQ(refusal([](beat& it) { it.from.name = std::string(64, 'a'); }), "taken");
    EXPECT_EQ(refusal([](beat& it) { it.state = node_state::dead; }), "state");
    EXPECT_EQ(refusal([](beat& it) { it.address = std::string(beat_address_limit + 1, 'h'); }), "address");
    EXPECT_EQ(refusal([](beat& it) { it.view.proposer = "\n"; }), "proposer");
    EXPECT_EQ(refusal([](beat& it) { it.view.members[0].state = node_state{5}; }), "member's state");
    EXPECT_EQ(refusal([](beat& it) { it.view.members[0].who.name = "/"; }), "member");
    EXPECT_EQ(refusal([](beat& it) { it.view.members[0].address = std::string(300, 'h'); }),
              "member's address");
    EXPECT_EQ(refusal([](beat& it) { it.hears[0].who.name = ""; }), "hears");
    EXPECT_EQ(refusal([](beat& it) { it.removed[0].name = "?"; }), "removed");
    EXPECT_EQ(refusal([](beat& it) { it.others[0].who.name = "?"; }), "sighting");
    EXPECT_EQ(refusal([](beat& it) { it.others[0].address = std::string(300, 'h'); }), "sighting's address");
    EXPECT_EQ(refusal([](beat& it) { it.others[0].proposer = "?"; }), "sighting's proposer");
    EXPECT_EQ(refusal([](beat& it) { it.others[0].hears[0].name = "?"; }), "sighting's hears");
}

TEST(BeatCodec, RefusesListsThatAreNotInOrder) {
    const auto twice = [](auto& list) { list.push_back(list.back()); };
    EXPECT_EQ(refusal([&](beat& it) { twice(it.view.members); }), "members");
    EXPECT_EQ(refusal([&](beat& it) { twice(it.hears); }), "hears");
    EXPECT_EQ(refusal([&](beat& it) { twice(it.removed); }), "removed");
    EXPECT_EQ(refusal([&](beat& it) { twice(it.others); }), "others");
    EXPECT_EQ(refusal([&](beat& it) { twice(it.others[0].hears); }), "sighting's hears");
    EXPECT_EQ(refusal([](beat& it) { it.hears.insert(it.hears.begin(), {{"z", 1}, 1}); }), "hears");
}

TEST(BeatCodec, RefusesMoreThanItsLimits) {
    const auto whole = largest_beat();
    const node_id last{"zz", 1};
    const auto refused = [&](auto&& change) {
        auto what = whole;
        change(what);
        const auto found = decode_beat(encode(what));
        return found ? std::string("taken") : found.error().detail;
    };
    EXPECT_EQ(refused([&](beat& it) { it.view.members.push_back({last, node_state::up, ""}); }), "members");
    EXPECT_EQ(refused([&](beat& it) { it.hears.push_back({last, 1}); }), "hears");
    EXPECT_EQ(refused([&](beat& it) { it.removed.push_back(last); }), "removed");
    EXPECT_EQ(refused([&](beat& it) { it.others.push_back({last, 1, "", 1, "", {}}); }), "others");
    EXPECT_EQ(refused([&](beat& it) { it.others[9].hears.push_back(last); }), "sighting's hears");
}

// A count says how many there are; it allocates nothing.
TEST(BeatCodec, RefusesACountWithoutItems) {
    auto bytes = encode(least_beat());
    for (std::size_t i = 1; i <= 4; ++i) bytes[bytes.size() - i] = '\xff';
    EXPECT_EQ(decode_beat(bytes).error().detail, "others");
}

}  // namespace
}  // namespace madang
