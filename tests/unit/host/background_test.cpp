// The table "madang.background/1" over the host.
#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <string>

#include "plugins/host/plugin_host.hpp"

namespace madang {
namespace {

struct no_layer final : layer_port {
    madang_status group_send(std::string_view, std::string_view, const payload&) override {
        return MADANG_OK;
    }
    madang_status channel_send(std::string_view, std::string_view, const payload&) override {
        return MADANG_OK;
    }
    std::uint64_t now_ms() const noexcept override { return 1; }
};

std::function<bool(const madang_background&, madang_host*)> at_init;  // false: refuses to start
madang_host* the_host;

madang_plugin* init(madang_host* host, const madang_host_api* api) {
    the_host = host;
    const auto* table = static_cast<const madang_background*>(api->get_extension(host, MADANG_BACKGROUND));
    static int instance;
    return at_init(*table, host) ? reinterpret_cast<madang_plugin*>(&instance) : nullptr;
}
madang_consumer_class some_consumer() {
    madang_consumer_class c{};
    c.struct_size = sizeof c;
    c.name = {"Some", 4};
    c.create = [](void*, madang_connection*) -> madang_consumer* { return nullptr; };
    c.connect = [](madang_consumer*) { return MADANG_OK; };
    c.receive = [](madang_consumer*, madang_frame, madang_payload*) { return MADANG_OK; };
    c.event = [](madang_consumer*, madang_str, madang_payload*) { return MADANG_OK; };
    c.timer = [](madang_consumer*, uint64_t) { return MADANG_OK; };
    c.disconnect = [](madang_consumer*, uint16_t) { return MADANG_OK; };
    c.destroy = [](madang_consumer*) {};
    return c;
}

struct Background : ::testing::Test {
    madang_status add(const madang_background& table, madang_host* to, std::string_view channel,
                      const madang_background_options* options = nullptr) {
        return table.add(to, to_abi(channel), &type, options);
    }
    bool load(const std::string& id) {
        const auto& name = ids.emplace_back(id);
        descriptors.push_back({MADANG_ABI_MAGIC, sizeof(madang_plugin_descriptor), 1, 1, name.c_str(), "1",
                               nullptr, init, [](madang_plugin*) {}, nullptr});
        return host.add(descriptors.back(), "here", error) != nullptr;
    }

    std::list<std::string> ids;
    std::list<madang_plugin_descriptor> descriptors;

    no_layer layer;
    plugin_host host{{layer, {}, {}, {}}};
    madang_consumer_class type = some_consumer();
    std::string error;
};

TEST_F(Background, KeepsWhatWasGiven) {
    at_init = [&](auto& table, auto* to) {
        const madang_background_options options{sizeof options, 7, 8};
        return add(table, to, "work", &options) == MADANG_OK && add(table, to, "more.work") == MADANG_OK;
    };
    ASSERT_TRUE(load("first")) << error;
    ASSERT_EQ(host.backgrounds().size(), 2u);
    const auto& made = *host.backgrounds()[0];
    EXPECT_EQ(made.channel, "work");
    EXPECT_EQ(made.name, "Some");
    EXPECT_EQ(made.owner->id, "first");
    EXPECT_EQ(made.handler_budget_ms, 7u);
    EXPECT_EQ(made.queue_events, 8u);
    EXPECT_EQ(host.backgrounds()[1]->queue_events, 0u);
    EXPECT_EQ(add(plugin_host::background_api(), the_host, "late"), MADANG_INVALID) << "during init only";
}

TEST_F(Background, RefusesNamesThatAreNoChannelsOrTaken) {
    at_init = [&](auto& table, auto* to) { return add(table, to, "work") == MADANG_OK; };
    ASSERT_TRUE(load("first"));
    for (const std::string name : {"work", "", "two words", "specific.a", "a!b", "시간"}) {
        at_init = [&](auto& table, auto* to) { return add(table, to, name) == MADANG_OK; };
        EXPECT_FALSE(load("other" + std::to_string(ids.size()))) << name;
        EXPECT_NE(error.find("background consumer " + name), std::string::npos) << error;
    }
    type.timer = nullptr;
    at_init = [&](auto& table, auto* to) { return add(table, to, "other") == MADANG_OK; };
    EXPECT_FALSE(load("last"));
    EXPECT_NE(error.find("lacks a function"), std::string::npos) << error;
}

TEST_F(Background, APluginThatFailedLeavesNoneBehind) {
    at_init = [&](auto& table, auto* to) { return add(table, to, "work") != MADANG_OK; };
    EXPECT_FALSE(load("first"));
    EXPECT_TRUE(host.backgrounds().empty());
}

}  // namespace
}  // namespace madang
