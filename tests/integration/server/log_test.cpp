// Request ids, through answers and log lines.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

// Every line of the log, each of which has to be JSON; those that carry the id.
std::vector<nlohmann::json> lines_of(const server& node, const std::string& id) {
    std::vector<nlohmann::json> result;
    std::istringstream log(node.log());
    for (std::string line; std::getline(log, line);) {
        const auto parsed = nlohmann::json::parse(line, nullptr, false);
        EXPECT_TRUE(parsed.is_object()) << line;
        if (parsed.is_object() && parsed.value("request_id", "") == id) result.push_back(parsed);
    }
    return result;
}

bool all_but_the_last_line_is_whole(const server& node) {
    const auto log = node.log();
    return log.empty() || log.back() == '\n';
}

TEST(RequestIds, AreTheClientsOwnInTheAnswerAndInTheLog) {
    server node({"--log-format", "json"});
    const auto answer = fetch(node.port(), "/healthz", "X-Request-ID: mine-1\r\n");
    EXPECT_EQ(answer.headers.at("x-request-id"), "mine-1");
    ASSERT_TRUE(eventually(
        [&] { return all_but_the_last_line_is_whole(node) && !lines_of(node, "mine-1").empty(); }));
    const auto line = lines_of(node, "mine-1").front();
    EXPECT_EQ(line.value("event", ""), "http.request");
    EXPECT_EQ(line.value("path", ""), "/healthz");
    EXPECT_EQ(line.value("status", 0), 200);
}

TEST(RequestIds, AreMadeWhenMissingOrMalformed) {
    server node;
    const auto first = fetch(node.port(), "/healthz").headers["x-request-id"];
    const auto second = fetch(node.port(), "/healthz").headers["x-request-id"];
    EXPECT_GE(first.size(), 8u);
    EXPECT_NE(first, second);
    const auto refused =
        fetch(node.port(), "/healthz", "X-Request-ID: two words\r\n").headers["x-request-id"];
    EXPECT_NE(refused, "two words");
    EXPECT_GE(refused.size(), 8u);
    EXPECT_FALSE(fetch(node.port(), "/missing").headers["x-request-id"].empty());
}

TEST(RequestIds, FollowAConnectionFromItsHandshakeToItsEnd) {
    server node({"--log-format", "json", "--log-level", "debug"});
    peer client(node.port());
    client.upgrade("/ws/echo/", "X-Request-ID: socket-1\r\n");
    ASSERT_TRUE(drive(client, [&] { return client.answer.has_value(); }));
    EXPECT_EQ(client.answer->headers["x-request-id"], "socket-1");
    client.frame(8, std::string_view("\x03\xe8", 2));
    ASSERT_TRUE(drive(client, [&] { return client.ended; }));
    EXPECT_TRUE(eventually([&] {
        return all_but_the_last_line_is_whole(node) && lines_of(node, "socket-1").size() >= 2;
    })) << node.log();
}

TEST(RequestIds, AreInARefusedHandshakesLineToo) {
    server node({"--log-format", "json"},
                {.environment = {{"MADANG_JWT_HMAC_SECRET", std::string(32, 's')}}});
    peer client(node.port());
    client.upgrade("/ws/notify/?token=hidden-from-logs", "X-Request-ID: refused-1\r\n");
    ASSERT_TRUE(drive(client, [&] { return client.answer.has_value(); }));
    EXPECT_EQ(client.answer->headers["x-request-id"], "refused-1");
    EXPECT_TRUE(eventually(
        [&] { return all_but_the_last_line_is_whole(node) && !lines_of(node, "refused-1").empty(); }));
    EXPECT_EQ(node.log().find("hidden-from-logs"), std::string::npos);
}

TEST(Logs, AreSilentWhenTurnedOff) {
    server node({"--log-level", "off"});
    fetch(node.port(), "/healthz");
    EXPECT_EQ(node.stop(), 0);
    EXPECT_EQ(node.log(), "");
}

TEST(Logs, CarryTheStartAndTheEnd) {
    server node({"--log-format", "json"});
    EXPECT_EQ(node.stop(), 0);
    EXPECT_THAT(node.log(), testing::HasSubstr("server.draining"));
    EXPECT_THAT(node.log(), testing::HasSubstr("server.stopped"));
    EXPECT_THAT(node.process().out(), testing::EndsWith("madang: stopped\n"));
}

}  // namespace
}  // namespace madang::test
