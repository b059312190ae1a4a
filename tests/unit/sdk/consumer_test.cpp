#include "madang/consumer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// Does what its text messages say.
class Obedient : public Consumer {
  public:
    static void setup(Class<Obedient>& c) { c.group("everybody").on<&Obedient::told>("told"); }

    explicit Obedient(std::vector<std::string>* log = nullptr) : log_(log) {}

    void connect() override {
        const auto offered = scope().subprotocols();
        accept(offered.empty() ? "" : offered.back(), {{"x-greeting", "hello"}});
    }
    void receive_text(std::string_view order) override {
        if (order == "close") close();
        if (order == "close 4001") close(4001, "because");
        if (order == "close 1005") close(1005);
        if (order == "join") group_add("club");
        if (order == "join socket") group_add("club", Delivery::to_socket);
        if (order == "leave") group_discard("club");
        if (order == "join badly") group_add("not a group");
        if (order == "accept again") accept();
        if (order == "binary") send_binary(std::string_view("\0\xff", 2));
        if (order == "after") after(500ms, [this] { send("after"); });
        if (order == "every") ticking_ = every(100ms, &Obedient::tick);
        if (order == "cancel") cancel(ticking_);
        if (order == "every 0") every(0ms, &Obedient::tick);
        if (order == "many timers")
            for (int i = 0; i < 17; ++i) after(1s, [] {});
        if (order == "tell myself") layer().send(channel_name(), "told", "me");
    }
    void receive_binary(std::string_view bytes) override {
        send("binary of " + std::to_string(bytes.size()));
    }
    void disconnect(std::uint16_t code) override {
        if (log_ == nullptr) return;
        log_->push_back("disconnect " + std::to_string(code));
        if (!send("too late")) log_->push_back("closed");
    }

  private:
    void told(const Event& event) { send(event.payload()); }
    void tick() {
        send("tick");
        if (++ticks_ == 3) cancel(ticking_);
    }

    std::vector<std::string>* log_;
    TimerId ticking_ = 0;
    int ticks_ = 0;
};

struct ConsumerTest : ::testing::Test {
    ConsumerTest() { server.websocket<Obedient>("/ws/", {}, &log); }
    std::vector<std::string> log;
    Server server;
};

TEST_F(ConsumerTest, ChoosesASubprotocolAndSendsHeadersWithAccept) {
    Communicator client(server, "/ws/");
    const Connected connected = client.subprotocols({"v1", "v2"}).connect();
    EXPECT_TRUE(connected.accepted);
    EXPECT_EQ(connected.subprotocol, "v2");
    EXPECT_THAT(connected.headers, ElementsAre(std::pair<std::string, std::string>("x-greeting", "hello")));
}

TEST_F(ConsumerTest, ClosesWithCodeAndReason) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("close 4001");
    EXPECT_EQ(client.receive_close(), 4001);
    EXPECT_EQ(client.close_reason(), "because");
    EXPECT_THAT(log, ElementsAre("disconnect 4001", "closed"));
}

TEST_F(ConsumerTest, ClosesWith1000ByDefault) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("close");
    EXPECT_EQ(client.receive_close(), 1000);
}

TEST_F(ConsumerTest, IsToldTheClientsCloseCode) {
    Communicator client(server, "/ws/");
    client.connect();
    client.disconnect(3500);
    EXPECT_THAT(log, ElementsAre("disconnect 3500", "closed"));
}

TEST_F(ConsumerTest, FailsOnAWrongCloseCodeNameOrState) {
    for (const auto* order : {"close 1005", "join badly", "accept again", "every 0", "many timers"}) {
        Communicator client(server, "/ws/");
        client.connect();
        client.send_text(order);
        EXPECT_EQ(client.receive_close(), 1011) << order;
    }
    EXPECT_EQ(server.reports().size(), 5u);
    EXPECT_EQ(server.reports()[1].what,
              "group_add(\"not a group\"): an argument is malformed or not allowed in this state");
}

TEST_F(ConsumerTest, SendsAndReceivesBinary) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_binary("abc");
    EXPECT_EQ(client.receive_text(), "binary of 3");
    client.send_text("binary");
    EXPECT_EQ(client.receive_binary(), std::string("\0\xff", 2));
}

TEST_F(ConsumerTest, IsInItsClassGroupsFromTheStart) {
    Communicator client(server, "/ws/");
    client.connect();
    server.group_send("everybody", "told", "news");
    EXPECT_EQ(client.receive_text(), "\"news\"");
}

TEST_F(ConsumerTest, JoinsAndLeavesGroups) {
    Communicator client(server, "/ws/");
    client.connect();
    server.group_send("club", "told", 1);
    EXPECT_TRUE(client.receive_nothing());
    client.send_text("join");
    client.send_text("join");
    server.group_send("club", "told", 2);
    EXPECT_EQ(client.receive_text(), "2");
    EXPECT_TRUE(client.receive_nothing());
    client.send_text("leave");
    client.send_text("leave");
    server.group_send("club", "told", 3);
    EXPECT_TRUE(client.receive_nothing());
}

TEST_F(ConsumerTest, MembersWithSocketDeliveryNeedNoHandler) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("join socket");
    server.group_send("club", "nobody.handles.this", "x");
    EXPECT_EQ(client.receive_text(), "\"x\"");
}

TEST_F(ConsumerTest, SendsToItsOwnChannel) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("tell myself");
    EXPECT_EQ(client.receive_text(), "me");
}

TEST_F(ConsumerTest, ATimerFiresOnceWhenItIsDue) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("after");
    server.advance(499ms);
    EXPECT_TRUE(client.receive_nothing());
    server.advance(1ms);
    EXPECT_EQ(client.receive_text(), "after");
    server.advance(10s);
    EXPECT_TRUE(client.receive_nothing());
}

TEST_F(ConsumerTest, ARepeatingTimerRunsUntilItIsCancelledEvenByItself) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("every");
    server.advance(10s);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(client.receive_text(), "tick");
    EXPECT_TRUE(client.receive_nothing());
}

TEST_F(ConsumerTest, ACancelledTimerDoesNotFire) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("every");
    client.send_text("cancel");
    client.send_text("cancel");
    server.advance(1s);
    EXPECT_TRUE(client.receive_nothing());
}

TEST_F(ConsumerTest, TimersDieWithTheConnection) {
    Communicator client(server, "/ws/");
    client.connect();
    client.send_text("every");
    client.disconnect();
    server.advance(1s);
    EXPECT_TRUE(server.reports().empty());
}

class Refusing : public Consumer {
  public:
    void connect() override { close(); }
};
class Accepting : public Consumer {};
class Undecided : public Consumer {
  public:
    void connect() override { after(1s, &Undecided::decide); }

  private:
    void decide() { accept(); }
};
class Blocking : public SyncConsumer {};

TEST(Consumer, ClosedBeforeAcceptIsAnswered403) {
    Server server;
    server.websocket<Refusing>("/ws/");
    Communicator client(server, "/ws/");
    const Connected connected = client.connect();
    EXPECT_FALSE(connected.accepted);
    EXPECT_EQ(connected.status, 403);
}

TEST(Consumer, AcceptsByDefault) {
    Server server;
    server.websocket<Accepting>("/ws/");
    EXPECT_TRUE(Communicator(server, "/ws/").connect());
}

TEST(Consumer, MayAcceptLater) {
    Server server;
    server.websocket<Undecided>("/ws/");
    Communicator client(server, "/ws/");
    EXPECT_EQ(client.connect().status, 0);
    server.advance(1s);
    client.send_text("open now");
    EXPECT_FALSE(client.closed());
}

TEST(Consumer, IsSmall) {
    EXPECT_LE(sizeof(Accepting), 5 * sizeof(void*));
    EXPECT_EQ(Blocking::kind, MADANG_SYNC);
    EXPECT_EQ(Accepting::kind, MADANG_ASYNC);
}

}  // namespace
}  // namespace madang::testing
