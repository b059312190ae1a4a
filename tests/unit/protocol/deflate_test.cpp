#include "broker/protocol/deflate.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "tests/unit/protocol/ws_client.hpp"

namespace madang {
namespace {

using namespace std::string_literals;

constexpr std::string_view plain_answer =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

std::string answer(std::string_view offers) {
    const auto result = negotiate_deflate(offers);
    return result ? result->response : "declined";
}
std::string inflated(std::string_view compressed, std::size_t limit = 1 << 24) {
    std::string message;
    switch (inflate_message(compressed, limit, message)) {
        case inflate_result::done:
            return message;
        case inflate_result::too_big:
            return "too big";
        case inflate_result::corrupt:
            return "corrupt";
    }
    return {};
}
// As a peer with a window of only 2^bits bytes would. zlib checks distances against the window's size.
bool readable_with_window(std::string compressed, int bits) {
    compressed += "\0\0\xff\xff"s;
    z_stream stream{};
    EXPECT_EQ(inflateInit2(&stream, -bits), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(compressed.data());
    stream.avail_in = static_cast<uInt>(compressed.size());
    int status = Z_OK;
    while (status == Z_OK && (stream.avail_in > 0 || stream.avail_out == 0)) {
        unsigned char out[64];  // small, so that what is further back must come from the window
        stream.next_out = out;
        stream.avail_out = sizeof out;
        status = inflate(&stream, Z_SYNC_FLUSH);
    }
    inflateEnd(&stream);
    return status == Z_OK || status == Z_BUF_ERROR;
}
// Repeats itself at every distance up to 40,000.
std::string text_of(std::size_t size) {
    std::mt19937 random{7};
    std::string text;
    while (text.size() < size) {
        if (text.size() > 100 && random() % 2 == 0) {
            text += text.substr(random() % (text.size() - 50), 10 + random() % 40);
        } else {
            text += "word" + std::to_string(random() % 1000);
        }
    }
    text.resize(size);
    return text;
}

TEST(DeflateNegotiation, AlwaysGivesUpContextTakeover) {
    EXPECT_EQ(answer("permessage-deflate"), plain_answer);
    EXPECT_EQ(answer("permessage-deflate; client_max_window_bits"), plain_answer);
    EXPECT_EQ(answer("permessage-deflate; client_max_window_bits=10"), plain_answer);
    EXPECT_EQ(answer("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
              plain_answer);
}
TEST(DeflateNegotiation, HonoursTheServersWindow) {
    for (int bits = 8; bits <= 15; ++bits) {
        const std::string parameter = "; server_max_window_bits=" + std::to_string(bits);
        const auto result = negotiate_deflate("permessage-deflate" + parameter);
        ASSERT_TRUE(result);
        EXPECT_EQ(result->server_max_window_bits, bits);
        EXPECT_EQ(result->response, plain_answer.data() + parameter);
    }
    EXPECT_EQ(negotiate_deflate("permessage-deflate")->server_max_window_bits, 15);
    EXPECT_EQ(negotiate_deflate("permessage-deflate; server_max_window_bits=\"12\"")->server_max_window_bits,
              12);
}
TEST(DeflateNegotiation, DeclinesBadParameters) {
    for (std::string_view parameter :
         {"server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16",
          "server_max_window_bits=010", "server_max_window_bits=x", "client_max_window_bits=7",
          "client_max_window_bits=08", "client_max_window_bits=100", "server_no_context_takeover=1",
          "client_no_context_takeover=true", "unknown", "unknown=1",
          "client_max_window_bits; client_max_window_bits",
          "server_max_window_bits=9; server_max_window_bits=9",
          "server_no_context_takeover; server_no_context_takeover",
          "client_no_context_takeover; client_no_context_takeover"})
        EXPECT_EQ(answer("permessage-deflate; " + std::string{parameter}), "declined") << parameter;
}
TEST(DeflateNegotiation, TakesTheFirstOfferThatItCan) {
    EXPECT_EQ(
        negotiate_deflate(
            "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10, permessage-deflate")
            ->server_max_window_bits,
        10);
    EXPECT_EQ(answer("x-webkit-deflate-frame, permessage-deflate"), plain_answer);
}
TEST(DeflateNegotiation, OffersNothingWithoutAnOffer) {
    EXPECT_EQ(answer(""), "declined");
    EXPECT_EQ(answer("permessage-bzip2"), "declined");
    EXPECT_EQ(answer("permessage-deflate;"), "declined");
}

// RFC 7692 7.2.3.1, 7.2.3.6
TEST(Deflate, WritesTheExamplesOfTheRfc) {
    EXPECT_EQ(deflate_message(15, "Hello"), "\xf2\x48\xcd\xc9\xc9\x07\x00"s);
    EXPECT_EQ(deflate_message(15, ""), "\0"s);
}
TEST(Deflate, ComesBackTheSame) {
    for (std::size_t size : {0, 1, 2, 100, 16384, 16385, 65536, 300000})
        for (std::uint8_t bits = 8; bits <= 15; ++bits) {
            const std::string text = text_of(size);
            EXPECT_TRUE(inflated(deflate_message(bits, text)) == text) << size << ' ' << int{bits};
        }
}
TEST(Deflate, ComesBackTheSameWhenItCannotBeCompressed) {
    std::mt19937 random{1};
    std::string noise(200000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    EXPECT_TRUE(inflated(deflate_message(15, noise)) == noise);
}
TEST(Deflate, LooksNoFurtherBackThanTheWindow) {
    const std::string text = text_of(100000);
    for (std::uint8_t bits = 8; bits <= 15; ++bits)
        EXPECT_TRUE(readable_with_window(deflate_message(bits, text), bits)) << int{bits};
    EXPECT_FALSE(readable_with_window(deflate_message(15, text), 9));
}
TEST(Deflate, KeepsNoContextBetweenMessages) {
    EXPECT_EQ(deflate_message(15, "Hello"), deflate_message(15, "Hello"));
}

TEST(Inflate, StopsAtTheLimit) {
    const std::string text(1000, 'x');
    EXPECT_EQ(inflated(deflate_message(15, text), 1000), text);
    EXPECT_EQ(inflated(deflate_message(15, text), 999), "too big");
    EXPECT_EQ(inflated(deflate_message(15, std::string(64 << 20, '\0')), 1 << 20), "too big");
    EXPECT_EQ(inflated(deflate_message(15, ""), 0), "");
}
TEST(Inflate, GoesOnAfterAFinalBlock) {
    EXPECT_EQ(inflated("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00"s), "HelloHello");
}
TEST(Inflate, TellsCorruptData) {
    EXPECT_EQ(inflated("\xff\xff\xff"), "corrupt");
    EXPECT_EQ(inflated("\x07"), "corrupt");
    EXPECT_EQ(inflated("\x00\x05\x00\x00\x00"s), "corrupt");
    EXPECT_EQ(inflated("\xf2\x48"), "corrupt") << "cut within a block";
}
TEST(Inflate, IsWholeAgainAfterCorruptData) {
    inflated("\xff\xff\xff");
    EXPECT_EQ(inflated("\xf2\x48\xcd\xc9\xc9\x07\x00"s), "Hello");
}

}  // namespace
}  // namespace madang
