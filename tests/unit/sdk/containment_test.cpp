// Whatever a plugin throws, wherever: its own connection closes, and nothing else.
#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

using namespace std::chrono_literals;

enum class Hook { create, connect, receive, event, json_event, timer, disconnect, none };

class Thrower : public Consumer {
  public:
    static void setup(Class<Thrower>& c) {
        c.on<&Thrower::event>("event").on<&Thrower::json_event>("json.event").on<&Thrower::is_alive>("alive");
    }
    Thrower(const Hook& hook, const bool& standard) : hook_(hook), standard_(standard) { at(Hook::create); }
    void connect() override {
        at(Hook::connect);
        accept();
        group_add("all");
        after(1s, [this] { at(Hook::timer); });
    }
    void receive(const Message& message) override {
        at(Hook::receive);
        send(message.payload());
    }
    void disconnect(std::uint16_t) override { at(Hook::disconnect); }

  private:
    void event() { at(Hook::event); }
    void json_event(const json&) { at(Hook::json_event); }
    void is_alive() { send("alive"); }
    void at(Hook hook) const {
        if (hook != hook_) return;
        if (standard_) throw std::runtime_error("thrown");
        throw 42;
    }
    Hook hook_;
    bool standard_;
};

struct Containment : ::testing::TestWithParam<std::tuple<Hook, bool, std::string>> {};

TEST_P(Containment, ClosesOnlyItsOwnConnection) {
    const auto [hook, standard, where] = GetParam();
    Server server;
    server.websocket<Thrower>("/bad/", {}, hook, standard);
    server.websocket<Thrower>("/good/", {}, Hook::none, standard);
    Communicator bystander(server, "/good/");
    ASSERT_TRUE(bystander.connect());
    {
        Communicator client(server, "/bad/");
        const Connected connected = client.connect();
        if (hook == Hook::create || hook == Hook::connect) {
            EXPECT_EQ(connected.status, 500);
        } else {
            ASSERT_TRUE(connected);
            client.send_text("x");
            if (hook != Hook::receive) {
                EXPECT_EQ(client.receive_text(), "x");
            }
            if (hook == Hook::event) server.group_send("all", "event", 1);
            if (hook == Hook::json_event) server.group_send("all", "json.event", 1);
            server.advance(1s);
            if (hook == Hook::disconnect) client.disconnect();
            EXPECT_EQ(client.receive_close(), hook == Hook::disconnect ? 1000 : 1011);
        }
    }
    ASSERT_EQ(server.reports().size(), 1u);
    EXPECT_EQ(server.reports()[0].consumer, "Thrower");
    EXPECT_EQ(server.reports()[0].where, where);
    EXPECT_EQ(server.reports()[0].what, standard ? "thrown" : "an exception that is not a std::exception");
    server.group_send("all", "alive", 1);
    EXPECT_EQ(bystander.receive_text(), "alive");
}

INSTANTIATE_TEST_SUITE_P(EveryHook, Containment, ::testing::ValuesIn([] {
                             std::vector<std::tuple<Hook, bool, std::string>> cases;
                             for (const bool standard : {true, false}) {
                                 for (const auto& [hook, where] :
                                      {std::pair(Hook::create, "create"), std::pair(Hook::connect, "connect"),
                                       std::pair(Hook::receive, "receive"), std::pair(Hook::event, "event"),
                                       std::pair(Hook::json_event, "json.event"),
                                       std::pair(Hook::timer, "timer"),
                                       std::pair(Hook::disconnect, "disconnect")})
                                     cases.emplace_back(hook, standard, where);
                             }
                             return cases;
                         }()),
                         [](const auto& param) {
                             std::string name = std::get<2>(param.param);
                             std::replace(name.begin(), name.end(), '.', '_');
                             return name + (std::get<1>(param.param) ? "_std" : "_other");
                         });

void throw_standard(Plugin&) { throw std::runtime_error("no database"); }
void throw_other(Plugin&) { throw 42; }

TEST(PluginContainment, AThrowingSetupRefusesToLoadAndSaysWhy) {
    Server server;
    static const auto standard =
        detail::PluginEntry<&throw_standard>::descriptor({.id = "a", .version = "1"});
    static const auto other = detail::PluginEntry<&throw_other>::descriptor({.id = "b", .version = "1"});
    try {
        server.load(
            {}, +[]() -> const madang_plugin_descriptor* { return &standard; });
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_STREQ(failure.what(), "the plugin refused to load: no database");
    }
    EXPECT_THROW(server.load(
                     {}, +[]() -> const madang_plugin_descriptor* { return &other; }),
                 Failure);
}

}  // namespace
}  // namespace madang::testing
