// A plugin's background consumer in a served process: told, failed, made anew, stopped.
#include <gmock/gmock.h>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

using ::testing::HasSubstr;

TEST(ServerBackground, IsToldFailsIsMadeAnewAndIsStopped) {
    server node({"--plugin", MADANG_LEDGER_PLUGIN, "--log-format", "json"});
    peer client(node.port());
    client.upgrade("/ws/teller/");
    ASSERT_TRUE(drive(client, [&] { return client.answer.has_value(); }));
    const auto ask = [&](const char* text) {
        const auto before = client.received;
        client.text(text);
        if (!drive(client, [&] { return client.received > before; })) return std::string("nothing came");
        return client.messages.back().payload;
    };
    EXPECT_EQ(ask(R"({"amount": 3})"), R"({"sum":3})");
    EXPECT_EQ(ask(R"({"amount": 4})"), R"({"sum":7})");
    client.text(R"({"amount": "much"})");
    EXPECT_EQ(ask(R"({"amount": 5})"), R"({"sum":5})") << "a new instance, and what waited";
    const auto figures = node.metrics();
    EXPECT_EQ(figures["madang_actor_restarts_total{actor=\"background\"}"], 1);
    EXPECT_EQ(figures["madang_plugin_errors_total{plugin=\"ledger\"}"], 1);
    EXPECT_EQ(figures["madang_background_consumers"], 1);
    EXPECT_EQ(figures["madang_background_drops_total"], 0);
    EXPECT_EQ(figures["madang_connections_open"], 1) << "of clients";
    node.process().signal(SIGTERM);
    ASSERT_TRUE(drive(client, [&] { return client.ended; }));
    EXPECT_EQ(node.process().wait(30s), 0);
    const auto log = node.log();
    for (const char* each : {"handler.failed", R"("consumer":"Ledger")", R"("handler":"add")",
                             "background.failed", "ledger_closed"})
        EXPECT_THAT(log, HasSubstr(each));
}

TEST(ServerRpc, AMethodThatFailsIsAnsweredAndCounted) {
    server node({"--plugin", MADANG_LEDGER_PLUGIN, "--log-format", "json"});
    peer client(node.port());
    client.upgrade("/connection/websocket");
    client.text(R"({"id":1,"connect":{}})");
    client.text(R"({"id":2,"rpc":{"method":"ledger.audit","data":{}}})");
    ASSERT_TRUE(drive(client, [&] { return client.messages.size() == 2; }));
    EXPECT_THAT(client.messages.back().payload, HasSubstr(R"("code":100)"));
    // The answer goes out before the server hears how the handler ended.
    EXPECT_TRUE(eventually(
        [&] { return node.metrics()["madang_plugin_errors_total{plugin=\"ledger\"}"] == 1; }, 60s));
    EXPECT_TRUE(eventually([&] { return node.log().find("the auditor is away") != std::string::npos; }, 60s));
}

}  // namespace
}  // namespace madang::test
