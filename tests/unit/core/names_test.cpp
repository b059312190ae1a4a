#include "broker/core/names.hpp"

#include <gtest/gtest.h>

#include <string>

namespace madang {
namespace {

TEST(GroupName, AcceptsPrintableAsciiUpTo255Bytes) {
    EXPECT_TRUE(valid_group_name("room:general"));
    EXPECT_TRUE(valid_group_name("!"));
    EXPECT_TRUE(valid_group_name("~#a,b"));
    EXPECT_TRUE(valid_group_name(std::string(255, 'g')));
}

TEST(GroupName, RefusesEmptyLongSpacesControlsAndOther) {
    EXPECT_FALSE(valid_group_name(""));
    EXPECT_FALSE(valid_group_name(std::string(256, 'g')));
    EXPECT_FALSE(valid_group_name("a b"));
    EXPECT_FALSE(valid_group_name("a\n"));
    EXPECT_FALSE(valid_group_name("a\x7f"));
    EXPECT_FALSE(valid_group_name("마당"));
    EXPECT_FALSE(valid_group_name(std::string_view("a\0b", 3)));
}

TEST(GroupName, NamespaceStandsBeforeTheFirstColon) {
    EXPECT_EQ(namespace_of("room:a:b"), "room");
    EXPECT_EQ(namespace_of("room"), "");
    EXPECT_EQ(namespace_of(":room"), "");
    EXPECT_EQ(namespace_of(""), "");
}

TEST(ChannelName, FollowsChannelsRule) {
    EXPECT_TRUE(valid_channel_name("specific.abc-1_2"));
    EXPECT_TRUE(valid_channel_name("specific.node!AbC"));
    EXPECT_TRUE(valid_channel_name("node!"));
    EXPECT_TRUE(valid_channel_name(std::string(99, 'c')));
    EXPECT_FALSE(valid_channel_name(std::string(100, 'c')));
    EXPECT_FALSE(valid_channel_name(""));
    EXPECT_FALSE(valid_channel_name("!node"));
    EXPECT_FALSE(valid_channel_name("a!b!c"));
    EXPECT_FALSE(valid_channel_name("room:a"));
    EXPECT_FALSE(valid_channel_name("a b"));
    EXPECT_FALSE(valid_channel_name("a\xc3\xa9"));
}

TEST(EventType, RefusesWhatCouldNameAPrivateHandler) {
    EXPECT_TRUE(valid_event_type("chat.message"));
    EXPECT_TRUE(valid_event_type("0"));
    EXPECT_TRUE(valid_event_type(std::string(255, 't')));
    EXPECT_FALSE(valid_event_type(""));
    EXPECT_FALSE(valid_event_type("_private"));
    EXPECT_FALSE(valid_event_type(".dot"));
    EXPECT_FALSE(valid_event_type("a!b"));
    EXPECT_FALSE(valid_event_type("a b"));
    EXPECT_FALSE(valid_event_type(std::string(256, 't')));
}

}  // namespace
}  // namespace madang
