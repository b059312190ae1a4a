#include "broker/cluster/shard_map.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

cluster_view view_of(const std::vector<std::string>& names, std::uint64_t incarnation = 1) {
    cluster_view view{.number = 3, .proposer = names.empty() ? "" : names.front(), .members = {}};
    for (const auto& each : names) view.members.push_back({{each, incarnation}, node_state::up, each + ":1"});
    return view;
}
std::string owner_of(const shard_map& map, std::uint32_t shard) {
    const auto* who = map.owner(shard);
    return who ? who->name : "-";
}
std::string owners(const shard_map& map) {
    std::string all;
    for (std::uint32_t i = 0; i < map.shards(); ++i) all += owner_of(map, i);
    return all;
}

// Frozen: nodes of two versions in one cluster must agree.
TEST(ShardMap, GivesEachShardTheOwnerThatItAlwaysHad) {
    EXPECT_EQ(owners(shard_map(view_of({"a", "b", "c"}), 32)), "bbcbacaccaacaacccaabacbacbaabcaa");
    EXPECT_EQ(owners(shard_map(view_of({"a", "c"}), 32)), "caccacaccaacaacccaaaacaacaaaccaa");
}

TEST(ShardMap, FindsAGroupsShardByFnv1a) {
    EXPECT_EQ(cluster_shard_of("", 0xffffffff), 0xcbf29ce484222325u % 0xffffffff);
    EXPECT_EQ(cluster_shard_of("a", 0xffffffff),
              0xaf63dc4c8601ec8cu % 0xffffffff);  // the reference's vectors
    EXPECT_EQ(cluster_shard_of("foobar", 1024), 0x85944171f73967e8u % 1024);
}

TEST(ShardMap, SharesOutEvenly) {
    for (const auto& names : {std::vector<std::string>{"a", "b", "c"},
                              {"node-1", "node-2", "node-3"},
                              {"10.0.0.1", "10.0.0.2", "10.0.0.3"}}) {
        const shard_map map(view_of(names), 1024);
        for (const auto& each : names)
            EXPECT_NEAR(map.of(each).size(), 1024 / 3.0, 1024 / 3.0 * 0.15) << each;
    }
}

TEST(ShardMap, MovesOnlyTheShardsOfANodeThatLeaves) {
    const shard_map before(view_of({"a", "b", "c", "d"}), 1024), after(view_of({"a", "b", "d"}), 1024);
    std::map<std::string, int> heirs;
    for (std::uint32_t i = 0; i < 1024; ++i)
        if (owner_of(before, i) == "c")
            ++heirs[owner_of(after, i)];
        else
            ASSERT_EQ(owner_of(before, i), owner_of(after, i)) << i;
    EXPECT_EQ(heirs.size(), 3U) << "its share is shared";
}

TEST(ShardMap, GivesANodeThatJoinsItsShareAndMovesNothingElse) {
    const shard_map before(view_of({"a", "b", "c"}), 1024), after(view_of({"a", "b", "c", "d"}), 1024);
    int moved = 0;
    for (std::uint32_t i = 0; i < 1024; ++i)
        if (owner_of(before, i) != owner_of(after, i)) {
            ++moved;
            ASSERT_EQ(owner_of(after, i), "d") << i;
        }
    EXPECT_NEAR(moved, 256, 256 * 0.15);
}

TEST(ShardMap, GivesANodeThatStartedAgainItsShardsAgain) {
    EXPECT_EQ(owners(shard_map(view_of({"a", "b"}, 1), 64)), owners(shard_map(view_of({"a", "b"}, 99), 64)));
    const auto view = view_of({"a", "b"}, 99);
    const shard_map map(view, 64);
    EXPECT_EQ(map.owner(0)->incarnation, 99U);
    EXPECT_EQ(map.view(), view.number);
}

TEST(ShardMap, GivesNothingToANodeThatIsNotUp) {
    for (const auto state : {node_state::joining, node_state::draining, node_state::left, node_state::dead}) {
        auto view = view_of({"a", "b"});
        view.members[0].state = state;
        const shard_map map(view, 64);
        EXPECT_THAT(map.of("a"), IsEmpty()) << to_string(state);
        EXPECT_EQ(map.of("b").size(), 64U);
        view.members[1].state = state;
        EXPECT_EQ(shard_map(view, 64).owner(7), nullptr) << "nobody is up";
    }
    EXPECT_EQ(shard_map().owner(0), nullptr);
    EXPECT_EQ(shard_map(view_of({"a"}), 64).owner(64), nullptr) << "there is no such shard";
}

TEST(ShardMap, ListsANodesShardsAscending) {
    const shard_map map(view_of({"a", "b"}), 64);
    auto all = map.of("a");
    EXPECT_TRUE(std::ranges::is_sorted(all));
    const auto others = map.of("b");
    all.insert(all.end(), others.begin(), others.end());
    EXPECT_EQ(all.size(), 64U);
    EXPECT_THAT(shard_map(view_of({"a"}), 2).of("a"), ElementsAre(0, 1));
}

}  // namespace
}  // namespace madang
