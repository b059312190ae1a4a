// Sync consumers, with a pool that is run by hand.
#include "actors/sync_consumer.hpp"

#include <gmock/gmock.h>

#include "tests/unit/actors/connection_world.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

TEST(SyncConsumer, RunsOneCallAtATimeInOrder) {
    testing::connection_world w(MADANG_SYNC);
    w.says.receive = [](connection_port& c, std::string_view text) {
        return c.send(MADANG_TEXT, payload::copy_of(text));
    };
    w.start();
    EXPECT_EQ(w.pool.size(), 1u) << "create; the others wait for it";
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("101"));
    w.send(test::text("a") + test::text("b") + test::text("c"));
    EXPECT_EQ(w.pool.size(), 1u);
    w.pool_one();
    EXPECT_TRUE(w.pool.empty()) << "the next begins when the loop has drained this one";
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("text:a", "text:b", "text:c"));
    EXPECT_EQ(w.says.all(), "connect text:a text:b text:c");
    w.send(test::client_frame(0x88, test::close_payload(4000)));
    w.run();
    EXPECT_EQ(w.says.told.back(), "disconnect:4000");
    EXPECT_EQ(w.says.alive, 0);
}

TEST(SyncConsumer, ACreateThatFailsIsTheLastCall) {
    testing::connection_world w(MADANG_SYNC);
    w.says.create_fails = true;
    w.start();
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("500"));
    EXPECT_EQ(w.says.all(), "");
}

TEST(SyncConsumer, AConnectThatFailsIsAnInternalError) {
    testing::connection_world w(MADANG_SYNC);
    w.says.connect = [](connection_port&) { return MADANG_FAILED; };
    w.start();
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("500"));
    EXPECT_EQ(w.says.all(), "connect disconnect:1011");
}

TEST(SyncConsumer, ClosesFromThePool) {
    testing::connection_world w(MADANG_SYNC);
    w.says.receive = [](connection_port& c, std::string_view) {
        EXPECT_EQ(c.close(999, {}), MADANG_INVALID);
        EXPECT_EQ(c.send(MADANG_TEXT, payload::copy_of("last words")), MADANG_OK);
        EXPECT_EQ(c.close(4004, "enough"), MADANG_OK);
        EXPECT_EQ(c.close(4005, {}), MADANG_CLOSED);
        EXPECT_EQ(c.send(MADANG_TEXT, payload::copy_of("x")), MADANG_CLOSED);
        return MADANG_OK;
    };
    w.start();
    w.run();
    w.heard();
    w.say("x");
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("text:last words", "close:4004"));
    EXPECT_EQ(w.says.all(), "connect text:x disconnect:4004");
}

TEST(SyncConsumer, ClosedBeforeAcceptIsForbidden) {
    testing::connection_world w(MADANG_SYNC);
    w.says.connect = [](connection_port& c) { return c.close(0, {}); };
    w.start();
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("403"));
    EXPECT_EQ(w.says.all(), "connect disconnect:1006");
}

TEST(SyncConsumer, AWrongAcceptFailsTheHandshake) {
    testing::connection_world w(MADANG_SYNC);
    w.says.connect = [](connection_port& c) { return c.accept("never offered", {}); };
    w.start();
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("500"));
}

TEST(SyncConsumer, IsNotReadWhileItsQueueIsHalfFull) {
    testing::connection_world w(MADANG_SYNC);
    w.start();
    w.run();
    std::string many;
    for (char c = 'a'; c <= 't'; ++c) many += test::text(std::string(1, c));
    w.send(many);
    EXPECT_FALSE(w.peer.reading());
    EXPECT_EQ(w.on.metrics().value(gauge::readers_paused_now), 1);
    w.run();
    EXPECT_EQ(w.says.told.size(), 21u);
    EXPECT_EQ(w.says.told[20], "text:t");
    EXPECT_TRUE(w.peer.reading());
}

TEST(SyncConsumer, EventsThatFindTheQueueFullFollowThePolicy) {
    for (auto policy : {outbox_policy::disconnect, outbox_policy::drop_oldest}) {
        testing::connection_world w(MADANG_SYNC);
        w.route.outbox_limits.policy = policy;
        auto& c = w.start();
        w.run();
        w.heard();
        for (char letter = 'a'; letter < 'a' + 12; ++letter)
            c.on_event({"said", payload::copy_of(std::string(1, letter))});
        w.run();
        if (policy == outbox_policy::disconnect) {
            EXPECT_THAT(w.heard(), ElementsAre("close:3008"));
            EXPECT_EQ(w.says.told.back(), "disconnect:3008");
        } else {
            EXPECT_EQ(w.says.all(), "connect said:a said:e said:f said:g said:h said:i said:j said:k said:l");
            EXPECT_EQ(w.on.metrics().value(counter::drops_oldest), 3u);
        }
    }
}

TEST(SyncConsumer, EventsThatItForwardsToASlowClientFollowThePolicy) {
    testing::connection_world w(MADANG_SYNC);
    w.route.outbox_limits.policy = outbox_policy::latest_only;
    w.says.event = [](connection_port& c, std::string_view text) {
        return c.send(MADANG_TEXT, payload::copy_of(text));
    };
    auto& c = w.start();
    w.run();
    w.heard();
    w.peer.limit_writes(0);
    for (const auto* text : {"a", "b", "c"}) {
        c.on_event({"said", payload::copy_of(text)});
        w.run();
    }
    w.peer.unlimit_writes();
    w.run();
    EXPECT_THAT(w.heard(), ElementsAre("text:c"));
}

TEST(SyncConsumer, TimersAndGroupsAreAskedOfTheLoop) {
    testing::connection_world w(MADANG_SYNC);
    w.says.connect = [](connection_port& c) {
        EXPECT_EQ(c.channel(), "specific.test!42");
        EXPECT_EQ(c.get_scope().get(scope_field::request_id), "r-1");
        EXPECT_EQ(c.group_add("bad name", MADANG_TO_HANDLER), MADANG_INVALID);
        c.group_add("room", MADANG_TO_HANDLER);
        c.timer_start(1, 20, 0);
        c.timer_start(2, 20, 0);
        c.timer_cancel(2);
        return c.accept({}, {});
    };
    w.says.event = [](connection_port& c, std::string_view) { return c.group_discard("room"); };
    w.start();
    w.run();
    w.on.advance(milliseconds{30});
    w.run();
    w.publish({"a"});
    w.run();
    w.publish({"b"});
    w.run();
    EXPECT_EQ(w.says.all(), "connect timer:1 said:a");
}

TEST(SyncConsumer, OutlivesItsSocketUntilItsCallReturned) {
    testing::connection_world w(MADANG_SYNC);
    w.start();
    w.run();
    w.say("x");
    w.peer.send_eof();
    w.on.run();
    EXPECT_TRUE(w.over());
    EXPECT_GT(w.references, 0) << "the call in the pool";
    EXPECT_EQ(w.says.alive, 1);
    w.run();
    EXPECT_EQ(w.says.all(), "connect text:x disconnect:1006");
    EXPECT_EQ(w.references, 0);
}

TEST(SyncConsumer, WhatItAsksInItsLastCallIsHarmless) {
    testing::connection_world w(MADANG_SYNC);
    w.says.disconnect = [](connection_port& c) {
        c.group_add("room", MADANG_TO_HANDLER);
        c.timer_start(1, 10, 10);
        c.send(MADANG_TEXT, payload::copy_of("x"));
        c.close(0, {});
        return MADANG_FAILED;
    };
    w.start();
    w.run();
    w.peer.send_eof();
    w.run();
    EXPECT_EQ(w.says.all(), "connect disconnect:1006");
}

}  // namespace
}  // namespace madang
