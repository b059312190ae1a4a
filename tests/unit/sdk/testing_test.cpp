#include "madang/testing.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace madang::testing {
namespace {

using namespace std::chrono_literals;

class Echo : public Consumer {
  public:
    static void setup(Class<Echo>& c) { c.group("echoes").on<&Echo::forward>("say"); }
    void receive(const Message& message) override { send(message.payload(), message.frame()); }

  private:
    void forward(const Event& event) { send(event.payload()); }
};

struct Kit : ::testing::Test {
    Kit() { server.websocket<Echo>("/ws/"); }
    Server server;
};

TEST_F(Kit, AnswersAnUnknownPathWith404) {
    EXPECT_EQ(Communicator(server, "/nowhere/").connect().status, 404);
}

TEST_F(Kit, FailsWhenWhatIsExpectedDoesNotCome) {
    Communicator client(server, "/ws/");
    EXPECT_THROW(client.send_text("x"), Failure);
    client.connect();
    EXPECT_THROW(client.connect(), Failure);
    EXPECT_THROW(client.receive_text(0ms), Failure);
    EXPECT_THROW(client.receive_close(0ms), Failure);
    client.send_text("x");
    EXPECT_FALSE(client.receive_nothing());
    EXPECT_THROW(client.receive_binary(0ms), Failure);
    client.disconnect();
    EXPECT_THROW(client.receive_close(), Failure) << "the text is still unread";
    EXPECT_EQ(client.receive_text(), "x");
    EXPECT_EQ(client.receive_close(), 1000);
    EXPECT_THROW(client.send_text("x"), Failure);
    EXPECT_THROW(client.receive_text(), Failure);
}

TEST_F(Kit, CommunicatorsShareOneLayer) {
    Communicator one(server, "/ws/");
    Communicator two(server, "/ws/");
    one.connect();
    two.connect();
    server.group_send("echoes", "say", "hi");
    EXPECT_EQ(one.receive_json(), "hi");
    EXPECT_EQ(two.receive_json(), "hi");
    EXPECT_TRUE(one.in_group("echoes"));
    EXPECT_NE(one.channel_name(), two.channel_name());
    EXPECT_THROW(server.group_send("a b", "say", 1), Failure);
}

TEST_F(Kit, ACommunicatorThatGoesLeavesItsGroups) {
    Communicator stays(server, "/ws/");
    stays.connect();
    { Communicator(server, "/ws/").connect(); }
    server.group_send("echoes", "say", 1);
    EXPECT_EQ(stays.receive_text(), "1");
    EXPECT_TRUE(stays.receive_nothing());
}

TEST_F(Kit, WaitsForAnotherThread) {
    std::optional<Layer> layer;
    server.setup([&](Plugin& plugin) { layer = plugin.layer(); });
    Communicator client(server, "/ws/");
    client.connect();
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) layer->group_send("echoes", "say", std::to_string(i));
    });
    for (int i = 0; i < 100; ++i) EXPECT_EQ(client.receive_text(), std::to_string(i));
    other.join();
}

TEST_F(Kit, SaysWhatIsWrongWithAPluginFile) {
    EXPECT_THROW(server.load_file("/nonexistent.so"), Failure);
    EXPECT_THROW(server.load_file("libm.so.6"), Failure);
}

}  // namespace
}  // namespace madang::testing
