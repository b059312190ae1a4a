// The C functions over fakes of the ports.
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

#include "plugins/host/plugin_host.hpp"
#include "tests/unit/host/recording_ports.hpp"

namespace madang {
namespace {

const madang_host_api* given = nullptr;
madang_host* me = nullptr;
const madang_plugin_descriptor descriptor = {MADANG_ABI_MAGIC,
                                             sizeof descriptor,
                                             1,
                                             0,
                                             "caller",
                                             "1",
                                             nullptr,
                                             [](madang_host* host, const madang_host_api* api) {
                                                 me = host;
                                                 given = api;
                                                 static char instance;
                                                 return reinterpret_cast<madang_plugin*>(&instance);
                                             },
                                             [](madang_plugin*) {},
                                             nullptr};

madang_str str(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(madang_str text) {
    return text.size ? std::string_view(text.data, text.size) : std::string_view();
}

struct HostFunctions : ::testing::Test {
    HostFunctions() {
        std::string error;
        EXPECT_TRUE(host.add(descriptor, "test", error)) << error;
    }
    recording_layer layer;
    std::vector<std::string> logged;
    plugin_host host{
        {layer,
         [this](const plugin& who, madang_log_level level, std::string_view event, std::string_view text) {
             logged.push_back(who.id + " " + std::to_string(level) + " " + std::string(event) + " " +
                              std::string(text));
         },
         {},
         [](const char* name) -> const void* {
             return std::strcmp(name, "madang.x/1") == 0 ? "x" : nullptr;
         }}};
    recording_connection port;
    madang_connection* connection = to_abi(static_cast<connection_port*>(&port));
};

TEST_F(HostFunctions, TableIsFilledToItsEnd) {
    EXPECT_EQ(given->struct_size, sizeof(madang_host_api));
    const void* slots[(sizeof(madang_host_api) - offsetof(madang_host_api, route_websocket)) / sizeof(void*)];
    std::memcpy(slots, &given->route_websocket, sizeof slots);
    for (auto* slot : slots) EXPECT_TRUE(slot);
}

TEST_F(HostFunctions, PayloadsAreCountedReferences) {
    auto* p = given->payload_new(me, str("hello"));
    EXPECT_EQ(view(given->payload_bytes(p)), "hello");
    EXPECT_EQ(given->send_payload(connection, MADANG_TEXT, p), MADANG_OK);
    given->payload_retain(p);
    given->payload_release(p);
    given->payload_release(p);
    ASSERT_EQ(port.sent.size(), 1u);
    EXPECT_EQ(port.sent[0].bytes(), "hello");  // kept by the receiver's reference
    EXPECT_EQ(to_abi(port.sent[0].get()), p);  // not copied
}

TEST_F(HostFunctions, EmptyPayloadsAreNotNull) {
    auto* p = given->payload_new(me, {nullptr, 0});
    ASSERT_TRUE(p);
    EXPECT_EQ(given->payload_bytes(p).size, 0u);
    given->payload_release(p);
}

TEST_F(HostFunctions, ParsedFormsAreMadeOnceAndDieWithThePayload) {
    static int made, gone;
    made = gone = 0;
    auto make = [](madang_str bytes) -> void* {
        ++made;
        return new std::string(bytes.data, bytes.size);
    };
    auto destroy = [](void* form) {
        ++gone;
        delete static_cast<std::string*>(form);
    };
    auto* p = given->payload_new(me, str("abc"));
    auto* once = given->payload_parsed(p, "upper/1", make, destroy);
    EXPECT_EQ(*static_cast<const std::string*>(once), "abc");
    EXPECT_EQ(given->payload_parsed(p, "upper/1", make, destroy), once);
    EXPECT_EQ(made, 1);
    given->payload_release(p);
    EXPECT_EQ(gone, 1);
}

TEST_F(HostFunctions, ScopeIsReadWithinItsBounds) {
    auto* s = given->connection_scope(connection);
    EXPECT_EQ(view(given->scope_get(s, MADANG_SCOPE_PATH)), "/ws/");
    EXPECT_EQ(given->scope_count(s, MADANG_SCOPE_HEADERS), 1u);
    EXPECT_EQ(view(given->scope_at(s, MADANG_SCOPE_HEADERS, 0).value), "a");
    EXPECT_EQ(given->scope_at(s, MADANG_SCOPE_HEADERS, 1).name.size, 0u);
    EXPECT_EQ(given->scope_count(s, static_cast<madang_scope_list>(3)), 0u);
    EXPECT_EQ(view(given->connection_channel(connection)), "specific.1!a");
}

TEST_F(HostFunctions, ArgumentsAreChecked) {
    EXPECT_EQ(given->send(nullptr, MADANG_TEXT, str("x")), MADANG_INVALID);
    EXPECT_EQ(given->send(connection, MADANG_TEXT, {nullptr, 1}), MADANG_INVALID);
    EXPECT_EQ(given->send(connection, static_cast<madang_frame>(3), str("x")), MADANG_INVALID);
    EXPECT_EQ(given->send_payload(connection, MADANG_TEXT, nullptr), MADANG_INVALID);
    EXPECT_EQ(given->accept(connection, str(""), nullptr, 1), MADANG_INVALID);
    EXPECT_EQ(given->group_send(me, str("g"), str("t"), nullptr), MADANG_INVALID);
    EXPECT_EQ(given->group_send(nullptr, str("g"), str("t"), nullptr), MADANG_INVALID);
    EXPECT_EQ(given->reply(nullptr, 200, nullptr, 0, str("")), MADANG_INVALID);
    EXPECT_TRUE(port.calls.empty());
}

TEST_F(HostFunctions, NothingIsThrownIntoThePlugin) {
    EXPECT_EQ(given->send(connection, MADANG_TEXT, str("throw")), MADANG_FAILED);
    auto* p = given->payload_new(me, str("x"));
    EXPECT_EQ(given->channel_send(me, str("throw"), str("t"), p), MADANG_FAILED);
    EXPECT_EQ(given->channel_send(me, str("a"), str("t"), p), MADANG_NOT_FOUND);
    given->payload_release(p);
    given->timer_cancel(connection, 1);
}

TEST_F(HostFunctions, CallsArriveAsTheyWereMade) {
    madang_pair header = {str("X-A"), str("b")};
    EXPECT_EQ(given->accept(connection, str("v1"), &header, 1), MADANG_OK);
    EXPECT_EQ(given->close(connection, 4000, str("bye")), MADANG_OK);
    given->report_error(connection, str("receive"), str("bad"));
    EXPECT_EQ(given->timer_start(connection, 1, 2, 3), MADANG_BUSY);
    EXPECT_EQ(port.calls, (std::vector<std::string>{"accept v1 1", "close 4000 bye", "receive: bad"}));
    auto* p = given->payload_new(me, str("{}"));
    EXPECT_EQ(given->group_send(me, str("room:1"), str("chat.message"), p), MADANG_OK);
    given->payload_release(p);
    EXPECT_EQ(layer.calls, (std::vector<std::string>{"group room:1 chat.message {}"}));
    given->log(me, MADANG_WARN, str("ev"), str("text"));
    EXPECT_EQ(logged, (std::vector<std::string>{"caller 2 ev text"}));
    EXPECT_EQ(given->now_ms(me), 42u);
    EXPECT_TRUE(given->get_extension(me, "madang.x/1"));
    EXPECT_FALSE(given->get_extension(me, "madang.y/1"));
}

}  // namespace
}  // namespace madang
