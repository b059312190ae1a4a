#include "broker/cluster/cliques.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace madang {
namespace {

using testing::ElementsAre;
using parts = std::vector<std::vector<std::size_t>>;

hearing_graph graph_of(std::size_t nodes, const std::vector<std::pair<std::size_t, std::size_t>>& deaf) {
    hearing_graph graph(nodes);
    for (std::size_t a = 0; a < nodes; ++a)
        for (std::size_t b = 0; b < a; ++b) graph.link(a, b);
    for (const auto& [a, b] : deaf) graph.mutual[a][b] = graph.mutual[b][a] = false;
    return graph;
}

TEST(Cliques, AreOneWhenAllHearAll) {
    EXPECT_EQ(cliques_of(graph_of(5, {})), (parts{{0, 1, 2, 3, 4}}));
    EXPECT_EQ(cliques_of(graph_of(200, {})).size(), 1U);
    EXPECT_TRUE(is_undisputed(graph_of(5, {}), 3));
}

TEST(Cliques, LeaveOutOneOfTwoThatDoNotHearEachOther) {
    EXPECT_EQ(cliques_of(graph_of(3, {{0, 1}})), (parts{{0, 2}, {1}})) << "the smaller names stay";
    EXPECT_FALSE(is_undisputed(graph_of(3, {{0, 1}}), 0));
    EXPECT_FALSE(is_undisputed(graph_of(3, {{0, 1}}), 2)) << "it hears both, and sees that they do not";
}

TEST(Cliques, KeepWhatWasAgreed) {
    auto graph = graph_of(3, {{0, 1}});
    graph.goes_by = {{4, "a"}, {5, "b"}, {5, "b"}};
    EXPECT_EQ(cliques_of(graph), (parts{{1, 2}, {0}}));
    graph.goes_by = {{4, "a"}, {0, ""}, {0, ""}};
    EXPECT_EQ(cliques_of(graph), (parts{{0, 2}, {1}})) << "to be in no view is no agreement";
}

TEST(Cliques, PreferMoreNodesToMoreAgreement) {
    auto graph = graph_of(5, {{0, 2}, {0, 3}, {0, 4}, {1, 2}, {1, 3}, {1, 4}});
    graph.goes_by = {{9, "a"}, {9, "a"}, {1, "c"}, {2, "d"}, {3, "e"}};
    EXPECT_EQ(cliques_of(graph), (parts{{2, 3, 4}, {0, 1}}));
    EXPECT_TRUE(is_undisputed(graph, 0)) << "nobody hears both sides";
}

// Held against every subset of small graphs.
TEST(Cliques, AreTheLargestThereAre) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 300; ++round) {
        const std::size_t nodes = 1 + random() % 8;
        hearing_graph graph(nodes);
        for (std::size_t a = 0; a < nodes; ++a)
            for (std::size_t b = 0; b < a; ++b)
                if (random() % 3 != 0) graph.link(a, b);
        const auto is_clique = [&](unsigned set) {
            for (std::size_t a = 0; a < nodes; ++a)
                for (std::size_t b = 0; b < a; ++b)
                    if ((set >> a & 1) && (set >> b & 1) && !graph.mutual[a][b]) return false;
            return true;
        };
        unsigned rest = (1u << nodes) - 1;
        for (const auto& part : cliques_of(graph)) {
            unsigned mask = 0;
            for (const auto each : part) mask |= 1u << each;
            ASSERT_TRUE(is_clique(mask));
            ASSERT_EQ(mask & ~rest, 0U) << "a node in two parts";
            for (unsigned set = 1; set < 1u << nodes; ++set)
                if ((set & ~rest) == 0 && is_clique(set)) {
                    ASSERT_LE(std::popcount(set), std::popcount(mask)) << "a larger one was there";
                }
            rest &= ~mask;
        }
        ASSERT_EQ(rest, 0U) << "a node in no part";
    }
}

TEST(Cliques, AreSetsThatHearEachOtherBeyondTheExactSizeToo) {
    std::mt19937_64 random(7);
    hearing_graph graph(40);
    for (std::size_t a = 0; a < 40; ++a)
        for (std::size_t b = 0; b < a; ++b)
            if (a / 20 == b / 20 || random() % 10 == 0) graph.link(a, b);  // two sides, and some between them
    const auto found = cliques_of(graph);
    ASSERT_EQ(found.size(), 2U);
    for (const auto& part : found) {
        EXPECT_EQ(part.size(), 20U);
        for (const auto a : part)
            for (const auto b : part) EXPECT_TRUE(a == b || graph.mutual[a][b]);
    }
    EXPECT_EQ(found, cliques_of(graph));
}

}  // namespace
}  // namespace madang
