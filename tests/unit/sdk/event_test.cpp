#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

class Listener : public JsonConsumer {
  public:
    static void setup(Class<Listener>& c) {
        c.group("all")
            .on<&Listener::forward>("chat.message")
            .on<&Listener::read>("chat.parsed")
            .on<&Listener::other>("chat.number");
    }

  private:
    void forward(const Event& event) { send(event.payload()); }
    void read(const json& content) {
        char address[32];
        std::snprintf(address, sizeof address, "%p", static_cast<const void*>(&content));
        send_json({{"value", content.at("value")}, {"address", address}});
    }
    void other() { send("number"); }
};

struct EventTest : ::testing::Test {
    EventTest() { server.websocket<Listener>("/ws/"); }
    Server server;
};

TEST_F(EventTest, GoesToTheHandlerOfItsType) {
    Communicator client(server, "/ws/");
    client.connect();
    server.group_send("all", "chat.message", {{"message", "안녕"}});
    EXPECT_EQ(client.receive_json()["message"], "안녕");
    server.group_send("all", "chat.number", 1);
    EXPECT_EQ(client.receive_text(), "number");
}

TEST_F(EventTest, DotsAndUnderscoresNameTheSameHandler) {
    Communicator client(server, "/ws/");
    client.connect();
    server.group_send("all", "chat_message", 1);
    EXPECT_EQ(client.receive_text(), "1");
}

TEST_F(EventTest, WithoutAHandlerTheConnectionClosesWith1011) {
    Communicator client(server, "/ws/");
    client.connect();
    server.group_send("all", "chat.unknown", 1);
    EXPECT_EQ(client.receive_close(), 1011);
    ASSERT_EQ(server.reports().size(), 1u);
    EXPECT_EQ(server.reports()[0].what, "no handler for the event's type");
}

TEST_F(EventTest, AHandlerThatReadsJsonFailsOnAnythingElse) {
    server.setup([](Plugin& plugin) {
        plugin.get("/send", [layer = plugin.layer()](const Request&) {
            EXPECT_TRUE(layer.group_send("all", "chat.parsed", "{broken"));
            return Response::text("sent");
        });
    });
    Communicator client(server, "/ws/");
    client.connect();
    EXPECT_EQ(HttpCommunicator(server, "GET", "/send").get_response().status, 200);
    EXPECT_EQ(client.receive_close(), 1011);
    EXPECT_EQ(server.reports()[0].what, "not JSON");
}

TEST_F(EventTest, IsParsedOnceForAllItsReceivers) {
    Communicator one(server, "/ws/");
    Communicator two(server, "/ws/");
    one.connect();
    two.connect();
    server.group_send("all", "chat.parsed", {{"value", 7}});
    const json first = one.receive_json();
    const json second = two.receive_json();
    EXPECT_EQ(first["value"], 7);
    EXPECT_EQ(first["address"], second["address"]);
}

TEST_F(EventTest, LeavesNoReferenceBehind) {
    {
        Communicator client(server, "/ws/");
        client.connect();
        server.group_send("all", "chat.message", 1);
        server.group_send("all", "chat.parsed", {{"value", 7}});
    }
    EXPECT_EQ(server.payloads_alive(), 0);
}

TEST(EventTable, RefusesPrivateEmptyAndDoubleTypes) {
    madang::detail::EventTable table;
    const auto call = [](Consumer&, const Event&) {};
    table.add("chat.message", call);
    EXPECT_THROW(table.add("_private", call), std::invalid_argument);
    EXPECT_THROW(table.add(".private", call), std::invalid_argument);
    EXPECT_THROW(table.add("", call), std::invalid_argument);
    EXPECT_THROW(table.add("chat_message", call), std::invalid_argument);
}

TEST(EventTable, FindsEachOfManyAndNothingElse) {
    madang::detail::EventTable table;
    const auto call = [](Consumer&, const Event&) {};
    for (const auto* type :
         {"bb", "a", "ccc", "cc", "c.d", "four", "sixsix", "a.type.of.16.byt", "a.type.of.more.than.16"})
        table.add(type, call);
    for (const auto* type : {"bb", "a", "ccc", "cc", "c.d", "c_d", "four", "sixsix", "a.type.of.16.byt",
                             "a.type.of.more.than.16", "a_type_of.more.than.16"})
        EXPECT_NE(table.find(type), nullptr) << type;
    for (const auto* type : {"", "b", "cccc", "_", ".", "_c", "c-d", "fouR", "six-ix", "a.type.oF.16.byt",
                             "a.type.of.mOre.than.16", "a.type.of.mo_re.than.16"})
        EXPECT_EQ(table.find(type), nullptr) << type;
}

TEST(Layer, RefusesMalformedNamesAndTypes) {
    Server server;
    server.setup([](Plugin& plugin) {
        const Layer layer = plugin.layer();
        EXPECT_TRUE(layer.group_send("room:nobody", "x", "1"));
        EXPECT_THROW(layer.group_send("a b", "x", "1"), Error);
        EXPECT_THROW(layer.group_send("", "x", "1"), Error);
        EXPECT_THROW(layer.group_send("a", "_x", "1"), Error);
        EXPECT_THROW(layer.send("a!b!c", "x", "1"), Error);
        EXPECT_THROW(group_send(layer, "a", json{{"no", "type"}}), std::invalid_argument);
        EXPECT_THROW(group_send(layer, "a", json(1)), std::invalid_argument);
        EXPECT_THROW(group_send(layer, "a", json{{"type", 1}}), std::invalid_argument);
        EXPECT_TRUE(group_send(layer, "a", json{{"type", "x"}}));
        EXPECT_TRUE(channel_send(layer, "a", json{{"type", "x"}}));
    });
}

}  // namespace
}  // namespace madang::testing
