#include "broker/protocol/api_methods.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "tests/support/fake_streams.hpp"

namespace madang {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct ApiMethods : ::testing::Test {
    std::shared_ptr<const api_request> request(std::string body) {
        return std::make_shared<const api_request>(
            api_request{streams, limits, rights, std::move(body),
                        [this](const api_method* method, const error* wrong) {
                            notes.push_back((method ? std::string(method->name) : "?") +
                                            (wrong ? " " + std::string(describe(wrong->code).name) : ""));
                        },
                        back_up});
    }
    void start(std::string_view method, std::string params) {
        const auto task = request(std::move(params));
        run_api_method(*find_api_method(method), task, task->body, limits.answer_bytes,
                       [this](result<std::string> got) { answers.push_back(std::move(got)); });
    }
    result<std::string> ask(std::string_view method, std::string params) {
        start(method, std::move(params));
        EXPECT_EQ(answers.size(), 1u);
        auto got = answers.empty() ? result<std::string>(fail(errc::internal)) : answers.back();
        answers.clear();
        return got;
    }
    json good(std::string_view method, std::string params) {
        const auto got = ask(method, std::move(params));
        EXPECT_TRUE(got) << got.error();
        return got ? json::parse(*got) : json();
    }
    error bad(std::string_view method, std::string params) {
        const auto got = ask(method, std::move(params));
        EXPECT_FALSE(got);
        return got.error();
    }

    testing::fake_streams streams;
    std::vector<std::string> backups;
    decltype(api_request::back_up) back_up = [this](const std::string& name, auto done) {
        backups.push_back(name);
        if (streams.failing)
            done(*streams.failing);
        else
            done("/backups/" + name);
    };
    api_limits limits;
    api_right rights = api_right::all;
    std::vector<std::string> notes;
    std::vector<result<std::string>> answers;
};

TEST_F(ApiMethods, PublishAnswersThePosition) {
    EXPECT_EQ(good("publish", R"({"channel":"news:kr","data":{"a":1.0}})"),
              (json{{"offset", 1}, {"epoch", "e1"}}));
    EXPECT_THAT(streams.asked, ElementsAre("publish news:kr {\"a\":1.0}"));
    EXPECT_THAT(notes, ElementsAre("publish"));
}

TEST_F(ApiMethods, RefuseGroupsThatCannotBe) {
    for (const auto* method :
         {"publish", "presence", "presence_stats", "history", "history_remove", "last_seen"}) {
        EXPECT_EQ(bad(method, R"({"channel":"with space","data":1})").code, errc::bad_request) << method;
        const auto unknown = bad(method, R"({"channel":"nowhere:x","data":1})");
        EXPECT_EQ(unknown.code, errc::unknown_channel) << method;
        EXPECT_THAT(unknown.detail, HasSubstr("[namespace.nowhere]"));
        EXPECT_EQ(bad(method, R"({"data":1})").code, errc::bad_request) << method;
        EXPECT_EQ(bad(method, "[]").code, errc::bad_request) << method;
    }
    for (const auto* method : {"subscribe", "unsubscribe"})
        EXPECT_EQ(bad(method, R"({"channel":"nowhere:x","user":"a"})").code, errc::unknown_channel) << method;
    EXPECT_TRUE(streams.asked.empty());
}

TEST_F(ApiMethods, GiveThePortsErrorOn) {
    const std::pair<const char*, const char*> all[] = {{"publish", R"({"channel":"news:a","data":1})"},
                                                       {"subscribe", R"({"channel":"news:a","user":"u"})"},
                                                       {"unsubscribe", R"({"channel":"news:a","user":"u"})"},
                                                       {"disconnect", R"({"user":"u"})"},
                                                       {"refresh", R"({"user":"u"})"},
                                                       {"presence", R"({"channel":"news:a"})"},
                                                       {"presence_stats", R"({"channel":"news:a"})"},
                                                       {"last_seen", R"({"channel":"news:a"})"},
                                                       {"history", R"({"channel":"news:a","limit":3})"},
                                                       {"history_remove", R"({"channel":"news:a"})"},
                                                       {"channels", "{}"},
                                                       {"info", "{}"}};
    streams.failing = fail(errc::storage_full);
    for (const auto& [method, params] : all) {
        notes.clear();
        EXPECT_EQ(bad(method, params).code, errc::storage_full) << method;
        EXPECT_THAT(notes, ElementsAre(std::string(method) + " storage_full"));
    }
}

TEST_F(ApiMethods, BackupTakesANameThatCanDoNoHarmInAPath) {
    EXPECT_EQ(good("backup", R"({"name":"a-1_b.c"})"), (json{{"folder", "/backups/a-1_b.c"}}));
    EXPECT_EQ(good("backup", "{\"name\":\"" + std::string(100, 'x') + "\"}")["folder"],
              "/backups/" + std::string(100, 'x'));
    for (const std::string name : {"", ".", "..", ".hidden", "a/b", "/etc", "a b", "ä", "a\\u0000b"})
        EXPECT_EQ(bad("backup", "{\"name\":\"" + name + "\"}").code, errc::bad_request) << name;
    EXPECT_EQ(bad("backup", "{\"name\":\"" + std::string(101, 'x') + "\"}").code, errc::bad_request);
    for (const auto params : {"{}", R"({"name":7})", "[]"})
        EXPECT_EQ(bad("backup", params).code, errc::bad_request);
    EXPECT_EQ(backups.size(), 2u);
    back_up = nullptr;
    EXPECT_EQ(bad("backup", R"({"name":"a"})").code, errc::not_available);
}

TEST_F(ApiMethods, NeedTheirRight) {
    const std::map<std::string_view, api_right> needs = {{"publish", api_right::publish},
                                                         {"broadcast", api_right::publish},
                                                         {"subscribe", api_right::manage},
                                                         {"unsubscribe", api_right::manage},
                                                         {"disconnect", api_right::manage},
                                                         {"refresh", api_right::manage},
                                                         {"presence", api_right::read},
                                                         {"presence_stats", api_right::read},
                                                         {"last_seen", api_right::read},
                                                         {"history", api_right::read},
                                                         {"history_remove", api_right::manage},
                                                         {"channels", api_right::read},
                                                         {"info", api_right::read},
                                                         {"backup", api_right::manage},
                                                         {"batch", api_right::none}};
    ASSERT_EQ(api_methods().size(), needs.size());
    for (const auto& each : api_methods()) {
        EXPECT_EQ(each.needs, needs.at(each.name)) << each.name;
        if (each.needs == api_right::none) continue;
        for (const auto held : {api_right::none, api_right::read, api_right::publish, api_right::manage}) {
            if (held == each.needs) continue;
            rights = held;
            EXPECT_EQ(bad(each.name, std::string(each.example)).code, errc::permission_denied) << each.name;
        }
    }
    EXPECT_TRUE(streams.asked.empty());
}

TEST_F(ApiMethods, BroadcastAnswersForEachGroupInOrder) {
    const auto got =
        good("broadcast", R"({"channels":["news:a","bad one","nowhere:x","news:b"],"data":"x"})");
    ASSERT_EQ(got["responses"].size(), 4u);
    EXPECT_EQ(got["responses"][0]["result"]["offset"], 1);
    EXPECT_EQ(got["responses"][1]["error"]["code"], 107);
    EXPECT_EQ(got["responses"][2]["error"]["code"], 102);
    EXPECT_EQ(got["responses"][3]["result"]["offset"], 2);
    EXPECT_EQ(streams.published[0].data.get(), streams.published[1].data.get()) << "one payload for all";
}

TEST_F(ApiMethods, ACommandReachesItsConnections) {
    EXPECT_EQ(good("disconnect", R"({"user":"ada","client":"c","session":"s"})"), (json{{"num_clients", 2}}));
    EXPECT_THAT(streams.asked, ElementsAre("command ada/c/s"));
    good("unsubscribe", R"({"user":"ada"})");
    EXPECT_EQ(streams.commands[1].what, client_command::verb::unsubscribe);
    EXPECT_EQ(streams.commands[1].group, "");
    good("refresh", R"({"user":"ada","expired":true})");
    EXPECT_TRUE(streams.commands[2].expired);
}

TEST_F(ApiMethods, HistoryOfNoLimitIsThePosition) {
    streams.keep(3);
    EXPECT_EQ(good("history", R"({"channel":"news:a"})"),
              (json{{"publications", json::array()}, {"epoch", "e1"}, {"offset", 3}}));
}

TEST_F(ApiMethods, HistoryIsGatheredInPagesUpToItsLimit) {
    streams.keep(1000);
    auto got = good("history", R"({"channel":"news:a","limit":700})");
    ASSERT_EQ(got["publications"].size(), 700u);
    for (std::size_t i = 0; i < 700; ++i) ASSERT_EQ(got["publications"][i]["offset"], i + 1);
    EXPECT_LE(streams.largest_page, 256u);
    EXPECT_FALSE(got.contains("more"));
    got = good("history", R"({"channel":"news:a","limit":300,"since":{"epoch":"e1","offset":990}})");
    EXPECT_EQ(got["publications"].size(), 10u);
    got = good("history", R"({"channel":"news:a","limit":600,"reverse":true})");
    ASSERT_EQ(got["publications"].size(), 600u);
    EXPECT_EQ(got["publications"][0]["offset"], 1000);
    EXPECT_EQ(got["publications"][599]["offset"], 401);
    EXPECT_EQ(bad("history", R"({"channel":"news:a","limit":1,"since":{"epoch":"other","offset":1}})").code,
              errc::unrecoverable_position);
}

TEST_F(ApiMethods, HistoryOfAbsurdSizeEndsAtTheServersLimitsAndSaysSo) {
    streams.keep(20'000);
    for (const auto* limit : {"-1", "1000000000", "9223372036854775807"}) {
        const auto got = good("history", R"({"channel":"news:a","limit":)" + std::string(limit) + "}");
        EXPECT_EQ(got["publications"].size(), limits.answer) << limit;
        EXPECT_EQ(got["more"], true);
        EXPECT_EQ(got["offset"], 20'000);
    }
    streams.keep(100, 10'000);
    limits.answer_bytes = 65'536;
    const auto got = ask("history", R"({"channel":"news:a","limit":-1})");
    ASSERT_TRUE(got);
    EXPECT_LT(got->size(), 65'536u + 11'000u);
    EXPECT_EQ(json::parse(*got)["more"], true);
    limits = {};
    EXPECT_FALSE(good("history", R"({"channel":"news:a","limit":-1})").contains("more")) << "that was all";
}

TEST_F(ApiMethods, PresenceIsGatheredInPages) {
    for (int i = 1000; i < 1600; ++i)
        streams.present.push_back(
            {{"c" + std::to_string(i), "u" + std::to_string(i % 7), "{\"x\":1}", ""}, 5});
    auto got = good("presence", R"({"channel":"news:a"})");
    ASSERT_EQ(got["presence"].size(), 600u);
    EXPECT_EQ(got["presence"]["c1007"],
              (json{{"client", "c1007"}, {"user", "u6"}, {"conn_info", {{"x", 1}}}, {"since", 5}}));
    EXPECT_FALSE(got.contains("more"));
    got = good("presence", R"({"channel":"news:a","limit":300})");
    EXPECT_EQ(got["presence"].size(), 300u);
    EXPECT_EQ(got["more"], true);
    got = good("presence", R"({"channel":"news:a","after":"c1589"})");
    EXPECT_EQ(got["presence"].size(), 10u);
    limits.answer = 100;
    EXPECT_EQ(good("presence", R"({"channel":"news:a","limit":1000000000})")["presence"].size(), 100u);
}

TEST_F(ApiMethods, ChannelsAreBounded) {
    EXPECT_EQ(good("channels", R"({"pattern":"news:*"})"),
              (json{{"channels", {{"news:kr", {{"num_clients", 2}}}, {"news:us", {{"num_clients", 1}}}}}}));
    EXPECT_THAT(streams.asked, ElementsAre("groups news:* 10001"));
    limits.answer = 1;
    EXPECT_EQ(good("channels", "{}"),
              (json{{"channels", {{"news:kr", {{"num_clients", 2}}}}}, {"more", true}}));
}

TEST_F(ApiMethods, ChannelsCanBeTheLargestOnly) {
    streams.live = {{"a", 1}, {"b", 3}, {"c", 2}, {"d", 3}};
    EXPECT_EQ(
        good("channels", R"({"limit":2})"),
        (json{{"channels", {{"b", {{"num_clients", 3}}}, {"d", {{"num_clients", 3}}}}}, {"more", true}}));
    EXPECT_FALSE(good("channels", R"({"limit":4})").contains("more"));
    EXPECT_EQ(good("channels", R"({"limit":0})")["channels"].size(), 4u);
}

TEST_F(ApiMethods, ABatchAnswersEachCommandInOrder) {
    const auto got = good("batch", R"({"commands":[
        {"publish":{"channel":"news:a","data":1}}, {"fly":{}}, {"history":{}}, {"batch":{"commands":[]}},
        {"presence_stats":{"channel":"news:a"}}, {"info":[]}, {"publish":{"channel":"news:b","data":2}}]})");
    const auto& replies = got["replies"];
    ASSERT_EQ(replies.size(), 7u);
    EXPECT_EQ(replies[0], (json{{"publish", {{"offset", 1}, {"epoch", "e1"}}}}));
    EXPECT_EQ(replies[1]["error"]["code"], 104);
    EXPECT_EQ(replies[2]["error"]["code"], 107);
    EXPECT_EQ(replies[3]["error"]["code"], 104);
    EXPECT_EQ(replies[4]["presence_stats"]["num_clients"], 3);
    EXPECT_EQ(replies[5]["error"]["code"], 107);
    EXPECT_EQ(replies[6]["publish"]["offset"], 2);
    EXPECT_THAT(notes,
                ElementsAre("publish", "? method_not_found", "history bad_request", "? method_not_found",
                            "presence_stats", "info bad_request", "publish", "batch"));
}

TEST_F(ApiMethods, ABatchChecksTheRightOfEachCommand) {
    rights = api_right::read;
    const auto got = good("batch", R"({"commands":[{"publish":{"channel":"news:a","data":1}},{"info":{}}]})");
    EXPECT_EQ(got["replies"][0]["error"]["code"], 103);
    EXPECT_TRUE(got["replies"][1].contains("info"));
    EXPECT_THAT(streams.asked, ElementsAre("figures"));
}

std::string publications(std::size_t count, bool parallel = false) {
    std::string text = R"({"commands":[)";
    for (std::size_t i = 0; i < count; ++i)
        text += (i ? "," : "") + std::string(R"({"publish":{"channel":"news:a","data":)") +
                std::to_string(i) + "}}";
    return text + "],\"parallel\":" + (parallel ? "true}" : "false}");
}

TEST_F(ApiMethods, ABatchIsBounded) {
    EXPECT_EQ(good("batch", publications(1000))["replies"].size(), 1000u);
    EXPECT_EQ(streams.published.size(), 1000u);
    EXPECT_EQ(bad("batch", publications(1001)).code, errc::limit_exceeded);
    EXPECT_EQ(streams.published.size(), 1000u);
    limits.batch = 20'000;
    EXPECT_EQ(good("batch", publications(20'000))["replies"].size(), 20'000u) << "no stack grows with it";
}

TEST_F(ApiMethods, ABatchInOrderWaitsForEachAnswer) {
    streams.later = true;
    start("batch", publications(3));
    EXPECT_EQ(streams.asked.size(), 1u);
    streams.run_later();
    EXPECT_EQ(streams.asked.size(), 2u);
    streams.run_later();
    streams.run_later();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(json::parse(*answers[0])["replies"].size(), 3u);
}

TEST_F(ApiMethods, AParallelBatchHasABoundedNumberUnderWay) {
    streams.later = true;
    start("batch", publications(100, true));
    EXPECT_EQ(streams.asked.size(), 16u);
    while (answers.empty()) streams.run_later();
    EXPECT_EQ(streams.asked.size(), 100u);
    const auto got = json::parse(*answers[0]);
    for (std::size_t i = 0; i < 100; ++i) ASSERT_EQ(got["replies"][i]["publish"]["offset"], i + 1);
}

TEST_F(ApiMethods, ABatchStopsAtTheAnswersSize) {
    streams.keep(100, 10'000);
    limits.answer_bytes = 65'536;
    std::string text = R"({"commands":[)";
    for (int i = 0; i < 50; ++i)
        text += (i ? "," : "") + std::string(R"({"history":{"channel":"news:a","limit":3}})");
    const auto got = ask("batch", text + "]}");
    ASSERT_TRUE(got);
    EXPECT_LT(got->size(), 100'000u);
    const auto replies = json::parse(*got)["replies"];
    EXPECT_TRUE(replies[0].contains("history"));
    EXPECT_EQ(replies[49]["error"]["code"], 106);
}

// -- The document

// Members that a schema does not name are drift: the tests forbid them.
void close_objects(json& schema) {
    if (schema.is_object()) {
        if (schema.contains("properties") && schema["properties"].is_object() &&
            !schema.contains("additionalProperties"))
            schema["additionalProperties"] = false;
        for (auto& [name, inside] : schema.items()) close_objects(inside);
    } else if (schema.is_array()) {
        for (auto& inside : schema) close_objects(inside);
    }
}

::testing::AssertionResult fits(const json& document, json schema, const json& value) {
    schema["components"] = document["components"];
    close_objects(schema);
    valijson::Schema parsed;
    valijson::SchemaParser parser;
    const valijson::adapters::NlohmannJsonAdapter schema_adapter(schema);
    parser.populateSchema(schema_adapter, parsed);
    valijson::Validator validator;
    valijson::ValidationResults results;
    const valijson::adapters::NlohmannJsonAdapter target(value);
    if (validator.validate(parsed, target, &results)) return ::testing::AssertionSuccess();
    auto failure = ::testing::AssertionFailure() << value.dump() << "\n";
    for (valijson::ValidationResults::Error wrong; results.popError(wrong);) {
        for (const auto& part : wrong.context) failure << part;
        failure << ": " << wrong.description << "\n";
    }
    return failure;
}

struct ApiOpenapi : ApiMethods {
    json document = json::parse(api_openapi("9.9.9"));
    json operation(std::string_view method) {
        return document["paths"]["/api/" + std::string(method)]["post"];
    }
    json answer_schema(std::string_view method) {
        return operation(method)["responses"]["200"]["content"]["application/json"]["schema"];
    }
    json request_schema(std::string_view method) {
        return operation(method)["requestBody"]["content"]["application/json"]["schema"];
    }
    json whole(std::string_view method, std::string params) {  // as it stands in the HTTP answer
        const auto got = ask(method, std::move(params));
        if (!got)
            return {
                {"error", {{"code", describe(got.error().code).wire_code}, {"message", got.error().detail}}}};
        return method == "batch" ? json::parse(*got) : json{{"result", json::parse(*got)}};
    }
};

TEST_F(ApiOpenapi, HasEveryMethodAndNoOther) {
    EXPECT_EQ(document["openapi"], "3.0.3");
    EXPECT_EQ(document["info"]["version"], "9.9.9");
    EXPECT_EQ(document["paths"].size(), api_methods().size() + 1);
    for (const auto& each : api_methods())
        EXPECT_EQ(operation(each.name)["operationId"], std::string(each.name));
}

TEST_F(ApiOpenapi, EveryAnswerFitsItsSchema) {
    streams.keep(5);
    auto who = std::make_shared<client_info>(client_info{"c1", "ada", "{}", "[1]"});
    streams.kept[1].extra = std::make_shared<publication_extra>(publication_extra{who, {{"a", "b"}}});
    streams.present = {{{"c1", "ada", "{}", "[1]"}, 5}, {{"c2", "", "", ""}, 0}};
    for (const auto& each : api_methods()) {
        EXPECT_TRUE(fits(document, request_schema(each.name), json::parse(each.example))) << each.name;
        const auto answer = whole(each.name, std::string(each.example));
        EXPECT_FALSE(answer.contains("error")) << each.name << answer;
        EXPECT_TRUE(fits(document, answer_schema(each.name), answer)) << each.name;
        streams.failing = fail(errc::busy);
        EXPECT_TRUE(fits(document, answer_schema(each.name), whole(each.name, std::string(each.example))))
            << each.name;
        streams.failing.reset();
        EXPECT_TRUE(fits(document, answer_schema(each.name), whole(each.name, "[]"))) << each.name;
    }
}

TEST_F(ApiOpenapi, TruncatedAndBareAnswersFitToo) {
    limits.answer = 1;
    streams.keep(5);
    streams.present = {{{"c1", "ada", "", ""}, 5}, {{"c2", "", "", ""}, 0}};
    for (const auto* method : {"history", "presence", "channels"}) {
        const auto answer = whole(method, R"({"channel":"news:a","limit":-1})");
        EXPECT_EQ(answer["result"]["more"], true) << method;
        EXPECT_TRUE(fits(document, answer_schema(method), answer)) << method;
    }
    const auto mixed = whole("batch", R"({"commands":[{"info":{}},{"fly":{}}]})");
    EXPECT_TRUE(fits(document, answer_schema("batch"), mixed));
}

// docs/server-api.md: `api METHOD 'BODY'`, and the answer in the next line.
TEST_F(ApiOpenapi, ThePagesExamplesAreTrue) {
    streams.keep(5);
    std::ifstream page(MADANG_SERVER_API_PAGE);
    std::set<std::string> shown;
    for (std::string line, answer; std::getline(page, line);) {
        if (!line.starts_with("api ") || !line.ends_with('\'') || !std::getline(page, answer)) continue;
        const auto method = line.substr(4, line.find(' ', 4) - 4);
        const auto quote = line.find('\'');
        const auto body = line.substr(quote + 1, line.size() - quote - 2);
        ASSERT_NE(find_api_method(method), nullptr) << line;
        shown.insert(method);
        EXPECT_TRUE(fits(document, request_schema(method), json::parse(body))) << line;
        EXPECT_TRUE(fits(document, answer_schema(method), json::parse(answer))) << answer;
        const auto ours = std::regex_replace(body, std::regex("sk3f"), "e1");  // the fake's epoch
        EXPECT_FALSE(whole(method, ours).contains("error")) << line;
    }
    EXPECT_EQ(shown.size(), api_methods().size());
}

TEST_F(ApiOpenapi, TheSchemasRefuseSomething) {
    EXPECT_FALSE(fits(document, answer_schema("history"), json{{"result", {{"publications", 1}}}}));
    EXPECT_FALSE(fits(document, answer_schema("publish"), json{{"result", {{"offset", 1}, {"drift", 1}}}}));
    EXPECT_FALSE(fits(document, answer_schema("info"), json{{"result", {{"nodes", {{{"uid", "n"}}}}}}}));
    EXPECT_FALSE(fits(document, request_schema("publish"), json{{"data", 1}}));
    EXPECT_FALSE(fits(document, answer_schema("batch"), json::parse(R"({"replies":[{"fly":{}}]})")));
    EXPECT_FALSE(
        fits(document, answer_schema("batch"), json::parse(R"({"replies":[{"presence_stats":{}}]})")));
}

}  // namespace
}  // namespace madang
