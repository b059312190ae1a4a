#include "plugins/host/plugin_host.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace madang {
namespace {

namespace fs = std::filesystem;

struct no_layer final : layer_port {
    madang_status group_send(std::string_view, std::string_view, const payload&) override {
        return MADANG_OK;
    }
    madang_status channel_send(std::string_view, std::string_view, const payload&) override {
        return MADANG_OK;
    }
    std::uint64_t now_ms() const noexcept override { return 1; }
};

struct PluginHost : ::testing::Test {
    PluginHost() {
        char pattern[] = "/tmp/madang-host-XXXXXX";
        folder = ::mkdtemp(pattern);
    }
    ~PluginHost() override { fs::remove_all(folder); }
    static std::string file(const std::string& name) {
        return std::string(MADANG_CASES) + "/" + name + ".so";
    }
    // The reason of the refusal; "" when it was loaded.
    std::string refusal(const std::string& path) {
        std::string error;
        bool loaded = host.load(path, error) != nullptr;
        EXPECT_EQ(loaded, error.empty()) << error;
        EXPECT_EQ(error.find('\n'), std::string::npos);
        EXPECT_TRUE(loaded || error.find(path) != std::string::npos) << error;
        return error;
    }
    void expect_refused(const std::string& name, std::string_view because) {
        EXPECT_NE(refusal(file(name)).find(because), std::string::npos) << refusal(file(name));
    }
    std::string copy(const std::string& name, mode_t mode) {
        auto target = (folder / (name + ".so")).string();
        fs::copy_file(file(name), target, fs::copy_options::overwrite_existing);
        ::chmod(target.c_str(), mode);
        return target;
    }

    fs::path folder;
    no_layer layer;
    plugin_host host{
        {layer, {}, [](std::string_view id) { return "{\"id\":\"" + std::string(id) + "\"}"; }, {}}};
};

TEST_F(PluginHost, LoadsAPluginAndKnowsIt) {
    std::string error;
    auto* loaded = host.load(file("good"), error);
    ASSERT_TRUE(loaded) << error;
    EXPECT_EQ(loaded->id, "good");
    EXPECT_EQ(loaded->version, "1.2.3");
    EXPECT_EQ(loaded->summary, "A case");
    EXPECT_EQ(loaded->path, file("good"));
}

TEST_F(PluginHost, RefusesWhatCannotBeRead) {
    EXPECT_NE(refusal(file("absent")).find("No such file"), std::string::npos);
}

TEST_F(PluginHost, RefusesWhatIsNoRegularFile) {
    EXPECT_NE(refusal(folder.string()).find("not a regular file"), std::string::npos);
    auto fifo = (folder / "fifo.so").string();
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_NE(refusal(fifo).find("not a regular file"), std::string::npos);
}

TEST_F(PluginHost, RefusesAFileThatEverybodyMayWrite) {
    EXPECT_NE(refusal(copy("good", 0757)).find("chmod o-w"), std::string::npos);
    EXPECT_EQ(refusal(copy("good", 0755)), "");
}

TEST_F(PluginHost, RefusesADirectoryThatEverybodyMayWriteUnlessItIsSticky) {
    auto target = copy("good", 0755);
    ::chmod(folder.c_str(), 0777);
    EXPECT_NE(refusal(target).find("directory that everybody may write"), std::string::npos);
    ::chmod(folder.c_str(), 01777);
    EXPECT_EQ(refusal(target), "");
}

TEST_F(PluginHost, RefusesWhatIsNoLibrary) {
    auto text = (folder / "text.so").string();
    std::ofstream(text) << "no library";
    EXPECT_NE(refusal(text).find("does not load"), std::string::npos);
    expect_refused("unresolved", "madang_defined_nowhere");
}

TEST_F(PluginHost, RefusesALibraryThatExportsNothing) {
    expect_refused("no_entry", "exports no madang_plugin_entry");
}

TEST_F(PluginHost, RefusesDescriptorsItCannotUse) {
    expect_refused("null_descriptor", "no descriptor");
    expect_refused("bad_magic", "something else");
    expect_refused("short_descriptor", "too short");
    expect_refused("no_init", "without init");
}

TEST_F(PluginHost, RefusesAnotherAbiAndSaysWhich) {
    expect_refused("major", "plugin ABI 2.1, this server has 1.1");
    expect_refused("minor", "plugin ABI 1.2, this server has 1.1");
}

TEST_F(PluginHost, RefusesBadAndRepeatedIds) {
    expect_refused("bad_id", "no valid id");
    EXPECT_EQ(refusal(file("good")), "");
    expect_refused("same_id", "load one of them only");
}

TEST_F(PluginHost, PassesOnWhyAPluginDidNotStart) {
    EXPECT_NE(refusal(file("init_fails")).find("no database today"), std::string::npos);
    EXPECT_NE(refusal(file("throws")).find("thrown from init"), std::string::npos);
}

// -- Registration, by plugins within the test

madang_status registered;
madang_route_options options_given;
const char* pattern_given;
const madang_host_api* api_given;
madang_host* host_given;
bool fail_afterwards;
std::vector<int> destroyed;

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

madang_plugin* registering_init(madang_host* host, const madang_host_api* api) {
    api_given = api;
    host_given = host;
    auto consumer = some_consumer();
    madang_str groups[] = {{"news", 4}};
    consumer.groups = groups;
    consumer.groups_count = 1;
    registered =
        api->route_websocket(host, {pattern_given, std::strlen(pattern_given)}, &consumer, &options_given);
    static int instances[2];
    return fail_afterwards ? nullptr : reinterpret_cast<madang_plugin*>(&instances[0]);
}

template <int N>
void destroy_n(madang_plugin*) {
    destroyed.push_back(N);
}
const madang_plugin_descriptor first = {MADANG_ABI_MAGIC, sizeof first, 1,      0, "first", "1", nullptr,
                                        registering_init, destroy_n<1>, nullptr};
const madang_plugin_descriptor second = {MADANG_ABI_MAGIC, sizeof second, 1,      0, "second", "1", nullptr,
                                         registering_init, destroy_n<2>,  nullptr};

struct Registration : PluginHost {
    Registration() {
        options_given = {};
        options_given.struct_size = sizeof options_given;
        pattern_given = "/ws/<str:room>/";
        fail_afterwards = false;
        destroyed.clear();
    }
    std::string error;
};

TEST_F(Registration, CopiesTheTables) {
    options_given.outbox_policy = MADANG_OUTBOX_LATEST_ONLY;
    options_given.subprotocols = {"a, b", 4};
    ASSERT_TRUE(host.add(first, "test", error)) << error;
    EXPECT_EQ(registered, MADANG_OK);
    auto found = host.websocket_routes().find("/ws/lobby/");
    ASSERT_TRUE(found);
    const auto& route = **found->value;
    EXPECT_EQ(route.owner->id, "first");
    EXPECT_EQ(route.settings.outbox_policy, MADANG_OUTBOX_LATEST_ONLY);
    EXPECT_EQ(route.settings.subprotocols, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(std::string_view(route.consumer.groups[0].data, route.consumer.groups[0].size), "news");
    EXPECT_EQ(std::string_view(route.consumer.name.data, route.consumer.name.size), "Some");
}

TEST_F(Registration, RefusesMalformedTakenAndUnboundedRoutes) {
    pattern_given = "/ws/<nope:x>/";
    ASSERT_TRUE(host.add(first, "test", error));
    EXPECT_EQ(registered, MADANG_INVALID);
    pattern_given = "/a/";
    options_given.max_message_bytes = UINT64_MAX;
    ASSERT_TRUE(host.add(second, "test", error));
    EXPECT_EQ(registered, MADANG_INVALID);
    EXPECT_TRUE(host.websocket_routes().empty());
}

TEST_F(Registration, RefusesARouteThatIsTaken) {
    ASSERT_TRUE(host.add(first, "test", error));
    pattern_given = "/ws/<str:other>/";
    ASSERT_TRUE(host.add(second, "test", error));
    EXPECT_EQ(registered, MADANG_INVALID);
}

TEST_F(Registration, EndsWithInit) {
    ASSERT_TRUE(host.add(first, "test", error));
    auto consumer = some_consumer();
    EXPECT_EQ(api_given->route_websocket(host_given, {"/late/", 6}, &consumer, nullptr), MADANG_INVALID);
}

TEST_F(Registration, OfAPluginThatFailedIsUndone) {
    fail_afterwards = true;
    EXPECT_FALSE(host.add(first, "test", error));
    EXPECT_TRUE(host.websocket_routes().empty());
}

TEST_F(Registration, GivesEachPluginItsConfiguration) {
    ASSERT_TRUE(host.add(first, "test", error));
    auto config = api_given->config_json(host_given);
    EXPECT_EQ(std::string_view(config.data, config.size), R"({"id":"first"})");
}

TEST_F(Registration, DestroysTheLastLoadedFirstAndOnce) {
    ASSERT_TRUE(host.add(first, "test", error));
    pattern_given = "/b/";
    ASSERT_TRUE(host.add(second, "test", error));
    host.shut_down();
    host.shut_down();
    EXPECT_EQ(destroyed, (std::vector<int>{2, 1}));
}

}  // namespace
}  // namespace madang
