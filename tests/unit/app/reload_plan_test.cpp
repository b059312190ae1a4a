#include "broker/app/reload_plan.hpp"

#include <gmock/gmock.h>

namespace madang {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

struct ReloadPlan : testing::Test {
    // What runs, from its sections and what plugins declared.
    void start() {
        auto rules = declared;
        ASSERT_TRUE(running.add_namespaces(rules));
        namespaces = rules;
        asked = running;
    }
    result<reload_plan> plan() const { return plan_reload(running, asked, declared, namespaces); }
    std::string refusal() const {
        const auto made = plan();
        return made ? "accepted" : made.error().detail;
    }

    configuration running, asked;
    namespace_table declared, namespaces;
};

TEST_F(ReloadPlan, OfTheSameFileChangesNothing) {
    running.namespace_json["news"] = R"({"history_size":5,"history_ttl":"1m"})";
    running.settings.api_keys = {"a:all:k1"};
    start();
    asked.namespace_json["news"] =
        R"({"history_ttl":"60s","history_size":5,"presence":false})";  // other words
    const auto made = plan();
    ASSERT_TRUE(made) << made.error();
    EXPECT_FALSE(made->keys);
    EXPECT_FALSE(made->namespaces);
    EXPECT_THAT(made->taken_up, IsEmpty());
    EXPECT_THAT(made->restart, IsEmpty());
}

TEST_F(ReloadPlan, TakesUpKeysAndNamesWhatNeedsARestart) {
    running.settings.api_keys = {"a:all:k1"};
    start();
    asked.settings.api_keys = {"b:read:k2"};
    asked.settings.log_level = "debug";
    asked.settings.loops = 7;
    const auto made = plan();
    ASSERT_TRUE(made) << made.error();
    ASSERT_TRUE(made->keys);
    EXPECT_EQ(made->keys->find("k1"), nullptr);
    EXPECT_EQ(made->keys->find("k2")->name, "b");
    EXPECT_THAT(made->taken_up, UnorderedElementsAre("api_keys", "log_level"));
    EXPECT_THAT(made->restart, ElementsAre("loops"));
}

TEST_F(ReloadPlan, TakesUpNamespacesThatAreNewOrOther) {
    running.namespace_json["news"] = R"({"allow_publish":"everyone"})";
    start();
    asked.namespace_json["news"] = R"({"history_size":5,"history_ttl":"1m"})";
    asked.namespace_json["new"] = R"({"presence":true})";
    asked.namespace_json[""] = R"({"allow_subscribe":"everyone"})";
    const auto made = plan();
    ASSERT_TRUE(made && made->namespaces);
    EXPECT_EQ(made->namespaces->of_group("news:a")->history_size, 5u);
    EXPECT_EQ(made->namespaces->of_group("news:a")->allow_publish, audience::nobody);
    EXPECT_TRUE(made->namespaces->of_group("new:a")->presence);
    EXPECT_TRUE(made->namespaces->any_history());
    EXPECT_TRUE(made->namespaces->any_presence());
    EXPECT_THAT(made->taken_up, ElementsAre("[namespace.\"\"]", "[namespace.new]", "[namespace.news]"));
    EXPECT_THAT(made->restart, IsEmpty());
}

TEST_F(ReloadPlan, ASectionOfWhichSomethingNeedsARestartStaysAsItWas) {
    running.namespace_json["news"] = R"({"history_size":5,"history_ttl":"1m","allow_publish":"everyone"})";
    running.namespace_json["room"] = R"({"presence":true})";
    start();
    asked.namespace_json["news"] = R"({"ordered":false,"allow_publish":"nobody"})";
    asked.namespace_json["room"] = R"({"presence":false})";
    const auto made = plan();
    ASSERT_TRUE(made && made->namespaces);
    EXPECT_EQ(*made->namespaces->of_group("news:a"), *namespaces.of_group("news:a"));
    EXPECT_FALSE(made->namespaces->of_group("room:a")->presence);
    EXPECT_THAT(made->restart, ElementsAre("[namespace.news] history_size", "[namespace.news] ordered"));
    EXPECT_THAT(made->taken_up, ElementsAre("[namespace.room]"));
}

TEST_F(ReloadPlan, NoNamespaceGoesButWhatAPluginDeclaredIsAgainAsItDid) {
    ASSERT_TRUE(declared.set("room", R"({"presence":true})", "plugin"));
    running.namespace_json["room"] = R"({"presence":false})";
    running.namespace_json["news"] = R"({"allow_publish":"everyone"})";
    start();
    asked.namespace_json.clear();
    const auto made = plan();
    ASSERT_TRUE(made && made->namespaces);
    EXPECT_EQ(made->namespaces->of_group("news:a")->allow_publish, audience::everyone);
    EXPECT_TRUE(made->namespaces->of_group("room:a")->presence);
    EXPECT_THAT(made->restart, ElementsAre("[namespace.news]"));
    EXPECT_THAT(made->taken_up, ElementsAre("[namespace.room]"));
}

TEST_F(ReloadPlan, ABackendThatIsNotThereYetIsNotAsked) {
    running.namespace_json["news"] = R"({})";
    start();
    asked.settings.proxy_publish = "http://127.0.0.1:1/";
    asked.namespace_json["news"] = asked.namespace_json["new"] = R"({"publish_proxy":true})";
    const auto made = plan();
    ASSERT_TRUE(made) << made.error();
    EXPECT_FALSE(made->namespaces);
    EXPECT_THAT(made->restart, ElementsAre("proxy_publish", "[namespace.new] publish_proxy",
                                           "[namespace.news] publish_proxy"));
    running.settings.proxy_publish = asked.settings.proxy_publish;
    EXPECT_TRUE(plan()->namespaces->of_group("new:a")->publish_proxy);
}

TEST_F(ReloadPlan, WhatIsWrongIsNamedAndChangesNothing) {
    start();
    asked.settings.api_keys = {"a:all:k1", "b:fly:s3cr3t"};
    EXPECT_THAT(refusal(), AllOf(HasSubstr("api-key, entry 2 (b): its RIGHTS"), Not(HasSubstr("s3cr3t"))));
    asked = running;
    asked.namespace_json["news"] = R"({"history_sise":1})";
    EXPECT_THAT(refusal(), AllOf(HasSubstr("[namespace.news]"), HasSubstr("did you mean history_size?")));
    asked = running;
    asked.namespace_json["news"] = R"({"subscribe_proxy":true})";
    EXPECT_THAT(refusal(), HasSubstr("--proxy-subscribe"));
}

}  // namespace
}  // namespace madang
