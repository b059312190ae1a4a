#include <gmock/gmock.h>

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "broker/auth/jwt_sign.hpp"
#include "broker/core/base64.hpp"
#include "broker/net/api_site.hpp"
#include "broker/net/http_server.hpp"
#include "broker/net/public_site.hpp"
#include "tests/integration/http/client.hpp"
#include "tests/integration/server/harness/child.hpp"
#include "tests/support/fake_streams.hpp"
#include "tests/support/running_loop_impl.hpp"

namespace madang {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string secret = "a-secret-of-at-least-thirty-two-bytes";

struct ApiCommands : ::testing::Test {
    ApiCommands() {
        const std::vector<std::string> entries = {"root:all:k-root", "watch:read:k-watch"};
        settings.http_body_bytes = 4096;
        keys.replace(*api_key_ring::parse(entries));
        api.emplace(api_site::parts{.streams = streams,
                                    .keys = keys,
                                    .limits = {},
                                    .timeout = std::chrono::seconds(30),
                                    .version = "1"});
        site.emplace([] { return ""; }, [] { return ""; }, &*api);
        server.emplace(http_server::parts{.address = "127.0.0.1:0",
                                          .loops = {&loop},
                                          .settings = settings,
                                          .dispatcher = *site,
                                          .trusted_proxies = {},
                                          .limits = nullptr,
                                          .tls = nullptr,
                                          .access_log = {}});
        const auto bound = server->start();
        EXPECT_TRUE(bound);
        port = bound ? *bound : 0;
        loop.ask([] { return 0; });
    }
    ~ApiCommands() override {
        server->close_all();
        do loop.ask([] { return 0; });
        while (server->sessions() > 0);
        loop.stop();
    }
    test::outcome madang(std::vector<std::string> words, std::string key = "k-root") {
        test::command what;
        what.words = std::move(words);
        what.words.insert(what.words.begin(), test::server_binary());
        what.environment = {{"MADANG_API_URL", "http://127.0.0.1:" + std::to_string(port)}};
        if (!key.empty()) what.environment.emplace_back("MADANG_API_KEY", key);
        return test::run(what);
    }

    testing::running_loop loop;
    testing::fake_streams streams;
    options settings;
    reloadable<api_key_ring> keys;
    std::optional<api_site> api;
    std::optional<internal_site> site;
    std::optional<http_server> server;
    std::uint16_t port = 0;
};

TEST_F(ApiCommands, AFlagIsStrongerThanTheEnvironment) {
    for (auto words : {std::vector<std::string>{"info"}, {"job", "list"}, {"schedule", "list"}}) {
        SCOPED_TRACE(words.front());
        words.insert(words.end(), {"--url", "http://127.0.0.1:1"});
        const auto done = madang(words);
        EXPECT_EQ(done.code, 1);
        EXPECT_THAT(done.err, HasSubstr("127.0.0.1:1"));
    }
    const auto done = madang({"info", "--api-key", "k-none"});
    EXPECT_EQ(done.code, 1);
    EXPECT_THAT(done.err, HasSubstr("key"));
}

TEST_F(ApiCommands, PubSaysWhereThePublicationIs) {
    const auto done = madang({"pub", "news:kr", R"({"n":1.10,"t":"안녕"})", "--key", "once"});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out, "published at e1:1\n");
    EXPECT_EQ(streams.published.at(0).data.bytes(), R"({"n":1.10,"t":"안녕"})");
    EXPECT_EQ(streams.published.at(0).idempotency_key, "once");
    EXPECT_EQ(madang({"pub", "news:kr", "1", "--json"}).out,
              "{\"result\":{\"offset\":2,\"epoch\":\"e1\"}}\n");
}

TEST_F(ApiCommands, HistoryPrintsALineEach) {
    streams.keep(3);
    const auto done = madang({"history", "news:kr", "--limit", "2", "--since", "e1:1"});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out, "2  1970-01-01 00:00:01.002  \"x\"\n3  1970-01-01 00:00:01.003  \"x\"\ntop: e1:3\n");
    EXPECT_THAT(madang({"history", "news:kr", "--reverse", "--limit", "1"}).out, StartsWith("3  "));
    EXPECT_EQ(madang({"history", "news:kr", "--limit", "0"}).out, "top: e1:3\n");
    const auto lost = madang({"history", "news:kr", "--since", "other:1"});
    EXPECT_EQ(lost.code, 1);
    EXPECT_THAT(lost.err, HasSubstr("not kept any more"));
    EXPECT_EQ(madang({"history", "news:kr", "--since", "1"}).code, 2);
}

TEST_F(ApiCommands, HistoryPrintsDataAsItIsKept) {
    streams.keep(2);
    const std::string odd = R"({"b":1,"a":12345678901234567890.0100,"b":2,"t":"\u00e9"})";
    streams.kept[0].data = payload::copy_of(odd);
    streams.kept[1].data = payload::copy_of("{\"a\":\n1.0}");
    const auto done = madang({"history", "news:kr"});
    EXPECT_EQ(done.out, "1  1970-01-01 00:00:01.001  " + odd +
                            "\n2  1970-01-01 00:00:01.002  {\"a\":1.0}\ntop: e1:2\n");
}

TEST_F(ApiCommands, PresencePrintsWhoIsThereAndNothingThatMovesTheTerminal) {
    streams.present = {{{"c1", "ada", "{\"x\":1}", ""}, 1000}, {{"c2", "\x1b[2Jeve", "", ""}, 0}};
    const auto done = madang({"presence", "news:kr"});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out,
              "1970-01-01 00:00:01.000  c1  ada  conn_info={\"x\":1}\n"
              "-  c2  \"\\u001b[2Jeve\"\n2 connections\n");
}

TEST_F(ApiCommands, DisconnectChannelsAndInfo) {
    EXPECT_EQ(madang({"disconnect", "ada", "--client", "c1", "--code", "4100", "--reason", "moved"}).out,
              "2 disconnected\n");
    EXPECT_EQ(streams.commands.at(0).code, 4100);
    EXPECT_EQ(streams.commands.at(0).reason, "moved");
    EXPECT_EQ(madang({"channels", "news:*"}).out, "2  news:kr\n1  news:us\n");
    EXPECT_EQ(madang({"info"}).out,
              "yard (n1), version 0.1.0, up 60 s: 5 clients, 4 users, 7 subscriptions, 3 groups\n");
    EXPECT_THAT(streams.asked, ElementsAre("command ada/c1/", "groups news:* 10001", "figures"));
}

TEST_F(ApiCommands, ErrorsAreOneLineAndNotZero) {
    const auto fails = [&](const test::outcome& done, int code, const char* why) {
        EXPECT_EQ(done.code, code) << done.err;
        EXPECT_THAT(done.err, AllOf(StartsWith("madang: "), HasSubstr(why)));
        EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
        EXPECT_EQ(done.out, "");
    };
    fails(madang({"info"}, ""), 1, "--api-key");
    fails(madang({"info"}, "wrong-key"), 1, "none of this server's");
    fails(madang({"pub", "news:kr", "1"}, "k-watch"), 1, "lacks the right publish");
    fails(madang({"pub", "nowhere:x", "1"}), 1, "[namespace.nowhere]");
    fails(madang({"pub", "news:kr", "hello"}), 2, "not JSON");
    fails(madang({"info", "--url", "http://127.0.0.1:1"}), 1, "--url");
    fails(madang({"info", "--url", "file:///etc/passwd"}), 1, "--url");
    fails(madang({"pub", "news:kr", "\"" + std::string(5000, 'x') + "\""}), 1, "");
    streams.failing = fail(errc::storage_full);
    fails(madang({"pub", "news:kr", "1"}), 1, "disk is full");
}

TEST_F(ApiCommands, NumbersThatMakeNoSenseAreRefusedByNameAndLimit) {
    using words = std::vector<std::string>;
    const std::vector<std::pair<words, std::string>> all = {
        {{"history", "news:kr", "--limit"}, "from -1 to 100000;"},
        {{"job", "list", "--limit"}, "from 1 to 100000;"},
        {{"schedule", "next", "name", "--count"}, "from 1 to 1000;"},
        {{"job", "enqueue", "task", "--priority"}, "from 0 to 9;"},
        {{"disconnect", "ada", "--code"}, "from 0 to 4999;"}};
    for (const auto& [asked, limits] : all)
        for (const auto* number : {"100001", "-2", "99999999999999999999999", "1.5", "0x1", "ten", ""}) {
            auto what = asked;
            what.emplace_back(number);
            const auto done = madang(what);
            EXPECT_EQ(done.code, 2) << asked.front() << " " << number;
            EXPECT_THAT(done.err, AllOf(StartsWith("madang: " + asked.back() + ": takes a whole number "),
                                        HasSubstr(limits)));
            EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
            EXPECT_EQ(done.out, "");
        }
    EXPECT_TRUE(streams.asked.empty());
    EXPECT_EQ(madang({"history", "news:kr", "--limit", "-1"}).code, 0);
    EXPECT_EQ(madang({"history", "news:kr", "--limit", "100000"}).code, 0);
}

TEST_F(ApiCommands, ABodyBeyondTheListenersLimitIsRefused) {
    auto client = testing::connect_to(port);
    const std::string body(4097, ' ');
    testing::send_all(client, "POST /api/info HTTP/1.1\r\nHost: a\r\nX-API-Key: k-root\r\nContent-Length: " +
                                  std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_THAT(testing::receive_until(client), StartsWith("HTTP/1.1 413"));
    EXPECT_TRUE(streams.asked.empty());
}

// The token's claims, when it is signed with the secret.
json claims_of(std::string printed) {
    if (!printed.ends_with('\n')) return "no line";
    printed.pop_back();
    const auto first = printed.find('.'), second = printed.rfind('.');
    auto middle = printed.substr(first + 1, second - first - 1);
    for (auto& c : middle) c = c == '-' ? '+' : c == '_' ? '/' : c;
    while (middle.size() % 4 != 0) middle += '=';
    const auto text = base64_decode(middle);
    if (!text || sign_hs256(secret, *text) != printed) return "not signed";
    return json::parse(*text);
}

TEST_F(ApiCommands, ATokenIsSignedWithTheServersSecret) {
    test::command what{.words = {test::server_binary(), "token", "ada", "--info", R"({"n":1})"},
                       .environment = {{"MADANG_JWT_HMAC_SECRET", secret}}};
    auto claims = claims_of(test::run(what).out);
    EXPECT_EQ(claims["sub"], "ada");
    EXPECT_EQ(claims["info"], (json{{"n", 1}}));
    EXPECT_EQ(claims["exp"].get<long>() - claims["iat"].get<long>(), 3600);

    what.words = {test::server_binary(), "token", "ada", "--ttl", "0", "--channel", "news:kr",
                  "--jwt-hmac-secret",   secret};
    what.environment.clear();
    claims = claims_of(test::run(what).out);
    EXPECT_EQ(claims["channel"], "news:kr");
    EXPECT_FALSE(claims.contains("exp"));

    what.words = {test::server_binary(), "token", "ada"};
    const auto done = test::run(what);
    EXPECT_EQ(done.code, 2);
    EXPECT_THAT(done.err, HasSubstr("MADANG_JWT_HMAC_SECRET"));
}

TEST_F(ApiCommands, ATokenOfNobodyIsNotSigned) {
    const auto done = test::run(
        {.words = {test::server_binary(), "token", ""}, .environment = {{"MADANG_JWT_HMAC_SECRET", secret}}});
    EXPECT_EQ(done.code, 2);
    EXPECT_EQ(done.out, "");
    EXPECT_EQ(done.err, "madang: token: USER is empty; a token says who its bearer is\n");
}

}  // namespace
}  // namespace madang
