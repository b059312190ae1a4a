#include "madang/json.hpp"

#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

template <class Base>
class Doubler : public BasicJsonConsumer<Base> {
  public:
    void receive_json(const json& content) override { this->send_json({{"twice", {content, content}}}); }
};
class Forgiving : public JsonConsumer {
  public:
    void receive_invalid(const Message&, std::string_view why) override { send_json({{"error", why}}); }
};

TEST(JsonConsumer, ReceivesAndSendsJson) {
    Server server;
    server.websocket<Doubler<Consumer>>("/async/");
    server.websocket<Doubler<SyncConsumer>>("/sync/");
    for (const auto* path : {"/async/", "/sync/"}) {
        Communicator client(server, path);
        client.connect();
        client.send_json("가");
        EXPECT_EQ(client.receive_text(), R"({"twice":["가","가"]})");
    }
}

TEST(JsonConsumer, ClosesWith1011OnWhatIsNotJsonWithoutBlamingThePlugin) {
    Server server;
    server.websocket<Doubler<Consumer>>("/ws/");
    for (const auto* text : {"", "{", "nonsense", "{\"a\":1}x", "\xff", "\"\xff\"", "NaN", "[1,]"}) {
        Communicator client(server, "/ws/");
        client.connect();
        client.send_text(text);
        EXPECT_EQ(client.receive_close(), 1011) << text;
    }
    Communicator client(server, "/ws/");
    client.connect();
    client.send_binary("{}");
    EXPECT_EQ(client.receive_close(), 1011);
    EXPECT_TRUE(server.reports().empty());
}

TEST(JsonConsumer, MayAnswerWhatIsNotJson) {
    Server server;
    server.websocket<Forgiving>("/ws/");
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("nonsense");
    EXPECT_EQ(client.receive_json()["error"], "not JSON");
    EXPECT_FALSE(client.closed());
}

TEST(JsonConsumer, FailsWhenWhatItSendsIsNotUtf8) {
    class Bad : public JsonConsumer {
      public:
        void receive_json(const json&) override { send_json("\xff"); }
    };
    Server server;
    server.websocket<Bad>("/ws/");
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("1");
    EXPECT_EQ(client.receive_close(), 1011);
    EXPECT_EQ(server.reports().size(), 1u);
}

TEST(ParseJson, LimitsTheDepthNotTheLength) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_NO_THROW(parse_json(nested(max_json_depth)));
    EXPECT_THROW(parse_json(nested(max_json_depth + 1)), JsonError);
    EXPECT_THROW(parse_json(std::string(1'000'000, '[')), JsonError);
    EXPECT_THROW(parse_json(std::string(500'000, '{')), JsonError);
    std::string wide = "[";
    for (int i = 0; i < 100'000; ++i) wide += "[],";
    EXPECT_EQ(parse_json(wide + "[]]").size(), 100'001u);
    EXPECT_EQ(parse_json("\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"")
                  .get<std::string>()
                  .size(),
              2001u);
}

TEST(Config, GivesTypedValuesAndNamesWhatIsWrong) {
    Server server;
    server.setup(
        [](Plugin& plugin) {
            Config config(plugin);
            EXPECT_EQ(config.get("size", 7u), 3u);
            EXPECT_EQ(config.get("absent", 7), 7);
            EXPECT_EQ(config.get<std::vector<std::string>>("words", {}).size(), 2u);
            EXPECT_THROW(config.get("words", 1), std::invalid_argument);
            EXPECT_THROW(config.get("negative", 1u), std::invalid_argument);
            EXPECT_NO_THROW(config.finish());
        },
        {{"size", 3}, {"words", {"a", "b"}}, {"negative", -1}});
    server.setup(
        [](Plugin& plugin) {
            Config config(plugin);
            config.get("colour", 0);
            try {
                config.finish();
                FAIL();
            } catch (const std::invalid_argument& error) {
                EXPECT_STREQ(error.what(), "unknown key 'color'; known are: colour");
            }
        },
        {{"color", 1}});
}

}  // namespace
}  // namespace madang::testing
