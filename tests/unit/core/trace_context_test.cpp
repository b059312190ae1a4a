#include "broker/core/trace_context.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "broker/core/span.hpp"
#include "broker/core/working_for.hpp"
#include "tests/support/kept_spans.hpp"

namespace madang {
namespace {

constexpr std::string_view good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Traceparent, IsReadAsTheStandardsExample) {
    const auto made = parse_traceparent(good);
    ASSERT_TRUE(made);
    EXPECT_EQ(to_hex(made->trace), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(to_hex(made->span), "00f067aa0ba902b7");
    EXPECT_TRUE(made->sampled());
    EXPECT_EQ(format_traceparent(*made), good);
}

TEST(Traceparent, OfALaterVersionIsReadAsFarAsThisOneGoes) {
    for (const std::string_view each :
         {"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
          "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes"}) {
        const auto made = parse_traceparent(each);
        ASSERT_TRUE(made) << each;
        EXPECT_EQ(format_traceparent(*made), good);
    }
}

TEST(Traceparent, KeepsTheSampledFlagAndNoOther) {
    const std::string before(good.substr(0, 53));
    for (const auto& [flags, sampled] : {std::pair{"00", false}, {"01", true}, {"fe", false}, {"ff", true}}) {
        const auto made = parse_traceparent(before + flags);
        ASSERT_TRUE(made) << flags;
        EXPECT_EQ(made->sampled(), sampled);
        EXPECT_EQ(format_traceparent(*made), before + (sampled ? "01" : "00"));
    }
}

TEST(Traceparent, RefusesWhatIsMalformed) {
    for (const std::string_view bad :
         {"", "00", "00-", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
          "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
          "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
          "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
          "0-4bf92f3577b34da6a3ce929d0e0e47360-00f067aa0ba902b7-01",
          " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, "
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
        EXPECT_FALSE(parse_traceparent(bad)) << bad;
}

TEST(Traceparent, OfAnyBytesIsNoneOrOneThatIsReadAgainAsItself) {
    const unsigned seed = 20'260;
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int i = 0; i < 100'000; ++i) {
        std::string text(good);
        for (int changes = 0; changes < 3; ++changes)
            text[random() % text.size()] = "0123456789abcdef-fg\n"[random() % 20];
        const auto made = parse_traceparent(text);
        if (!made) continue;
        EXPECT_EQ(parse_traceparent(format_traceparent(*made)), made) << text;
    }
}

TEST(TraceContext, GivesChildrenIdsOfTheirOwn) {
    std::set<span_id> seen;
    const auto root = new_trace();
    EXPECT_TRUE(root.sampled());
    for (int i = 0; i < 1000; ++i) {
        const auto child = root.child();
        EXPECT_EQ(child.trace, root.trace);
        EXPECT_TRUE(seen.insert(child.span).second);
        EXPECT_TRUE(seen.insert(root.child(static_cast<std::uint64_t>(i)).span).second);
    }
    EXPECT_EQ(root.child(7), root.child(7));
    EXPECT_NE(new_trace().trace, root.trace);
}

TEST(Origin, IsARequestIdAndMaybeATrace) {
    const auto trace = *parse_traceparent(good);
    const auto text = make_origin("abc.1", trace);
    EXPECT_EQ(text, "abc.1;" + std::string(good));
    EXPECT_EQ(split_origin(text).request_id, "abc.1");
    EXPECT_EQ(split_origin(text).trace, trace);
    EXPECT_EQ(split_origin(make_origin("", trace)).request_id, "");
    for (const std::string& plain : {std::string(), std::string("abc"), std::string(good),
                                     "abc;" + std::string(good) + "x", std::string(200, ';')}) {
        EXPECT_EQ(request_id_of(plain), plain);
        EXPECT_FALSE(split_origin(plain).trace);
    }
}

TEST(OpenSpan, IsAChildOfWhatIsSampledOutside) {
    kept_spans by;
    const auto outside = parse_traceparent(good);
    { const open_span made(by, outside, span_kind::server, "GET"); }
    ASSERT_EQ(by.all.size(), 1u);
    EXPECT_EQ(by.all[0].at.trace, outside->trace);
    EXPECT_EQ(by.all[0].parent, outside->span);
    EXPECT_LT(by.all[0].begin_ns, by.all[0].end_ns);
}

TEST(OpenSpan, PassesOnWhatIsNotSampled) {
    kept_spans by;
    auto outside = *parse_traceparent(good);
    outside.flags = 0;
    const open_span made(by, outside, span_kind::server, "GET");
    EXPECT_FALSE(made);
    EXPECT_EQ(made.work().at, outside);
    EXPECT_FALSE(open_span(made.work(), span_kind::internal, "view"));
}

TEST(OpenSpan, BeginsATraceWhereItIsToldTo) {
    kept_spans by;
    by.sampling = false;
    EXPECT_EQ(open_span(by, {}, span_kind::server, "GET").work().by, nullptr);
    by.sampling = true;
    EXPECT_TRUE(open_span(by, {}, span_kind::server, "GET"));
    ASSERT_EQ(by.all.size(), 1u);
    EXPECT_EQ(by.all[0].parent, span_id{});
}

TEST(OpenSpan, IsRecordedOnce) {
    kept_spans by;
    open_span made(by, {}, span_kind::server, "GET");
    auto moved = std::move(made);
    moved.set("text", std::string(5000, 'x'));
    moved.fail("why");
    moved.end();
    moved.end();
    moved.set("late", "x");
    ASSERT_EQ(by.all.size(), 1u);
    EXPECT_EQ(std::get<std::string>(by.all[0].attributes[0].second).size(), open_span::most_text);
    EXPECT_TRUE(by.all[0].failed);
}

TEST(OriginOfSending, IsTheRequestsAndASpansWhereThatIsTraced) {
    kept_spans by;
    EXPECT_FALSE(origin_of_sending("publish", "room:1"));
    const origin_source who("request");
    const working_for mine(who);
    EXPECT_EQ(origin_of_sending("publish", "room:1").bytes(), "request");
    const work_trace work{&by, *parse_traceparent(good)};
    {
        const traced_work traced(work);
        const auto origin = origin_of_sending("publish", "room:1");
        ASSERT_EQ(by.all.size(), 1u);
        EXPECT_EQ(by.all[0].parent, work.at.span);
        EXPECT_EQ(split_origin(origin.bytes()).trace, by.all[0].at);
        EXPECT_EQ(request_id_of(origin.bytes()), "request");
        EXPECT_EQ(delivery_of(&by, origin.bytes()).at, by.all[0].at.child(5));
        EXPECT_EQ(delivery_of(nullptr, origin.bytes()).by, nullptr);
    }
    EXPECT_EQ(traced_work::current(), nullptr);
    EXPECT_EQ(origin_of_sending("publish", "room:1").bytes(), "request");
    EXPECT_EQ(by.all.size(), 1u);
}

}  // namespace
}  // namespace madang
