#include "broker/core/log_ring.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace madang {
namespace {

using nlohmann::json;

std::string line(log_format format, log_level level, std::string_view event, log_fields fields = {}) {
    return format_log_line(format, level, event, fields);
}

struct LogRing : ::testing::Test {
    log_ring ring{{.lines = 3, .bytes = 100'000}};

    void add(std::string_view event, log_level level = log_level::info, log_fields fields = {}) {
        ring.add(1'000, line(log_format::text, level, event, fields));
    }
    static json read(const log_ring& from, const log_ring::question& what = {}) {
        return json::parse(from.read(what));
    }
    static std::vector<std::string> events(const json& got) {
        std::vector<std::string> all;
        for (const auto& each : got["lines"]) all.push_back(each["event"]);
        return all;
    }
};

TEST_F(LogRing, TellsBothFormatsAlike) {
    log_ring both{{.lines = 10, .bytes = 100'000}};
    const log_fields fields = {{"id", "a b"}, {"path", "/x?\"q\""}, {"n", 7}, {"empty", ""}, {"ok", true}};
    both.add(5, line(log_format::text, log_level::warn, "one.two", fields));
    both.add(6, line(log_format::json, log_level::error, "three", fields));
    both.add(7, line(log_format::text, log_level::info, "bare"));
    both.add(8, line(log_format::json, log_level::debug, "bare"));
    const auto got = read(both)["lines"];
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[0], json::parse(
                          R"({"n":1,"time_ms":5,"level":"warn","event":"one.two",
                      "fields":{"id":"a b","path":"/x?\"q\"","n":"7","empty":"","ok":"true"}})"));
    EXPECT_EQ(got[1], json::parse(R"({"n":2,"time_ms":6,"level":"error","event":"three",
                                      "fields":{"id":"a b","path":"/x?\"q\"","n":7,"empty":"","ok":true}})"));
    EXPECT_EQ(got[2]["fields"], json::object());
    EXPECT_EQ(got[3], json::parse(R"({"n":4,"time_ms":8,"level":"debug","event":"bare","fields":{}})"));
}

TEST_F(LogRing, ForgetsTheOldestAndTellsHowManyWereLost) {
    for (const auto* event : {"a", "b"}) add(event);
    auto got = read(ring);
    EXPECT_EQ(events(got), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(got["next"], 2);
    for (const auto* event : {"c", "d", "e", "f"}) add(event);
    got = read(ring, {.after = 2});
    EXPECT_EQ(events(got), (std::vector<std::string>{"d", "e", "f"}));
    EXPECT_EQ(got["lost"], 1) << "c";
    EXPECT_EQ(got["next"], 6);
    EXPECT_EQ(read(ring)["lost"], 0) << "who did not ask before has lost nothing";
    got = read(ring, {.after = 6});
    EXPECT_TRUE(got["lines"].empty());
    EXPECT_EQ(got["lost"], 0);
    EXPECT_EQ(read(ring, {.after = 7})["lines"].size(), 3u) << "a number of another run";
}

TEST_F(LogRing, IsBoundedByBytesToo) {
    log_ring small{{.lines = 1'000, .bytes = 1'000}};
    const std::string text(136, 'x');
    for (int i = 0; i < 50; ++i) small.add(i, "info  " + text.substr(6));
    EXPECT_EQ(read(small)["lines"].size(), 5u) << "200 bytes each, with its cost";
    small.add(0, "info  " + std::string(5'000, 'x'));
    EXPECT_TRUE(read(small)["lines"].empty()) << "what does not fit alone";
    small.add(0, "info  e");
    const auto got = read(small, {.after = 50});
    EXPECT_EQ(got["lines"].size(), 1u);
    EXPECT_EQ(got["lost"], 1);
    log_ring none{{.lines = 0, .bytes = 1'000}};
    none.add(0, "info  e");
    EXPECT_TRUE(read(none)["lines"].empty());
}

TEST_F(LogRing, FiltersByLevelAndText) {
    add("a", log_level::debug, {{"request_id", "r1"}});
    add("b", log_level::warn, {{"request_id", "r2"}});
    add("c", log_level::error, {{"request_id", "r1"}});
    EXPECT_EQ(events(read(ring, {.least = log_level::warn})), (std::vector<std::string>{"b", "c"}));
    EXPECT_EQ(events(read(ring, {.text = "r1"})), (std::vector<std::string>{"a", "c"}));
    EXPECT_EQ(events(read(ring, {.least = log_level::info, .text = "r1"})), (std::vector<std::string>{"c"}));
    const auto cut = read(ring, {.limit = 1});
    EXPECT_EQ(events(cut), (std::vector<std::string>{"c"})) << "the last ones";
    EXPECT_EQ(cut["skipped"], 2);
}

TEST_F(LogRing, NoLineBreaksTheAnswer) {
    log_ring odd{{.lines = 100, .bytes = 100'000}};
    for (const std::string_view text : {"", "x", "info", "info  ", "info  e a", "info  e a=", "info  e a=\"",
                                        "info  e a=\"\\", "\"level\":\"", "\"level\":\"info\"",
                                        "\"level\":\"info\",\"event\":\"", "info  e =", "info  e a=b  c=d"})
        odd.add(0, text);
    EXPECT_NO_FATAL_FAILURE(odd.read({}));  // they are none of format_log_line: what is read need not be JSON
    log_ring hostile{{.lines = 100, .bytes = 100'000}};
    for (const std::string_view value :
         {"a=b", "\"", "\\", "\n", "\x7f", "\xff", "=", " ", "\\\"", "a\" b=\"c"})
        for (const auto format : {log_format::text, log_format::json})
            hostile.add(0, line(format, log_level::info, "e", {{"v", value}, {"w", "end"}}));
    const auto got = read(hostile);
    EXPECT_EQ(got["lines"].size(), 20u);
    for (const auto& each : got["lines"]) EXPECT_EQ(each["fields"]["w"], "end") << each;
}

}  // namespace
}  // namespace madang
