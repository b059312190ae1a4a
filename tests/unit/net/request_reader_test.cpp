#include "broker/net/request_reader.hpp"

#include <gtest/gtest.h>

#include <array>

#include "tests/unit/net/hostile_heads.hpp"

namespace madang {
namespace {

using progress = request_reader::progress;
constexpr request_reader::limits limits{16 * 1024, 1024};

TEST(RequestReader, RefusesEveryHostileRequest) {
    for (const auto& [name, bytes] : testing::hostile_requests()) {
        request_reader reader(limits);
        std::string input = bytes;
        EXPECT_EQ(reader.advance(input), progress::refused) << name;
        EXPECT_GE(reader.refusal().status, 400u) << name;
        EXPECT_FALSE(reader.refusal().why.empty()) << name;
    }
}

TEST(RequestReader, RefusesHostileRequestsByteByByteToo) {
    for (const auto& [name, bytes] : testing::hostile_requests()) {
        request_reader reader(limits);
        std::string input;
        auto got = progress::need_head;
        for (char c : bytes) {
            input += c;
            got = reader.advance(input);
            if (got == progress::refused) break;
            ASSERT_NE(got, progress::ready) << name;
        }
        EXPECT_EQ(got, progress::refused) << name;
    }
}

TEST(RequestReader, SplitsAndDecodesTheTargetOnce) {
    request_reader reader(limits);
    std::string input =
        "GET /a%20b/%2541/%ED%95%9C?q=%20x HTTP/1.1\r\nHost: h\r\nX-Request-ID: abc-1\r\nX-Y:  z "
        "\r\n\r\nrest";
    ASSERT_EQ(reader.advance(input), progress::ready);
    const auto& request = reader.request();
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.path, "/a b/%41/한");
    EXPECT_EQ(request.raw_path, "/a%20b/%2541/%ED%95%9C");
    EXPECT_EQ(request.query, "q=%20x");
    EXPECT_EQ(request.header("x-y"), "z");
    EXPECT_EQ(request.request_id, "abc-1");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_EQ(input, "rest");
}

// RFC 9112 3.2.2
TEST(RequestReader, TakesTheHostFromATargetInAbsoluteForm) {
    for (const auto& [target, path, query] : std::vector<std::array<std::string, 3>>{
             {"http://b:81/a%20b?q", "/a b", "q"}, {"http://b:81", "/", ""}, {"HTTP://b:81?q", "/", "q"}}) {
        for (std::string host : {"HTTP/1.1\r\nX: y\r\nHost: ignored\r\n", "HTTP/1.0\r\nX: y\r\n"}) {
            request_reader reader(limits);
            std::string input = "GET " + target + " " + host + "\r\n";
            ASSERT_EQ(reader.advance(input), progress::ready) << target;
            EXPECT_EQ(reader.request().path, path);
            EXPECT_EQ(reader.request().query, query);
            EXPECT_EQ(reader.request().joined("host"), "b:81");
        }
    }
}

// What comes behind it may be frames.
TEST(RequestReader, EndsTheConnectionsHttpWithAHandshake) {
    const std::string upgrade = "Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    request_reader plain(limits), framed(limits);
    std::string input = "GET /a?b HTTP/1.1\r\n" + upgrade + "X-Y:  z \r\n\r\nframes";
    ASSERT_EQ(plain.advance(input), progress::ready);
    EXPECT_FALSE(plain.request().keep_alive);
    EXPECT_EQ(plain.request().method, "GET");
    EXPECT_EQ(plain.request().path, "/a");
    EXPECT_EQ(plain.request().query, "b");
    EXPECT_EQ(plain.request().header("x-y"), "z");
    EXPECT_EQ(input, "frames");
    input = "POST / HTTP/1.1\r\n" + upgrade + "Content-Length: 4\r\n\r\nbodyGET";
    ASSERT_EQ(framed.advance(input), progress::ready);
    EXPECT_TRUE(framed.request().keep_alive);
    EXPECT_EQ(framed.request().body, "body");
    EXPECT_EQ(input, "GET");
}

TEST(RequestReader, TakesBodiesByLengthAndByChunks) {
    for (std::string bytes : {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello worldGET",
                              "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET"}) {
        request_reader reader(limits);
        std::string input;
        auto got = progress::need_head;
        std::size_t used = 0;
        while (got != progress::ready) {
            ASSERT_LT(used, bytes.size());
            input += bytes[used++];
            got = reader.advance(input);
            ASSERT_NE(got, progress::refused);
        }
        EXPECT_EQ(reader.request().body, "hello world");
        EXPECT_EQ(bytes.substr(used), "GET");
        EXPECT_EQ(input, "");
    }
}

TEST(RequestReader, RefusesABodyPastTheLimitBeforeItArrives) {
    request_reader reader(limits);
    std::string input = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n";
    ASSERT_EQ(reader.advance(input), progress::refused);
    EXPECT_EQ(reader.refusal().status, 413u);
}

TEST(RequestReader, SaysOnceThatTheClientWaitsToBeToldToGoOn) {
    request_reader reader(limits);
    std::string input = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    ASSERT_EQ(reader.advance(input), progress::need_body);
    EXPECT_TRUE(reader.take_expectation());
    EXPECT_FALSE(reader.take_expectation());
    input = "hi";
    EXPECT_EQ(reader.advance(input), progress::ready);
}

TEST(RequestReader, InventsARequestIdWhereTheClientsIsNoGood) {
    request_reader reader(limits);
    std::string input = "GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: <script>\r\n\r\n";
    ASSERT_EQ(reader.advance(input), progress::ready);
    EXPECT_EQ(reader.request().request_id.size(), 32u);
}

TEST(RequestReader, ClosesAfterHttp10AndOnRequest) {
    for (std::string input :
         {"GET / HTTP/1.0\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"}) {
        request_reader reader(limits);
        ASSERT_EQ(reader.advance(input), progress::ready);
        EXPECT_FALSE(reader.request().keep_alive);
    }
}

}  // namespace
}  // namespace madang
