#include "madang/scope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr const char* uuid_text = "123e4567-e89b-12d3-a456-426614174000";

template <class Check>
class Checking : public Consumer {
  public:
    explicit Checking(const Check& check) : check_(check) {}
    void connect() override {
        check_(*this);
        accept();
    }

  private:
    const Check& check_;
};

// Connects a client to `pattern` and calls check(consumer).
template <class Check>
void with_scope(Server& server, std::string_view pattern, Communicator& client, Check check) {
    server.websocket<Checking<Check>>(pattern, {}, check);
    EXPECT_TRUE(client.connect());
    for (const Report& report : server.reports()) ADD_FAILURE() << report.what;
}

TEST(Scope, HoldsWhatTheRequestSaid) {
    Server server;
    Communicator client(server, "/ws/%EB%A7%88%EB%8B%B9/?a=1&b=x+y%21&a=2&empty&=&%zz=%4");
    client.header("X-One", "1").header("x-one", "2").client("203.0.113.9", 1234);
    with_scope(server, "/ws/<str:name>/", client, [](const Consumer& consumer) {
        const Scope scope = consumer.scope();
        EXPECT_EQ(scope.type(), "websocket");
        EXPECT_EQ(scope.scheme(), "ws");
        EXPECT_EQ(scope.method(), "GET");
        EXPECT_EQ(scope.http_version(), "1.1");
        EXPECT_EQ(scope.path(), "/ws/마당/");
        EXPECT_EQ(scope.raw_path(), "/ws/%EB%A7%88%EB%8B%B9/");
        EXPECT_EQ(scope.root_path(), "");
        EXPECT_EQ(scope.arg("name"), "마당");
        EXPECT_EQ(scope.client().address, "203.0.113.9");
        EXPECT_EQ(scope.client().port, 1234);
        EXPECT_EQ(scope.server().port, 8000);
        EXPECT_EQ(scope.request_id(), "test");
        EXPECT_EQ(scope.header("X-ONE"), "1");
        EXPECT_EQ(scope.header("absent"), "");
        EXPECT_EQ(scope.headers().size(), 2u);
        EXPECT_THAT(scope.query(), ElementsAre(Pair("a", "1"), Pair("b", "x y!"), Pair("a", "2"),
                                               Pair("empty", ""), Pair("", ""), Pair("%zz", "%4")));
        EXPECT_EQ(scope.query("a"), "1");
        EXPECT_EQ(scope.query("absent"), std::nullopt);
        EXPECT_FALSE(scope.user().authenticated());
        EXPECT_EQ(scope.session(), "");
        EXPECT_EQ(claims_of(scope), json::object());
        EXPECT_TRUE(scope.subprotocols().empty());
    });
}

TEST(Scope, HasTheUserTheSessionAndCookies) {
    Server server;
    Communicator client(server, "/ws/");
    client.user("42", {{"role", "admin"}}).session({{"cart", 3}});
    client.header("Cookie", "a=1; b=\"two\";broken; c = 3").cookie("d", "4").subprotocols({"v1", "v2"});
    with_scope(server, "/ws/", client, [](const Consumer& consumer) {
        const Scope scope = consumer.scope();
        EXPECT_TRUE(scope.user().authenticated());
        EXPECT_EQ(scope.user().id, "42");
        EXPECT_EQ(claims_of(scope), json({{"sub", "42"}, {"role", "admin"}}));
        EXPECT_EQ(session_of(scope)["cart"], 3);
        EXPECT_EQ(scope.cookie("a"), "1");
        EXPECT_EQ(scope.cookie("b"), "two");
        EXPECT_EQ(scope.cookie("c"), "3");
        EXPECT_EQ(scope.cookie("d"), "4");
        EXPECT_EQ(scope.cookie("broken"), std::nullopt);
        EXPECT_THAT(scope.subprotocols(), ElementsAre("v1", "v2"));
    });
}

TEST(Scope, GivesTypedRouteParameters) {
    Server server;
    Communicator client(server, std::string("/x/42/") + uuid_text + "/some-slug/a/b/c");
    with_scope(server, "/x/<int:n>/<uuid:u>/<slug:s>/<path:p>", client, [](const Consumer& consumer) {
        const Scope scope = consumer.scope();
        EXPECT_EQ(scope.arg<int>("n"), 42);
        EXPECT_EQ(scope.arg<std::uint64_t>("n"), 42u);
        EXPECT_EQ(scope.arg<Uuid>("u").bytes[0], 0x12);
        EXPECT_EQ(scope.arg<Uuid>("u"), Uuid::parse(uuid_text));
        EXPECT_EQ(scope.arg<std::string>("s"), "some-slug");
        EXPECT_EQ(scope.arg("p"), "a/b/c");
        EXPECT_EQ(scope.url_route().size(), 4u);
        EXPECT_THROW(scope.arg("absent"), std::out_of_range);
        EXPECT_THROW(scope.arg<int>("s"), std::invalid_argument);
        EXPECT_THROW(scope.arg<Uuid>("s"), std::invalid_argument);
    });
}

TEST(Uuid, RefusesWhatIsNotOne) {
    EXPECT_TRUE(Uuid::parse(uuid_text));
    EXPECT_FALSE(Uuid::parse(""));
    EXPECT_FALSE(Uuid::parse("123e4567-e89b-12d3-a456-42661417400"));
    EXPECT_FALSE(Uuid::parse("123e4567ae89b-12d3-a456-426614174000"));
    EXPECT_FALSE(Uuid::parse("123e4567-e89b-12d3-a456-42661417400g"));
    EXPECT_FALSE(Uuid::parse("123e4567-e89b-12d3-a456-4266141740-0"));
}

TEST(Pattern, MatchesLikeDjango) {
    EXPECT_FALSE(Pattern::parse("/<float:x>"));
    EXPECT_FALSE(Pattern::parse("/<str:x"));
    EXPECT_FALSE(Pattern::parse("/<str:>"));
    const auto matches = [](std::string_view pattern, std::string_view path) {
        return Pattern::parse(pattern)->match(path).has_value();
    };
    EXPECT_TRUE(matches("/a/<name>/", "/a/b/"));
    EXPECT_FALSE(matches("/a/<str:x>/", "/a//"));
    EXPECT_FALSE(matches("/a/<str:x>/", "/a/b/c/"));
    EXPECT_FALSE(matches("/a/<str:x>/", "/a/b"));
    EXPECT_FALSE(matches("/<int:x>", "/-1"));
    EXPECT_TRUE(matches("/<slug:x>-<int:n>", "/a-b-1"));
    EXPECT_FALSE(matches("/<uuid:x>", "/123E4567-e89b-12d3-a456-426614174000"));
    EXPECT_TRUE(matches("/<path:x>/end", "/a/b/end"));
}

}  // namespace
}  // namespace madang::testing
