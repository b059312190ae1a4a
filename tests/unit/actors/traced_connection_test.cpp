// What of a connection's is in a trace.
#include <gmock/gmock.h>

#include "actors/delivery_span.hpp"
#include "actors/sync_consumer.hpp"
#include "tests/support/kept_spans.hpp"
#include "tests/unit/actors/connection_world.hpp"

namespace madang {
namespace {

constexpr std::string_view outside = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct TracedConnection : ::testing::Test {
    kept_spans spans;

    // Publishes whatever it is told, and says by which origin.
    void echo_origins(testing::connection_world& w, std::vector<std::string>& into) {
        w.on.trace_by(&spans);
        w.traceparent = outside;
        w.says.receive = w.says.event = [&into](connection_port&, std::string_view) {
            into.emplace_back(origin_of_sending("publish", "room").bytes());
            return MADANG_OK;
        };
    }
    const span& named(std::string_view name) const {
        for (const auto& each : spans.all)
            if (each.name == name) return each;
        throw std::runtime_error("there is no span " + std::string(name));
    }
};

TEST_F(TracedConnection, AMessageIsAChildOfTheHandshakesTrace) {
    for (const auto kind : {MADANG_ASYNC, MADANG_SYNC}) {
        SCOPED_TRACE(kind);
        spans.all.clear();
        testing::connection_world w(kind);
        std::vector<std::string> sent;
        echo_origins(w, sent);
        w.start();
        w.run();
        w.say("hi");
        w.run();
        ASSERT_EQ(spans.all.size(), 2u);
        EXPECT_EQ(named("message").parent, parse_traceparent(outside)->span);
        EXPECT_EQ(named("publish").parent, named("message").at.span);
        EXPECT_EQ(sent, std::vector{make_origin("r-1", named("publish").at)});
        EXPECT_FALSE(named("message").failed);
    }
}

TEST_F(TracedConnection, AHandlerThatFailsIsASpanThatFailed) {
    testing::connection_world w;
    w.on.trace_by(&spans);
    w.says.receive = [](connection_port&, std::string_view) { return MADANG_FAILED; };
    w.start();
    w.say("hi");
    EXPECT_TRUE(named("message").failed);
}

TEST_F(TracedConnection, WhatFollowsAnEventIsAChildOfItsDelivery) {
    for (const auto kind : {MADANG_ASYNC, MADANG_SYNC}) {
        SCOPED_TRACE(kind);
        spans.all.clear();
        testing::connection_world w(kind);
        std::vector<std::string> sent;
        echo_origins(w, sent);
        auto& c = w.start();
        w.run();
        c.group_add("room", MADANG_TO_HANDLER);
        const auto publication = new_trace();
        std::vector<event> events{{"said", payload::copy_of("x")}, {"said", payload::copy_of("y")}};
        events[0].origin = payload::copy_of(make_origin("r-2", publication));
        events[1].origin = payload::copy_of("r-2");
        const batch both("room", 1, std::move(events));
        record_deliveries(spans, both, 1000);
        w.table.deliver(both);
        w.run();
        ASSERT_EQ(spans.all.size(), 2u) << "one for the delivery to all, none for what is not traced";
        EXPECT_EQ(named("deliver").parent, publication.span);
        EXPECT_EQ(named("publish").parent, named("deliver").at.span);
        EXPECT_EQ(named("publish").at.trace, publication.trace);
        EXPECT_EQ(sent, (std::vector<std::string>{make_origin("r-1", named("publish").at), "r-1"}));
    }
}

TEST_F(TracedConnection, AnAnswerBelongsToWhatAskedForIt) {
    for (const auto kind : {MADANG_ASYNC, MADANG_SYNC}) {
        SCOPED_TRACE(kind);
        spans.all.clear();
        testing::connection_world w(kind);
        std::vector<std::string> sent;
        echo_origins(w, sent);
        std::function<void()> answer;
        w.says.receive = [&](connection_port& c, std::string_view text) {
            if (text == "ask")
                answer = [post = c.poster(), &sent] {
                    post([&sent] { sent.emplace_back(origin_of_sending("publish", "room").bytes()); });
                };
            return MADANG_OK;
        };
        w.start();
        w.run();
        w.say("ask");
        w.run();
        w.say("other");
        w.run();
        answer();
        w.run();
        ASSERT_EQ(spans.all.size(), 3u);
        EXPECT_EQ(named("publish").parent, spans.all[0].at.span);
    }
}

TEST_F(TracedConnection, NothingIsRecordedOfWhatIsNotSampled) {
    testing::connection_world w;
    std::vector<std::string> sent;
    echo_origins(w, sent);
    w.traceparent.back() = '0';
    w.start();
    w.say("hi");
    EXPECT_THAT(spans.all, ::testing::IsEmpty());
    EXPECT_EQ(sent, std::vector<std::string>{"r-1"});
}

}  // namespace
}  // namespace madang
