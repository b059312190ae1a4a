// A connection's groups, events and publications; consumers in the background.
#include "actors/connection.hpp"

#include <gmock/gmock.h>

#include "broker/protocol/compressed_frame.hpp"
#include "tests/unit/actors/connection_world.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using world = testing::connection_world;

TEST(Connection, DeliversToTheSocketAndToTheHandler) {
    world w;
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_SOCKET);
    w.publish({"a", "b"});
    EXPECT_THAT(w.heard(), ElementsAre("text:a", "text:b"));
    EXPECT_EQ(w.peer.writes(), 2u) << "the handshake, and both at once";
    c.group_add("room", MADANG_TO_HANDLER);
    w.publish({"c", "d"});
    EXPECT_THAT(w.heard(), IsEmpty());
    EXPECT_EQ(w.says.all(), "connect said:c said:d");
    c.group_discard("room");
    w.publish({"e"});
    EXPECT_EQ(w.says.told.size(), 3u);
    EXPECT_EQ(c.group_add("bad name", MADANG_TO_SOCKET), MADANG_INVALID);
    for (const auto* name : {"1", "2", "3", "4"}) EXPECT_EQ(c.group_add(name, MADANG_TO_SOCKET), MADANG_OK);
    EXPECT_EQ(c.group_add("5", MADANG_TO_SOCKET), MADANG_BUSY);
    EXPECT_EQ(c.group_add("4", MADANG_TO_HANDLER), MADANG_OK) << "idempotent, also at the limit";
}

TEST(Connection, JoinsItsClassesGroupsBeforeConnect) {
    world w;
    const madang_str groups[] = {{"news", 4}};
    w.type.groups = groups;
    w.type.groups_count = 1;
    w.start();
    w.publish({"a"}, "news");
    EXPECT_EQ(w.says.all(), "connect said:a");
}

TEST(Connection, AConsumerThatClosesInAnEventHearsOfNoOther) {
    world w;
    w.says.event = [](connection_port& c, std::string_view) { return c.close(4000, {}); };
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_HANDLER);
    w.publish({"a", "b", "c"});
    EXPECT_EQ(w.says.all(), "connect said:a disconnect:4000");
    EXPECT_THAT(w.heard(), ElementsAre("close:4000"));
}

// A class that takes what comes at once; it sends on each, and does more at the one that says "close" or
// "fail".
madang_status send_on_at_once(madang_consumer* c, madang_events* run) {
    auto& s = *reinterpret_cast<testing::script*>(c);
    for (run->at = 0; run->at < run->count; ++run->at) {
        const auto& each = run->list[run->at];
        const auto about = s.port->current_publication();
        s.told.push_back(std::string(testing::text_of(each.type)) + ":" +
                         std::string(testing::text_of(each.bytes)) + "@" +
                         std::to_string(about ? about->offset : each.offset));
        EXPECT_EQ(testing::text_of(each.bytes).data(), testing::text_of(each.payload).data());
        if (testing::text_of(each.bytes) == "fail") return MADANG_FAILED;
        if (testing::text_of(each.bytes) == "close") s.port->close(4000, {});
        s.port->send(MADANG_TEXT, payload::share(reinterpret_cast<payload_block*>(each.payload)));
    }
    return MADANG_OK;
}

event of_kind(event::kind what, const char* text, std::uint64_t offset = 0) {
    event e{what == event::kind::publication ? "publication" : "said", payload::copy_of(text)};
    e.what = what;
    e.offset = offset;
    if (!e.for_consumers()) e.who = std::make_shared<const client_info>();
    return e;
}

TEST(Connection, TellsAConsumerOfATurnsEventsAtOnce) {
    world w;
    w.type.events = send_on_at_once;
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_HANDLER);
    using kind = event::kind;
    w.table.deliver(
        batch("room", 1,
              {of_kind(kind::join, ""), of_kind(kind::message, "a"), of_kind(kind::publication, "b", 7),
               of_kind(kind::leave, ""), of_kind(kind::publication, "c", 8), of_kind(kind::join, "")}));
    w.on.run();
    EXPECT_EQ(w.says.all(), "connect said:a@0 publication:b@7 publication:c@8");
    EXPECT_THAT(w.heard(), ElementsAre("text:a", "text:b", "text:c"));
    EXPECT_EQ(w.on.metrics().count(histogram::handler_seconds), 4u) << "connect, and three events";
    EXPECT_FALSE(c.current_publication());
}

TEST(Connection, AConsumerThatClosesIsToldNoMoreOfATurnsEvents) {
    world w;
    w.type.events = send_on_at_once;
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_HANDLER);
    w.publish({"a", "close", "b"});
    EXPECT_EQ(w.says.all(), "connect said:a@0 said:close@0 disconnect:4000");
    EXPECT_THAT(w.heard(), ElementsAre("text:a", "close:4000"));
}

TEST(Connection, AHandlerThatFailsAmongATurnsEventsIsTheLast) {
    world w;
    w.type.events = send_on_at_once;
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_HANDLER);
    w.publish({"a", "fail", "b"});
    EXPECT_EQ(w.says.all(), "connect said:a@0 said:fail@0 disconnect:1011");
    EXPECT_THAT(w.heard(), ElementsAre("text:a", "close:1011"));
}

TEST(Connection, CompressesAPublicationOnce) {
    world a, b;
    const auto body = payload::copy_of(std::string(300, 'x'));
    for (auto* w : {&a, &b}) {
        w->request.deflate = deflate_parameters{15, "permessage-deflate"};
        auto& c = w->start();
        EXPECT_NE(w->peer.take().find("Sec-WebSocket-Extensions: permessage-deflate"), std::string::npos);
        c.group_add("room", MADANG_TO_SOCKET);
        w->io_->written.clear();
        w->table.deliver(batch("room", 1, {{"said", body}}));
        w->on.run();
        EXPECT_EQ(w->io_->written, std::vector<const void*>{compressed_text_frame(body, 15).data()});
        EXPECT_THAT(w->heard(), ElementsAre(::testing::StartsWith("deflated:")));
    }
}

// --------------------------------------------------------------------------------- background consumers

struct told_permit {
    int idle = 0, gone = 0;
};
class idle_counter final : public connection_permit {
  public:
    explicit idle_counter(told_permit& told) : told_(told) {}
    ~idle_counter() override { ++told_.gone; }
    void idle() override { ++told_.idle; }

  private:
    told_permit& told_;
};

// Before start(); `told` outlives it.
void make_background(world& w, told_permit& told) {
    w.route.channel = "work";
    w.says.connect = [](connection_port&) { return MADANG_OK; };
    w.request.permit = std::make_unique<idle_counter>(told);
}

TEST(Connection, OfABackgroundConsumerHasNoClient) {
    told_permit told;
    world w;
    make_background(w, told);
    auto& c = w.start();
    EXPECT_EQ(c.channel(), "work");
    EXPECT_EQ(c.accept({}, {}), MADANG_INVALID);
    EXPECT_EQ(c.send(MADANG_TEXT, payload::copy_of("x")), MADANG_INVALID);
    EXPECT_EQ(c.close(1000, {}), MADANG_INVALID);
    EXPECT_EQ(c.group_add("room", MADANG_TO_SOCKET), MADANG_INVALID);
    EXPECT_EQ(c.group_add("room", MADANG_TO_HANDLER), MADANG_OK);
    EXPECT_EQ(c.timer_start(1, 10, 0), MADANG_OK);
    w.publish({"a"});
    c.on_event({"told", payload::copy_of("b")});
    w.on.advance(milliseconds{10});
    EXPECT_EQ(w.on.metrics().value(gauge::connections_open), 0);
    c.go_away();
    w.on.run();
    EXPECT_EQ(w.says.all(), "connect said:a told:b timer:1 disconnect:1001");
    EXPECT_TRUE(w.over());
    EXPECT_EQ(told.gone, 0);
    w.made.reset();
    EXPECT_EQ(told.gone, 1) << "when nothing of it is left";
}

TEST(Connection, OfABackgroundConsumerEndsWithAFailure) {
    for (const std::string hook : {"connect", "event", "timer"}) {
        told_permit told;
        world w;
        make_background(w, told);
        if (hook == "connect") w.says.connect = [](connection_port&) { return MADANG_FAILED; };
        if (hook == "event") w.says.event = [](connection_port&, std::string_view) { return MADANG_FAILED; };
        if (hook == "timer") w.says.timer = [](connection_port&, std::uint64_t) { return MADANG_FAILED; };
        auto& c = w.start();
        if (hook == "event") c.on_event({"told", payload::copy_of("b")});
        if (hook == "timer") c.timer_start(1, 10, 0), w.on.advance(milliseconds{10});
        w.on.run();
        EXPECT_TRUE(w.over()) << hook;
        EXPECT_EQ(w.says.told.back(), "disconnect:1011") << hook;
        EXPECT_EQ(w.on.metrics().value(labelled_counter::plugin_errors, "test"), 1u);
    }
    told_permit told;
    world w;
    make_background(w, told);
    w.says.create_fails = true;
    w.start();
    EXPECT_TRUE(w.over());
    EXPECT_EQ(w.says.all(), "");
}

TEST(Connection, OfASyncBackgroundConsumerSaysWhenItIsIdle) {
    told_permit told;
    world w(MADANG_SYNC);
    make_background(w, told);
    w.route.sync_queue = 2;
    auto& c = w.start();
    EXPECT_TRUE(c.busy()) << "create waits for the pool";
    w.run();
    EXPECT_FALSE(c.busy());
    EXPECT_EQ(told.idle, 1);
    w.says.event = [](connection_port&, std::string_view text) {
        return text == "fail" ? MADANG_FAILED : MADANG_OK;
    };
    for (const auto* text : {"fail", "b", "c", "d"}) c.on_event({"told", payload::copy_of(text)});
    EXPECT_EQ(w.on.metrics().value(counter::background_drops), 1u) << "no room";
    w.run();
    EXPECT_EQ(w.says.all(), "connect told:fail disconnect:1011") << "what waited is not for one that failed";
    EXPECT_EQ(w.on.metrics().value(counter::background_drops), 3u);
    EXPECT_EQ(told.idle, 1);
}

}  // namespace
}  // namespace madang
