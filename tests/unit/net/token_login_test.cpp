#include "broker/net/token_login.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace madang
