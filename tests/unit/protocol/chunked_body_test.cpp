#include "broker/protocol/chunked_body.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using state = chunked_body::state;

struct outcome {
    state what = state::more;
    std::string body;
    std::string rest;
};

outcome feed_in_pieces(std::string_view bytes, std::size_t piece, std::size_t limit = 1000) {
    chunked_body decoder(limit);
    outcome result;
    std::string held;
    while (result.what == state::more && !bytes.empty()) {
        held += bytes.substr(0, piece);
        bytes.remove_prefix(std::min(piece, bytes.size()));
        std::string_view view = held;
        result.what = decoder.feed(view, result.body);
        held = view;
    }
    result.rest = held + std::string(bytes);
    return result;
}

TEST(ChunkedBody, DecodesTheSameHoweverTheBytesArrive) {
    constexpr std::string_view bytes =
        "5\r\nhello\r\n1;a=b\r\n \r\nA\r\nworld12345\r\n0\r\nX: y\r\n\r\nGET /";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        auto got = feed_in_pieces(bytes, piece);
        EXPECT_EQ(got.what, state::done) << piece;
        EXPECT_EQ(got.body, "hello world12345") << piece;
        EXPECT_EQ(got.rest, "GET /") << piece;
    }
}

TEST(ChunkedBody, RefusesWhatIsNotExactlyTheGrammar) {
    for (std::string_view bytes : {
             "\r\n",
             "g\r\n",
             "-1\r\n",
             "+1\r\na\r\n",
             "0x1\r\na\r\n",
             " 1\r\na\r\n",
             "1\na\n",
             "1\r\nab\r\n",
             "1\r\na\n0\r\n",
             "1\ra\r\n",
             "11111111111111111\r\n",
             "0\r\n folded\r\n\r\n",
             "0\r\nno colon\r\n\r\n",
             "0\r\nx : y\r\n\r\n",
         }) {
        EXPECT_EQ(feed_in_pieces(bytes, 1).what, state::malformed) << bytes;
        EXPECT_EQ(feed_in_pieces(bytes, bytes.size()).what, state::malformed) << bytes;
    }
}

TEST(ChunkedBody, BoundsExtensionsTrailersAndTheBody) {
    EXPECT_EQ(feed_in_pieces("1;" + std::string(100'000, 'x'), 1000).what, state::malformed);
    std::string trailers = "0\r\n";
    for (int i = 0; i < 1000; ++i) trailers += "name: value\r\n";
    EXPECT_EQ(feed_in_pieces(trailers, 1000).what, state::malformed);
    EXPECT_EQ(feed_in_pieces("B\r\n", 10, 10).what, state::too_large);
    EXPECT_EQ(feed_in_pieces("5\r\nhello\r\n6\r\n", 100, 10).what, state::too_large);
    EXPECT_EQ(feed_in_pieces("ffffffffffffffff\r\n", 100, 10).what, state::too_large);
}

}  // namespace
}  // namespace madang
