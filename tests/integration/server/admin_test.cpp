// The admin page of a running server, without a browser: where it is, who gets in, what is refused.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Admin : testing::Test {
    server node{{}, {.environment = {{"MADANG_API_KEYS", "ops:all:k-ops,eyes:read:k-eyes"}}}};
    const std::string origin = "Origin: http://127.0.0.1\r\n";  // as the Host that fetch() names

    http_answer ask(std::string_view method, std::string_view path, const std::string& headers,
                    std::string_view body = {}) {
        return fetch(node.internal_port(), path, headers, method, body);
    }
    // The headers of one who signed in with that key.
    std::string signed_in(const std::string& key) {
        const auto got = ask("POST", "/admin/session", origin, R"({"key":")" + key + "\"}");
        EXPECT_EQ(got.status, 200) << got.body;
        const auto cookie = got.headers.at("set-cookie");
        return origin + "Cookie: " + cookie.substr(0, cookie.find(';')) +
               "\r\nX-CSRF-Token: " + json::parse(got.body).value("token", "") + "\r\n";
    }
};

TEST_F(Admin, IsOnTheInternalListenerOnly) {
    const auto page = ask("GET", "/admin/", "");
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page.body, HasSubstr("app.js"));
    EXPECT_THAT(page.headers.at("content-security-policy"),
                AllOf(HasSubstr("default-src 'none'"), HasSubstr("frame-ancestors 'none'"),
                      Not(HasSubstr("unsafe"))));
    EXPECT_EQ(ask("GET", "/admin", "").headers.at("location"), "/admin/");
    EXPECT_EQ(ask("GET", "/admin/../metrics", "").status, 400);
    EXPECT_EQ(ask("GET", "/admin/nothing.js", "").status, 404);
    EXPECT_EQ(ask("POST", "/admin/", origin).status, 405);
    for (const auto* path : {"/admin", "/admin/", "/admin/app.js", "/admin/session", "/admin/api/queues"})
        EXPECT_EQ(fetch(node.port(), path).status, 404) << path;
    EXPECT_EQ(fetch(node.port(), "/admin/session", origin, "POST", R"({"key":"k-ops"})").status, 404);
}

TEST_F(Admin, ShowsAndChangesByTheRightsOfTheKey) {
    const auto ops = signed_in("k-ops"), eyes = signed_in("k-eyes");
    EXPECT_EQ(ask("POST", "/admin/api/queues/mail/pause", eyes).status, 403);
    const auto queues = [&] { return json::parse(ask("GET", "/admin/api/queues", eyes).body)["queues"]; };
    const auto paused = [&] {
        for (const auto& each : queues())
            if (each["name"] == "mail") return each["paused"].get<bool>();
        return false;
    };
    EXPECT_FALSE(paused());
    EXPECT_EQ(ask("POST", "/admin/api/queues/mail/pause", ops).status, 200);
    EXPECT_TRUE(paused());
    EXPECT_EQ(ask("POST", "/admin/api/queues/mail/resume", ops).status, 200);
    EXPECT_FALSE(paused());
    EXPECT_EQ(json::parse(ask("POST", "/admin/api/info", eyes, "{}").body)["result"]["nodes"].size(), 1u);
    const auto counted = node.metrics();
    EXPECT_EQ(counted[R"(madang_admin_actions_total{action="sign_in"})"], 2);
    EXPECT_EQ(counted[R"(madang_admin_actions_total{action="queue_pause"})"], 2);
    EXPECT_TRUE(eventually([&] {
        const auto log = node.process().err();
        return log.find("admin.action key=ops action=queue_pause target=mail outcome=done") != log.npos &&
               log.find("admin.action key=eyes action=queue_pause target=mail outcome=refused") != log.npos;
    }));
    EXPECT_THAT(node.process().err(), Not(HasSubstr("k-ops")));
}

TEST_F(Admin, TellsItsLogPluginsAndTheLastHour) {
    const auto eyes = signed_in("k-eyes");
    const auto told = [&](const std::string& what) {
        return json::parse(ask("GET", "/admin/api/" + what, eyes).body);
    };
    EXPECT_TRUE(eventually([&] {
        const auto got = told("log?text=key%3Deyes");
        for (const auto& each : got["lines"])
            if (each["event"] == "admin.signed_in" && each["fields"]["key"] == "eyes") return true;
        return false;
    }));
    EXPECT_THAT(told("log").dump(), Not(HasSubstr("k-eyes")));
    EXPECT_TRUE(told("plugins")["plugins"].is_array());
    EXPECT_EQ(told("charts")["interval_ms"], 10'000);
}

TEST(AdminAudit, IsWrittenWhateverTheLevel) {
    server quiet{{"--log-level", "error", "--log-tail-lines", "0"},
                 {.environment = {{"MADANG_API_KEYS", "ops:all:k-ops"}}}};
    const auto got = fetch(quiet.internal_port(), "/admin/session", "Origin: http://127.0.0.1\r\n", "POST",
                           R"({"key":"k-ops"})");
    EXPECT_EQ(got.status, 200);
    EXPECT_TRUE(eventually(
        [&] { return quiet.process().err().find("admin.signed_in key=ops") != std::string::npos; }));
}

TEST_F(Admin, RefusesStrangersForgeriesAndTheSignedOut) {
    EXPECT_EQ(ask("POST", "/admin/session", origin, R"({"key":"k-op"})").status, 401);
    EXPECT_EQ(ask("POST", "/admin/session", "Origin: http://evil.example\r\n", R"({"key":"k-ops"})").status,
              403);
    EXPECT_EQ(ask("GET", "/admin/api/queues", "").status, 401);
    EXPECT_EQ(ask("GET", "/admin/api/queues", "X-API-Key: k-ops\r\n").status, 401);
    const auto ops = signed_in("k-ops");
    const auto without_token = ops.substr(0, ops.find("X-CSRF"));
    EXPECT_EQ(ask("POST", "/admin/api/queues/mail/pause", without_token).status, 403);
    EXPECT_EQ(ask("POST", "/admin/api/queues/mail/pause", without_token + "X-CSRF-Token: no\r\n").status,
              403);
    const auto elsewhere = "Origin: http://127.0.0.1:1\r\n" + ops.substr(origin.size());
    EXPECT_EQ(ask("POST", "/admin/api/queues/mail/pause", elsewhere).status, 403);
    EXPECT_EQ(json::parse(ask("GET", "/admin/api/queues", ops).body)["queues"], json::array());
    EXPECT_EQ(ask("DELETE", "/admin/session", ops).status, 200);
    EXPECT_EQ(ask("GET", "/admin/api/queues", ops).status, 401);
}

}  // namespace
}  // namespace madang::test
