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
    one.send_text("x");
    EXPECT_EQ(one.receive_text(), "x");
    EXPECT_EQ(two.receive_text(), "x");
    EXPECT_TRUE(elsewhere.receive_nothing());
}

INSTANTIATE_TEST_SUITE_P(BothWays, Bench, ::testing::Values("/ws/bench/fanout/", "/ws/bench/handler/"),
                         [](const auto& param) { return param.index == 0 ? "fanout" : "handler"; });
