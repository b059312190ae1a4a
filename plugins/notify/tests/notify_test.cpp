#include <gtest/gtest.h>

#include <madang/testing.hpp>

struct Notify : ::testing::Test {
    Notify() { server.load_file(MADANG_TEST_PLUGIN); }
    madang::testing::Server server;
};

TEST_F(Notify, RefusesAnonymousUsersBeforeAccept) {
    madang::testing::Communicator client(server, "/ws/notify/");
    EXPECT_EQ(client.connect().status, 403);
}

TEST_F(Notify, KnowsAVisitorByTheCookieThatAPluginGave) {
    const std::string id(32, 'a');
    madang::testing::Communicator guest(server, "/ws/notify/");
    ASSERT_TRUE(guest.cookie("madang_visitor", id).connect());
    server.publish("user:visitor-" + id, {{"text", "ready"}});
    EXPECT_EQ(guest.receive_json()["text"], "ready");
    for (const char* wrong :
         {"", "a", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0"}) {
        madang::testing::Communicator other(server, "/ws/notify/");
        EXPECT_EQ(other.cookie("madang_visitor", wrong).connect().status, 403) << wrong;
    }
    madang::testing::Communicator user(server, "/ws/notify/");
    ASSERT_TRUE(user.cookie("madang_visitor", id).user("42").connect());  // a user is a user
    server.publish("user:visitor-" + id, {{"text", "again"}});
    EXPECT_TRUE(user.receive_nothing());
}

TEST_F(Notify, DeliversToEveryConnectionOfTheUserAndToNobodyElse) {
    madang::testing::Communicator phone(server, "/ws/notify/");
    madang::testing::Communicator laptop(server, "/ws/notify/");
    madang::testing::Communicator other(server, "/ws/notify/");
    ASSERT_TRUE(phone.user("42").connect());
    ASSERT_TRUE(laptop.user("42").connect());
    ASSERT_TRUE(other.user("43").connect());
    server.publish("user:42", {{"text", "편지"}});
    EXPECT_EQ(phone.receive_json()["text"], "편지");
    EXPECT_EQ(laptop.receive_json()["text"], "편지");
    EXPECT_TRUE(other.receive_nothing());
    server.group_send("user:42", "notify.message", {{"text", "a live one"}});
    EXPECT_EQ(phone.receive_json()["text"], "a live one");
}

TEST_F(Notify, KnowsWhetherAUserIsThere) {
    madang::testing::Communicator phone(server, "/ws/notify/");
    ASSERT_TRUE(phone.user("42").connect());
    std::uint64_t there = 0;
    server.setup([&](madang::Plugin& plugin) {
        plugin.layer().presence_stats("user:42",
                                      [&](const madang::PresenceStats& counts) { there = counts.clients; });
    });
    EXPECT_EQ(server.presence("user:42").size(), 1u);
    EXPECT_EQ(there, 1u);
}

TEST_F(Notify, KeepsUserIdsApartThatAGroupNameCannotHold) {
    madang::testing::Communicator spaced(server, "/ws/notify/");
    ASSERT_TRUE(spaced.user("영희 kim%").connect());
    server.group_send("user:%EC%98%81%ED%9D%AC%20kim%25", "notify.message", 1);
    EXPECT_EQ(spaced.receive_text(), "1");
}

TEST_F(Notify, RefusesAUserIdThatIsTooLong) {
    madang::testing::Communicator client(server, "/ws/notify/");
    EXPECT_EQ(client.user(std::string(251, 'x')).connect().status, 403);
    EXPECT_TRUE(server.reports().empty());
}

TEST_F(Notify, IgnoresWhatTheClientSends) {
    madang::testing::Communicator client(server, "/ws/notify/");
    ASSERT_TRUE(client.user("42").connect());
    client.send_text("hello?");
    EXPECT_TRUE(client.receive_nothing());
    EXPECT_FALSE(client.closed());
}
