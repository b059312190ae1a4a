#include "broker/app/consumer_routes.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

struct ConsumerRoutes : testing::Test {
    ConsumerRoutes() {
        chat.id = "chat";
        route.owner = &chat;
        route.name = "Room";
        settings.ws_messages_per_second = 50;
        settings.ws_message_burst = 80;
    }
    consumer_route made() const { return resolve(route, settings); }

    plugin chat;
    websocket_route route;
    options settings;
};

TEST_F(ConsumerRoutes, WhatARouteLeavesOutIsTheServers) {
    const auto got = made();
    EXPECT_EQ(got.label, "chat/Room");
    EXPECT_EQ(got.message_bytes, settings.ws_message_bytes);
    EXPECT_EQ(got.outbox_limits.bytes, settings.ws_outbox_bytes);
    EXPECT_EQ(got.outbox_limits.policy, settings.ws_outbox_policy);
    EXPECT_EQ(got.handler_budget, settings.handler_budget);
    EXPECT_EQ(got.messages_per_second, 50u);
    EXPECT_EQ(got.message_burst, 80u);
}

TEST_F(ConsumerRoutes, WhatARouteSaysGoesBeforeTheServers) {
    route.settings.max_message_bytes = 10;
    route.settings.outbox_bytes = 20;
    route.settings.outbox_policy = MADANG_OUTBOX_LATEST_ONLY;
    route.settings.handler_budget_ms = 30;
    const auto got = made();
    EXPECT_EQ(got.message_bytes, 10u);
    EXPECT_EQ(got.outbox_limits.bytes, 20u);
    EXPECT_EQ(got.outbox_limits.policy, outbox_policy::latest_only);
    EXPECT_EQ(got.handler_budget, std::chrono::milliseconds(30));
}

TEST_F(ConsumerRoutes, ARateOfItsOwnHasABurstOfItsOwn) {
    route.settings.messages_per_second = 5;
    EXPECT_EQ(made().messages_per_second, 5u);
    EXPECT_EQ(made().message_burst, 0u) << "twice its rate, not the server's burst";
    route.settings.message_burst = 7;
    EXPECT_EQ(made().message_burst, 7u);
    route.settings.messages_per_second = 0;
    EXPECT_EQ(made().messages_per_second, 50u);
    EXPECT_EQ(made().message_burst, 7u);
    route.settings.messages_per_second = UINT32_MAX;
    EXPECT_EQ(made().messages_per_second, 0u) << "unlimited";
}

TEST_F(ConsumerRoutes, AClientsSessionDropsNothing) {
    settings.ws_outbox_policy = outbox_policy::drop_oldest;
    settings.client_message_bytes = 99;
    const madang_consumer_class type{};
    const auto got = client_route(type, settings);
    EXPECT_EQ(got.outbox_limits.policy, outbox_policy::disconnect);
    EXPECT_EQ(got.message_bytes, 99u);
    EXPECT_EQ(got.ping_interval.count(), 0) << "it pings by itself";
}

}  // namespace
}  // namespace madang
