#include "broker/net/token_login.hpp"

#include <gtest/gtest.h>

#include "tests/support/fake_fetcher.hpp"
#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

struct TokenLogin : ::testing::Test {
    manual_clock clock;
    jwt_verifier verifier{"your-256-bit-secret", clock};
    std::function<result<request_user>(const http_request&)> login = token_login(verifier);
    // The example of jwt.io: sub 1234567890.
    const std::string token =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5"
        "MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
};

TEST_F(TokenLogin, KnowsTheUserFromEachPlace) {
    http_request header, query, protocol;
    header.headers = {{"authorization", "Bearer " + token}};
    query.query = "a=b&token=" + token;
    protocol.headers = {{"sec-websocket-protocol", "bearer, " + token}};
    for (const auto* request : {&header, &query, &protocol}) {
        auto user = login(*request);
        ASSERT_TRUE(user) << user.error();
        EXPECT_EQ(user->id, "1234567890");
        EXPECT_NE(user->json.find("John Doe"), std::string::npos);
    }
}

TEST_F(TokenLogin, TakesARequestWithoutATokenAsAnonymous) {
    auto user = login({});
    ASSERT_TRUE(user);
    EXPECT_EQ(user->id, "");
    EXPECT_EQ(user->json, "");
}

TEST_F(TokenLogin, RefusesABadToken) {
    http_request request;
    request.headers = {{"authorization", "Bearer " + token + "x"}};
    EXPECT_FALSE(login(request));
}

// By Django 3.2.25 with the secret "django-insecure-0123456789", at the manual clock's second; user 42.
const std::string session_cookie =
    ".eJyrVopPLC3JiC8tTi2Kz0xRslIyMVLSQRZMSkzOTs0DyaRkJeal5-sl5-eVFGUm6YGU6EFli_V881NSc5ygalEMyEgszgD"
    "qNjA0Mk5MSk5RqgUAboYo0g:1r31eq:gMbjn936ak57mleDxywA1S-5OLcHxKEisH86oxOk7pQ";

TEST_F(TokenLogin, KnowsTheUserOfADjangoSession) {
    options from;
    from.django_secret_key = "django-insecure-0123456789";
    const django_sessions sessions(from, clock);
    metrics_shard counts;
    const auto by_both = token_login(verifier, &sessions, &counts);
    http_request request;
    request.headers = {{"cookie", "csrftoken=x; sessionid=" + session_cookie + "; other=1"}};
    auto user = by_both(request);
    ASSERT_TRUE(user) << user.error();
    EXPECT_EQ(user->id, "42");
    EXPECT_NE(user->json.find(R"("sub":"42")"), std::string::npos);
    EXPECT_NE(user->session_json.find(R"("_auth_user_id":"42")"), std::string::npos);

    request.headers.push_back({"authorization", "Bearer " + token});
    user = by_both(request);
    ASSERT_TRUE(user);
    EXPECT_EQ(user->id, "1234567890") << "the token says who, the session stays one";
    EXPECT_NE(user->session_json.find(R"("_auth_user_id":"42")"), std::string::npos);
    EXPECT_EQ(login(request)->session_json, "");

    clock.advance(std::chrono::hours(24 * 15));
    request.headers.pop_back();
    user = by_both(request);
    ASSERT_TRUE(user) << "as the site itself sees it: nobody is logged in";
    EXPECT_EQ(user->id, "");
    EXPECT_EQ(user->session_json, "");
    EXPECT_EQ(counts.value(labelled_counter::sessions_refused, "expired"), 1u);
}

TEST_F(TokenLogin, NeverWaitsForTheKeySet) {
    const auto key = test::signing_key::ed25519();
    fake_fetcher fetcher;
    metrics_shard counts;
    jwks_cache keys("https://keys.example/", jwks_limits{}, fetcher, clock, counts);
    const jwt_verifier by_set(jwt_settings{}, clock, &keys);
    const auto by_keys = token_login(by_set);
    http_request request;
    request.query = "token=" + key.sign(R"({"alg":"EdDSA","kid":"a"})", R"({"sub":"u"})", nullptr);
    EXPECT_EQ(by_keys(request).error().code, errc::busy);
    fetcher.answer(R"({"keys":[)" + key.jwk("a") + "]}");
    ASSERT_TRUE(by_keys(request));
    EXPECT_EQ(by_keys(request)->id, "u");
}

}  // namespace
}  // namespace madang
