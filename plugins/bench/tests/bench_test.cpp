#include <gtest/gtest.h>

#include <madang/testing.hpp>

struct Bench : ::testing::TestWithParam<const char*> {};

TEST_P(Bench, WhatOneMemberSendsReachesAllOfItsGroup) {
    const std::string path = GetParam();
    madang::testing::Server server;
    server.load_file(MADANG_TEST_PLUGIN);
    madang::testing::Communicator one(server, path + "a/");
    madang::testing::Communicator two(server, path + "a/");
    madang::testing::Communicator elsewhere(server, path + "b/");
    for (auto* client : {&one, &two, &elsewhere}) ASSERT_TRUE(client->connect());
    one.send_text("1");
    EXPECT_EQ(one.receive_text(), "1");
    EXPECT_EQ(two.receive_text(), "1");
    EXPECT_TRUE(elsewhere.receive_nothing());
}

INSTANTIATE_TEST_SUITE_P(EveryWay, Bench,
                         ::testing::Values("/ws/bench/fanout/", "/ws/bench/handler/", "/ws/bench/live/",
                                           "/ws/bench/kept/"),
                         [](const auto& param) {
                             const std::string path = param.param;
                             return path.substr(10, path.size() - 11);
                         });

TEST(BenchPresence, EveryMessageComesBackAndEveryOtherLeavesAgain) {
    madang::testing::Server server;
    server.load_file(MADANG_TEST_PLUGIN);
    madang::testing::Communicator client(server, "/ws/bench/here/a/");
    ASSERT_TRUE(client.connect());
    for (std::size_t i = 1; i <= 3; ++i) {
        client.send_text(std::to_string(i));
        EXPECT_EQ(client.receive_text(), std::to_string(i));
        EXPECT_EQ(server.presence("bench-here:room9").size(), i % 2);
    }
}
