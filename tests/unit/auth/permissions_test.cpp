#include "broker/auth/permissions.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

TEST(Permissions, EachAudienceIsWhoItSays) {
    struct row {
        audience who;
        bool stranger, user, subscribed_stranger, subscribed_user;
    };
    for (const auto& each :
         {row{audience::nobody, false, false, false, false},
          row{audience::subscribers, false, false, true, true},
          row{audience::users, false, true, false, true}, row{audience::everyone, true, true, true, true}}) {
        const auto name = static_cast<int>(each.who);
        EXPECT_EQ(permits(each.who, "", false), each.stranger) << name;
        EXPECT_EQ(permits(each.who, "u", false), each.user) << name;
        EXPECT_EQ(permits(each.who, "", true), each.subscribed_stranger) << name;
        EXPECT_EQ(permits(each.who, "u", true), each.subscribed_user) << name;
    }
}

TEST(Permissions, UserLimitedGroupsListTheirUsers) {
    EXPECT_TRUE(is_listed("dialog#7,42", "42"));
    EXPECT_TRUE(is_listed("dialog#7,42", "7"));
    EXPECT_TRUE(is_listed("dialog#7", "7"));
    for (const auto user : {"4", "2", "742", "7,42", "", "dialog"})
        EXPECT_FALSE(is_listed("dialog#7,42", user)) << user;
    EXPECT_FALSE(is_listed("dialog#", "")) << "an anonymous user is in no list";
    EXPECT_FALSE(is_listed("dialog#7,", ""));
    EXPECT_FALSE(is_listed("dialog", "dialog"));
    EXPECT_TRUE(is_listed("a#b#c,d", "b#c"));
    namespace_options options;
    EXPECT_FALSE(is_user_limited(options, "a#b"));
    options.user_limited = true;
    EXPECT_TRUE(is_user_limited(options, "a#b"));
    EXPECT_FALSE(is_user_limited(options, "ab"));
}

}  // namespace
}  // namespace madang
