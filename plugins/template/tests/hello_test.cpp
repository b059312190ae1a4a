#include <gtest/gtest.h>

#include <madang/testing.hpp>

using madang::json;
using madang::testing::Communicator;
using madang::testing::HttpCommunicator;

struct Hello : ::testing::Test {
    Hello() { server.load_file(MADANG_TEST_PLUGIN); }
    madang::testing::Server server;
};

TEST_F(Hello, EverybodyHearsAGreeting) {
    Communicator ann(server, "/ws/hello/ann/");
    Communicator bob(server, "/ws/hello/bob/");
    ASSERT_TRUE(ann.connect());
    ASSERT_TRUE(bob.connect());
    EXPECT_EQ(ann.receive_json(), json({{"welcome", "ann"}}));
    EXPECT_EQ(bob.receive_json(), json({{"welcome", "bob"}}));

    ann.send_json({{"greet", "good morning"}});
    const json heard = bob.receive_json();
    EXPECT_EQ(heard["from"], "ann");
    EXPECT_EQ(heard["text"], "good morning");
    EXPECT_EQ(ann.receive_json(), heard);
    EXPECT_TRUE(bob.receive_nothing());
}

TEST_F(Hello, AViewGreetsToo) {
    Communicator ann(server, "/ws/hello/ann/");
    ASSERT_TRUE(ann.connect());
    ann.receive_json();
    EXPECT_EQ(
        HttpCommunicator(server, "POST", "/hello/bob").json_body({{"greet", "hi"}}).get_response().status,
        202);
    EXPECT_EQ(ann.receive_json()["from"], "bob");
    EXPECT_EQ(HttpCommunicator(server, "POST", "/hello/bob").body("not JSON").get_response().status, 400);
}

TEST_F(Hello, AWorkerGreetsLater) {
    using namespace std::chrono_literals;
    Communicator ann(server, "/ws/hello/ann/");
    ASSERT_TRUE(ann.connect());
    ann.receive_json();
    const auto answer =
        HttpCommunicator(server, "POST", "/hello/").json_body({{"greet", "hi"}, {"times", 2}}).get_response();
    ASSERT_EQ(answer.status, 202);
    const std::string id = answer.json_body()["job"];
    EXPECT_EQ(server.job(id).state, "PENDING");
    server.advance(1s);  // its countdown, on the kit's clock
    EXPECT_EQ(server.job(id).result, json({{"greeted", 2}}));
    EXPECT_EQ(ann.receive_json()["from"], "a worker");
    EXPECT_EQ(ann.receive_json()["text"], "hi");
    EXPECT_TRUE(ann.receive_nothing());
    EXPECT_EQ(HttpCommunicator(server, "POST", "/hello/").body("not JSON").get_response().status, 400);
}
