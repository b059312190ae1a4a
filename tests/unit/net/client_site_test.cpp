#include "broker/net/client_site.hpp"

#include <gtest/gtest.h>

#include <list>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "broker/protocol/ws_encoder.hpp"
#include "plugins/host/plugin_host.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/memory_transport.hpp"
#include "tests/support/site_requests.hpp"
#include "tests/unit/protocol/ws_client.hpp"

namespace madang {
namespace {

using testing::handshake;
using testing::header;
using testing::request;

struct ClientSite : ::testing::Test {
    ClientSite() {
        settings.client_message_bytes = 1000;
        settings.client_inbox_bytes = 4000;
    }
    client_site& site() {
        if (!made)
            made.emplace(client_services{
                settings, "node1",
                [](const http_request& request) -> result<request_user> {
                    auto token = request.header("authorization");
                    if (token.empty()) return request_user{};
                    if (token == "Bearer good") return request_user{"7", R"({"id":"7"})", ""};
                    return fail(errc::unauthorized, "bad");
                },
                [this](class loop&, client_arrival&& got) { arrivals.push_back(std::move(got)); },
                elsewhere});
        return *made;
    }
    http_answer ask(http_request r) {
        return site().handle(on, r,
                             [this](http_response response) { replies.push_back(std::move(response)); });
    }
    http_response refused(http_request r) {
        auto answer = ask(std::move(r));
        auto* response = std::get_if<http_response>(&answer);
        EXPECT_NE(response, nullptr) << "it was let in";
        return response ? std::move(*response) : http_response{};
    }
    client_arrival arrive(http_request r, std::string leftover = {}) {
        auto answer = ask(std::move(r));
        auto* taker = std::get_if<take_over>(&answer);
        if (taker == nullptr) {
            ADD_FAILURE() << "refused: " << std::get<http_response>(answer).body;
            return {};
        }
        peer = &peers.emplace_back(on);
        taker->by({std::make_unique<testing::memory_transport>(*peer), std::move(leftover), {}});
        EXPECT_EQ(arrivals.size(), 1u);
        auto result = std::move(arrivals.back());
        arrivals.clear();
        return result;
    }
    void write(client_arrival& to, std::string_view bytes) {
        const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        EXPECT_EQ(to.io->write_some(&part, 1).bytes, bytes.size());
    }
    static std::string emulated(std::string_view session, std::string_view data,
                                std::string_view node = "node1") {
        return nlohmann::json{{"session", session}, {"node", node}, {"data", data}}.dump();
    }

    options settings;
    decltype(client_services::elsewhere) elsewhere;
    testing::fake_loop on;
    std::list<testing::memory_peer> peers;  // one per arrival
    testing::memory_peer* peer = nullptr;
    std::vector<client_arrival> arrivals;
    std::vector<http_response> replies;
    std::optional<client_site> made;
};

const std::string accepted = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

TEST_F(ClientSite, TakesAWebSocket) {
    auto got = arrive(handshake("/connection/websocket", {{"authorization", "Bearer good"}}), "early");
    EXPECT_EQ(got.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_EQ(got.leftover, "early");
    EXPECT_EQ(got.entry.transport, "websocket");
    EXPECT_EQ(got.entry.session, "");
    EXPECT_FALSE(got.entry.unidirectional);
    EXPECT_FALSE(got.deflate);
    EXPECT_EQ(got.default_subprotocol, "");
    EXPECT_EQ(got.known.get(scope_field::user_id), "7");
    EXPECT_EQ(got.known.get(scope_field::type), "websocket");
    write(got, accepted);
    EXPECT_EQ(peer->output(), accepted);
    EXPECT_EQ(on.metrics().value(counter::clients_websocket), 1u);
}

TEST_F(ClientSite, GivesEveryClientAnIdOfItsOwn) {
    std::set<std::string> seen;
    const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
    for (int i = 0; i < 1000; ++i) {
        const auto id = make_uuid();
        EXPECT_TRUE(std::regex_match(id, form)) << id;
        seen.insert(id);
    }
    EXPECT_EQ(seen.size(), 1000u);
    EXPECT_TRUE(std::regex_match(arrive(handshake("/connection/websocket")).entry.client, form));
}

TEST_F(ClientSite, CompressesWhatIsNotRewritten) {
    settings.ws_deflate = true;
    const header_list offer{{"sec-websocket-extensions", "permessage-deflate"}};
    EXPECT_TRUE(arrive(handshake("/connection/websocket", offer)).deflate);
    EXPECT_FALSE(arrive(handshake("/connection/uni_websocket", offer)).deflate);
}

TEST_F(ClientSite, AnswersTheSubprotocolsThatItSpeaks) {
    const auto chosen = [&](std::string offered) {
        return arrive(handshake("/connection/websocket", {{"sec-websocket-protocol", offered}}))
            .default_subprotocol;
    };
    EXPECT_EQ(chosen("centrifuge-json"), "centrifuge-json");
    EXPECT_EQ(chosen("centrifuge-protobuf, centrifuge-json"), "centrifuge-json");
    EXPECT_EQ(chosen("bearer, abc"), "bearer");
    EXPECT_EQ(chosen("other"), "");
}

TEST_F(ClientSite, RefusesProtobufHoweverItIsAskedFor) {
    const header_list binary{{"content-type", "application/octet-stream"}};
    const auto told = refused(request("POST", "/connection/http_stream", binary, "{}"));
    EXPECT_EQ(told.status, 200u);
    EXPECT_EQ(header(told, "Content-Type"), "application/octet-stream");
    EXPECT_EQ(told.body, "\x1f\"\x1dZ\x1b\b\xb2\x1b\x12\x16inappropriate protocol");
    EXPECT_EQ(told.body.size(), 32u);
    EXPECT_EQ(refused(request("POST", "/connection/uni_http_stream", binary, "{}")).status, 400u);
    EXPECT_EQ(refused(request("POST", "/emulation", binary, "{}")).status, 400u);
    const auto by_name =
        arrive(handshake("/connection/websocket", {{"sec-websocket-protocol", "centrifuge-protobuf"}}));
    EXPECT_EQ(by_name.default_subprotocol, "centrifuge-protobuf");
    EXPECT_EQ(by_name.entry.refused, 3506u);
    const auto by_query = arrive(handshake("/connection/websocket?cf_protocol=protobuf"));
    EXPECT_EQ(by_query.default_subprotocol, "");
    EXPECT_EQ(by_query.entry.refused, 3506u);
    EXPECT_EQ(arrive(handshake("/connection/websocket?cf_protocol=json")).entry.refused, 0u);
}

TEST_F(ClientSite, SaysWhatAWebSocketNeeds) {
    auto plain = refused(request("GET", "/connection/websocket"));
    EXPECT_EQ(plain.status, 426u);
    EXPECT_EQ(header(plain, "Upgrade"), "websocket");
    auto old = handshake("/connection/websocket");
    old.headers[2].second = "8";
    EXPECT_EQ(refused(old).status, 426u);
    EXPECT_EQ(refused(request("POST", "/connection/websocket")).status, 405u);
}

TEST_F(ClientSite, StripsPushesForAUnidirectionalWebSocket) {
    auto got = arrive(handshake("/connection/uni_websocket"), test::text(R"({"token":"t"})"));
    EXPECT_TRUE(got.entry.unidirectional);
    EXPECT_EQ(test::decode(got.leftover), std::vector<std::string>{R"(text:{"token":"t"})"});
    write(got, accepted + ws_frame(ws_opcode::text, R"({"push":{"connect":{}}})"));
    EXPECT_EQ(peer->output(), accepted + ws_frame(ws_opcode::text, R"({"connect":{}})"));
}

TEST_F(ClientSite, TakesAUnidirectionalWebSocketsConnectFromItsAddress) {
    auto got = arrive(handshake("/connection/uni_websocket?cf_connect=%7B%22a%22%3A1%7D"), test::text("x"));
    EXPECT_EQ(test::decode(got.leftover), (std::vector<std::string>{R"(text:{"a":1})", "text:x"}));
}

TEST_F(ClientSite, MakesAnHttpStreamOfAPost) {
    auto got =
        arrive(request("POST", "/connection/http_stream", {}, "{\"id\":1,\"connect\":{}}\n{\"id\":2}"));
    EXPECT_EQ(got.entry.transport, "http_stream");
    EXPECT_EQ(got.entry.session.size(), 32u);
    EXPECT_FALSE(got.entry.unidirectional);
    EXPECT_EQ(test::decode(got.leftover),
              std::vector<std::string>{"text:{\"id\":1,\"connect\":{}}\n{\"id\":2}"});
    EXPECT_EQ(got.known.get(scope_field::type), "http");
    write(got, accepted + ws_frame(ws_opcode::text, "{}"));
    const auto out = peer->take();
    EXPECT_TRUE(out.starts_with("HTTP/1.1 200 OK\r\n"));
    for (auto line : {"Content-Type: application/json; charset=utf-8\r\n", "X-Accel-Buffering: no\r\n",
                      "Transfer-Encoding: chunked\r\n", "X-Request-ID: r1\r\n", "Connection: close\r\n",
                      "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\n"})
        EXPECT_NE(out.find(line), std::string::npos) << line;
    EXPECT_EQ(out.find("Content-Length"), std::string::npos);
    EXPECT_TRUE(out.ends_with("\r\n\r\n3\r\n{}\n\r\n"));
    EXPECT_EQ(on.metrics().value(counter::clients_http_stream), 1u);
}

TEST_F(ClientSite, DoesNotChunkForHttp10) {
    auto old = request("POST", "/connection/http_stream", {}, "{}");
    old.version = 10;
    auto got = arrive(old);
    write(got, accepted + ws_frame(ws_opcode::text, "{}"));
    EXPECT_EQ(peer->output().find("chunked"), std::string::npos);
    EXPECT_TRUE(peer->output().ends_with("\r\n\r\n{}\n"));
}

TEST_F(ClientSite, MakesAnEventStreamOfAQuery) {
    auto got = arrive(request("GET", "/connection/sse?cf_connect=%7B%22id%22%3A1%7D%0A%7B%7D&x=1"));
    EXPECT_EQ(got.entry.transport, "sse");
    EXPECT_EQ(got.entry.session.size(), 32u);
    EXPECT_EQ(test::decode(got.leftover), std::vector<std::string>{"text:{\"id\":1}\n{}"});
    write(got, accepted + ws_frame(ws_opcode::text, "{\"a\":1}\n{}"));
    EXPECT_NE(peer->output().find("Content-Type: text/event-stream; charset=utf-8\r\n"), std::string::npos);
    EXPECT_NE(peer->output().find("data: {\"a\":1}\n\ndata: {}\n\n"), std::string::npos);
    EXPECT_EQ(test::decode(arrive(request("POST", "/connection/sse", {}, "{\"b\":1}")).leftover),
              std::vector<std::string>{"text:{\"b\":1}"});
}

TEST_F(ClientSite, WantsAnEventStreamsCommands) {
    EXPECT_EQ(refused(request("GET", "/connection/sse")).status, 400u);
    EXPECT_EQ(refused(request("GET", "/connection/sse?cf_connect=")).status, 400u);
    EXPECT_EQ(refused(request("GET", "/connection/sse?cf_connect=%FF")).status, 400u);
    EXPECT_EQ(refused(request("POST", "/connection/http_stream", {}, "\xff")).status, 400u);
}

TEST_F(ClientSite, MakesUnidirectionalStreamsOfConnectRequests) {
    for (auto path : {"/connection/uni_sse", "/connection/uni_http_stream"}) {
        auto got = arrive(request("GET", std::string(path) + "?cf_connect=%7B%22a%22%3A1%7D"));
        EXPECT_TRUE(got.entry.unidirectional);
        EXPECT_EQ(got.entry.session, "");
        EXPECT_EQ(test::decode(got.leftover), std::vector<std::string>{R"(text:{"a":1})"});
        write(got, accepted + ws_frame(ws_opcode::text, R"({"push":{"connect":{}}})"));
        EXPECT_NE(peer->output().find(R"({"connect":{}})"), std::string::npos);
        EXPECT_EQ(peer->output().find("push"), std::string::npos);
        EXPECT_EQ(test::decode(arrive(request("GET", path)).leftover), std::vector<std::string>{"text:{}"});
        EXPECT_EQ(test::decode(arrive(request("POST", path)).leftover), std::vector<std::string>{"text:{}"});
        EXPECT_EQ(test::decode(arrive(request("POST", path, {}, R"({"b":2})")).leftover),
                  std::vector<std::string>{R"(text:{"b":2})"});
    }
    EXPECT_EQ(site().emulated_sessions(), 0u);
}

TEST_F(ClientSite, BringsEmulatedCommandsToTheirSession) {
    auto got = arrive(request("POST", "/connection/http_stream", {}, "{}"));
    EXPECT_EQ(site().emulated_sessions(), 1u);
    auto answer =
        refused(request("POST", "/emulation", {}, emulated(got.entry.session, "{\"id\":2}\n{\"id\":3}")));
    EXPECT_EQ(answer.status, 204u);
    EXPECT_EQ(answer.body, "");
    char buffer[256];
    const auto read = got.io->read_some(buffer, sizeof buffer);
    EXPECT_EQ(test::decode({buffer, read.bytes}), std::vector<std::string>{"text:{\"id\":2}\n{\"id\":3}"});
    const auto session = got.entry.session;
    got.io.reset();
    EXPECT_EQ(site().emulated_sessions(), 0u);
    EXPECT_EQ(refused(request("POST", "/emulation", {}, emulated(session, "{}"))).status, 204u)
        << "the stream's end told its client";
}

TEST_F(ClientSite, RefusesEmulatedCommandsThatCannotBeBrought) {
    auto got = arrive(request("POST", "/connection/http_stream", {}, "{}"));
    const auto status = [&](std::string body) {
        return refused(request("POST", "/emulation", {}, body)).status;
    };
    EXPECT_EQ(status(emulated("0123456789abcdef0123456789abcdef", "{}")), 204u);
    EXPECT_EQ(status(emulated(got.entry.session, "{}", "node2")), 404u);
    for (auto body : {"", "{", "[]", "null", "{}", R"({"session":1,"node":"node1","data":"x"})",
                      R"({"session":"s","node":"node1"})", R"({"session":"s","node":"node1","data":{}})",
                      "{\"session\":\"\xff\",\"node\":\"node1\",\"data\":\"\"}"})
        EXPECT_EQ(status(body), 400u) << body;
    EXPECT_EQ(status(std::string(100'000, '[')), 413u);
    EXPECT_EQ(status(std::string(1000, '[')), 400u);
    EXPECT_EQ(refused(request("GET", "/emulation")).status, 405u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(status(emulated(got.entry.session, std::string(900, 'x'))), 204u);
    EXPECT_EQ(status(emulated(got.entry.session, std::string(900, 'x'))), 429u);
}

TEST_F(ClientSite, BringsCommandsOfAnotherNodesSessionThere) {
    std::vector<std::string> brought;
    std::function<void(result<session_mail_outcome>)> done;
    elsewhere = [&](std::string_view node, session_mail what, auto then) {
        brought.push_back(std::string(node) + " " + what.session + " " + what.text);
        done = std::move(then);
    };
    settings.allowed_origins = {"https://a.example"};
    const auto answered = [&](result<session_mail_outcome> came) {
        replies.clear();
        const auto answer = ask(request("POST", "/emulation", {{"origin", "https://a.example"}},
                                        emulated("s", "{\"id\":2}", "node2")));
        EXPECT_TRUE(std::holds_alternative<awaiting_reply>(answer));
        EXPECT_TRUE(replies.empty());
        done(std::move(came));
        EXPECT_EQ(replies.size(), 1u);
        EXPECT_EQ(header(replies.at(0), "Access-Control-Allow-Origin"), "https://a.example");
        return replies.at(0).status;
    };
    EXPECT_EQ(answered(session_mail_outcome::delivered), 204u);
    EXPECT_EQ(brought, std::vector<std::string>{"node2 s {\"id\":2}"});
    EXPECT_EQ(answered(session_mail_outcome::unknown), 204u) << "as here";
    EXPECT_EQ(answered(session_mail_outcome::full), 429u);
    EXPECT_EQ(answered(fail(errc::not_found)), 404u);
    EXPECT_EQ(answered(fail(errc::busy)), 503u);
    EXPECT_EQ(header(replies.at(0), "Retry-After"), "1");
    EXPECT_EQ(on.metrics().value(labelled_counter::emulation_refused, "unreachable"), 1u);
}

TEST_F(ClientSite, TakesCommandsThatCameInAtAnotherNode) {
    auto got = arrive(request("POST", "/connection/http_stream", {}, "{}"));
    EXPECT_EQ(site().deliver(got.entry.session, "{\"id\":2}"), session_mail_outcome::delivered);
    EXPECT_EQ(site().deliver("none", "{}"), session_mail_outcome::unknown);
    for (int i = 0; i < 4; ++i) site().deliver(got.entry.session, std::string(990, 'x'));
    EXPECT_EQ(site().deliver(got.entry.session, std::string(990, 'x')), session_mail_outcome::full);
}

TEST_F(ClientSite, RefusesBodiesThatAreTooLarge) {
    const auto answer = refused(request("POST", "/connection/http_stream", {}, std::string(1001, 'x')));
    EXPECT_EQ(answer.status, 413u);
    EXPECT_NE(answer.body.find("(--client-message-bytes: 1000)"), std::string::npos) << answer.body;
    EXPECT_EQ(
        test::decode(arrive(request("POST", "/connection/http_stream", {}, std::string(1000, 'x'))).leftover),
        std::vector<std::string>{"text:" + std::string(1000, 'x')});
}

TEST_F(ClientSite, RefusesBadCredentialsOnEveryTransport) {
    const header_list bad{{"authorization", "Bearer bad"}};
    EXPECT_EQ(refused(handshake("/connection/websocket", bad)).status, 401u);
    EXPECT_EQ(refused(handshake("/connection/uni_websocket", bad)).status, 401u);
    EXPECT_EQ(refused(request("POST", "/connection/http_stream", bad, "{}")).status, 401u);
    EXPECT_EQ(refused(request("GET", "/connection/sse?cf_connect=x", bad)).status, 401u);
    EXPECT_EQ(refused(request("GET", "/connection/uni_sse", bad)).status, 401u);
    EXPECT_EQ(refused(request("GET", "/connection/poll?group=a", bad)).status, 401u);
    EXPECT_EQ(on.metrics().value(counter::clients_sse), 0u);
}

TEST_F(ClientSite, KnowsItsAddressesAndTheirMethods) {
    EXPECT_EQ(refused(request("GET", "/connection/other")).status, 404u);
    EXPECT_EQ(refused(request("GET", "/connection/")).status, 404u);
    for (const auto& [path, allow] : {std::pair{"/connection/http_stream", "POST"},
                                      {"/connection/sse", "GET, POST"},
                                      {"/connection/poll", "GET"},
                                      {"/emulation", "POST"}}) {
        auto answer = refused(request("DELETE", path));
        EXPECT_EQ(answer.status, 405u);
        EXPECT_EQ(header(answer, "Allow"), allow);
        EXPECT_EQ(refused(request("HEAD", path)).status, 405u);
        EXPECT_EQ(refused(request("ET", path)).status, 405u);
    }
}

TEST_F(ClientSite, LetsOnlyItsOwnPagesInByDefault) {
    const auto from = [&](header_list headers) {
        auto r = request("POST", "/connection/http_stream", std::move(headers), "{}");
        return std::holds_alternative<take_over>(ask(std::move(r)));
    };
    EXPECT_TRUE(from({}));
    EXPECT_TRUE(from({{"origin", "http://yard.example"}}));
    EXPECT_FALSE(from({{"origin", "https://evil.example"}}));
    EXPECT_FALSE(from({{"origin", "null"}}));
    EXPECT_TRUE(from({{"sec-fetch-site", "same-origin"}}));
    EXPECT_TRUE(from({{"sec-fetch-site", "none"}}));
    EXPECT_FALSE(from({{"sec-fetch-site", "cross-site"}})) << "an image of another site, say";
    EXPECT_FALSE(from({{"sec-fetch-site", "same-site"}}));
    EXPECT_EQ(refused(handshake("/connection/websocket", {{"origin", "https://evil.example"}})).status, 403u);
    EXPECT_EQ(refused(request("POST", "/emulation", {{"origin", "https://evil.example"}}, "{}")).status,
              403u);
}

TEST_F(ClientSite, LetsAllowedPagesReadItsAnswers) {
    settings.allowed_origins = {"https://page.example", "http://yard.example"};
    const header_list origin{{"origin", "https://page.example"}};
    auto got = arrive(request("GET", "/connection/sse?cf_connect=x", origin));
    write(got, accepted);
    EXPECT_NE(peer->output().find("Access-Control-Allow-Origin: https://page.example\r\n"),
              std::string::npos);
    EXPECT_NE(peer->output().find("Access-Control-Allow-Credentials: true\r\n"), std::string::npos);
    EXPECT_NE(peer->output().find("Vary: Origin\r\n"), std::string::npos);
    auto answer = refused(request("POST", "/emulation", origin, emulated(got.entry.session, "{}")));
    EXPECT_EQ(answer.status, 204u);
    EXPECT_EQ(header(answer, "Access-Control-Allow-Origin"), "https://page.example");
    EXPECT_EQ(header(refused(request("POST", "/emulation", origin, "")), "Access-Control-Allow-Origin"),
              "https://page.example");
    EXPECT_TRUE(
        arrive(request("GET", "/connection/sse?cf_connect=x", {{"sec-fetch-site", "same-origin"}})).io);
    EXPECT_EQ(refused(request("GET", "/connection/sse?cf_connect=x")).status, 403u)
        << "a list refuses the nameless";
    EXPECT_EQ(
        refused(request("GET", "/connection/sse?cf_connect=x", {{"sec-fetch-site", "cross-site"}})).status,
        403u);
}

TEST_F(ClientSite, LetsAnyPageReadWithoutCredentials) {
    settings.allowed_origins = {"*"};
    auto got = arrive(request("POST", "/connection/http_stream", {{"origin", "https://any.example"}}, "{}"));
    write(got, accepted);
    EXPECT_NE(peer->output().find("Access-Control-Allow-Origin: *\r\n"), std::string::npos);
    EXPECT_EQ(peer->output().find("Credentials"), std::string::npos);
}

TEST_F(ClientSite, AnswersPreflights) {
    settings.allowed_origins = {"https://page.example"};
    auto good = refused(request("OPTIONS", "/emulation",
                                {{"origin", "https://page.example"},
                                 {"access-control-request-method", "POST"},
                                 {"access-control-request-headers", "content-type"}}));
    EXPECT_EQ(good.status, 204u);
    EXPECT_EQ(header(good, "Access-Control-Allow-Origin"), "https://page.example");
    EXPECT_EQ(header(good, "Access-Control-Allow-Methods"), "POST");
    EXPECT_EQ(header(good, "Access-Control-Allow-Headers"), "content-type");
    auto bad =
        refused(request("OPTIONS", "/connection/http_stream",
                        {{"origin", "https://evil.example"}, {"access-control-request-method", "POST"}}));
    EXPECT_EQ(bad.status, 204u);
    EXPECT_EQ(header(bad, "Access-Control-Allow-Origin"), "");
}

TEST_F(ClientSite, PollsThroughASessionOfItsOwn) {
    auto answer = ask(request("GET", "/connection/poll?group=a&since=E:3&token=t",
                              {{"origin", "http://yard.example"}, {"authorization", "Bearer good"}}));
    auto* waits = std::get_if<awaiting_reply>(&answer);
    ASSERT_NE(waits, nullptr);
    EXPECT_GT(waits->timeout, settings.poll_timeout);
    ASSERT_EQ(arrivals.size(), 1u);
    auto& got = arrivals[0];
    EXPECT_EQ(got.entry.transport, "poll");
    EXPECT_EQ(got.entry.session, "");
    EXPECT_FALSE(got.slot);
    EXPECT_EQ(got.known.get(scope_field::user_id), "7");
    const auto commands = test::decode(got.leftover);
    ASSERT_EQ(commands.size(), 1u);
    EXPECT_NE(commands[0].find(R"("token":"t")"), std::string::npos);
    write(got, accepted + ws_frame(ws_opcode::text,
                                   R"({"id":2,"subscribe":{"epoch":"E","offset":3,"recovered":true,)"
                                   R"("publications":[{"data":1,"offset":4}]}})"));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(nlohmann::json::parse(replies[0].body)["since"], "E:4");
    EXPECT_EQ(header(replies[0], "Access-Control-Allow-Origin"), "http://yard.example");
    EXPECT_EQ(on.metrics().value(counter::clients_poll), 1u);
}

TEST_F(ClientSite, RefusesPollsThatItCannotRead) {
    EXPECT_EQ(refused(request("GET", "/connection/poll")).status, 400u);
    EXPECT_EQ(refused(request("GET", "/connection/poll?group=a&since=x")).status, 400u);
    settings.client_group_limit = 1;
    EXPECT_EQ(refused(request("GET", "/connection/poll?group=a&group=b")).status, 429u);
    EXPECT_TRUE(arrivals.empty());
}

TEST_F(ClientSite, StandsBeforeEverythingElseOfThePublicListener) {
    struct no_layer final : layer_port {
        madang_status group_send(std::string_view, std::string_view, const payload&) override {
            return MADANG_OK;
        }
        madang_status channel_send(std::string_view, std::string_view, const payload&) override {
            return MADANG_OK;
        }
        std::uint64_t now_ms() const noexcept override { return 0; }
    } layer;
    plugin_host host({.layer = layer, .log = {}, .config_json = {}, .extension = {}});
    public_site whole({.settings = settings,
                       .websocket_routes = host.websocket_routes(),
                       .views = host.http_routes(),
                       .files = {},
                       .authenticate = {},
                       .pool = {},
                       .on_upgrade = {},
                       .not_ready = {},
                       .warn = {},
                       .clients = &site()});
    const auto served = [&](http_request r) { return whole.handle(on, r, {}); };
    EXPECT_TRUE(std::holds_alternative<take_over>(served(handshake("/connection/websocket"))));
    EXPECT_TRUE(
        std::holds_alternative<take_over>(served(request("POST", "/connection/http_stream", {}, "{}"))));
    EXPECT_EQ(std::get<http_response>(served(request("POST", "/emulation", {}, "{}"))).status, 400u);
    EXPECT_EQ(std::get<http_response>(served(request("GET", "/healthz"))).status, 200u);
}

}  // namespace
}  // namespace madang
