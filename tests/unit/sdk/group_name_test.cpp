#include "madang/group_name.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

TEST(GroupName, IsTheNameItselfWherePossible) {
    EXPECT_EQ(group_name("room", "general"), "room:general");
    EXPECT_EQ(group_name("room", "a:b/c?~!"), "room:a:b/c?~!");
    EXPECT_EQ(group_name("room", ""), "room:");
}

TEST(GroupName, EscapesWhatAGroupNameCannotHoldWithoutCollisions) {
    EXPECT_EQ(group_name("room", "a b"), "room:a%20b");
    EXPECT_EQ(group_name("room", "a%20b"), "room:a%2520b");
    EXPECT_EQ(group_name("user", "영"), "user:%EC%98%81");
    EXPECT_EQ(group_name("x", std::string_view("\0\n\x7f\xff", 4)), "x:%00%0A%7F%FF");
}

TEST(GroupName, IsNothingWhenItIsTooLong) {
    EXPECT_EQ(group_name("room", std::string(250, 'r')).value().size(), 255u);
    EXPECT_EQ(group_name("room", std::string(251, 'r')), std::nullopt);
    EXPECT_EQ(group_name("room", std::string(84, ' ')), std::nullopt);
}

}  // namespace
}  // namespace madang
