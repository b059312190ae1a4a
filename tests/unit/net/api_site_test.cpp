#include "broker/net/api_site.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "broker/core/log.hpp"
#include "broker/net/public_site.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/fake_streams.hpp"
#include "tests/support/site_requests.hpp"

namespace madang {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::answered;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

struct ApiSite : ::testing::Test {
    ApiSite() { keys({"root:all:k-root", "shop:publish:k-shop", "watch:read:k-watch"}); }

    void replace_keys(const std::vector<std::string>& entries) {
        auto made = api_key_ring::parse(entries);
        ASSERT_TRUE(made) << made.error();
        ring.replace(std::move(*made));
    }
    void keys(const std::vector<std::string>& entries) {
        replace_keys(entries);
        api = std::make_unique<api_site>(api_site::parts{
            .streams = streams, .keys = ring, .limits = limits, .timeout = {}, .version = "1.2.3"});
        site = std::make_unique<internal_site>([] { return "metrics"; }, [] { return ""; }, api.get());
    }
    answered send(std::string method, std::string path, std::string body, header_list headers,
                  std::string query = "") {
        if (!query.empty()) path += "?" + query;
        return testing::ask(
            *site, loop,
            testing::request(std::move(method), std::move(path), std::move(headers), std::move(body)));
    }
    answered post(std::string path, std::string body, header_list more = {}) {
        more.emplace_back("x-api-key", "k-root");
        return send("POST", std::move(path), std::move(body), std::move(more));
    }
    std::uint64_t count(labelled_counter what, std::string_view label) {
        return loop.metrics().value(what, label);
    }

    testing::fake_loop loop;
    testing::fake_streams streams;
    reloadable<api_key_ring> ring;
    api_limits limits;
    std::unique_ptr<api_site> api;
    std::unique_ptr<internal_site> site;
};

TEST_F(ApiSite, AnswersAMethodWithItsResult) {
    const auto got = post("/api/publish", R"({"channel":"news:kr","data":{"x":1.10}})");
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(testing::header(got, "Content-Type"), "application/json");
    EXPECT_EQ(got.text, R"({"result":{"offset":1,"epoch":"e1"}})");
    EXPECT_EQ(streams.published.at(0).data.bytes(), R"({"x":1.10})");
    EXPECT_EQ(count(labelled_counter::api_requests, "publish"), 1u);
    EXPECT_EQ(count(labelled_counter::api_errors, "publish"), 0u);
}

TEST_F(ApiSite, AnswersErrorsWith200OrWithTheirOwnStatusWhenAsked) {
    const auto got = post("/api/publish", R"({"channel":"nowhere:x","data":1})");
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.body["error"]["code"], 102);
    EXPECT_EQ(count(labelled_counter::api_errors, "publish"), 1u);
    const auto transport = post("/api/publish", R"({"channel":"nowhere:x","data":1})",
                                {{"x-centrifugo-error-mode", "transport"}});
    EXPECT_EQ(transport.status, 404u);
    EXPECT_EQ(transport.body["error"]["code"], 102);
}

TEST_F(ApiSite, AnswersABatchWithBareReplies) {
    const auto got =
        post("/api/batch", R"({"commands":[{"info":{}},{"publish":{"channel":"news:a","data":1}}]})");
    ASSERT_EQ(got.body["replies"].size(), 2u);
    EXPECT_EQ(got.body.size(), 1u);
    EXPECT_EQ(count(labelled_counter::api_requests, "publish"), 1u);
    EXPECT_EQ(count(labelled_counter::api_requests, "batch"), 1u);
}

TEST_F(ApiSite, TakesTheKeyFromEveryPlaceThatLibrariesUse) {
    EXPECT_EQ(send("POST", "/api/info", "{}", {{"x-api-key", "k-watch"}}).status, 200u);
    EXPECT_EQ(send("POST", "/api/info", "{}", {{"authorization", "apikey k-watch"}}).status, 200u);
    EXPECT_EQ(send("POST", "/api/info", "{}", {}, "api_key=k-watch").status, 200u);
}

TEST_F(ApiSite, RefusesWithoutAGoodKeyAndSaysNothingElse) {
    const auto none = send("POST", "/api/info", "{}", {});
    EXPECT_EQ(none.status, 401u);
    EXPECT_THAT(none.body["error"]["message"], HasSubstr("X-API-Key"));
    EXPECT_EQ(none.body["error"]["code"], 101);
    const auto bad = send("POST", "/api/info", "{}", {{"x-api-key", "k-roo"}});
    EXPECT_EQ(bad.status, 401u);
    EXPECT_THAT(bad.text, Not(HasSubstr("k-roo")));
    EXPECT_EQ(send("POST", "/api/nothing", "not json", {{"x-api-key", "k-roo"}}).status, 401u);
    EXPECT_TRUE(streams.asked.empty());
    EXPECT_EQ(count(labelled_counter::api_refused, "key"), 2u);
    EXPECT_EQ(count(labelled_counter::api_refused, "key_missing"), 1u);
}

TEST_F(ApiSite, JudgesEachRequestByTheKeysOfNow) {
    replace_keys({"root:all:k-new", "shop:read:k-shop"});
    EXPECT_EQ(send("POST", "/api/info", "{}", {{"x-api-key", "k-root"}}).status, 401u);
    EXPECT_EQ(send("POST", "/api/info", "{}", {{"x-api-key", "k-new"}}).status, 200u);
    EXPECT_EQ(send("POST", "/api/info", "{}", {{"x-api-key", "k-shop"}}).status, 200u) << "another right";
}

TEST_F(ApiSite, WithoutAnyKeyConfiguredNamesTheMend) {
    keys({});
    const auto got = send("POST", "/api/info", "{}", {{"x-api-key", "k-root"}});
    EXPECT_EQ(got.status, 401u);
    EXPECT_THAT(got.body["error"]["message"], AllOf(HasSubstr("--api-key"), HasSubstr("MADANG_API_KEYS")));
}

TEST_F(ApiSite, RefusesARightThatLacks) {
    const auto got =
        send("POST", "/api/publish", R"({"channel":"news:a","data":1})", {{"x-api-key", "k-watch"}});
    EXPECT_EQ(got.status, 403u);
    EXPECT_EQ(got.body["error"]["code"], 103);
    EXPECT_EQ(got.body["error"]["message"], "the key lacks the right publish, which publish needs");
    EXPECT_TRUE(streams.asked.empty());
    EXPECT_EQ(send("POST", "/api/info", "{}", {{"x-api-key", "k-shop"}}).status, 403u);
    EXPECT_EQ(send("POST", "/api", R"({"method":"info"})", {{"x-api-key", "k-shop"}}).status, 403u);
    EXPECT_EQ(count(labelled_counter::api_refused, "right"), 3u);
}

TEST_F(ApiSite, RefusesWhatIsNotJson) {
    for (const std::string& body : {std::string("{"), std::string("x"), std::string("{}\0{}", 5),
                                    std::string("{}{}"), std::string("\"\xff\""), std::string(" ")}) {
        const auto got = post("/api/publish", body);
        EXPECT_EQ(got.status, 400u) << body;
        EXPECT_EQ(got.body["error"]["code"], 107);
    }
    EXPECT_EQ(post("/api", "{").status, 400u);
    EXPECT_EQ(post("/api", "").status, 400u);
    EXPECT_EQ(post("/api/info", "").status, 200u) << "nothing to say is {}";
    EXPECT_EQ(post("/api/publish", "[]").body["error"]["code"], 107);
}

TEST_F(ApiSite, DoesNotKnowOtherMethods) {
    for (const auto* path : {"/api/rpc", "/api/connections", "/api/PUBLISH", "/api/publish/",
                             "/api/publish/x", "/api/device_register", "/api/../metrics"}) {
        const auto got = post(path, "{}");
        EXPECT_EQ(got.status, 404u) << path;
        EXPECT_EQ(got.body["error"]["code"], 104) << path;
    }
    for (const auto* method : {"GET", "PUT", "DELETE", "OPTIONS"}) {
        const auto got = send(method, "/api/publish", "", {{"x-api-key", "k-root"}});
        EXPECT_EQ(got.status, 405u);
        EXPECT_EQ(testing::header(got, "Allow"), "POST");
        EXPECT_EQ(got.body["error"]["code"], 405);
    }
    EXPECT_EQ(count(labelled_counter::api_refused, "method"), 7u);
}

TEST_F(ApiSite, LeavesTheListenersOtherAddressesAlone) {
    EXPECT_EQ(send("GET", "/metrics", "", {}).text, "metrics");
    EXPECT_EQ(send("GET", "/healthz", "", {}).status, 200u);
    EXPECT_EQ(send("POST", "/apis/info", "{}", {{"x-api-key", "k-root"}}).status, 404u);
    EXPECT_TRUE(api_site::serves("/api"));
    EXPECT_TRUE(api_site::serves("/api/x"));
    EXPECT_FALSE(api_site::serves("/apix"));
    EXPECT_FALSE(api_site::serves("/"));
}

TEST_F(ApiSite, GivesNoOriginARightToRead) {
    const header_list page = {{"origin", "https://evil.example"},
                              {"access-control-request-method", "POST"},
                              {"access-control-request-headers", "x-api-key"}};
    const auto preflight = send("OPTIONS", "/api/publish", "", page);
    EXPECT_EQ(preflight.status, 405u);
    const auto simple = send("POST", "/api/publish", R"({"channel":"news:a","data":1})", page);
    EXPECT_EQ(simple.status, 401u);
    auto keyed = page;
    keyed.emplace_back("x-api-key", "k-root");
    const auto good = send("POST", "/api/info", "{}", keyed);
    for (const auto* answer : {&preflight, &simple, &good})
        for (const auto& [name, value] : answer->headers)
            EXPECT_THAT(name, Not(HasSubstr("Access-Control"))) << value;
}

TEST_F(ApiSite, TakesCommandsByTheOldAddress) {
    EXPECT_EQ(post("/api", R"({"id":7,"method":"info","params":{}})").text.substr(0, 26),
              R"({"id":7,"result":{"nodes":)");
    EXPECT_EQ(post("/api/", R"({"method":"info"})").status, 200u);
    const auto two = post("/api",
                          "{\"method\":\"publish\",\"params\":{\"channel\":\"news:a\",\"data\":1}}\n"
                          "{\"method\":\"fly\",\"params\":{}}\n{\"method\":\"PRESENCE_STATS\",\"params\":{"
                          "\"channel\":\"news:a\"}}");
    EXPECT_EQ(two.status, 200u);
    EXPECT_EQ(two.text,
              "{\"result\":{\"offset\":1,\"epoch\":\"e1\"}}\n"
              "{\"error\":{\"code\":104,\"message\":\"there is no such method\"}}\n"
              "{\"result\":{\"num_clients\":3,\"num_users\":2}}");
    EXPECT_EQ(post("/api", R"({"method":"fly"})").status, 404u);
    EXPECT_EQ(post("/api", R"({"params":{}})").status, 400u);
}

TEST_F(ApiSite, BoundsTheOldAddressToo) {
    std::string lines;
    for (int i = 0; i < 1001; ++i) lines += "{\"method\":\"info\"}\n";
    const auto got = post("/api", lines);
    EXPECT_EQ(got.body["error"]["code"], 106);
    EXPECT_TRUE(streams.asked.empty());
    EXPECT_EQ(count(labelled_counter::api_refused, "limit"), 1u);
}

TEST_F(ApiSite, ServesItsDocumentToAnybody) {
    const auto got = send("GET", "/api/openapi.json", "", {});
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.body["info"]["version"], "1.2.3");
    EXPECT_TRUE(got.body["paths"].contains("/api/publish"));
    EXPECT_EQ(send("POST", "/api/openapi.json", "{}", {}).status, 405u);
}

TEST_F(ApiSite, WaitsForTheStreams) {
    streams.later = true;
    http_request request;
    request.method = "POST";
    request.path = "/api/info";
    request.headers = {{"x-api-key", "k-root"}};
    std::vector<http_response> got;
    const auto answer =
        site->handle(loop, request, [&](http_response response) { got.push_back(std::move(response)); });
    EXPECT_TRUE(std::holds_alternative<awaiting_reply>(answer));
    EXPECT_TRUE(got.empty());
    streams.run_later();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].status, 200u);
}

TEST_F(ApiSite, LogsTheKeysNameNeverTheKey) {
    std::vector<std::string> lines;
    const log_capture capture(log_format::text, log_level::debug,
                              [&](std::string_view line) { lines.emplace_back(line); });
    post("/api/info", "{}");
    send("POST", "/api/info", "{}", {{"x-api-key", "wrong-key"}});
    EXPECT_THAT(lines, Contains(AllOf(HasSubstr("api.request"), HasSubstr("root"))));
    EXPECT_THAT(lines, Contains(HasSubstr("api.refused")));
    for (const auto& line : lines)
        EXPECT_THAT(line, AllOf(Not(HasSubstr("k-root")), Not(HasSubstr("wrong-key"))));
}

}  // namespace
}  // namespace madang
