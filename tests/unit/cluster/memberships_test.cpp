// Several nodes' memberships together, over a network that the test cuts.
#include <gtest/gtest.h>

#include "tests/unit/cluster/cluster_model.hpp"
#include "tests/unit/cluster/view_text.hpp"

namespace madang {
namespace {

using test::cluster_model;
using ms = std::chrono::milliseconds;

TEST(Cluster, BecomesOneMeshFromOneSeedEach) {
    cluster_model model({.nodes = 7, .expected = 7}, 3);
    for (std::size_t i = 0; i < 7; ++i) model.start(i, true);
    model.run(ms(5000));
    EXPECT_EQ(model.broken, "");
    EXPECT_EQ(model.agreed(), "");
}

TEST(Cluster, LosesOneNodeByACutBetweenTwoOfThree) {
    cluster_model model({.nodes = 3, .expected = 3}, 3);
    for (std::size_t i = 0; i < 3; ++i) model.start(i, true);
    model.run(ms(6000));
    model.cut(0, 1, true);
    model.cut(1, 0, true);
    model.run(ms(5000));
    EXPECT_EQ(text(model.of(0)->view()), "a1 up, b1 dead, c1 up");
    EXPECT_EQ(model.of(0)->view(), model.of(2)->view());
    EXPECT_EQ(text(model.of(1)->view()), "a1 dead, b1 up, c1 dead");
    EXPECT_TRUE(model.of(0)->has_quorum(model.now()));
    EXPECT_TRUE(model.of(2)->has_quorum(model.now()));
    EXPECT_FALSE(model.of(1)->has_quorum(model.now()));
    const auto views = model.views();
    model.run(ms(60'000));
    EXPECT_EQ(model.views(), views) << "and there it stays";
    model.heal();
    model.run(ms(2000));
    EXPECT_EQ(model.agreed(), "");
    EXPECT_EQ(model.broken, "");
}

TEST(Cluster, LosesOneNodeByACutInOneDirection) {
    cluster_model model({.nodes = 3, .expected = 3}, 4);
    for (std::size_t i = 0; i < 3; ++i) model.start(i, true);
    model.run(ms(6000));
    model.cut(0, 1, true);
    model.run(ms(5000));
    EXPECT_EQ(text(model.of(0)->view()), "a1 up, b1 dead, c1 up");
    EXPECT_EQ(model.of(0)->view(), model.of(2)->view());
    EXPECT_FALSE(model.of(1)->has_quorum(model.now()));
    EXPECT_TRUE(model.of(2)->has_quorum(model.now()));
    EXPECT_EQ(model.broken, "");
}

TEST(Cluster, KeepsItsQuorumOnTheGreaterSideOnly) {
    cluster_model model({.nodes = 5, .expected = 5}, 3);
    for (std::size_t i = 0; i < 5; ++i) model.start(i, true);
    model.run(ms(6000));
    for (const std::size_t small : {0, 1})
        for (const std::size_t great : {2, 3, 4}) {
            model.cut(small, great, true);
            model.cut(great, small, true);
        }
    model.run(ms(3500));
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(model.of(i)->has_quorum(model.now()), i >= 2) << i;
    EXPECT_EQ(model.broken, "");
}

TEST(Cluster, GivesAQuorumBackInAFewMessagesTimeWhenAViewChanges) {
    cluster_model model({.nodes = 3, .expected = 3}, 3);
    for (std::size_t i = 0; i < 3; ++i) model.start(i, true);
    model.run(ms(6000));
    model.delay(ms(10), ms(10));
    model.run(ms(1000));
    model.drain(1);
    model.run(ms(15));
    EXPECT_FALSE(model.of(0)->has_quorum(model.now()));
    model.run(ms(50));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(model.of(i)->has_quorum(model.now())) << i;
    EXPECT_EQ(model.agreed(), "");
}

TEST(Cluster, RestartsOneAfterTheOtherWithoutLosingItsSense) {
    cluster_model model({.nodes = 3, .expected = 3}, 5);
    for (std::size_t i = 0; i < 3; ++i) model.start(i, true);
    model.run(ms(6000));
    for (std::size_t i = 0; i < 3; ++i) {
        model.drain(i);
        model.run(ms(300));
        model.leave(i);
        model.run(ms(300));
        EXPECT_EQ(model.agreed(), "") << i;
        model.start(i, true);
        model.run(ms(2000));
        EXPECT_EQ(model.agreed(), "") << i;
    }
    EXPECT_EQ(model.broken, "");
}

TEST(Cluster, HasADrainedNodeBack) {
    cluster_model model({.nodes = 3, .expected = 3}, 7);
    for (std::size_t i = 0; i < 3; ++i) model.start(i, true);
    model.run(ms(6000));
    for (std::size_t i = 0; i < 3; ++i) {
        model.drain(i);
        model.run(ms(model.random(400)));
        model.undrain(i);
        model.run(ms(500));
        EXPECT_EQ(model.agreed(), "") << i;
    }
    EXPECT_EQ(model.broken, "");
}

TEST(Cluster, KnowsEverywhereWhomAnOperatorRemoved) {
    for (const bool alive : {false, true}) {
        cluster_model model({.nodes = 4, .expected = 4}, 8);
        for (std::size_t i = 0; i < 4; ++i) model.start(i, true);
        model.run(ms(6000));
        if (!alive) model.kill(2);
        model.run(ms(5000));
        const auto view = model.of(0)->view();
        ASSERT_TRUE(view.find("c"));
        model.remove(0, 2, alive);
        model.run(ms(300));
        for (const std::size_t i : {0, 1, 3}) {
            EXPECT_FALSE(model.of(i)->view().find("c")) << i;
            const auto dials = model.of(i)->to_dial(model.now());
            EXPECT_EQ(std::ranges::count(dials, "c:1"), 0) << i;
        }
        EXPECT_TRUE(!alive || model.of(2)->is_cast_out());
        model.start(2, true);
        model.run(ms(5000));
        EXPECT_EQ(model.agreed(), "") << "started anew it is let in again";
        EXPECT_EQ(model.of(0)->view().find("c")->state, node_state::up);
        EXPECT_EQ(model.broken, "");
    }
}

// Each of two sides that are cut off removes all of the other's.
void remove_each_other(cluster_model& model, std::size_t nodes, std::size_t first_of_second) {
    for (std::size_t i = 0; i < nodes; ++i) model.start(i, true);
    model.run(ms(6000));
    for (std::size_t i = 0; i < first_of_second; ++i)
        for (std::size_t j = first_of_second; j < nodes; ++j) {
            model.cut(i, j, true);
            model.cut(j, i, true);
        }
    model.run(ms(6000));
    for (std::size_t i = 0; i < nodes; ++i) model.remove(i < first_of_second ? nodes - 1 : 0, i);
    model.run(ms(1000));
    model.heal();
    model.run(ms(6000));
}

TEST(Cluster, KeepsTheGreaterOfTwoSidesThatRemovedEachOther) {
    cluster_model model({.nodes = 5, .expected = 5}, 9);
    remove_each_other(model, 5, 2);
    for (const std::size_t i : {0, 1}) EXPECT_TRUE(model.of(i)->is_cast_out()) << i;
    for (const std::size_t i : {2, 3, 4}) EXPECT_FALSE(model.of(i)->is_cast_out()) << i;
    EXPECT_EQ(model.agreed(), "");
    for (const std::size_t i : {0, 1}) model.start(i, true);
    model.run(ms(5000));
    EXPECT_EQ(model.agreed(), "") << "started anew they are let in again";
    EXPECT_EQ(model.broken, "");
}

TEST(Cluster, KeepsTheSmallerNameOfTwoEqualSidesThatRemovedEachOther) {
    for (const std::uint32_t expected : {0, 2}) {
        cluster_model model({.nodes = 2, .expected = expected}, 10);
        remove_each_other(model, 2, 1);
        EXPECT_FALSE(model.of(0)->is_cast_out());
        EXPECT_TRUE(model.of(1)->is_cast_out());
        model.start(1, true);
        model.run(ms(5000));
        EXPECT_EQ(model.agreed(), "");
        EXPECT_EQ(model.broken, "");
    }
}

}  // namespace
}  // namespace madang
