#include "broker/core/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "broker/core/utf8.hpp"
#include "tests/support/kept_spans.hpp"

namespace madang {
namespace {

using namespace std::string_view_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string text_line(std::string_view value) {
    return format_log_line(log_format::text, log_level::info, "e", {{"v", value}});
}
nlohmann::json json_line(std::string_view value) {
    return nlohmann::json::parse(
        "{" + format_log_line(log_format::json, log_level::info, "e", {{"v", value}}) + "}");
}

TEST(Log, TextLineIsReadable) {
    EXPECT_EQ(format_log_line(
                  log_format::text, log_level::warn, "http.request",
                  {{"request_id", "abc"}, {"status", 200}, {"seconds", 0.25}, {"tls", false}, {"n", 7u}}),
              "warn  http.request request_id=abc status=200 seconds=0.25 tls=false n=7");
    EXPECT_EQ(text_line("/ws/마당"), "info  e v=\"/ws/마당\"");
    EXPECT_EQ(text_line(""), "info  e v=\"\"");
    EXPECT_EQ(text_line("a=b"), "info  e v=\"a=b\"");
    EXPECT_EQ(text_line("say \"hi\"\\"), "info  e v=\"say \\\"hi\\\"\\\\\"");
}

TEST(Log, JsonLineIsJson) {
    EXPECT_EQ(
        format_log_line(
            log_format::json, log_level::error, "plugin.failed",
            {{"plugin", "chat"}, {"code", -1}, {"ok", true}, {"x", std::numeric_limits<double>::infinity()}}),
        R"("level":"error","event":"plugin.failed","plugin":"chat","code":-1,"ok":true,"x":null)");
    EXPECT_EQ(json_line("마당\n\"\\").at("v"), "마당\n\"\\");
}

TEST(Log, ValuesCannotBreakTheLineOrTheTerminal) {
    for (const auto hostile : {"a\nlevel=error"sv, "\r\x1b[2J"sv, "\0"sv, "\x7f"sv,
                               "\xc2\x9b"
                               "31m"sv,
                               "\xe2\x80\xa8"sv, "\xe2\x80\xae"sv, "\xff\xfe"sv, "\xc3"sv}) {
        for (const auto& line :
             {text_line(hostile),
              "{" + format_log_line(log_format::json, log_level::info, "e", {{"v", hostile}}) + "}"}) {
            EXPECT_TRUE(valid_utf8(line)) << line;
            for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << line;
            EXPECT_THAT(line, Not(HasSubstr("\x7f")));
            EXPECT_THAT(line, Not(HasSubstr("\xc2\x9b")));
            EXPECT_THAT(line, Not(HasSubstr("\xe2\x80")));
            EXPECT_THAT(line, HasSubstr("\\u"));
        }
    }
}

TEST(Log, NamesCannotBreakTheLine) {
    EXPECT_EQ(format_log_line(log_format::text, log_level::info, "a b\n\"", {{"x=\n", 1}}),
              "info  a_b__ x__=1");
    EXPECT_EQ(format_log_line(log_format::text, log_level::info, "", {}), "info  _");
    EXPECT_EQ(format_log_line(log_format::json, log_level::info, "a\"}", {}),
              R"("level":"info","event":"a__")");
}

TEST(Log, LongValuesAreCutAtACharacter) {
    const auto shown = json_line(std::string(log_value_bytes - 1, 'x') + "마당").at("v").get<std::string>();
    EXPECT_EQ(shown, std::string(log_value_bytes - 1, 'x') + "…");
    EXPECT_EQ(text_line(std::string(log_value_bytes, 'x')).size(), 10 + log_value_bytes);
    EXPECT_THAT(text_line(std::string(log_value_bytes + 1, 'x')), HasSubstr("…\""));
}

TEST(Log, RandomValuesGiveOneParsableLine) {
    std::mt19937 random(5);
    for (int round = 0; round < 2000; ++round) {
        std::string value(random() % 60, '\0');
        for (char& c : value) c = static_cast<char>(random());
        const auto line = json_line(value);
        if (valid_utf8(value)) {
            EXPECT_EQ(line.at("v"), value);
        }
        EXPECT_EQ(text_line(value).find('\n'), std::string::npos);
    }
}

TEST(Log, WritesOnlyFromItsLevelUpAndCounts) {
    std::vector<std::string> lines;
    const auto before = log_lines(log_level::warn);
    const auto debug_before = log_lines(log_level::debug);
    {
        const log_capture capture(log_format::text, log_level::warn,
                                  [&](std::string_view line) { lines.emplace_back(line); });
        EXPECT_FALSE(log_enabled(log_level::info));
        log_debug("no");
        log_info("no");
        log_warn("yes", {{"n", 1}});
        log_error("yes");
    }
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_THAT(
        lines[0],
        MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z warn  yes n=1"));
    EXPECT_EQ(log_lines(log_level::warn), before + 1);
    EXPECT_EQ(log_lines(log_level::debug), debug_before);
    {
        const log_capture none(log_format::text, log_level::off,
                               [&](std::string_view line) { lines.emplace_back(line); });
        log_error("no");
    }
    EXPECT_EQ(lines.size(), 2u);
    EXPECT_TRUE(log_enabled(log_level::info));
}

TEST(Log, JsonLinesCarryTheirTime) {
    std::string line;
    {
        const log_capture capture(log_format::json, log_level::debug,
                                  [&](std::string_view each) { line = each; });
        log_debug("job.done", {{"request_id", "r1"}});
    }
    const auto parsed = nlohmann::json::parse(line);
    EXPECT_EQ(parsed.at("level"), "debug");
    EXPECT_EQ(parsed.at("event"), "job.done");
    EXPECT_EQ(parsed.at("request_id"), "r1");
    EXPECT_THAT(parsed.at("time").get<std::string>(), MatchesRegex("[0-9T:.-]{23}Z"));
}

TEST(Log, LinesOfTracedWorkNameTheTrace) {
    std::vector<std::string> lines;
    kept_spans spans;
    for (const auto format : {log_format::json, log_format::text}) {
        const log_capture capture(format, log_level::info,
                                  [&](std::string_view line) { lines.emplace_back(line); });
        log_info("before");
        const traced_work mine({&spans, {{1}, {2}, 1}});
        log_info("within", {{"n", 1}});
    }
    ASSERT_EQ(lines.size(), 4u);
    EXPECT_FALSE(nlohmann::json::parse(lines[0]).contains("trace_id"));
    EXPECT_EQ(nlohmann::json::parse(lines[1]).at("trace_id"), "01000000000000000000000000000000");
    EXPECT_THAT(lines[2], EndsWith("before"));
    EXPECT_THAT(lines[3], EndsWith("within n=1 trace_id=01000000000000000000000000000000"));
}

TEST(Log, ThreadsDoNotMixTheirLines) {
    std::vector<std::string> lines;
    {
        const log_capture capture(log_format::json, log_level::info,
                                  [&](std::string_view line) { lines.emplace_back(line); });
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([i] {
                for (int n = 0; n < 250; ++n) log_info("tick", {{"thread", i}, {"n", n}});
            });
        }
        for (auto& each : threads) each.join();
    }
    EXPECT_EQ(lines.size(), 1000u);
    for (const auto& line : lines) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST(Log, StoppingWritesWhatIsQueuedToStandardError) {
    testing::internal::CaptureStderr();
    start_logging(log_format::json, log_level::debug);
    for (int i = 0; i < 100; ++i) log_debug("queued", {{"i", i}});
    stop_logging();
    log_info("afterwards");
    const auto written = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(written.begin(), written.end(), '\n'), 101);
    EXPECT_THAT(written, HasSubstr("\"event\":\"queued\",\"i\":99}\n"));
    EXPECT_THAT(written, HasSubstr("Z info  afterwards\n"));
}

TEST(Log, LevelsHaveTheNamesOfTheOption) {
    EXPECT_EQ(parse_log_level("debug"), log_level::debug);
    EXPECT_EQ(parse_log_level("off"), log_level::off);
    EXPECT_EQ(parse_log_level("loud"), log_level::info);
}

}  // namespace
}  // namespace madang
