#include "broker/net/poll.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "broker/net/poll_transport.hpp"
#include "broker/protocol/ws_encoder.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/unit/protocol/ws_client.hpp"

namespace madang {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

TEST(PollRequest, ReadsGroupsAndTheirPositions) {
    auto got = read_poll_request("group=a&since=Ep1:7,,x-_:0&group=b%20c&group=d&token=t&other=1", 3);
    ASSERT_TRUE(got);
    ASSERT_EQ(got->groups.size(), 3u);
    EXPECT_EQ(got->groups[0].name, "a");
    EXPECT_EQ(got->groups[0].since, (position{"Ep1", 7}));
    EXPECT_EQ(got->groups[1].name, "b c");
    EXPECT_EQ(got->groups[1].since, std::nullopt);
    EXPECT_EQ(got->groups[2].since, (position{"x-_", 0}));
    EXPECT_EQ(got->token, "t");
    EXPECT_TRUE(read_poll_request("group=a&since=", 1));
    EXPECT_EQ(read_poll_request("group=a&since=:3", 1)->groups[0].since, (position{"", 3}));
}

TEST(PollRequest, RefusesWhatIsMalformed) {
    for (auto query : {"", "group=", "group=a&group=a", "group=a&since=1",
                       "group=a&since=e:", "group=a&since=e:x", "group=a&since=e:1,e:2",
                       "group=a&group=b&since=e:1", "group=a&since=e\"x:1", "group=a&since=e:1&since=e:2",
                       "group=a&since=e:99999999999999999999", "group=%ff", "group=a&since=e:-1"}) {
        auto got = read_poll_request(query, 10);
        ASSERT_FALSE(got) << query;
        EXPECT_EQ(got.error().code, errc::bad_request) << query;
        EXPECT_FALSE(got.error().detail.empty()) << query;
    }
    EXPECT_EQ(read_poll_request("group=a&group=b", 1).error().code, errc::limit_exceeded);
}

TEST(PollRequest, BecomesAConnectAndSubscribes) {
    auto asked = read_poll_request("group=a&group=b&since=E:5,&token=T", 10);
    const auto text = poll_commands(*asked);
    std::vector<json> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        lines.push_back(json::parse(text.substr(at, end - at)));
        at = end + 1;
    }
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(
        lines[0],
        json::parse(
            R"({"id":1,"connect":{"token":"T","subs":{"a":{"recover":true,"epoch":"E","offset":5}}}})"));
    EXPECT_EQ(lines[1],
              json::parse(R"({"id":2,"subscribe":{"channel":"a","recover":true,"epoch":"E","offset":5}})"));
    EXPECT_EQ(lines[2],
              json::parse(R"({"id":3,"subscribe":{"channel":"b","positioned":true,"recoverable":true}})"));
}

poll_collector collector(std::string_view query, std::size_t bytes = 1 << 20) {
    return poll_collector(*read_poll_request(query, 10), bytes);
}

TEST(PollCollector, WaitsForEverySubscription) {
    auto poll = collector("group=a&group=b");
    poll.on_line(R"({"id":1,"connect":{"client":"c"}})");
    poll.on_line(R"({"id":2,"subscribe":{"epoch":"E","offset":3,"recoverable":true}})");
    poll.on_line(R"({"push":{"channel":"a","pub":{"data":1,"offset":4}}})");
    EXPECT_FALSE(poll.complete());
    poll.on_line(R"({"id":3,"subscribe":{}})");
    EXPECT_TRUE(poll.full());
    EXPECT_EQ(json::parse(poll.answer()),
              json::parse(
                  R"({"publications":[{"group":"a","data":1,"offset":4}],"since":"E:4,","recovered":true})"));
}

TEST(PollCollector, BeginsWhereTheRecoveredEnd) {
    auto poll = collector("group=a&since=E:5");
    poll.on_line(
        R"({"id":2,"subscribe":{"epoch":"E","offset":5,"recovered":true,"was_recovering":true,)"
        R"("publications":[{"data":{"x":[1]},"offset":6},{"data":"}","offset":7,"tags":{"a":"b"}}]}})");
    EXPECT_TRUE(poll.full());
    EXPECT_EQ(json::parse(poll.answer())["since"], "E:7");
    EXPECT_EQ(json::parse(poll.answer())["publications"].size(), 2u);
    EXPECT_EQ(json::parse(poll.answer())["recovered"], true);
}

TEST(PollCollector, PassesDataOnByteByByte) {
    auto poll = collector("group=a");
    poll.on_line(R"({"id":2,"subscribe":{}})");
    poll.on_line(
        R"({"push":{"channel":"a","pub":{"data":{"n":123456789012345678901234567890,"f":1.10,"s":"\u00e9"}}}})");
    EXPECT_NE(poll.answer().find(
                  R"({"group":"a","data":{"n":123456789012345678901234567890,"f":1.10,"s":"\u00e9"}})"),
              std::string::npos);
}

TEST(PollCollector, SaysPlainlyWhatItCouldNotRecover) {
    auto poll = collector("group=a&group=b&since=old:5,B:1");
    poll.on_line(
        R"({"id":2,"subscribe":{"epoch":"new","offset":9,"recovered":false,"was_recovering":true}})");
    EXPECT_FALSE(poll.full());
    poll.on_line(R"({"id":3,"subscribe":{"epoch":"B","offset":1,"recovered":true,"was_recovering":true}})");
    EXPECT_TRUE(poll.full()) << "at once, without publications";
    EXPECT_EQ(json::parse(poll.answer()),
              json::parse(R"({"publications":[],"since":"new:9,B:1","recovered":false,"lost":["a"]})"));
}

TEST(PollCollector, TakesAGroupThatTheServerSubscribed) {
    auto poll = collector("group=#7&since=E:1");
    poll.on_line(R"({"id":1,"connect":{"subs":{"other":{},"#7":{"epoch":"E","offset":1,"recovered":true,)"
                 R"("publications":[{"data":1,"offset":2}]}}}})");
    poll.on_line(R"({"id":2,"error":{"code":105,"message":"already subscribed"}})");
    EXPECT_FALSE(poll.refused());
    EXPECT_TRUE(poll.full());
    EXPECT_EQ(json::parse(poll.answer())["since"], "E:2");
}

TEST(PollCollector, TellsRefusalsByTheirStatus) {
    const auto refused = [](std::string_view line) {
        auto poll = collector("group=a");
        poll.on_line(line);
        EXPECT_TRUE(poll.refused());
        EXPECT_FALSE(poll.complete());
        return poll.refused() ? *poll.refused() : poll_collector::refusal{};
    };
    auto no = refused(R"({"id":2,"error":{"code":103,"message":"permission denied"}})");
    EXPECT_EQ(no.status, 403u);
    EXPECT_EQ(no.code, 103);
    EXPECT_EQ(no.message, "permission denied");
    EXPECT_EQ(no.group, "a");
    EXPECT_EQ(refused(R"({"id":1,"error":{"code":101,"message":"x"}})").status, 401u);
    EXPECT_EQ(refused(R"({"id":2,"error":{"code":102,"message":"x"}})").status, 404u);
    EXPECT_EQ(refused(R"({"id":2,"error":{"code":1234,"message":"x"}})").status, 403u);
    const auto disconnected = [&](int code) {
        return refused(R"({"push":{"disconnect":{"code":)" + std::to_string(code) + R"(,"reason":"r"}}})")
            .status;
    };
    EXPECT_EQ(disconnected(3500), 401u);
    EXPECT_EQ(disconnected(3501), 400u);
    EXPECT_EQ(disconnected(3005), 401u);
    EXPECT_EQ(disconnected(3001), 503u);
    EXPECT_EQ(disconnected(3507), 403u);
    EXPECT_EQ(disconnected(4001), 503u);
    EXPECT_EQ(disconnected(4600), 403u);
}

TEST(PollCollector, EndsWithoutPublicationsWhenTheServerGoesAway) {
    auto poll = collector("group=a");
    poll.on_line(R"({"id":2,"subscribe":{"epoch":"E","offset":3}})");
    EXPECT_FALSE(poll.full());
    poll.on_line(R"({"push":{"disconnect":{"code":3001,"reason":"shutdown"}}})");
    EXPECT_TRUE(poll.full());
    EXPECT_EQ(json::parse(poll.answer())["since"], "E:3");
}

TEST(PollCollector, LeavesTheRestForTheNextPoll) {
    auto poll = collector("group=a&since=E:0", 100);
    std::string publications;
    for (int i = 1; i <= 10; ++i)
        publications += (i == 1 ? "" : ",") + (R"({"data":")" + std::string(30, 'x') + R"(","offset":)") +
                        std::to_string(i) + "}";
    poll.on_line(R"({"id":2,"subscribe":{"epoch":"E","offset":0,"recovered":true,"publications":[)" +
                 publications + "]}}");
    const auto answer = json::parse(poll.answer());
    const auto count = answer["publications"].size();
    EXPECT_GE(count, 1u);
    EXPECT_LT(count, 10u);
    EXPECT_EQ(answer["since"], "E:" + std::to_string(count));
    EXPECT_EQ(answer["publications"].back()["offset"], count);
}

TEST(PollCollector, IgnoresWhatItDidNotAskFor) {
    auto poll = collector("group=a");
    poll.on_line(R"({"id":2,"subscribe":{}})");
    EXPECT_TRUE(poll.on_line("{}"));
    EXPECT_FALSE(poll.on_line(R"({"push":{"channel":"b","pub":{"data":1}}})"));
    EXPECT_FALSE(poll.on_line(R"({"push":{"channel":"a","join":{"info":{}}}})"));
    EXPECT_FALSE(poll.on_line(R"({"push":{"message":{"data":1}}})"));
    EXPECT_FALSE(poll.on_line("nonsense"));
    EXPECT_FALSE(poll.on_line(""));
    EXPECT_FALSE(poll.full());
}

struct waiting final : transport_waiter {
    void on_readable(bool) override { ++readable; }
    void on_writable(bool) override { ++writable; }
    int readable = 0, writable = 0;
};

struct PollTransport : ::testing::Test {
    PollTransport() {
        io = make_poll_transport(on, collector("group=a"), {10s, 25s}, "r1",
                                 [this](http_response response) { replies.push_back(std::move(response)); });
        io->wait_readable(waiter);
    }
    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
            const auto got = io->write_some(&part, 1);
            ASSERT_EQ(got.what, transport::outcome::done);
            bytes.remove_prefix(got.bytes);
        }
    }
    void say(std::string_view lines) { write(ws_frame(ws_opcode::text, lines)); }
    std::vector<std::string> read() {
        std::string got;
        char buffer[64];
        for (;;) {
            const auto part = io->read_some(buffer, sizeof buffer);
            ended = part.what;
            if (part.what != transport::outcome::done) return test::decode(got);
            got.append(buffer, part.bytes);
        }
    }
    void subscribe() {
        write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        say(R"({"id":1,"connect":{}})"
            "\n"
            R"({"id":2,"subscribe":{"epoch":"E","offset":3}})");
    }
    testing::fake_loop on;
    std::vector<http_response> replies;
    waiting waiter;
    transport::outcome ended = transport::outcome::done;
    std::unique_ptr<transport> io;
};

TEST_F(PollTransport, AnswersWithTheFirstPublicationAndLeaves) {
    subscribe();
    EXPECT_TRUE(replies.empty());
    say(R"({"push":{"channel":"a","pub":{"data":1,"offset":4}}})");
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].status, 200u);
    EXPECT_EQ(replies[0].body,
              "{\"publications\":[{\"group\":\"a\",\"data\":1,\"offset\":4}],\"since\":\"E:4\",\"recovered\":"
              "true}\n");
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(read(), std::vector<std::string>{"close:1000:"});
    say(R"({"push":{"channel":"a","pub":{"data":2,"offset":5}}})");
    io->shutdown_send();
    read();
    EXPECT_EQ(ended, transport::outcome::closed);
    io->close();
    EXPECT_EQ(replies.size(), 1u);
}

TEST_F(PollTransport, AnswersWithAllOfATurnsPublications) {
    subscribe();
    write(ws_frame(ws_opcode::text, R"({"push":{"channel":"a","pub":{"data":1,"offset":4}}})") +
          ws_frame(ws_opcode::text, R"({"push":{"channel":"a","pub":{"data":2,"offset":5}}})"));
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(json::parse(replies[0].body)["publications"].size(), 2u);
}

TEST_F(PollTransport, AnswersWithNoneAfterItsTime) {
    on.advance(9s);
    subscribe();
    on.advance(24s);
    EXPECT_TRUE(replies.empty());
    on.advance(2s);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].body, "{\"publications\":[],\"since\":\"E:3\",\"recovered\":true}\n");
    EXPECT_EQ(read(), std::vector<std::string>{"close:1000:"});
}

TEST_F(PollTransport, AnswersPings) {
    subscribe();
    say("{}");
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(read(), std::vector<std::string>{"text:{}"});
}

TEST_F(PollTransport, PassesTheSessionsRefusalOn) {
    write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    say(R"({"id":1,"connect":{}})"
        "\n"
        R"({"id":2,"error":{"code":103,"message":"permission denied"}})");
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].status, 403u);
    EXPECT_EQ(
        json::parse(replies[0].body)["error"],
        json::parse(
            R"({"status":403,"message":"permission denied","request_id":"r1","code":103,"group":"a"})"));
}

TEST_F(PollTransport, PassesTheServersRefusalOn) {
    write("HTTP/1.1 503 Service Unavailable\r\n\r\n");
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].status, 503u);
}

TEST_F(PollTransport, AnswersWhenItsSessionIsClosed) {
    write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    write(make_ws_close(3500, "invalid token").bytes());
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].status, 401u);
}

TEST_F(PollTransport, AnswersWhenItsSessionDies) {
    io.reset();
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].status, 503u);
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(on.timers(), 0u);
}

TEST_F(PollTransport, AnswersASessionThatIsNeverReady) {
    on.advance(9s);
    EXPECT_TRUE(replies.empty());
    on.advance(2s);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].status, 504u);
}

}  // namespace
}  // namespace madang
