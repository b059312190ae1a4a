#include "monitoring/span_queue.hpp"

#include <gtest/gtest.h>

#include "monitoring/otlp_json.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using outcome = span_queue::outcome;

span named(std::string name) {
    span made;
    made.name = std::move(name);
    return made;
}

struct SpanQueue : testing::Test {
    span_queue::time at{1h};
    span_queue queue{{.spans = 5, .batch = 2, .interval = 1s, .least_pause = 1s, .most_pause = 3s}};

    void add(int count) {
        for (int i = 0; i < count; ++i) queue.add(named(std::to_string(i)), at);
    }
};

TEST_F(SpanQueue, WaitsForABatchOrItsTime) {
    EXPECT_FALSE(queue.due());
    EXPECT_TRUE(queue.take(at).empty());
    add(1);
    EXPECT_TRUE(queue.take(at).empty());
    EXPECT_EQ(queue.due(), at + 1s);
    at += 1s;
    ASSERT_EQ(queue.take(at).size(), 1u);
    EXPECT_FALSE(queue.due());  // not before done()
    add(4);
    EXPECT_TRUE(queue.take(at).empty());
    queue.done(outcome::sent, at);
    EXPECT_LE(*queue.due(), at);
    EXPECT_EQ(queue.take(at)[1].name, "1");
    EXPECT_EQ(queue.exported(), 1u);
}

TEST_F(SpanQueue, SendsAllAtTheEnd) {
    add(1);
    EXPECT_EQ(queue.take(at, true).size(), 1u);
    queue.done(outcome::sent, at);
    EXPECT_TRUE(queue.take(at, true).empty());
    EXPECT_EQ(queue.size(), 0u);
}

TEST_F(SpanQueue, DropsTheNewestWhenItIsFullAndCountsWhatIsUnderWay) {
    add(2);
    EXPECT_EQ(queue.take(at).size(), 2u);
    add(4);
    EXPECT_EQ(queue.size(), 5u);
    EXPECT_EQ(queue.dropped(), 1u);
}

TEST_F(SpanQueue, TriesAgainWithGrowingPausesWhileTheReceiverIsAway) {
    add(2);
    for (const auto pause : {1s, 2s, 3s, 3s}) {
        ASSERT_EQ(queue.take(at).size(), 2u);
        queue.done(outcome::away, at);
        EXPECT_EQ(queue.due(), at + pause);
        EXPECT_TRUE(queue.take(at + pause - 1ms).empty());
        at += pause;
    }
    EXPECT_EQ(queue.take(at)[0].name, "0");
    queue.done(outcome::sent, at);
    EXPECT_EQ(queue.exported(), 2u);
    EXPECT_EQ(queue.dropped(), 0u);
    add(2);
    EXPECT_LE(*queue.due(), at);
}

TEST_F(SpanQueue, GivesUpWhatIsRefused) {
    add(3);
    queue.take(at);
    queue.done(outcome::refused, at);
    EXPECT_EQ(queue.failed(), 2u);
    EXPECT_EQ(queue.size(), 1u);
}

TEST(OtlpJson, IsWhatAReceiverExpects) {
    span first;
    first.at = *parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    first.kind = span_kind::server;
    first.name = "GET";
    first.begin_ns = 1'700'000'000'000'000'001;
    first.end_ns = 1'700'000'000'000'000'002;
    first.attributes = {{"url.path", "/\xff"}, {"http.response.status_code", std::int64_t{500}}};
    first.failed = true;
    first.why = "it \"failed\"";
    span second;
    second.at = first.at;
    second.at.span[0] = 0xaa;
    second.parent = first.at.span;
    second.kind = span_kind::consumer;
    second.name = "deliver";
    second.begin_ns = 2;
    second.end_ns = 1;  // a clock that was set
    const span both[] = {first, second};
    EXPECT_EQ(
        otlp_json(both, {"a", "1.0"}),
        R"({"resourceSpans":[{"resource":{"attributes":[)"
        R"({"key":"service.name","value":{"stringValue":"madang"}},)"
        R"({"key":"service.instance.id","value":{"stringValue":"a"}},)"
        R"({"key":"service.version","value":{"stringValue":"1.0"}}]},)"
        R"("scopeSpans":[{"scope":{"name":"madang","version":"1.0"},"spans":[)"
        R"({"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","flags":1,"name":"GET","kind":2,)"
        R"("startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000000000000002",)"
        R"("attributes":[{"key":"url.path","value":{"stringValue":"/)"
        "\xef\xbf\xbd"
        R"("}},{"key":"http.response.status_code","value":{"intValue":"500"}}],)"
        R"("status":{"code":2,"message":"it \"failed\""}},)"
        R"({"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"aaf067aa0ba902b7","parentSpanId":"00f067aa0ba902b7",)"
        R"("flags":1,"name":"deliver","kind":5,"startTimeUnixNano":"2","endTimeUnixNano":"2"}]}]}]})");
}

}  // namespace
}  // namespace madang
