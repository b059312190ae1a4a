#include "broker/cluster/jobs_home.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

cluster_view a_view_with(std::vector<view_member> members) {
    cluster_view made;
    made.number = 1;
    made.members = std::move(members);
    return made;
}

TEST(JobsHome, IsTheNodeThatRunsLongest) {
    const auto view = a_view_with(
        {{{"a", 30}, node_state::up, ""}, {{"b", 10}, node_state::up, ""}, {{"c", 20}, node_state::up, ""}});
    ASSERT_NE(jobs_home(view), nullptr);
    EXPECT_EQ(jobs_home(view)->who.name, "b");
}

TEST(JobsHome, IsOnlyWhoIsUp) {
    const auto view = a_view_with({{{"a", 1}, node_state::dead, ""},
                                   {{"b", 2}, node_state::draining, ""},
                                   {{"c", 3}, node_state::joining, ""},
                                   {{"d", 4}, node_state::left, ""},
                                   {{"e", 5}, node_state::up, ""}});
    ASSERT_NE(jobs_home(view), nullptr);
    EXPECT_EQ(jobs_home(view)->who.name, "e");
}

TEST(JobsHome, IsTheSmallerNameOfTwoThatBeganTogether) {
    const auto view = a_view_with({{{"a", 7}, node_state::up, ""}, {{"b", 7}, node_state::up, ""}});
    EXPECT_EQ(jobs_home(view)->who.name, "a");
}

TEST(JobsHome, IsNobodyWhereNobodyIsUp) {
    EXPECT_EQ(jobs_home({}), nullptr);
    EXPECT_EQ(jobs_home(a_view_with({{{"a", 1}, node_state::draining, ""}})), nullptr);
}

TEST(JobsHome, ANodeThatReturnsDoesNotTakeItBack) {
    const auto before = a_view_with({{{"a", 1}, node_state::up, ""}, {{"b", 2}, node_state::up, ""}});
    EXPECT_EQ(jobs_home(before)->who.name, "a");
    const auto after = a_view_with({{{"a", 3}, node_state::up, ""}, {{"b", 2}, node_state::up, ""}});
    EXPECT_EQ(jobs_home(after)->who.name, "b");
}

}  // namespace
}  // namespace madang
