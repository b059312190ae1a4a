// What becomes of clients whose plugin says nothing.
#include <gmock/gmock.h>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

TEST(ServerSilence, EndsAHandshakeThatItsConsumerDoesNotAnswer) {
    server node({"--plugin", MADANG_SILENT_PLUGIN, "--ws-handshake-timeout", "100ms"});
    peer accepted(node.port()), async(node.port()), sync(node.port());
    accepted.upgrade("/ws/echo/");
    async.upgrade("/ws/silent/async/");
    sync.upgrade("/ws/silent/sync/");
    peer* const all[] = {&accepted, &async, &sync};
    ASSERT_TRUE(drive(all, [&] { return async.ended && sync.ended; }));
    for (peer* refused : {&async, &sync}) {
        ASSERT_TRUE(refused->answer);
        EXPECT_EQ(refused->answer->status, 403);
        EXPECT_EQ(refused->answer->body, "the consumer did not answer in time\n");
    }
    EXPECT_EQ(node.metrics()["madang_connections_refused_total{reason=\"handshake_timeout\"}"], 2);
    // The deadline was for the handshake: who was accepted goes on.
    accepted.text("still here");
    ASSERT_TRUE(drive(accepted, [&] { return accepted.received == 1; }));
    EXPECT_EQ(accepted.messages.front().payload, "still here");
}

TEST(ServerSilence, BoundsWhatAViewLeavesUnanswered) {
    server node({"--plugin", MADANG_SILENT_PLUGIN, "--view-timeout", "10ms", "--view-unanswered", "3"});
    for (int i = 0; i < 3; ++i) EXPECT_EQ(fetch(node.port(), "/silent/view").status, 504);
    EXPECT_EQ(fetch(node.port(), "/silent/view").status, 503);
    EXPECT_EQ(fetch(node.port(), "/silent/answer").status, 200);
    EXPECT_EQ(fetch(node.port(), "/silent/view").status, 504);
    EXPECT_EQ(node.metrics()["madang_view_timeouts_total"], 4);
    EXPECT_EQ(node.metrics()["madang_view_refusals_total"], 1);
    EXPECT_THAT(node.log(), testing::HasSubstr("view.unanswered"));
}

}  // namespace
}  // namespace madang::test
