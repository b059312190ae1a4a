#include "madang/http.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

using namespace std::chrono_literals;

TEST(View, AnswersWithItsResponse) {
    Server server;
    server.setup([](Plugin& plugin) {
        plugin.get("/hello/<str:name>", [](const Request& request) {
            return Response::text("hello " + std::string(request.arg("name")));
        });
    });
    const HttpResponse response = HttpCommunicator(server, "GET", "/hello/%EC%98%81%ED%9D%AC").get_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "hello 영희");
    EXPECT_EQ(response.header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(HttpCommunicator(server, "POST", "/hello/x").get_response().status, 405);
    EXPECT_EQ(HttpCommunicator(server, "GET", "/other").get_response().status, 404);
}

TEST(View, ReadsAndWritesJson) {
    Server server;
    server.setup([](Plugin& plugin) {
        plugin.post("/sum/<int:n>", [](const Request& request) {
            const json body = json_of(request);
            return json_response({{"sum", body.at("value").get<int>() + request.arg<int>("n")}}, 201);
        });
    });
    const auto response =
        HttpCommunicator(server, "POST", "/sum/40").json_body({{"value", 2}}).get_response();
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.json_body(), json({{"sum", 42}}));
    EXPECT_EQ(HttpCommunicator(server, "POST", "/sum/40").body("{").get_response().status, 400);
    EXPECT_EQ(HttpCommunicator(server, "POST", "/sum/40").body("{}").get_response().status, 500);
    EXPECT_EQ(
        HttpCommunicator(server, "POST", "/sum/99999999999").body("{\"value\":1}").get_response().status,
        500);
    EXPECT_EQ(server.logs().at(0).event, "view_failed");
    EXPECT_TRUE(server.logs().at(0).message.starts_with("POST /sum/<int:n>: "));
    EXPECT_EQ(server.payloads_alive(), 0);
}

TEST(View, MayAnswerFromAnotherThread) {
    std::thread worker;
    Server server;
    server.setup([&](Plugin& plugin) {
        plugin.get("/slow", [&](const Request&, Reply reply) {
            worker = std::thread([reply = std::move(reply)]() mutable { reply(Response::html("<p>done")); });
        });
    });
    EXPECT_EQ(HttpCommunicator(server, "GET", "/slow").get_response().body, "<p>done");
    worker.join();
}

TEST(View, ADroppedReplyIsAnswered500) {
    Server server;
    server.setup([](Plugin& plugin) { plugin.get("/dropped", [](const Request&, Reply) {}); });
    EXPECT_EQ(HttpCommunicator(server, "GET", "/dropped").get_response().status, 500);
}

TEST(View, WithoutAnAnswerTimesOut) {
    std::optional<Reply> kept;
    Server server;
    server.setup([&](Plugin& plugin) {
        plugin.get("/never", [&](const Request&, Reply reply) { kept.emplace(std::move(reply)); });
    });
    EXPECT_EQ(HttpCommunicator(server, "GET", "/never").get_response(0ms).status, 504);
    (*kept)(Response::text("late"));
    EXPECT_THROW((*kept)(Response::text("twice")), std::logic_error);
}

TEST(View, ThatThrowsIsAnswered500OrWithItsHttpError) {
    Server server;
    server.setup([](Plugin& plugin) {
        plugin.get("/std", [](const Request&) -> Response { throw std::runtime_error("broken"); });
        plugin.get("/other", [](const Request&) -> Response { throw 42; });
        plugin.get("/missing", [](const Request&) -> Response { throw HttpError(404, "no such thing"); });
        plugin.get("/later", [](const Request&, Reply) { throw std::runtime_error("broken"); });
    });
    EXPECT_EQ(HttpCommunicator(server, "GET", "/std").get_response().status, 500);
    EXPECT_EQ(HttpCommunicator(server, "GET", "/other").get_response().status, 500);
    EXPECT_EQ(HttpCommunicator(server, "GET", "/later").get_response().status, 500);
    EXPECT_EQ(server.logs().size(), 3u);
    const HttpResponse missing = HttpCommunicator(server, "GET", "/missing").get_response();
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "no such thing");
    EXPECT_EQ(server.logs().size(), 3u);
}

TEST(View, WithAMalformedResponseIsAnswered500) {
    Server server;
    server.setup([](Plugin& plugin) {
        plugin.get("/split", [](const Request&) { return Response{200, {{"x", "a\r\nb: c"}}, ""}; });
        plugin.get("/status", [](const Request&) { return Response::text("", 99); });
        plugin.get("/redirect", [](const Request&) { return Response::redirect("/there"); });
    });
    EXPECT_EQ(HttpCommunicator(server, "GET", "/split").get_response().status, 500);
    EXPECT_EQ(HttpCommunicator(server, "GET", "/status").get_response().status, 500);
    const HttpResponse redirect = HttpCommunicator(server, "GET", "/redirect").get_response();
    EXPECT_EQ(redirect.status, 302);
    EXPECT_EQ(redirect.header("location"), "/there");
}

TEST(View, TellsAConsumerThroughTheLayer) {
    class Member : public Consumer {
      public:
        void connect() override {
            accept();
            group_add("news", Delivery::to_socket);
        }
    };
    Server server;
    server.websocket<Member>("/ws/");
    server.setup([](Plugin& plugin) {
        plugin.post(
            "/news",
            [layer = plugin.layer()](const Request& request) {
                layer.group_send("news", "news", request.payload());
                return Response{202, {}, {}};
            },
            ViewKind::sync);
    });
    Communicator member(server, "/ws/");
    member.connect();
    EXPECT_EQ(HttpCommunicator(server, "POST", "/news").body("extra!").get_response().status, 202);
    EXPECT_EQ(member.receive_text(), "extra!");
}

}  // namespace
}  // namespace madang::testing
