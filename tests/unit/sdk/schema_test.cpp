#include "madang/schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

using ::testing::UnorderedElementsAre;

constexpr std::string_view order_schema = R"({
    "type": "object",
    "required": ["item", "count"],
    "additionalProperties": false,
    "properties": {
        "item": {"type": "string", "minLength": 1, "pattern": "^[a-z/~]+$"},
        "count": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "to": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}, "a/b~": {"type": "null"}}}
    }})";

std::vector<std::string> fields(const json& value) {
    static const Schema schema(order_schema);
    std::vector<std::string> result;
    for (const Violation& violation : schema.violations(value)) {
        EXPECT_FALSE(violation.message.empty());
        result.push_back(violation.field);
    }
    return result;
}

TEST(Schema, NamesEachFieldThatIsWrong) {
    EXPECT_THAT(fields({{"item", "tea"}, {"count", 2}}), UnorderedElementsAre());
    EXPECT_THAT(fields(json::object()), UnorderedElementsAre("/item", "/count"));
    EXPECT_THAT(fields({{"item", ""}, {"count", "two"}}), ::testing::IsSupersetOf({"/item", "/count"}));
    EXPECT_THAT(fields({{"item", "tea"}, {"count", 0}}), UnorderedElementsAre("/count"));
    EXPECT_THAT(fields({{"item", "tea"}, {"count", 1}, {"extra", 1}}), UnorderedElementsAre("/extra"));
    EXPECT_THAT(fields({{"item", "tea"}, {"count", 1}, {"tags", {"a", 1}}}), UnorderedElementsAre("/tags/1"));
    EXPECT_THAT(fields({{"item", "tea"}, {"count", 1}, {"to", json::object()}}),
                UnorderedElementsAre("/to/city"));
    EXPECT_THAT(fields({{"item", "tea"}, {"count", 1}, {"to", {{"city", "x"}, {"a/b~", 1}}}}),
                UnorderedElementsAre("/to/a~1b~0"));
    EXPECT_THAT(fields(json(3)), UnorderedElementsAre(""));
}

TEST(Schema, BoundsItsAnswerAndItsWork) {
    json many = {{"item", "tea"}, {"count", 1}, {"tags", json::array()}};
    for (int i = 0; i < 10'000; ++i) many["tags"].push_back(1);
    EXPECT_EQ(fields(many).size(), Schema::max_violations);
    EXPECT_THAT(fields({{"item", std::string(1'000'000, 'a')}, {"count", 1}}), UnorderedElementsAre("/item"));
    const std::string korean = [] {
        std::string text;
        for (int i = 0; i < 500; ++i) text += "가";
        return text;
    }();
    const auto clipped = fields({{"item", "tea"}, {"count", 1}, {korean, 1}});
    ASSERT_EQ(clipped.size(), 1u);
    EXPECT_LE(clipped[0].size(), Schema::max_text_bytes + 3);
    EXPECT_NO_THROW(json(clipped[0]).dump());
}

TEST(Schema, RefusesWhatIsNoSchema) {
    EXPECT_THROW(Schema("{"), std::invalid_argument);
    EXPECT_THROW(Schema(R"({"type": 5})"), std::invalid_argument);
    EXPECT_THROW(Schema(R"({"required": "item"})"), std::invalid_argument);
}

class Closing : public SchemaConsumer<Closing> {
  public:
    static constexpr std::string_view schema = order_schema;
    void receive_json(const json& order) override { send_json({{"ordered", order["item"]}}); }
};
class Keeping : public SchemaConsumer<Keeping, SyncJsonConsumer> {
  public:
    static constexpr std::string_view schema = order_schema;
    static constexpr OnViolation on_violation = OnViolation::keep;
    void receive_json(const json& order) override { send_json({{"ordered", order["item"]}}); }
};
class Broken : public SchemaConsumer<Broken> {
  public:
    static constexpr std::string_view schema = R"({"type": 5})";
};

TEST(SchemaConsumer, AnswersAViolationAndCloses) {
    Server server;
    server.websocket<Closing>("/ws/");
    Communicator client(server, "/ws/");
    client.connect();
    client.send_json({{"item", "tea"}, {"count", 1}});
    EXPECT_EQ(client.receive_json(), json({{"ordered", "tea"}}));
    client.send_json({{"item", "tea"}});
    EXPECT_EQ(client.receive_text(),
              R"({"error":[{"field":"/count","message":"Missing required property 'count'."}]})");
    EXPECT_EQ(client.receive_close(), 1008);
    EXPECT_TRUE(server.reports().empty());
}

TEST(SchemaConsumer, KeepsTheConnectionWhenToldTo) {
    Server server;
    server.websocket<Keeping>("/ws/");
    Communicator client(server, "/ws/");
    client.connect();
    client.send_json(5);
    EXPECT_EQ(client.receive_json()["error"][0]["field"], "");
    client.send_text("not JSON at all");
    EXPECT_EQ(client.receive_text(), R"({"error":[{"field":"","message":"not JSON"}]})");
    client.send_json({{"item", "tea"}, {"count", 1}});
    EXPECT_EQ(client.receive_json(), json({{"ordered", "tea"}}));
}

TEST(SchemaConsumer, WithAWrongSchemaIsNotRegistered) {
    Server server;
    EXPECT_THROW(server.websocket<Broken>("/ws/"), std::invalid_argument);
}

}  // namespace
}  // namespace madang::testing
