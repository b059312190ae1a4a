// A connection from accept to its end: deadlines, slow clients, failures.
#include "actors/connection.hpp"

#include <gmock/gmock.h>

#include "tests/unit/actors/connection_world.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
using test::client_frame;
using test::close_payload;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using world = testing::connection_world;

std::string close_frame(int code) { return client_frame(0x88, close_payload(code)); }

// ------------------------------------------------------------------------------------------- lifecycle

TEST(Connection, AcceptsTalksAndCloses) {
    world w;
    w.says.receive = [](connection_port& c, std::string_view text) {
        return c.send(MADANG_TEXT, payload::copy_of("re " + std::string(text)));
    };
    w.start();
    EXPECT_THAT(w.heard(), ElementsAre("101"));
    w.say("hi");
    w.send(client_frame(0x82, "bytes"));
    EXPECT_THAT(w.heard(), ElementsAre("text:re hi", "text:re bytes"));
    w.send(close_frame(4001));
    EXPECT_THAT(w.heard(), ElementsAre("close:4001"));
    EXPECT_TRUE(w.peer.shut());
    EXPECT_EQ(w.says.all(), "connect text:hi binary:bytes disconnect:4001");
    EXPECT_FALSE(w.over()) << "the client's FIN is waited for";
    w.peer.send_eof();
    w.on.run();
    EXPECT_TRUE(w.over());
}

TEST(Connection, MayAcceptLater) {
    world w;
    w.says.connect = [](connection_port&) { return MADANG_OK; };
    auto& c = w.start();
    w.send(test::text("early"));
    EXPECT_THAT(w.heard(), IsEmpty());
    w.says.event = [](connection_port& c, std::string_view) { return c.accept({}, {}); };
    c.on_event({"go", payload::copy_of("x")});
    w.on.run();
    EXPECT_THAT(w.heard(), ElementsAre("101"));
    EXPECT_EQ(w.says.all(), "connect go:x text:early");
}

TEST(Connection, ClosedBeforeAcceptIsForbidden) {
    world w;
    w.says.connect = [](connection_port& c) { return c.close(0, "no"); };
    w.start();
    EXPECT_THAT(w.heard(), ElementsAre("403"));
    EXPECT_TRUE(w.peer.shut());
    EXPECT_EQ(w.says.all(), "connect disconnect:1006");
    w.peer.send_eof();
    w.on.run();
    EXPECT_TRUE(w.over());
}

TEST(Connection, ACreateThatFailsIsAnInternalError) {
    world w;
    w.says.create_fails = true;
    w.start();
    EXPECT_THAT(w.heard(), ElementsAre("500"));
    EXPECT_EQ(w.says.all(), "");
    w.on.advance(milliseconds{10'000});
    EXPECT_TRUE(w.over()) << "although the client never closes";
}

TEST(Connection, AConnectThatFailsIsAnInternalError) {
    world w;
    w.says.connect = [](connection_port&) { return MADANG_FAILED; };
    w.start();
    EXPECT_THAT(w.heard(), ElementsAre("500"));
    EXPECT_EQ(w.says.all(), "connect disconnect:1011");
    EXPECT_EQ(w.on.metrics().value(labelled_counter::plugin_errors, "test"), 1u);
}

TEST(Connection, HandlersThatFailCloseWithInternalError) {
    for (int which = 0; which < 4; ++which) {
        SCOPED_TRACE(which);
        world w;
        w.says.receive = [](connection_port&, std::string_view) { return MADANG_FAILED; };
        w.says.event = w.says.receive;
        w.says.timer = [](connection_port&, std::uint64_t) { return MADANG_FAILED; };
        auto& c = w.start();
        c.group_add("room", MADANG_TO_HANDLER);
        c.timer_start(1, which == 3 ? 10 : 100'000, 0);
        w.heard();
        switch (which) {
            case 0:
                w.say("x");
                break;
            case 1:
                c.on_event({"said", payload::copy_of("x")});
                break;
            case 2:
                w.publish({"x", "y"});
                break;
            default:
                w.on.advance(milliseconds{20});
        }
        w.on.run();
        EXPECT_THAT(w.heard(), ElementsAre("close:1011"));
        EXPECT_EQ(w.says.told.size(), 3u) << w.says.all();
        EXPECT_EQ(w.says.told.back(), "disconnect:1011");
        EXPECT_EQ(w.table.groups(), 0u);
    }
}

TEST(Connection, DisconnectIsToldTheCodeThatEndedIt) {
    const std::pair<std::function<void(world&)>, const char*> ends[] = {
        {[](world& w) { w.send(close_frame(1000)); }, "disconnect:1000"},
        {[](world& w) { w.send(client_frame(0x88, "")); }, "disconnect:1005"},
        {[](world& w) { w.peer.send_eof(); }, "disconnect:1006"},
        {[](world& w) { w.peer.fail(); }, "disconnect:1006"},
        {[](world& w) { w.made->abandon(); }, "disconnect:1006"},
        {[](world& w) { w.made->close(4321, "bye"); }, "disconnect:4321"},
        {[](world& w) { w.made->close(0, "bye"); }, "disconnect:1000"},
        {[](world& w) { w.made->go_away(); }, "disconnect:1001"},
        {[](world& w) { w.send(client_frame(0x83, "?")); }, "disconnect:1002"},
        {[](world& w) { w.send(client_frame(0x81, "\xff")); }, "disconnect:1007"},
        {[](world& w) { w.send(client_frame(0x81, std::string(1001, 'x'))); }, "disconnect:1009"},
    };
    for (const auto& [end, line] : ends) {
        world w;
        w.start();
        w.made->group_add("room", MADANG_TO_SOCKET);
        end(w);
        w.on.run();
        EXPECT_EQ(w.says.all(), std::string("connect ") + line);
        EXPECT_EQ(w.table.groups(), 0u) << "left after " << line;
        w.on.advance(milliseconds{20'000});
        EXPECT_TRUE(w.over()) << line;
        EXPECT_EQ(w.says.told.size(), 2u);
    }
}

TEST(Connection, ErrorsOfTheProtocolAreSaidToTheClient) {
    const std::pair<std::string, const char*> cases[] = {
        {client_frame(0x83, "?"), "close:1002"},
        {client_frame(0x81, "\xff"), "close:1007"},
        {client_frame(0x81, std::string(1001, 'x')), "close:1009"},
        {client_frame(0x81, "", 1 << 30), "close:1009"},
    };
    for (const auto& [bytes, line] : cases) {
        world w;
        w.start();
        w.heard();
        w.send(bytes);
        w.send(test::text("more"));
        EXPECT_THAT(w.heard(), ElementsAre(line));
        EXPECT_TRUE(w.peer.shut());
        EXPECT_EQ(w.says.told.size(), 2u);
    }
}

TEST(Connection, RefusesCodesThatMustNotBeSent) {
    world w;
    auto& c = w.start();
    for (int code : {1, 999, 1004, 1005, 1006, 1015, 2999, 5000})
        EXPECT_EQ(c.close(static_cast<std::uint16_t>(code), {}), MADANG_INVALID) << code;
    EXPECT_EQ(c.close(3000, {}), MADANG_OK);
    EXPECT_EQ(c.close(3000, {}), MADANG_CLOSED);
    EXPECT_EQ(c.send(MADANG_TEXT, payload::copy_of("x")), MADANG_CLOSED);
    EXPECT_EQ(c.accept({}, {}), MADANG_CLOSED);
    EXPECT_EQ(c.group_add("room", MADANG_TO_SOCKET), MADANG_CLOSED);
    EXPECT_EQ(c.timer_start(1, 1, 1), MADANG_CLOSED);
}

TEST(Connection, RefusesWhatIsOutOfOrder) {
    world w;
    w.says.connect = [](connection_port& c) {
        EXPECT_EQ(c.send(MADANG_TEXT, payload::copy_of("x")), MADANG_INVALID);
        const name_value broken{"X", "a\r\nb"};
        EXPECT_EQ(c.accept({}, {&broken, 1}), MADANG_INVALID);
        EXPECT_EQ(c.accept({}, {}), MADANG_OK);
        EXPECT_EQ(c.accept({}, {}), MADANG_INVALID);
        return MADANG_OK;
    };
    w.start();
    EXPECT_THAT(w.heard(), ElementsAre("101"));
}

TEST(Connection, EndsWithoutTheClientsHelp) {
    world w;
    auto& c = w.start();
    w.peer.limit_writes(0);  // reads nothing, says nothing
    c.close(1000, {});
    w.on.advance(milliseconds{4'000});
    EXPECT_FALSE(w.over());
    w.on.advance(milliseconds{2'000});
    EXPECT_TRUE(w.over());
    EXPECT_TRUE(w.peer.closed());
}

TEST(Connection, SaysItsSubprotocol) {
    for (const auto& [chosen, route_default, expected] :
         {std::tuple{"", "", ""}, {"b", "", "b"}, {"", "a", "a"}, {"b", "a", "b"}}) {
        world w;
        w.subprotocols = {"a", "b"};
        w.request.default_subprotocol = route_default;
        w.says.connect = [chosen = chosen](connection_port& c) {
            EXPECT_EQ(c.accept("c", {}), MADANG_INVALID) << "not offered";
            return c.accept(chosen, {});
        };
        w.start();
        const auto head = w.peer.take();
        EXPECT_EQ(head.find("Sec-WebSocket-Protocol") != std::string::npos, *expected != 0);
        if (*expected != 0) {
            EXPECT_NE(head.find(std::string("Sec-WebSocket-Protocol: ") + expected + "\r\n"),
                      std::string::npos);
        }
        EXPECT_NE(head.find("X-Request-ID: r-1\r\n"), std::string::npos);
    }
}

TEST(Connection, GoesAwayInEveryState) {
    {
        world w;
        w.says.connect = [](connection_port&) { return MADANG_OK; };
        w.start().go_away();
        w.on.run();
        EXPECT_THAT(w.heard(), ElementsAre("503"));
        EXPECT_EQ(w.says.all(), "connect disconnect:1006");
    }
    world w;
    auto& c = w.start();
    w.heard();
    c.go_away();
    c.go_away();
    w.on.run();
    EXPECT_THAT(w.heard(), ElementsAre("close:1001"));
    w.send(close_frame(1001));
    w.peer.send_eof();
    w.on.run();
    EXPECT_TRUE(w.over());
    c.go_away();
    w.on.run();
    EXPECT_EQ(w.says.told.size(), 2u);
}

// ------------------------------------------------------------------------------------------- deadlines

TEST(Connection, AHandshakeThatIsNotAnsweredIsForbidden) {
    world w;
    w.says.connect = [](connection_port&) { return MADANG_OK; };
    w.start();
    w.on.advance(milliseconds{990});
    EXPECT_THAT(w.heard(), IsEmpty());
    w.on.advance(milliseconds{20});
    EXPECT_THAT(w.heard(), ElementsAre("403"));
    EXPECT_EQ(w.says.all(), "connect disconnect:1006");
    EXPECT_EQ(w.made->accept({}, {}), MADANG_CLOSED);
}

TEST(Connection, PingsAndClosesWhoDoesNotAnswer) {
    world w;
    w.route.ping_interval = milliseconds{1000};
    w.route.pong_timeout = milliseconds{200};
    w.start();
    w.heard();
    w.on.advance(milliseconds{490});
    EXPECT_THAT(w.heard(), IsEmpty());
    // At a random time of the interval's second half.
    int waited = 0;
    while (w.on.metrics().value(counter::pings_sent) == 0 && waited < 520) {
        w.on.advance(milliseconds{10});
        waited += 10;
    }
    EXPECT_THAT(w.heard(), ElementsAre("ping:"));
    w.send(client_frame(0x8a, ""));
    w.on.advance(milliseconds{1000});
    EXPECT_THAT(w.heard(), ElementsAre("ping:"));
    w.on.advance(milliseconds{210});
    EXPECT_THAT(w.heard(), ElementsAre("close:3012"));
    EXPECT_EQ(w.says.all(), "connect disconnect:3012");
}

TEST(Connection, AnythingThatIsHeardCountsAsAPong) {
    world w;
    w.route.ping_interval = milliseconds{1000};
    w.route.pong_timeout = milliseconds{200};
    w.start();
    for (int i = 0; i < 50; ++i) {
        w.on.advance(milliseconds{150});
        w.say("x");
    }
    EXPECT_EQ(w.says.told.size(), 51u);
    EXPECT_GE(w.on.metrics().value(counter::pings_sent), 7u);
}

TEST(Connection, AnswersPings) {
    world w;
    w.start();
    w.heard();
    w.send(client_frame(0x89, "are you there"));
    EXPECT_THAT(w.heard(), ElementsAre("pong:are you there"));
}

TEST(Connection, ClosesWhoSaysTooMuch) {
    world w;
    w.route.messages_per_second = 10;
    w.route.message_burst = 3;
    w.start();
    w.heard();
    for (int i = 0; i < 3; ++i) w.say("x");
    w.on.advance(milliseconds{100});
    w.say("y");
    EXPECT_THAT(w.heard(), IsEmpty());
    w.say("z");
    EXPECT_THAT(w.heard(), ElementsAre("close:3013"));
    EXPECT_EQ(w.says.all(), "connect text:x text:x text:x text:y disconnect:3013");
}

TEST(Connection, TimersFireRepeatRestartAndEnd) {
    world w;
    auto& c = w.start();
    EXPECT_EQ(c.timer_start(1, 100, 0), MADANG_OK);
    EXPECT_EQ(c.timer_start(2, 50, 100), MADANG_OK);
    EXPECT_EQ(c.timer_start(3, 10, 0), MADANG_OK);
    c.timer_cancel(3);
    c.timer_cancel(77);
    w.on.advance(milliseconds{60});
    EXPECT_EQ(w.says.all(), "connect timer:2");
    c.timer_start(1, 100, 0);  // anew: at 160
    w.on.advance(milliseconds{95});
    EXPECT_EQ(w.says.all(), "connect timer:2 timer:2");
    w.on.advance(milliseconds{10});
    EXPECT_EQ(w.says.all(), "connect timer:2 timer:2 timer:1");
    w.says.timer = [](connection_port& c, std::uint64_t id) {
        c.timer_cancel(id);
        return MADANG_OK;
    };
    w.on.advance(milliseconds{1000});
    EXPECT_EQ(w.says.all(), "connect timer:2 timer:2 timer:1 timer:2");
    EXPECT_EQ(c.timer_start(1, ~std::uint64_t{0}, 0), MADANG_INVALID);
}

TEST(Connection, HasAtMostSixteenTimers) {
    world w;
    auto& c = w.start();
    for (std::uint64_t id = 0; id < 16; ++id) EXPECT_EQ(c.timer_start(id, 1000, 0), MADANG_OK);
    EXPECT_EQ(c.timer_start(16, 1000, 0), MADANG_BUSY);
    EXPECT_EQ(c.timer_start(15, 1000, 0), MADANG_OK);
    c.timer_cancel(3);
    EXPECT_EQ(c.timer_start(16, 1000, 0), MADANG_OK);
}

// ------------------------------------------------------------------------------------------- slow clients

TEST(Connection, ASlowClientIsClosed) {
    world w;
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_SOCKET);
    w.peer.limit_writes(10);
    const std::string body(398, 'x');
    w.publish({body});
    w.publish({body});
    EXPECT_EQ(w.says.told.size(), 1u);
    w.publish({body});
    EXPECT_EQ(w.says.all(), "connect disconnect:3008");
    EXPECT_EQ(w.on.metrics().value(counter::drops_disconnect), 1u);
    w.peer.unlimit_writes();
    w.on.run();
    EXPECT_THAT(w.heard(), ElementsAre("text:" + body, "close:3008")) << "the frame on the wire is whole";
}

TEST(Connection, AnOverflowInTheTurnOfAcceptStillAnswersTheHandshake) {
    world w;
    w.says.connect = [](connection_port& c) {
        c.accept({}, {});
        EXPECT_EQ(c.send(MADANG_TEXT, payload::copy_of(std::string(2000, 'x'))), MADANG_CLOSED);
        return MADANG_OK;
    };
    w.start();
    EXPECT_THAT(w.heard(), ElementsAre("101", "close:3008"));
}

TEST(Connection, DropsTheOldestPublicationsOfASlowClient) {
    world w;
    w.route.outbox_limits.policy = outbox_policy::drop_oldest;
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_SOCKET);
    w.peer.limit_writes(10);
    for (char letter = 'a'; letter < 'k'; ++letter) w.publish({std::string(296, letter)});
    EXPECT_EQ(w.on.metrics().value(counter::drops_oldest), 7u);
    w.peer.unlimit_writes();
    w.on.run();
    EXPECT_THAT(w.heard(), ElementsAre("text:" + std::string(296, 'a'), "text:" + std::string(296, 'i'),
                                       "text:" + std::string(296, 'j')));
}

TEST(Connection, KeepsTheLatestOnlyForASlowClient) {
    world w;
    w.route.outbox_limits.policy = outbox_policy::latest_only;
    w.says.event = [](connection_port& c, std::string_view text) {
        return c.send(MADANG_TEXT, payload::copy_of(text));
    };
    auto& c = w.start();
    w.heard();
    c.group_add("room", MADANG_TO_HANDLER);
    w.peer.limit_writes(0);
    for (const auto* text : {"a", "b", "c"}) w.publish({text});
    w.peer.unlimit_writes();
    w.on.run();
    EXPECT_THAT(w.heard(), ElementsAre("text:c"));
    EXPECT_EQ(w.on.metrics().value(counter::drops_latest_only), 2u);
}

TEST(Connection, IsNotReadWhileItsOutboxIsHalfFull) {
    world w;
    w.says.receive = [](connection_port& c, std::string_view text) {
        return c.send(MADANG_TEXT, payload::copy_of(std::string(300, text[0])));
    };
    w.start();
    w.heard();
    w.peer.limit_writes(0);
    w.send(test::text("a") + test::text("b") + test::text("c") + test::text("d"));
    EXPECT_EQ(w.says.all(), "connect text:a text:b");
    EXPECT_FALSE(w.peer.reading());
    EXPECT_EQ(w.on.metrics().value(gauge::readers_paused_now), 1);
    w.send(test::text("e"));
    EXPECT_EQ(w.says.told.size(), 3u);
    w.peer.grant(400);  // 208 left: below a quarter
    w.on.run();
    EXPECT_EQ(w.says.all(), "connect text:a text:b text:c") << "until it is half full again";
    w.peer.unlimit_writes();
    w.on.run();
    EXPECT_EQ(w.says.told.back(), "text:e");
    EXPECT_EQ(w.heard().size(), 5u);
    EXPECT_TRUE(w.peer.reading());
}

TEST(Connection, IsNotReadWhileItsPublicationsWaitForCredit) {
    world w;
    auto& c = w.start();
    w.no_credit = true;
    w.send(test::text("a") + test::text("b") + test::text("c"));
    EXPECT_EQ(w.says.all(), "connect text:a");
    EXPECT_FALSE(w.peer.reading());
    EXPECT_EQ(w.waits_for_credit, 1);
    w.no_credit = false;
    c.resume_publisher();
    w.on.run();
    EXPECT_EQ(w.says.all(), "connect text:a text:b text:c");
    EXPECT_TRUE(w.peer.reading());
}

TEST(Connection, APausedClientsCloseIsHeardWhenTheServerCloses) {
    world w;
    auto& c = w.start();
    w.heard();
    w.no_credit = true;
    w.say("a");
    c.close(4000, {});
    w.on.run();
    w.send(close_frame(4000));
    EXPECT_THAT(w.heard(), ElementsAre("close:4000"));
    EXPECT_TRUE(w.peer.shut());
}

// ------------------------------------------------------------------------------------ bytes before accept

TEST(Connection, ReadsWhatCameBehindTheHandshake) {
    world w;
    w.request.leftover = test::text("behind");
    w.start();
    w.say("next");
    EXPECT_EQ(w.says.all(), "connect text:behind text:next");
}

TEST(Connection, KeepsLittleBeforeAccept) {
    world w;
    w.says.connect = [](connection_port&) { return MADANG_OK; };
    w.start();
    w.send(std::string(60'000, 'x'));
    EXPECT_FALSE(w.over());
    w.send(std::string(60'000, 'x'));
    EXPECT_TRUE(w.over());
    EXPECT_EQ(w.says.all(), "connect disconnect:1006");
}

TEST(Connection, HearsBytesInPiecesOfAnySize) {
    for (std::size_t piece : {1u, 2u, 3u, 7u}) {
        world w;
        w.start();
        const auto all = test::text("one") + test::text(std::string(200, 'x')) + close_frame(1000);
        for (std::size_t at = 0; at < all.size(); at += piece)
            w.send(std::string_view(all).substr(at, piece));
        EXPECT_EQ(w.says.all(), "connect text:one text:" + std::string(20, 'x') + " disconnect:1000");
    }
}

// -------------------------------------------------------------------------------------- failures of ours

TEST(Connection, AnExceptionCostsThisConnectionOnly) {
    for (bool reading : {true, false}) {
        world w;
        auto& c = w.start();
        c.group_add("room", MADANG_TO_SOCKET);
        (reading ? w.reads_throw : w.writes_throw) = true;
        if (reading)
            w.say("x");
        else
            w.publish({"x"});
        EXPECT_TRUE(w.over());
        EXPECT_TRUE(w.peer.closed());
        EXPECT_EQ(w.says.all(), "connect disconnect:1011");
        EXPECT_EQ(w.table.groups(), 0u);
    }
}

}  // namespace
}  // namespace madang
