#include "broker/cluster/link_frame.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/support/hex.hpp"

namespace madang {
namespace {

std::string frame(link_frame_kind kind, std::string_view bytes = {}) {
    std::string out;
    append_frame(out, kind, bytes);
    return out;
}

struct reader {
    link_decoder decoder;
    std::vector<std::pair<link_frame_kind, std::string>> frames;
    std::string refused;

    void feed(std::string_view bytes, std::size_t piece = SIZE_MAX) {
        while (!bytes.empty() && refused.empty()) {
            const auto room = decoder.room();
            ASSERT_GT(room.size, 0U);
            const auto size = std::min({bytes.size(), room.size, piece});
            std::memcpy(room.data, bytes.data(), size);
            decoder.filled(size);
            bytes.remove_prefix(size);
            for (;;) {
                const auto next = decoder.next();
                if (!next) {
                    EXPECT_EQ(next.error().code, errc::protocol_error);
                    refused = next.error().detail;
                    break;
                }
                if (!*next) break;
                frames.emplace_back((*next)->kind, (*next)->bytes);
            }
        }
    }
};

TEST(LinkFrame, HasTheseBytes) {
    EXPECT_EQ(test::hex(frame(link_frame_kind::data, "abc")), "0000000404616263");
    EXPECT_EQ(test::hex(frame(link_frame_kind::bye)), "0000000109");
    std::string out;
    append_frame_u32(out, link_frame_kind::credit, 0x01020304);
    append_frame_u64(out, link_frame_kind::ping, 5);
    EXPECT_EQ(test::hex(out),
              "000000050501020304"
              "00000009070000000000000005");
    EXPECT_EQ(frame_number({out.data() + 5, 4}), 0x01020304U);
}

TEST(LinkDecoder, TakesNothingButAHelloFromAStranger) {
    for (const auto kind : {link_frame_kind::data, link_frame_kind::credit, link_frame_kind::beat,
                            link_frame_kind::ping, link_frame_kind::pong}) {
        reader it;
        it.feed(frame(kind, "12345678"));
        EXPECT_FALSE(it.refused.empty()) << static_cast<int>(kind);
        EXPECT_TRUE(it.frames.empty());
    }
    reader it;
    it.feed(frame(link_frame_kind::hello, "x"));
    EXPECT_EQ(it.frames.size(), 1U);
}

TEST(LinkDecoder, AStrangersLengthTakesNoMemory) {
    reader it;
    it.feed(std::string("\xff\xff\xff\xff\x01", 5));
    EXPECT_EQ(it.refused, "a frame of 4294967295 bytes");
    EXPECT_LE(it.decoder.capacity(), hello_bytes_limit + link_frame_head);
    reader other;
    other.feed(frame(link_frame_kind::hello, std::string(hello_bytes_limit, 'x')));
    EXPECT_EQ(other.frames.size(), 1U);
    EXPECT_LE(other.decoder.capacity(), hello_bytes_limit + link_frame_head);
    other.feed(frame(link_frame_kind::hello, std::string(hello_bytes_limit + 1, 'x')));
    EXPECT_FALSE(other.refused.empty());
}

TEST(LinkDecoder, AnAdmittedPeerIsBoundedToo) {
    const auto refused = [](const std::string& bytes) {
        reader it;
        it.decoder.admit();
        it.feed(bytes);
        return !it.refused.empty();
    };
    EXPECT_FALSE(refused(frame(link_frame_kind::data, std::string(link_data_limit, 'x'))));
    EXPECT_TRUE(refused(frame(link_frame_kind::data, std::string(link_data_limit + 1, 'x'))));
    EXPECT_FALSE(refused(frame(link_frame_kind::beat, std::string(beat_bytes_limit, 'x'))));
    EXPECT_TRUE(refused(frame(link_frame_kind::beat, std::string(beat_bytes_limit + 1, 'x'))));
    EXPECT_TRUE(refused(frame(link_frame_kind::data)));
    EXPECT_TRUE(refused(frame(link_frame_kind::credit, "123")));
    EXPECT_TRUE(refused(frame(link_frame_kind::hello, "x")));
    EXPECT_TRUE(refused(frame(link_frame_kind::worker, "x")));
    EXPECT_TRUE(refused(frame(static_cast<link_frame_kind>(11), "x")));
    EXPECT_TRUE(refused(std::string(5, '\0')));
}

TEST(LinkDecoder, WhatWasRefusedStaysRefused) {
    link_decoder it;
    const auto room = it.room();
    std::memcpy(room.data, "GET / HTTP/1.1\r\n", 16);
    it.filled(16);
    EXPECT_FALSE(it.next());
    EXPECT_FALSE(it.next());
}

TEST(LinkDecoder, ReadsFramesFromPiecesOfAnySize) {
    std::minstd_rand dice(5);
    std::string bytes;
    std::vector<std::pair<link_frame_kind, std::string>> expected;
    for (int i = 0; i < 60; ++i) {
        const auto kind = dice() % 2 ? link_frame_kind::data : link_frame_kind::beat;
        const auto most = kind == link_frame_kind::data ? link_data_limit : beat_bytes_limit;
        std::string text(1 + dice() % (i % 3 ? 100 : most), static_cast<char>('a' + i % 26));
        append_frame(bytes, kind, text);
        expected.emplace_back(kind, std::move(text));
    }
    for (const std::size_t piece : {1U, 7U, 1'000U, 70'000U, 4'000'000U}) {
        reader it;
        it.decoder.admit();
        it.feed(bytes, piece);
        EXPECT_EQ(it.refused, "");
        EXPECT_TRUE(it.frames == expected) << piece;
        EXPECT_EQ(it.decoder.waiting(), 0U);
    }
}

TEST(LinkDecoder, TheRoomOfALargeBeatIsGivenBack) {
    reader it;
    it.decoder.admit();
    it.feed(frame(link_frame_kind::data, "a"));
    const auto usual = it.decoder.capacity();
    it.feed(frame(link_frame_kind::beat, std::string(beat_bytes_limit, 'x')));
    EXPECT_GT(it.decoder.capacity(), usual);
    it.feed(frame(link_frame_kind::data, "a"));
    EXPECT_EQ(it.decoder.capacity(), usual);
}

TEST(LinkDecoder, WhatFollowsTheWelcomeAtOnceIsRead) {
    link_decoder it;
    const auto bytes = frame(link_frame_kind::welcome) + frame(link_frame_kind::data, "early");
    const auto room = it.room();
    std::memcpy(room.data, bytes.data(), bytes.size());
    it.filled(bytes.size());
    EXPECT_EQ((**it.next()).kind, link_frame_kind::welcome);
    it.admit();
    EXPECT_EQ((**it.next()).bytes, "early");
}

}  // namespace
}  // namespace madang
