// Who may connect: tokens, origins, and where both are read.
#include <gmock/gmock.h>

#include <ctime>

#include "broker/bench/jwt.hpp"
#include "broker/core/base64.hpp"
#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"
#include "tests/support/token_maker.hpp"

namespace madang::test {
namespace {

const std::string secret = "a-secret-of-at-least-thirty-two-bytes";

std::string token(const std::string& key = secret, long long lives = 3600) {
    return bench::sign_hs256(key, "ada", std::time(nullptr) + lives);
}

std::string signed_with(const std::string& head, const std::string& claims) {
    return sign_hmac(head, claims, secret);
}

class Users : public testing::Test {
  protected:
    Users() : node({}, {.environment = {{"MADANG_JWT_HMAC_SECRET", secret}}}) {}

    int status(const std::string& target, const std::string& headers = {}) const {
        peer client(node.port());
        client.upgrade(target, headers);
        drive(client, [&] { return client.answer || client.ended; });
        return client.answer ? client.answer->status : 0;
    }

    server node;
};

TEST_F(Users, ATokenLogsInByHeaderQueryAndSubprotocol) {
    EXPECT_EQ(status("/ws/notify/", "Authorization: Bearer " + token() + "\r\n"), 101);
    EXPECT_EQ(status("/ws/notify/?token=" + token()), 101);
    EXPECT_EQ(status("/ws/notify/", "Sec-WebSocket-Protocol: bearer, " + token() + "\r\n"), 101);
}

TEST_F(Users, WithoutATokenTheUserIsAnonymousAndNotifyRefusesThem) { EXPECT_EQ(status("/ws/notify/"), 403); }

TEST_F(Users, ATokenThatIsNotValidIsRefusedAndCountedOnce) {
    const auto none = base64url_encode("{\"alg\":\"none\",\"typ\":\"JWT\"}") + "." +
                      base64url_encode("{\"sub\":\"ada\",\"exp\":9999999999}") + ".";
    auto changed = token();
    changed[changed.find('.') + 3] ^= 1;
    const std::string all[] = {
        token("another-secret-of-at-least-32-bytes!"),
        none,
        token(secret, -3600),
        changed,
        "nonsense",
        signed_with("{\"alg\":\"none\"}", "{\"sub\":\"ada\",\"exp\":9999999999}"),
        signed_with("{\"alg\":\"HS256\"}", "{\"sub\":\"ada\",\"exp\":9999999999,\"nbf\":9999999990}")};
    double refused = 0;
    for (const auto& each : all) {
        EXPECT_EQ(status("/ws/notify/", "Authorization: Bearer " + each + "\r\n"), 401) << each;
        EXPECT_EQ(status("/ws/notify/?token=" + each), 401) << each;
        refused += 2;
        EXPECT_EQ(node.metrics().sum("madang_tokens_refused_total"), refused) << each;
        EXPECT_EQ(node.log().find(each), std::string::npos) << "a token in the log";
    }
}

TEST_F(Users, ATokenIsReadOnOpenRoutesToo) {
    EXPECT_EQ(status("/ws/echo/"), 101);
    EXPECT_EQ(status("/ws/echo/", "Authorization: Bearer nonsense\r\n"), 401);
}

TEST(UsersWithoutSecret, NoTokenIsAccepted) {
    server node;
    peer client(node.port());
    client.upgrade("/ws/notify/", "Authorization: Bearer " + token("") + "\r\n");
    ASSERT_TRUE(drive(client, [&] { return client.answer.has_value(); }));
    EXPECT_EQ(client.answer->status, 401);
}

int with_origin(const server& node, const std::string& origin) {
    peer client(node.port());
    client.raw("GET /ws/echo/ HTTP/1.1\r\nHost: yard.test\r\n" +
               (origin.empty() ? "" : "Origin: " + origin + "\r\n") +
               "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    std::string status;
    if (!drive(client, [&] { return (client.answer = client.next_answer()).has_value(); })) return 0;
    return client.answer->status;
}

TEST(Origins, SameOriginIsTheDefault) {
    server node;
    EXPECT_EQ(with_origin(node, "http://yard.test"), 101);
    EXPECT_EQ(with_origin(node, "https://yard.test"), 403);
    EXPECT_EQ(with_origin(node, "http://elsewhere.test"), 403);
    EXPECT_EQ(with_origin(node, "null"), 403);
    EXPECT_EQ(node.metrics()["madang_connections_refused_total{reason=\"origin\"}"], 3);
}

TEST(Origins, TheListNamesOthersAndAStarAdmitsAll) {
    server listed({"--allowed-origin", "https://elsewhere.test"});
    EXPECT_EQ(with_origin(listed, "https://elsewhere.test"), 101);
    EXPECT_EQ(with_origin(listed, "http://yard.test"), 403);
    EXPECT_EQ(with_origin(listed, ""), 403);
    server open({"--allowed-origin", "*"});
    EXPECT_EQ(with_origin(open, "https://anywhere.test"), 101);
    EXPECT_EQ(with_origin(open, ""), 101);
}

}  // namespace
}  // namespace madang::test
