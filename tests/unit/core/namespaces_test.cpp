#include "broker/core/namespaces.hpp"

#include <gmock/gmock.h>

namespace madang {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(Namespaces, TakeEveryKindOfValue) {
    namespace_table table;
    ASSERT_TRUE(
        table.set("news",
                  R"({"history_size":10,"history_ttl":"2m","history_durability":"synced","recovery":true,
                              "allow_publish":"subscribers"})",
                  "here"));
    const auto* news = table.of_group("news:today");
    ASSERT_NE(news, nullptr);
    EXPECT_EQ(news->history_size, 10u);
    EXPECT_EQ(news->history_ttl, milliseconds(120'000));
    EXPECT_EQ(news->history_durability, durability::synced);
    EXPECT_TRUE(news->recovery);
    EXPECT_EQ(news->allow_publish, audience::subscribers);
    EXPECT_EQ(news->allow_subscribe, audience::nobody);
    EXPECT_TRUE(table.any_history());
    EXPECT_FALSE(table.any_presence());
}

TEST(Namespaces, ADurationWithoutUnitIsInSeconds) {
    namespace_table table;
    ASSERT_TRUE(table.set("n", R"({"history_size":1,"history_ttl":30})", "here"));
    EXPECT_EQ(table.of_group("n:x")->history_ttl, milliseconds(30'000));
}

TEST(Namespaces, ALaterSettingOverridesOnlyWhatItNames) {
    namespace_table table;
    ASSERT_TRUE(table.set("room", R"({"presence":true,"join_leave":true})", "plugin"));
    ASSERT_TRUE(table.set("room", R"({"join_leave":false})", "file"));
    EXPECT_TRUE(table.of_group("room:a")->presence);
    EXPECT_FALSE(table.of_group("room:a")->join_leave);
}

TEST(Namespaces, WhatStreamsRelyOnNeedsARestart) {
    using testing::ElementsAre;
    using testing::IsEmpty;
    namespace_options plain, kept;
    kept.history_size = 5;
    kept.history_ttl = std::chrono::minutes(1);
    auto synced = kept;
    synced.history_durability = durability::synced;
    EXPECT_THAT(needs_restart(plain, kept), IsEmpty()) << "history is turned on";
    EXPECT_THAT(needs_restart(plain, synced), IsEmpty());
    EXPECT_THAT(needs_restart(kept, plain), ElementsAre("history_size"));
    EXPECT_THAT(needs_restart(kept, synced), ElementsAre("history_durability"));
    auto open = kept;
    open.history_size = 1;
    open.history_ttl = open.history_meta_ttl = std::chrono::hours(1);
    open.recovery = open.positioning = open.cache = open.presence = open.join_leave = open.crash_leaves =
        true;
    open.allow_subscribe = open.allow_publish = open.allow_presence = open.allow_history = audience::everyone;
    open.user_limited = open.subscribe_proxy = open.publish_proxy = true;
    EXPECT_THAT(needs_restart(kept, open), IsEmpty());
    EXPECT_THAT(needs_restart(open, kept), IsEmpty());
    open.ordered = false;
    EXPECT_THAT(needs_restart(kept, open), ElementsAre("ordered"));
}

TEST(Namespaces, NamesWithoutColonHaveTheNamelessOne) {
    namespace_table table;
    ASSERT_TRUE(table.set("", R"({"presence":true})", "file"));
    EXPECT_TRUE(table.of_group("lobby")->presence);
    EXPECT_EQ(table.of_group("unknown:lobby"), nullptr);
}

struct refused {
    std::string name, json, why;
};
class NamespacesRefuse : public testing::TestWithParam<refused> {};
TEST_P(NamespacesRefuse, AndSayWhy) {
    namespace_table table;
    const auto set = table.set(GetParam().name, GetParam().json, "namespace.x (file:1)");
    ASSERT_FALSE(set);
    EXPECT_THAT(set.error().detail, HasSubstr("namespace.x (file:1): "));
    EXPECT_THAT(set.error().detail, HasSubstr(GetParam().why));
    EXPECT_EQ(table.all().size(), 1u);
}
INSTANTIATE_TEST_SUITE_P(
    Table, NamespacesRefuse,
    testing::Values(refused{"x", "[]", "takes an object"},
                    refused{"x", R"({"histroy_size":1})",
                            "no option histroy_size; did you mean history_size?"},
                    refused{"x", R"({"history_size":-1})", "history_size takes a number"},
                    refused{"x", R"({"history_size":1})", "go together"},
                    refused{"x", R"({"presence":1})", "takes true or false"},
                    refused{"x", R"({"recovery":true})", "need history_size"},
                    refused{"x", R"({"join_leave":true})", "needs presence"},
                    refused{"x", R"({"allow_publish":"all"})", "one of nobody, subscribers, users, everyone"},
                    refused{"x", R"({"history_ttl":"soon"})", "takes a duration"},
                    refused{"a:b", "{}", "without space and ':'"}));

}  // namespace
}  // namespace madang
