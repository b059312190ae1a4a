#include "broker/net/public_site.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "plugins/host/plugin_host.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/memory_transport.hpp"
#include "tests/support/site_requests.hpp"

namespace madang {
namespace {

using testing::handshake;
using testing::header;
using testing::request;

madang_str str(const char* text) { return {text, std::strlen(text)}; }

// A plugin within the test: a chat route, a route with options of its own, and views.
const madang_host_api* api = nullptr;

madang_status answer(void* text, madang_request* request) {
    return api->reply(request, 200, nullptr, 0, str(static_cast<const char*>(text)));
}
madang_status echo_argument(void*, madang_request* request) {
    return api->reply(request, 200, nullptr, 0,
                      api->scope_at(api->request_scope(request), MADANG_SCOPE_URL_ARGS, 0).value);
}
madang_request* silent = nullptr;
madang_status keep_silent(void*, madang_request* request) {
    silent = request;
    return MADANG_OK;
}

madang_plugin* start(madang_host* host, const madang_host_api* given) {
    api = given;
    madang_consumer_class consumer{};
    consumer.struct_size = sizeof consumer;
    consumer.name = str("Chat");
    consumer.create = [](void*, madang_connection*) -> madang_consumer* { return nullptr; };
    consumer.connect = [](madang_consumer*) { return MADANG_OK; };
    consumer.receive = [](madang_consumer*, madang_frame, madang_payload*) { return MADANG_OK; };
    consumer.event = [](madang_consumer*, madang_str, madang_payload*) { return MADANG_OK; };
    consumer.timer = [](madang_consumer*, uint64_t) { return MADANG_OK; };
    consumer.disconnect = [](madang_consumer*, uint16_t) { return MADANG_OK; };
    consumer.destroy = [](madang_consumer*) {};
    madang_route_options own{};
    own.struct_size = sizeof own;
    own.deflate = 1;
    own.subprotocols = str("v2, v1");
    own.allowed_origins = str("https://friend.example");
    EXPECT_EQ(given->route_websocket(host, str("/ws/chat/<str:room>/"), &consumer, nullptr), MADANG_OK);
    EXPECT_EQ(given->route_websocket(host, str("/ws/own/"), &consumer, &own), MADANG_OK);

    madang_view view{};
    view.struct_size = sizeof view;
    view.name = str("view");
    view.handle = answer;
    view.context = const_cast<char*>("got");
    EXPECT_EQ(given->route_http(host, str("GET"), str("/api/thing"), &view, nullptr), MADANG_OK);
    view.context = const_cast<char*>("posted");
    EXPECT_EQ(given->route_http(host, str("POST,PUT"), str("/api/thing"), &view, nullptr), MADANG_OK);
    view.handle = echo_argument;
    EXPECT_EQ(given->route_http(host, str("GET"), str("/api/<int:n>"), &view, nullptr), MADANG_OK);
    view.handle = keep_silent;
    EXPECT_EQ(given->route_http(host, str("GET"), str("/api/silent"), &view, nullptr), MADANG_OK);
    view.handle = answer;
    view.kind = MADANG_SYNC;
    EXPECT_EQ(given->route_http(host, str("GET"), str("/api/sync"), &view, nullptr), MADANG_OK);
    static char instance;
    return reinterpret_cast<madang_plugin*>(&instance);
}

const madang_plugin_descriptor descriptor = {MADANG_ABI_MAGIC,
                                             sizeof descriptor,
                                             MADANG_ABI_MAJOR,
                                             MADANG_ABI_MINOR,
                                             "tester",
                                             "1.0.0",
                                             nullptr,
                                             start,
                                             [](madang_plugin*) {},
                                             nullptr};

struct no_layer final : layer_port {
    madang_status group_send(std::string_view, std::string_view, const payload&) override {
        return MADANG_OK;
    }
    madang_status channel_send(std::string_view, std::string_view, const payload&) override {
        return MADANG_OK;
    }
    std::uint64_t now_ms() const noexcept override { return 0; }
};

struct PublicSite : ::testing::Test {
    PublicSite() {
        std::string error;
        EXPECT_TRUE(host.add(descriptor, "tester.so", error)) << error;
        settings.cors_origins = {"https://page.example"};
        site.emplace(site_services{settings,
                                   host.websocket_routes(),
                                   host.http_routes(),
                                   std::nullopt,
                                   [](const http_request& request) -> result<request_user> {
                                       auto token = request.header("authorization");
                                       if (token.empty()) return request_user{};
                                       if (token == "Bearer good")
                                           return request_user{"7", R"({"id":"7"})", R"({"cart":1})"};
                                       if (token == "Bearer later") return fail(errc::busy, "keys");
                                       return fail(errc::unauthorized);
                                   },
                                   [this](std::function<void()> fn) {
                                       if (pool_full) return false;
                                       pooled.push_back(std::move(fn));
                                       return true;
                                   },
                                   [this](class loop&, upgrade&& got) { upgraded.push_back(std::move(got)); },
                                   [this] { return not_ready; },
                                   {}});
    }
    http_answer ask(http_request r) {
        return site->handle(loop, r,
                            [this](http_response response) { replies.push_back(std::move(response)); });
    }
    http_response now(http_request r) {
        auto answer = ask(std::move(r));
        auto* response = std::get_if<http_response>(&answer);
        if (response) return std::move(*response);
        EXPECT_EQ(replies.size(), 1u);
        if (replies.empty()) return {};
        auto result = std::move(replies.back());
        replies.clear();
        return result;
    }
    bool take(http_request r) {
        auto answer = ask(std::move(r));
        auto* taker = std::get_if<take_over>(&answer);
        if (!taker) return false;
        taker->by({std::make_unique<testing::memory_transport>(peer), "left", {}});
        return upgraded.size() == 1;
    }
    testing::fake_loop loop;
    testing::memory_peer peer{loop};
    no_layer layer;
    options settings;
    plugin_host host{{layer, {}, {}, {}}};
    std::optional<public_site> site;
    std::vector<http_response> replies;
    std::vector<std::function<void()>> pooled;
    std::vector<upgrade> upgraded;
    bool pool_full = false;
    std::string not_ready;
};

TEST_F(PublicSite, IsAliveWhileItDrainsButNotReady) {
    EXPECT_EQ(now(request("GET", "/healthz")).status, 200u);
    EXPECT_EQ(now(request("GET", "/readyz")).status, 200u);
    not_ready = "draining: the server stops\n";
    EXPECT_EQ(now(request("GET", "/healthz")).status, 200u);
    EXPECT_EQ(now(request("GET", "/readyz")).status, 503u);
    EXPECT_EQ(now(request("GET", "/readyz")).body, "not ready\ndraining: the server stops\n");
    EXPECT_EQ(now(request("POST", "/readyz")).status, 405u);
}

TEST_F(PublicSite, NeverShowsMetrics) { EXPECT_EQ(now(request("GET", "/metrics")).status, 404u); }

TEST_F(PublicSite, CallsTheViewOfTheMethod) {
    EXPECT_EQ(now(request("GET", "/api/thing")).body, "got");
    EXPECT_EQ(now(request("HEAD", "/api/thing")).body, "got");
    EXPECT_EQ(now(request("PUT", "/api/thing")).body, "posted");
    EXPECT_EQ(now(request("GET", "/api/42")).body, "42");
    auto refused = now(request("DELETE", "/api/thing"));
    EXPECT_EQ(refused.status, 405u);
    EXPECT_EQ(header(refused, "Allow"), "GET, POST, PUT");
    EXPECT_EQ(now(request("GET", "/api/none")).status, 404u);
}

TEST_F(PublicSite, WaitsForAViewThatDoesNotReplyAtOnce) {
    auto answer = ask(request("GET", "/api/silent"));
    auto* wait = std::get_if<awaiting_reply>(&answer);
    ASSERT_TRUE(wait);
    EXPECT_EQ(wait->timeout, settings.view_timeout);
    EXPECT_TRUE(replies.empty());
    EXPECT_EQ(api->reply(silent, 202, nullptr, 0, str("at last")), MADANG_OK);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].status, 202u);
}

TEST_F(PublicSite, AsksNoMoreOfAViewThatLeavesTooManyUnanswered) {
    settings.view_unanswered = 2;
    std::vector<madang_request*> held;
    for (int i = 0; i < 2; ++i) {
        auto answer = ask(request("GET", "/api/silent"));
        held.push_back(silent);
        std::get<awaiting_reply>(answer).given_up();
    }
    EXPECT_EQ(now(request("GET", "/api/silent")).status, 503u);
    EXPECT_EQ(loop.metrics().value(counter::view_refusals), 1u);
    EXPECT_EQ(now(request("GET", "/api/thing")).status, 200u);  // the others are asked
    api->reply(held[0], 200, nullptr, 0, str("late"));
    auto answer = ask(request("GET", "/api/silent"));
    EXPECT_TRUE(std::get_if<awaiting_reply>(&answer));
    for (auto* each : {held[1], silent}) api->reply(each, 200, nullptr, 0, str("late"));
}

TEST_F(PublicSite, RunsSyncViewsOnThePool) {
    auto answer = ask(request("GET", "/api/sync"));
    EXPECT_TRUE(std::get_if<awaiting_reply>(&answer));
    EXPECT_TRUE(replies.empty());
    ASSERT_EQ(pooled.size(), 1u);
    pooled[0]();
    ASSERT_EQ(replies.size(), 1u);
    pool_full = true;
    replies.clear();
    auto busy = now(request("GET", "/api/sync"));
    EXPECT_EQ(busy.status, 503u);
    EXPECT_EQ(header(busy, "Retry-After"), "1");
}

TEST_F(PublicSite, RefusesBadCredentialsEverywhere) {
    EXPECT_EQ(now(request("GET", "/api/thing", {{"authorization", "Bearer bad"}})).status, 401u);
    EXPECT_EQ(now(handshake("/ws/chat/a/", {{"authorization", "Bearer bad"}})).status, 401u);
}

TEST_F(PublicSite, AddsCorsHeadersToImmediateAndLaterAnswers) {
    header_list origin = {{"origin", "https://page.example"}};
    EXPECT_EQ(header(now(request("GET", "/api/thing", origin)), "Access-Control-Allow-Origin"),
              "https://page.example");
    EXPECT_EQ(header(now(request("GET", "/none", origin)), "Access-Control-Allow-Origin"),
              "https://page.example");
    auto preflight = request("OPTIONS", "/api/thing", origin);
    preflight.headers.emplace_back("access-control-request-method", "PUT");
    EXPECT_EQ(now(std::move(preflight)).status, 204u);
}

TEST_F(PublicSite, CredentialsThatCannotBeCheckedYetAreToComeAgain) {
    const header_list later = {{"authorization", "Bearer later"}};
    for (auto asked : {request("GET", "/api/thing", later), handshake("/ws/chat/lobby/", later)}) {
        const auto response = now(std::move(asked));
        EXPECT_EQ(response.status, 503u);
        EXPECT_NE(std::find(response.headers.begin(), response.headers.end(),
                            std::pair<std::string, std::string>("Retry-After", "1")),
                  response.headers.end());
    }
    EXPECT_TRUE(upgraded.empty());
}

TEST_F(PublicSite, HandsOverAGoodHandshake) {
    ASSERT_TRUE(take(handshake("/ws/chat/lobby/", {{"authorization", "Bearer good"}})));
    auto& got = upgraded[0];
    EXPECT_EQ(got.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 1.3
    EXPECT_EQ(got.leftover, "left");
    EXPECT_EQ(got.route->name, "Chat");
    EXPECT_EQ(got.known.get(scope_field::type), "websocket");
    EXPECT_EQ(got.known.get(scope_field::scheme), "ws");
    EXPECT_EQ(got.known.get(scope_field::user_id), "7");
    EXPECT_EQ(got.known.get(scope_field::session_json), R"({"cart":1})");
    EXPECT_EQ(got.known.get(scope_field::client_address), "192.0.2.1");
    ASSERT_EQ(got.known.count(scope_list::url_args), 1u);
    EXPECT_EQ(got.known.at(scope_list::url_args, 0).name, "room");
    EXPECT_EQ(got.known.at(scope_list::url_args, 0).value, "lobby");
    EXPECT_FALSE(got.deflate);
}

TEST_F(PublicSite, NegotiatesSubprotocolAndCompressionAsTheRouteSays) {
    ASSERT_TRUE(take(handshake("/ws/own/", {{"origin", "https://friend.example"},
                                            {"sec-websocket-protocol", "v1, v2, other"},
                                            {"sec-websocket-extensions", "permessage-deflate"}})));
    EXPECT_EQ(upgraded[0].default_subprotocol, "v2");
    EXPECT_TRUE(upgraded[0].deflate);
    EXPECT_EQ(upgraded[0].known.count(scope_list::subprotocols), 3u);
}

TEST_F(PublicSite, KeepsTokensAmongTheSubprotocolsFromTheConsumer) {
    ASSERT_TRUE(take(handshake("/ws/chat/a/", {{"sec-websocket-protocol", "bearer, secret-token, v1"}})));
    const auto& known = upgraded[0].known;
    for (std::size_t i = 0; i < known.count(scope_list::subprotocols); ++i)
        EXPECT_NE(known.at(scope_list::subprotocols, i).name, "secret-token");
    EXPECT_EQ(upgraded[0].default_subprotocol, "bearer");
}

TEST_F(PublicSite, ChecksTheOriginAsTheRouteSays) {
    EXPECT_EQ(now(handshake("/ws/chat/a/", {{"origin", "https://evil.example"}})).status, 403u);
    EXPECT_TRUE(take(handshake("/ws/chat/a/", {{"origin", "http://yard.example"}})));
    upgraded.clear();
    EXPECT_EQ(now(handshake("/ws/own/", {{"origin", "http://yard.example"}})).status, 403u);
    EXPECT_EQ(loop.metrics().value(labelled_counter::connections_refused, "origin"), 2u);
}

TEST_F(PublicSite, RefusesBrokenHandshakes) {
    EXPECT_EQ(now(handshake("/ws/none/")).status, 404u);
    auto old = handshake("/ws/chat/a/");
    old.headers[2].second = "8";
    auto answer = now(std::move(old));
    EXPECT_EQ(answer.status, 426u);
    EXPECT_EQ(header(answer, "Sec-WebSocket-Version"), "13");
    auto keyless = handshake("/ws/chat/a/");
    keyless.headers.erase(keyless.headers.begin() + 3);
    EXPECT_EQ(now(std::move(keyless)).status, 400u);
}

TEST_F(PublicSite, TellsAPlainGetToUpgrade) {
    auto answer = now(request("GET", "/ws/chat/a/"));
    EXPECT_EQ(answer.status, 426u);
    EXPECT_EQ(header(answer, "Upgrade"), "websocket");
}

TEST(InternalSite, ShowsMetricsAndNothingOfThePublicSite) {
    testing::fake_loop loop;
    internal_site site([] { return std::string("madang_up 1\n"); }, [] { return "starting\n"; });
    auto get = [&](std::string path) {
        http_request request;
        request.method = "GET";
        request.path = std::move(path);
        return std::get<http_response>(site.handle(loop, request, {}));
    };
    EXPECT_EQ(get("/metrics").body, "madang_up 1\n");
    EXPECT_EQ(get("/readyz").status, 503u);
    EXPECT_EQ(get("/healthz").status, 200u);
    EXPECT_EQ(get("/").status, 404u);
    EXPECT_EQ(get("/ws/chat/a/").status, 404u);
    EXPECT_EQ(get("/cluster").status, 501u);
    EXPECT_THAT(get("/cluster").body, ::testing::HasSubstr("in no cluster (--cluster-listen)"));
}

TEST(InternalSite, ReadinessSaysWhatIsWrongAndNoReasonToTakeClientsAway) {
    std::string remark, why;
    internal_site site([] { return std::string(); }, [&] { return why; }, nullptr, {},
                       [&] { return remark; });
    const auto get = [&] {
        http_request request;
        request.method = "GET";
        request.path = "/readyz";
        testing::fake_loop on;
        return std::get<http_response>(site.handle(on, request, {}));
    };
    EXPECT_EQ(get().body, "ready\n");
    remark = "no quorum\n";
    EXPECT_EQ(get().status, 200u);
    EXPECT_EQ(get().body, "ready\nno quorum\n");
    why = "draining: the server stops\nstore: the disk is full\n";
    EXPECT_EQ(get().status, 503u);
    EXPECT_EQ(get().body, "not ready\n" + why);
}

}  // namespace
}  // namespace madang
