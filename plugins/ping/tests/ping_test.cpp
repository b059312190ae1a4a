#include <gtest/gtest.h>

#include <madang/testing.hpp>

using madang::json;

struct Ping : ::testing::Test {
    Ping() : client(server, "/ws/ping/") {
        server.load_file(MADANG_TEST_PLUGIN);
        EXPECT_TRUE(client.connect());
        EXPECT_EQ(client.receive_text(), R"({"hello":"world"})");
    }
    madang::testing::Server server;
    madang::testing::Communicator client;
};

TEST_F(Ping, IsAnsweredWithWhatItCarried) {
    for (const json& carried : {json(1), json("안녕"), json(nullptr), json({1, {{"a", 2.5}}})}) {
        client.send_json({{"ping", carried}});
        EXPECT_EQ(client.receive_json(), json({{"pong", carried}}));
    }
}

TEST_F(Ping, AnythingElseIsAnError) {
    for (const json& wrong : {json(1), json("ping"), json::object(), json({"ping"})}) {
        client.send_json(wrong);
        EXPECT_TRUE(client.receive_json().contains("error"));
    }
}

TEST_F(Ping, WhatIsNotJsonClosesWith1011) {
    client.send_text("ping");
    EXPECT_EQ(client.receive_close(), 1011);
}

TEST_F(Ping, AMegabyteOfBracketsDoesNoHarm) {
    client.send_text("{\"ping\":" + std::string(1'000'000, '['));
    EXPECT_EQ(client.receive_close(), 1011);
}
