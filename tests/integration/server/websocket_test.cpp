// Connections of a running server: limits with their close codes and metrics, compression, the drain.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

TEST(WebSockets, AMessageOverTheLimitCloses1009) {
    server node({"--ws-message-bytes", "100"});
    peer client(node.port());
    client.upgrade("/ws/ping/");  // echo has a limit of its own
    const auto ping = [](std::size_t size) { return "{\"ping\":\"" + std::string(size - 11, 'a') + "\"}"; };
    client.text(ping(100));
    ASSERT_TRUE(drive(client, [&] { return client.received == 2; }));
    client.text(ping(101));
    ASSERT_TRUE(drive(client, [&] { return client.ended; }));
    EXPECT_EQ(client.closed, 1009);
    client.hang_up();  // it lingers otherwise
    EXPECT_TRUE(eventually([&] { return node.metrics()["madang_closes_total{code=\"1009\"}"] == 1; }));
}

TEST(WebSockets, TooManyMessagesClose3013) {
    server node({"--ws-messages-per-second", "5", "--ws-message-burst", "10"});
    peer client(node.port());
    client.upgrade("/ws/ping/");
    for (int i = 0; i < 50; ++i) client.text("{\"ping\":1}");
    ASSERT_TRUE(drive(client, [&] { return client.ended; }));
    EXPECT_EQ(client.closed, 3013);
    EXPECT_GE(client.received, 10u);  // the greeting and the burst
    EXPECT_LT(client.received, 20u);
    EXPECT_EQ(node.metrics()["madang_rate_limited_total"], 1);
}

TEST(WebSockets, AClientThatAnswersNoPingIsClosed3012) {
    server node({"--ws-ping-interval", "200ms", "--ws-pong-timeout", "200ms"});
    peer silent(node.port()), answering(node.port());
    silent.answers_pings = false;
    peer* const both[] = {&silent, &answering};
    for (peer* each : both) each->upgrade("/ws/echo/");
    ASSERT_TRUE(drive(both, [&] { return silent.ended; }));
    EXPECT_EQ(silent.closed, 3012);
    EXPECT_FALSE(answering.ended);
    EXPECT_EQ(node.metrics()["madang_pong_timeouts_total"], 1);
    EXPECT_GE(node.metrics()["madang_pongs_received_total"], 1);
}

TEST(WebSockets, ADrainTellsTheClientsOverItsSpread) {
    server node({"--loops", "1", "--drain-spread", "800ms"});
    std::vector<std::unique_ptr<peer>> owned;
    std::vector<peer*> all;
    for (int i = 0; i < 40; ++i) {
        all.push_back(owned.emplace_back(std::make_unique<peer>(node.port())).get());
        all.back()->upgrade("/ws/echo/");
    }
    const auto open = [&] {
        return std::count_if(all.begin(), all.end(), [](peer* p) { return p->open(); });
    };
    const auto told = [&] {
        return std::count_if(all.begin(), all.end(), [](peer* p) { return p->closed.has_value(); });
    };
    ASSERT_TRUE(drive(all, [&] { return open() == 40; }));
    const auto began = steady::now();
    node.process().signal(SIGTERM);
    ASSERT_TRUE(drive(all, [&] { return told() >= 1; }));
    EXPECT_LT(told(), 30) << "all at once";
    ASSERT_TRUE(drive(all, [&] { return told() == 40; }));
    EXPECT_GE(steady::now() - began, 500ms);
    for (peer* each : all) EXPECT_EQ(each->closed, 1001);
    EXPECT_EQ(node.process().wait(30s), 0);
}

TEST(WebSockets, WithoutASpreadAllAreToldAtOnce) {
    server node({"--drain-spread", "0"});
    peer client(node.port());
    client.upgrade("/ws/echo/");
    ASSERT_TRUE(drive(client, [&] { return client.open(); }));
    node.process().signal(SIGINT);
    ASSERT_TRUE(drive(client, [&] { return client.ended; }));
    EXPECT_EQ(client.closed, 1001);
    EXPECT_EQ(node.process().wait(30s), 0);
}

TEST(Groups, AreGoneWhenAllTheirMembersLeaveAtOnce) {
    server node;
    for (int round = 0; round < 5; ++round) {
        std::vector<std::unique_ptr<peer>> owned;
        std::vector<peer*> all;
        for (int i = 0; i < 50; ++i) {
            all.push_back(owned.emplace_back(std::make_unique<peer>(node.port())).get());
            all.back()->upgrade("/ws/chat/room" + std::to_string(i % 10) + "/");
        }
        ASSERT_TRUE(drive(all, [&] { return node.metrics()["madang_group_members"] == 50; }));
        EXPECT_EQ(node.metrics()["madang_groups"], 10);
        owned.clear();
        ASSERT_TRUE(eventually([&] { return node.metrics()["madang_group_members"] == 0; }));
        EXPECT_TRUE(eventually([&] { return node.metrics()["madang_groups"] == 0; }))
            << node.metrics()["madang_groups"];
    }
}

// What npm's ws says; it needs tests/e2e/node_modules (./dev test installs them).
outcome node_client(const std::string& script, std::vector<std::string> arguments,
                    std::vector<std::pair<std::string, std::string>> environment = {}) {
    command what{.words = {"node", std::string(MADANG_CLIENTS) + "/" + script},
                 .environment = std::move(environment)};
    what.words.insert(what.words.end(), arguments.begin(), arguments.end());
    return run(what);
}

TEST(Deflate, IsNegotiatedWithWsInBothDirectionsAndABroadcastIsCompressedOnce) {
    server node({"--ws-deflate", "--loops", "1"});
    const auto before = node.metrics();
    const auto got = node_client("deflate_client.mjs", {std::to_string(node.port())});
    ASSERT_EQ(got.code, 0) << got.out << got.err;
    const auto after = node.metrics();
    const auto grown = [&](const char* name) { return after[name] - before[name]; };
    // The client printed the bytes of its broadcasts, each to 20 members.
    const double broadcast = std::stod(got.out);
    EXPECT_GE(grown("madang_deflate_raw_bytes_total"), broadcast);
    EXPECT_LT(grown("madang_deflate_raw_bytes_total"), 2 * broadcast) << "compressed for each member";
    EXPECT_LT(grown("madang_deflate_wire_bytes_total"), grown("madang_deflate_raw_bytes_total") / 2);
    EXPECT_GT(grown("madang_inflate_wire_bytes_total"), 0);
    EXPECT_GT(grown("madang_inflate_raw_bytes_total"), grown("madang_inflate_wire_bytes_total"));
}

TEST(Deflate, IsOffByDefault) {
    server node;
    peer client(node.port());
    client.upgrade("/ws/echo/", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ASSERT_TRUE(drive(client, [&] { return client.open(); }));
    EXPECT_EQ(client.answer->headers.count("sec-websocket-extensions"), 0u);
}

}  // namespace
}  // namespace madang::test
