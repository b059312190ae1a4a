#include "actors/shard_tenures.hpp"

#include <gmock/gmock.h>

#include <set>

namespace madang {
namespace {

constexpr std::uint32_t shards = 64;
constexpr auto up = node_state::up, draining = node_state::draining, dead = node_state::dead;

// Nodes "n0", "n1", …, all of their first life.
cluster_view view(std::uint64_t number, const std::vector<node_state>& states) {
    cluster_view made;
    made.number = number;
    made.proposer = "n0";
    for (std::size_t i = 0; i < states.size(); ++i)
        made.members.push_back({{"n" + std::to_string(i), 1}, states[i], ""});
    return made;
}
std::size_t place_of(const std::string& name) { return std::stoul(name.substr(1)); }

std::set<std::uint32_t> owned(const cluster_view& in, std::size_t who) {
    const auto list = shard_map(in, shards).of("n" + std::to_string(who));
    return {list.begin(), list.end()};
}
// Shards that went from one to the other.
std::set<std::uint32_t> moved(const cluster_view& before, const cluster_view& now, std::size_t from,
                              std::size_t to) {
    std::set<std::uint32_t> both;
    const auto was = owned(before, from), is = owned(now, to);
    for (const auto each : was)
        if (is.contains(each)) both.insert(each);
    return both;
}
std::set<std::uint32_t> numbers(const shard_move& of) {
    std::set<std::uint32_t> all;
    for (const auto& each : of.shards) all.insert(each.number);
    return all;
}

TEST(ShardTenures, WhoGainsAndWhoLosesNameTheSameShardsAndViews) {
    const auto before = view(4, {up, up, draining}), now = view(5, {up, up, up});
    shard_tenures gives("n0", shards), takes("n2", shards);
    for (auto* each : {&gives, &takes}) each->go_by(before, place_of);
    const auto tenures = gives.since();
    const auto lost = gives.go_by(now, place_of), gained = takes.go_by(now, place_of);
    ASSERT_EQ(lost.moves.size(), 1u);
    ASSERT_EQ(gained.moves.size(), 2u) << "from each of the others";
    const auto& out = lost.moves[0];
    const auto& in = gained.moves[gained.moves[0].peer == 0 ? 0 : 1];
    EXPECT_EQ(out.how, shard_move::direction::lost);
    EXPECT_EQ(in.how, shard_move::direction::gained);
    EXPECT_EQ(out.peer, 2u);
    EXPECT_EQ(in.peer, 0u);
    EXPECT_EQ(out.before, before.name());
    EXPECT_EQ(in.before, before.name());
    EXPECT_EQ(out.now, now.name());
    EXPECT_EQ(in.now, now.name());
    EXPECT_EQ(numbers(out), moved(before, now, 0, 2));
    EXPECT_EQ(numbers(in), numbers(out));
    for (const auto& each : out.shards) {
        EXPECT_EQ(each.tenure, tenures[each.number]) << "that ended";
        EXPECT_EQ(gives.since()[each.number], 0u);
    }
    for (const auto& each : in.shards) EXPECT_EQ(each.tenure, takes.since()[each.number]) << "that began";
}

TEST(ShardTenures, StayWhileViewsFollowEachOther) {
    shard_tenures one("n0", shards);
    one.go_by(view(1, {up, up, up}), place_of);
    const auto before = one.since();
    const auto change = one.go_by(view(2, {up, up, dead}), place_of);
    EXPECT_FALSE(change.parted);
    EXPECT_TRUE(change.moves.empty()) << "nobody hands over what a dead node had";
    for (const auto shard : owned(view(1, {up, up, up}), 0)) EXPECT_EQ(one.since()[shard], before[shard]);
    for (const auto shard : moved(view(1, {up, up, up}), view(2, {up, up, dead}), 2, 0))
        EXPECT_GT(one.since()[shard], before[*owned(view(1, {up, up, up}), 0).begin()]);
}

TEST(ShardTenures, WhoSkippedAViewBeginsAllAnewAndNeitherGivesNorTakes) {
    shard_tenures one("n0", shards);
    one.go_by(view(1, {up, up, up}), place_of);
    const auto before = one.since();
    const auto change = one.go_by(view(3, {up, up, draining}), place_of);
    EXPECT_TRUE(change.parted);
    EXPECT_TRUE(change.moves.empty());
    for (const auto shard : owned(view(1, {up, up, up}), 0)) EXPECT_GT(one.since()[shard], before[shard]);
}

TEST(ShardTenures, SoDoesWhoSeesANodeReturnThatHadLivedApart) {
    shard_tenures one("n0", shards);
    one.go_by(view(1, {up, up, up}), place_of);
    one.go_by(view(2, {up, up, dead}), place_of);
    const auto change = one.go_by(view(3, {up, up, up}), place_of);
    EXPECT_TRUE(change.parted);
    EXPECT_TRUE(change.moves.empty());
}

TEST(ShardTenures, ANodeStartedAnewIsGivenWhatIsItsInItsFirstView) {
    const auto before = view(7, {up, up, dead});
    auto now = view(8, {up, up, up});
    now.members[2].who.incarnation = 2;
    shard_tenures gives("n1", shards), takes("n2", shards);
    gives.go_by(view(6, {up, up, up}), place_of);
    gives.go_by(before, place_of);
    const auto lost = gives.go_by(now, place_of), gained = takes.go_by(now, place_of);
    ASSERT_EQ(lost.moves.size(), 1u);
    ASSERT_EQ(gained.moves.size(), 2u);
    for (const auto& each : gained.moves) {
        EXPECT_EQ(each.before, view_name{}) << "it knows of none";
        EXPECT_EQ(numbers(each), moved(before, now, each.peer, 2));
        if (each.peer == 1) {
            EXPECT_EQ(numbers(each), numbers(lost.moves[0]));
        }
    }
}

TEST(ShardTenures, TheFirstNodeOfAllHasNobodyToAsk) {
    shard_tenures one("n0", shards);
    EXPECT_TRUE(one.go_by(view(1, {up}), place_of).moves.empty());
    EXPECT_EQ(owned(view(1, {up}), 0).size(), shards);
    for (const auto each : one.since()) EXPECT_NE(each, 0u);
}

}  // namespace
}  // namespace madang
