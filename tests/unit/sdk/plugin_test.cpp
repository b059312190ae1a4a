#include "madang/plugin.hpp"

#include <gtest/gtest.h>

#include "madang/testing.hpp"

MADANG_PLUGIN(.id = "linked", .version = "1.2.3") {
    plugin.websocket<madang::Consumer>("/linked/", {.max_message_bytes = 3, .subprotocols = "b,a"});
    plugin.log(madang::Level::info, "loaded", plugin.config_text());
}

namespace madang::testing {
namespace {

TEST(Plugin, DescribesItself) {
    const madang_plugin_descriptor* descriptor = madang_plugin_entry();
    EXPECT_EQ(descriptor->magic, MADANG_ABI_MAGIC);
    EXPECT_EQ(descriptor->struct_size, sizeof(madang_plugin_descriptor));
    EXPECT_EQ(descriptor->abi_major, MADANG_ABI_MAJOR);
    EXPECT_STREQ(descriptor->id, "linked");
    EXPECT_STREQ(descriptor->version, "1.2.3");
    EXPECT_EQ(descriptor->summary, nullptr);
    EXPECT_EQ(descriptor, madang_plugin_entry());
    EXPECT_EQ(descriptor->get_extension(nullptr, "madang.jobs/1"), nullptr);
}

TEST(Plugin, LinkedIntoATestIsLoadedWithItsConfiguration) {
    Server server;
    server.load({{"key", 1}});
    EXPECT_EQ(server.logs().at(0).message, R"({"key":1})");
    Communicator client(server, "/linked/");
    EXPECT_EQ(client.subprotocols({"a", "b"}).connect().subprotocol, "b");
    client.send_text("1234");
    EXPECT_EQ(client.receive_close(), 1009);
}

TEST(Plugin, WrittenInCIsLoadedFromItsFile) {
    Server server;
    server.load_file(MADANG_C_PLUGIN);
    Communicator client(server, "/ws/c/");
    ASSERT_TRUE(client.connect());
    client.send_text("C11");
    EXPECT_EQ(client.receive_text(), "C11");
}

TEST(Plugin, RefusesAMalformedPattern) {
    Server server;
    EXPECT_THROW(server.websocket<Consumer>("/<float:x>/"), Error);
}

template <class>
class Generic : public Consumer {};

TEST(TypeName, IsTheBareNameOfTheClass) {
    EXPECT_EQ(madang::detail::type_name<Consumer>(), "Consumer");
    EXPECT_EQ((madang::detail::type_name<Generic<std::vector<int>>>()).substr(0, 8), "Generic<");
}

TEST(RouteOptions, BecomeTheTableOfTheAbi) {
    const madang_route_options table =
        madang::detail::to_abi(RouteOptions{.handler_budget = std::chrono::milliseconds(7),
                                            .max_message_bytes = 1,
                                            .outbox_bytes = 2,
                                            .outbox_policy = OutboxPolicy::latest_only,
                                            .messages_per_second = unlimited,
                                            .message_burst = 4,
                                            .deflate = Deflate::off,
                                            .subprotocols = "v1",
                                            .allowed_origins = "*"});
    EXPECT_EQ(table.struct_size, sizeof table);
    EXPECT_EQ(table.handler_budget_ms, 7u);
    EXPECT_EQ(table.max_message_bytes, 1u);
    EXPECT_EQ(table.outbox_bytes, 2u);
    EXPECT_EQ(table.outbox_policy, MADANG_OUTBOX_LATEST_ONLY);
    EXPECT_EQ(table.messages_per_second, UINT32_MAX);
    EXPECT_EQ(table.message_burst, 4u);
    EXPECT_EQ(table.deflate, -1);
    EXPECT_EQ(madang::detail::from_abi(table.subprotocols), "v1");
    EXPECT_EQ(madang::detail::from_abi(table.allowed_origins), "*");
}

TEST(Host, TakesNoMoreOfTheTableThanTheServerHas) {
    madang_host_api table = detail::Core::api();
    table.struct_size = offsetof(madang_host_api, get_extension);
    const Host host(nullptr, table);
    EXPECT_EQ(host.api.get_extension, nullptr);
    EXPECT_NE(host.api.now_ms, nullptr);
}

TEST(Payload, CountsItsReferences) {
    Server server;
    server.setup([&](Plugin& plugin) {
        {
            Payload one = plugin.layer().payload("bytes");
            Payload two = one;
            Payload three = std::move(one);
            one = two;
            EXPECT_EQ(one.bytes(), "bytes");
            EXPECT_EQ(Payload(PayloadRef(three)).bytes(), "bytes");
            EXPECT_EQ(server.payloads_alive(), 1);
        }
        EXPECT_EQ(server.payloads_alive(), 0);
    });
}

}  // namespace
}  // namespace madang::testing
