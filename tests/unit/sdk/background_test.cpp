// Consumers without a connection, in the test kit.
#include <gtest/gtest.h>

#include "madang/testing.hpp"

namespace madang::testing {
namespace {

using namespace std::chrono_literals;

struct Diary {
    std::vector<std::string> lines;
    std::string all() const {
        std::string text;
        for (const auto& line : lines) text += (text.empty() ? "" : " ") + line;
        return text;
    }
};

template <class Base>
class Worker : public Base {
  public:
    static void setup(Class<Worker>& c) {
        c.template on<&Worker::work>("work").template on<&Worker::heard>("heard").template on<&Worker::nap>(
            "nap");
    }
    explicit Worker(Diary* const& diary) : diary_(*diary) {}
    void start() override {
        note("start");
        this->group_add("news");
    }
    void stop() override { note("stop"); }

  private:
    void work(const json& what) {
        if (what == "fail") throw std::runtime_error("failed");
        note("work:" + what.get<std::string>());
        this->layer().group_send("answers", "answer", what.dump());
    }
    void heard(const json& what) { note("heard:" + what.get<std::string>()); }
    void nap() {
        this->after(1s, [this] { note("woke:" + std::string(this->channel_name())); });
    }
    void note(std::string line) { diary_.lines.push_back(std::move(line)); }
    Diary& diary_;
};

class Listener : public Consumer {
  public:
    static void setup(Class<Listener>& c) { c.on<&Listener::answer>("answer"); }
    void connect() override {
        accept();
        group_add("answers");
    }
    void receive_text(std::string_view text) override {
        if (!layer().send("worker", "work", json(text).dump())) send("nobody");
    }

  private:
    void answer(const Event& event) { send(event.payload()); }
};

template <class Base>
struct BackgroundConsumer : ::testing::Test {
    Diary diary;
    Diary* const mine = &diary;
};
using Kinds = ::testing::Types<Background, SyncBackground>;
TYPED_TEST_SUITE(BackgroundConsumer, Kinds);

TYPED_TEST(BackgroundConsumer, IsReachedByItsChannelAndByItsGroups) {
    {
        Server server;
        server.background<Worker<TypeParam>>("worker", {}, this->mine);
        EXPECT_EQ(this->diary.all(), "start");
        server.websocket<Listener>("/listen/");
        Communicator client(server, "/listen/");
        ASSERT_TRUE(client.connect());
        client.send_text("a");
        EXPECT_EQ(client.receive_text(), "\"a\"");
        server.group_send("news", "heard", "b");
        server.send("worker", "nap", nullptr);
        server.advance(1s);
        EXPECT_EQ(this->diary.all(), "start work:a heard:b woke:worker");
    }
    EXPECT_EQ(this->diary.lines.back(), "stop");
}

TYPED_TEST(BackgroundConsumer, IsMadeAnewWhenItFailsAndKeepsWhatWaits) {
    Server server;
    server.background<Worker<TypeParam>>("worker", {.queue_events = 2}, this->mine);
    server.send("worker", "work", "fail");
    EXPECT_EQ(this->diary.all(), "start stop start") << "at once";
    EXPECT_EQ(server.reports().at(0).where, "work");
    EXPECT_EQ(server.restarts("worker"), 1u);
    server.send("worker", "work", "fail");
    for (const char* each : {"a", "b", "c"}) server.send("worker", "work", each);
    EXPECT_EQ(this->diary.all(), "start stop start stop") << "then by the clock";
    server.advance(10ms);
    EXPECT_EQ(this->diary.all(), "start stop start stop start work:a work:b") << "the queue had room for two";
    server.group_send("news", "heard", "d");
    EXPECT_EQ(this->diary.lines.back(), "heard:d") << "once, by the new instance";
}

TEST(BackgroundNames, AreChannelsOfTheirOwn) {
    Diary diary;
    Diary* const mine = &diary;
    Server server;
    server.background<Worker<Background>>("worker", {}, mine);
    for (const char* name : {"worker", "", "two words", "specific.x", "a!b"})
        EXPECT_THROW(server.background<Worker<Background>>(name, {}, mine), Error) << name;
    EXPECT_THROW((void)server.restarts("nobody"), Failure);
}

// What has no connection cannot be asked for one.
template <class Type>
concept Sends = requires(Type& c) {
    c.send("text");
};
template <class Type>
concept Accepts = requires(Type& c) {
    c.accept();
};
static_assert(!Sends<Background> && !Accepts<Background> && !Sends<SyncBackground>);
static_assert(Sends<Consumer> && Accepts<Consumer>);

}  // namespace
}  // namespace madang::testing
