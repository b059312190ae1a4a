#include "broker/jobs/task_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "broker/jobs/argument_schemas.hpp"

namespace madang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(std::string_view json, std::string_view name = "t") {
    const auto parsed = parse_task_options(name, json);
    if (parsed) return "taken";
    EXPECT_EQ(parsed.error().code, errc::bad_request);
    return parsed.error().detail;
}

TEST(TaskOptions, DefaultsAreCelerys) {
    for (const auto* none : {"", "{}"}) {
        const auto got = parse_task_options("reports.build", none);
        ASSERT_TRUE(got) << got.error();
        EXPECT_EQ(got->name, "reports.build");
        EXPECT_EQ(got->queue, "default");
        EXPECT_EQ(got->retry, (retry_rule{3, 180'000, 0, 600'000, true}));
        EXPECT_EQ(got->soft_limit_ms, 0u);
        EXPECT_EQ(got->hard_limit_ms, 0u);
        EXPECT_EQ(got->expires_ms, 0);
        EXPECT_FALSE(got->ignore_result);
        EXPECT_FALSE(got->track_started);
        EXPECT_EQ(got->rate, 0u);
        EXPECT_EQ(got->result_ms, -1);  // the server's option
    }
}

TEST(TaskOptions, EveryOptionIsRead) {
    const auto got = parse_task_options("t", R"({
        "max_retries": null, "default_retry_delay": "5m", "autoretry_for": ["a", "b"],
        "dont_autoretry_for": ["c"], "retry_backoff": 2.5, "retry_backoff_max": 60, "retry_jitter": false,
        "soft_time_limit": 1.5, "time_limit": "2s", "acks_late": false, "reject_on_worker_lost": true,
        "ignore_result": true, "expires": "1h", "priority": 9, "rate_limit": "10/m", "track_started": true,
        "queue": "slow", "in_process": false, "concurrency_limit": 2, "limit_by": "user", "result_expires": "7d",
        "args_schema": {"type": "array"}, "kwargs_schema": {"type": "object"}})");
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->retry, (retry_rule{-1, 300'000, 2'500, 60'000, false}));
    EXPECT_THAT(got->autoretry_for, ElementsAre("a", "b"));
    EXPECT_THAT(got->dont_autoretry_for, ElementsAre("c"));
    EXPECT_EQ(got->soft_limit_ms, 1'500u);
    EXPECT_EQ(got->hard_limit_ms, 2'000u);
    EXPECT_FALSE(got->late_ack);
    EXPECT_TRUE(got->reject_on_worker_lost);
    EXPECT_TRUE(got->ignore_result);
    EXPECT_EQ(got->expires_ms, 3'600'000);
    EXPECT_EQ(got->priority, 9);
    EXPECT_EQ(got->rate, 10u);
    EXPECT_EQ(got->rate_ms, 60'000u);
    EXPECT_TRUE(got->track_started);
    EXPECT_EQ(got->queue, "slow");
    EXPECT_EQ(got->at_once, 2u);
    EXPECT_EQ(got->limit_by, "user");
    EXPECT_EQ(got->result_ms, 7 * 86'400'000);
    EXPECT_EQ(got->args_schema, R"({"type": "array"})");
    EXPECT_NE(got->schemas, nullptr);
    EXPECT_TRUE(parse_task_options("t", R"({"in_process":true,"soft_time_limit":1})")->in_process);
}

TEST(TaskOptions, RatesHaveUnits) {
    const auto rate = [](const std::string& text) {
        const auto got = parse_task_options("t", R"({"rate_limit":)" + text + "}").value();
        return std::pair(got.rate, got.rate_ms);
    };
    EXPECT_EQ(rate("5"), std::pair(5u, 1'000u));
    EXPECT_EQ(rate(R"("5")"), std::pair(5u, 1'000u));
    EXPECT_EQ(rate(R"("100/s")"), std::pair(100u, 1'000u));
    EXPECT_EQ(rate(R"("1/h")"), std::pair(1u, 3'600'000u));
    EXPECT_EQ(rate("0"), std::pair(0u, 0u));
    EXPECT_EQ(rate("null"), std::pair(0u, 0u));
    for (const auto* wrong :
         {R"("10/d")", R"("/s")", R"("1.5/s")", R"("-1/s")", R"("10/s ")", "1.5", "-1", "[]"})
        EXPECT_THAT(refusal(std::string(R"({"rate_limit":)") + wrong + "}"), HasSubstr("rate_limit: takes"))
            << wrong;
}

TEST(TaskOptions, RefusalsNameTheOption) {
    EXPECT_EQ(refusal(R"({"retries":3})"), "retries: there is no such option");
    EXPECT_THAT(refusal(R"({"max_retries":-1})"), HasSubstr("max_retries: takes a number"));
    EXPECT_THAT(refusal(R"({"max_retries":1.5})"), HasSubstr("max_retries: "));
    EXPECT_THAT(refusal(R"({"default_retry_delay":"soon"})"),
                HasSubstr("default_retry_delay: takes seconds"));
    EXPECT_THAT(refusal(R"({"default_retry_delay":-1})"), HasSubstr("default_retry_delay: "));
    EXPECT_THAT(refusal(R"({"time_limit":"50d"})"), HasSubstr("at most 49 days"));
    EXPECT_THAT(refusal(R"({"autoretry_for":"*"})"), HasSubstr("autoretry_for: takes a list"));
    EXPECT_THAT(refusal(R"({"autoretry_for":[1]})"), HasSubstr("autoretry_for: takes a list"));
    EXPECT_THAT(refusal(R"({"retry_backoff":"fast"})"), HasSubstr("retry_backoff: takes true"));
    EXPECT_THAT(refusal(R"({"retry_jitter":1})"), HasSubstr("retry_jitter: takes true or false"));
    EXPECT_THAT(refusal(R"({"priority":10})"), HasSubstr("priority: takes a number from 0 to 9"));
    EXPECT_THAT(refusal(R"({"queue":"two words"})"), HasSubstr("queue: takes a name"));
    EXPECT_THAT(refusal(R"({"concurrency_limit":-2})"), HasSubstr("concurrency_limit: takes a number"));
    EXPECT_THAT(refusal(R"({"limit_by":"user"})"), HasSubstr("limit_by: needs rate_limit"));
    EXPECT_THAT(refusal(R"({"result_expires":"never"})"), HasSubstr("result_expires: takes"));
    EXPECT_THAT(refusal("[]"), HasSubstr("takes a JSON object"));
    EXPECT_THAT(refusal(R"({"priority":1)"), HasSubstr("takes a JSON object"));
    EXPECT_THAT(refusal("{}", "two words"), HasSubstr("name: takes"));
    EXPECT_THAT(refusal("{}", ""), HasSubstr("name: takes"));
    EXPECT_THAT(refusal("{}", std::string(256, 'a')), HasSubstr("name: takes"));
}

TEST(TaskOptions, SoftLimitComesBeforeTheHardOne) {
    EXPECT_EQ(refusal(R"({"soft_time_limit":10,"time_limit":10})"),
              "time_limit: must be longer than soft_time_limit");
    EXPECT_EQ(refusal(R"({"time_limit":9,"soft_time_limit":10})"),
              "time_limit: must be longer than soft_time_limit");
    EXPECT_EQ(refusal(R"({"soft_time_limit":10,"time_limit":10.001})"), "taken");
    EXPECT_EQ(refusal(R"({"time_limit":9,"in_process":true})"),
              "time_limit: not with in_process; a thread cannot be killed");
}

TEST(TaskOptions, WrongSchemasAreRefused) {
    EXPECT_THAT(refusal(R"({"args_schema":{"type":5}})"), HasSubstr("args_schema: is no JSON Schema"));
    EXPECT_THAT(refusal(R"({"kwargs_schema":{"type":"objekt"}})"),
                HasSubstr("kwargs_schema: is no JSON Schema"));
    EXPECT_THAT(refusal(R"({"kwargs_schema":{"properties":{"a":{"$ref":"http://example.com/x"}}}})"),
                HasSubstr("kwargs_schema: is no JSON Schema"));
    EXPECT_THAT(refusal(R"({"kwargs_schema":"text"})"), HasSubstr("kwargs_schema: takes a JSON Schema"));
}

TEST(ArgumentSchemas, NameTheFirstThatIsWrong) {
    const auto schemas =
        argument_schemas::compile(R"({"items":[{"type":"string"},{"properties":{"n":{"type":"integer"}}}]})",
                                  R"({"type":"object","required":["size"],"additionalProperties":false,
            "properties":{"size":{"type":"integer","minimum":1},"list":{"items":{"type":"string"}}}})");
    ASSERT_TRUE(schemas) << schemas.error();
    EXPECT_FALSE((*schemas)->check_args(R"(["a",{"n":1}])"));
    EXPECT_EQ((*schemas)->check_args(R"([1])")->path, "[0]");
    EXPECT_EQ((*schemas)->check_args(R"(["a",{"n":"x"}])")->path, "[1].n");
    EXPECT_FALSE((*schemas)->check_kwargs(R"({"size":1,"list":["a"]})"));
    EXPECT_EQ((*schemas)->check_kwargs(R"({"size":0})")->path, ".size");
    EXPECT_EQ((*schemas)->check_kwargs(R"({"size":1,"list":["a",2]})")->path, ".list[1]");
    EXPECT_EQ((*schemas)->check_kwargs("{}")->path, ".size");
    EXPECT_EQ((*schemas)->check_kwargs("{}")->why, "is required");
    EXPECT_EQ((*schemas)->check_kwargs(R"({"size":1,"colour":2})")->path, ".colour");
}

TEST(ArgumentSchemas, LongTextsNeverReachAPattern) {
    const auto schemas = argument_schemas::compile(R"({"items":{"pattern":"^(a|b)*$"}})", "");
    ASSERT_TRUE(schemas) << schemas.error();
    EXPECT_FALSE((*schemas)->check_args(R"(["abab"])"));
    EXPECT_TRUE((*schemas)->check_args(R"(["abc"])"));
    EXPECT_THAT((*schemas)->check_args("[\"" + std::string(1'000'000, 'a') + "\"]")->why,
                HasSubstr("4096 bytes"));
}

}  // namespace
}  // namespace madang
