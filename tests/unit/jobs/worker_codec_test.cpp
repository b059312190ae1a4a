#include "broker/jobs/worker_codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/hex.hpp"

namespace madang::link {
namespace {

using test::hex;

template <class Message>
std::string bytes_of(const Message& what) {
    std::string out;
    append(out, what);
    return out;
}
template <class Message>
std::vector<Message> read_all(decoder<Message>& from) {
    std::vector<Message> found;
    for (;;) {
        auto next = from.next();
        if (!next || !*next) return found;
        found.push_back(std::move(**next));
    }
}
template <class Message>
std::string refusal(std::string_view bytes, std::size_t limit = frame_limit) {
    decoder<Message> reader(limit);
    reader.add(bytes);
    const auto next = reader.next();
    return next ? (*next ? "taken" : "waits") : next.error().detail;
}

run long_run() {
    return {.token = 0x0102030405060708,
            .id = "j1",
            .task = "t",
            .queue = "default",
            .args = "[1]",
            .kwargs = "{}",
            .headers = "",
            .correlation_id = "c",
            .parent = "p",
            .root = "r",
            .checkpoint = std::string("\0\xff", 2),
            .retries = 2,
            .losses = 1,
            .max_retries = -1,
            .soft_limit_ms = 1000,
            .hard_limit_ms = 2000};
}

std::vector<from_worker> all_from_worker() {
    return {hello{version, "cookie", "host:1", {"a", "b"}, {"t"}, 2, 4, {{"j1", 7}}},
            capacity{3, 5},
            began{7, 4242},
            ended{7, ended::outcome::retry, "", {"E", "m", "tr"}, -1, 10, 20},
            progress{7, "{}"},
            checkpoint{7, 1, "half"},
            call{call::verb::find, 2, 7, "body"},
            child_ended{4242, "SIGKILL", false},
            alive{},
            leaving{}};
}
std::vector<from_server> all_from_server() {
    return {welcome{5, "n1"},   refused{"no"}, long_run(),    stop{7, stop::how::kill},
            answer{2, 0, "{}"}, warm_stop{},   told{7, true}, alive{}};
}

TEST(WorkerCodec, HasTheseBytes) {
    EXPECT_EQ(hex(bytes_of(alive{})),
              "01000000"
              "09");
    EXPECT_EQ(hex(bytes_of(capacity{3, 5})),
              "09000000"
              "02"
              "03000000"
              "05000000");
    EXPECT_EQ(hex(bytes_of(began{7, 258})),
              "0d000000"
              "03"
              "0700000000000000"
              "02010000");
    EXPECT_EQ(hex(bytes_of(progress{7, "{}"})),
              "0f000000"
              "05"
              "0700000000000000"
              "02000000"
              "7b7d");
    EXPECT_EQ(hex(bytes_of(ended{1, ended::outcome::failure, "", {"E", "m", ""}, -1, 2, 3})),
              "34000000"
              "04"
              "0100000000000000"
              "01"
              "00000000"
              "01000000"
              "45"
              "01000000"
              "6d"
              "00000000"
              "ffffffffffffffff"
              "0200000000000000"
              "0300000000000000");
    EXPECT_EQ(hex(bytes_of(hello{1, "c", "n", {"a"}, {}, 2, 4, {{"j", 9}}})),
              "35000000"
              "01"
              "01000000"
              "01000000"
              "63"
              "01000000"
              "6e"
              "01000000"
              "01000000"
              "61"
              "00000000"
              "02000000"
              "04000000"
              "01000000"
              "01000000"
              "6a"
              "0900000000000000");
    EXPECT_EQ(hex(bytes_of(told{1, true})),
              "0a000000"
              "17"
              "0100000000000000"
              "01");
    EXPECT_EQ(hex(bytes_of(stop{1, stop::how::soft})),
              "0a000000"
              "14"
              "0100000000000000"
              "01");
    EXPECT_EQ(hex(bytes_of(answer{1, 413, "x"})),
              "12000000"
              "15"
              "0100000000000000"
              "9d010000"
              "01000000"
              "78");
    EXPECT_EQ(hex(bytes_of(welcome{1, "n"})),
              "0e000000"
              "11"
              "0100000000000000"
              "01000000"
              "6e");
    EXPECT_EQ(hex(bytes_of(warm_stop{})),
              "01000000"
              "16");
}

TEST(WorkerCodec, GivesBackEachKindHoweverItsBytesArrive) {
    std::string up, down;
    for (const auto& each : all_from_worker()) append(up, each);
    for (const auto& each : all_from_server()) append(down, each);
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{3}, std::size_t{7}, up.size() + down.size()}) {
        decoder<from_worker> server;
        std::string again;
        for (std::size_t at = 0; at < up.size(); at += piece) {
            server.add(std::string_view(up).substr(at, piece));
            for (const auto& each : read_all(server)) append(again, each);
        }
        EXPECT_EQ(hex(again), hex(up));
        EXPECT_EQ(server.waiting(), 0U);
        decoder<from_server> worker;
        again.clear();
        for (std::size_t at = 0; at < down.size(); at += piece) {
            worker.add(std::string_view(down).substr(at, piece));
            for (const auto& each : read_all(worker)) append(again, each);
        }
        EXPECT_EQ(hex(again), hex(down));
    }
}

TEST(WorkerCodec, ReadsTheMembersOfARun) {
    decoder<from_server> reader;
    reader.add(bytes_of(long_run()));
    const auto got = reader.next();
    ASSERT_TRUE(got && *got);
    const auto& back = std::get<run>(**got);
    EXPECT_EQ(back.token, 0x0102030405060708U);
    EXPECT_EQ(back.task, "t");
    EXPECT_EQ(back.args, "[1]");
    EXPECT_EQ(back.root, "r");
    EXPECT_EQ(back.checkpoint, std::string("\0\xff", 2));
    EXPECT_EQ(back.max_retries, -1);
    EXPECT_EQ(back.hard_limit_ms, 2000U);
}

TEST(WorkerCodec, WaitsForTheRestOfAFrame) {
    const auto whole = bytes_of(long_run());
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(refusal<from_server>(whole.substr(0, size)), "waits") << size;
}

TEST(WorkerCodec, RefusesWhatIsNotAFrame) {
    using namespace std::string_literals;
    EXPECT_EQ(refusal<from_worker>("\0\0\0\0"s), "a frame without a kind");
    EXPECT_EQ(refusal<from_worker>("\1\0\0\0\x17"s), "a frame is not what its kind says");  // the server's
    EXPECT_EQ(refusal<from_server>("\1\0\0\0\1"s), "a frame is not what its kind says");
    EXPECT_EQ(refusal<from_worker>("\1\0\0\0\xff"s), "a frame is not what its kind says");
    EXPECT_EQ(refusal<from_worker>("\2\0\0\0\x09x"s), "a frame is not what its kind says");  // one byte more
    EXPECT_EQ(refusal<from_worker>("\4\0\0\0\2\0\0\0"s), "a frame is not what its kind says");  // one less
}

TEST(WorkerCodec, RefusesValuesThatAMemberCannotHave) {
    auto bytes = bytes_of(told{1, true});
    bytes.back() = 2;
    EXPECT_EQ(refusal<from_server>(bytes), "a frame is not what its kind says");
    bytes = bytes_of(stop{1, stop::how::kill});
    bytes.back() = 3;
    EXPECT_EQ(refusal<from_server>(bytes), "a frame is not what its kind says");
    bytes = bytes_of(progress{1, "{}"});
    bytes[13] = '\x7f';  // the text's length
    EXPECT_EQ(refusal<from_worker>(bytes), "a frame is not what its kind says");
}

TEST(WorkerCodec, RefusesALengthBeyondTheLimitAtOnce) {
    const auto bytes = bytes_of(progress{1, std::string(100, 'x')});
    EXPECT_EQ(refusal<from_worker>(bytes, 113), "taken");
    EXPECT_EQ(refusal<from_worker>(bytes.substr(0, 4), 112), "a frame is too long");
    EXPECT_EQ(refusal<from_worker>("\xff\xff\xff\xff"), "a frame is too long");
}

TEST(WorkerCodec, StaysRefused) {
    decoder<from_worker> reader;
    reader.add("\1\0\0\0\xff");
    reader.add(std::string_view("\0\0\0\xff", 4));
    reader.add(bytes_of(alive{}));
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.next());
}

}  // namespace
}  // namespace madang::link
