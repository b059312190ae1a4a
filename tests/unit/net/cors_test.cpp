#include "broker/net/cors.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

http_request from_origin(std::string origin, std::string method = "GET") {
    http_request request;
    request.method = std::move(method);
    request.headers = {{"origin", std::move(origin)}};
    return request;
}

std::string value(const http_response& response, std::string_view name) {
    for (const auto& [n, v] : response.headers) {
        if (n == name) return v;
    }
    return "";
}

TEST(Cors, NamesAListedOriginOnly) {
    cors_policy policy({"https://a.example"});
    http_response good, bad;
    policy.decorate(from_origin("https://a.example"), good);
    policy.decorate(from_origin("https://b.example"), bad);
    EXPECT_EQ(value(good, "Access-Control-Allow-Origin"), "https://a.example");
    EXPECT_EQ(value(good, "Vary"), "Origin");
    EXPECT_EQ(value(bad, "Access-Control-Allow-Origin"), "");
    EXPECT_EQ(value(bad, "Vary"), "Origin");
}

TEST(Cors, AddsNothingWhenNoOriginIsListed) {
    cors_policy policy({});
    http_response response;
    policy.decorate(from_origin("https://a.example"), response);
    EXPECT_TRUE(response.headers.empty());
    auto preflight = from_origin("https://a.example", "OPTIONS");
    preflight.headers.emplace_back("access-control-request-method", "PUT");
    EXPECT_FALSE(policy.preflight(preflight));
}

TEST(Cors, AnswersPreflights) {
    cors_policy policy({"*"});
    auto request = from_origin("https://a.example", "OPTIONS");
    EXPECT_FALSE(policy.preflight(request));  // an OPTIONS request of another kind
    request.headers.emplace_back("access-control-request-method", "PUT");
    request.headers.emplace_back("access-control-request-headers", "authorization, x-custom");
    auto answer = policy.preflight(request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 204u);
    EXPECT_EQ(value(*answer, "Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(value(*answer, "Access-Control-Allow-Methods"), "PUT");
    EXPECT_EQ(value(*answer, "Access-Control-Allow-Headers"), "authorization, x-custom");
}

}  // namespace
}  // namespace madang
