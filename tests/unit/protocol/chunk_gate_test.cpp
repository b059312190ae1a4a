#include "broker/protocol/chunk_gate.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using namespace std::string_literals;
using enum head_fault;

const chunk_limits limits{.body_bytes = 1000, .line_bytes = 40, .extension_bytes = 60, .trailer_bytes = 50};

// The bytes of the body, or minus the fault.
long run(std::string_view bytes, std::size_t piece = ~std::size_t{0}) {
    chunk_gate gate{limits};
    std::size_t total = 0;
    while (!bytes.empty()) {
        const auto part = bytes.substr(0, piece);
        const auto result = gate.feed(part);
        if (result.fault != none) return -static_cast<long>(result.fault);
        total += result.bytes;
        if (result.done) return static_cast<long>(total);
        EXPECT_EQ(result.bytes, part.size());
        bytes.remove_prefix(part.size());
    }
    return 0;  // not at its end
}
long fault(head_fault f) { return -static_cast<long>(f); }

TEST(ChunkGate, FindsTheEndOfABodyInEverySplit) {
    const std::string body = "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n";
    for (std::size_t piece = 1; piece <= body.size() + 9; ++piece)
        EXPECT_EQ(run(body + "GET / HTTP/1.1", piece), static_cast<long>(body.size())) << piece;
    for (std::size_t size = 1; size < body.size(); ++size) EXPECT_EQ(run(body.substr(0, size)), 0) << size;
    EXPECT_EQ(run("0\r\n\r\n"), 5);
}
TEST(ChunkGate, RefusesMalformedSizes) {
    for (std::string_view bad :
         {"", "x", "-1", "+1", "0x5", " 5", "5 5", "5x", "11112222333344445", "00000000000000005", "5\t"})
        EXPECT_EQ(run(std::string{bad} + "\r\nhello"), fault(bad_chunk)) << bad;
}
TEST(ChunkGate, RefusesBareLf) {
    EXPECT_EQ(run("5\nhello"), fault(bare_lf));
    EXPECT_EQ(run("5\r\nhello\n"), fault(bare_lf));
    EXPECT_EQ(run("0\r\n\n"), fault(bare_lf));
}
TEST(ChunkGate, RefusesDataThatIsLongerThanItsSize) {
    EXPECT_EQ(run("5\r\nhello!\r\n"), fault(bad_chunk));
    EXPECT_EQ(run("5\r\nhello!!!!"), fault(bad_chunk));
}
TEST(ChunkGate, LimitsTheBody) {
    EXPECT_EQ(run("3e8\r\n" + std::string(1000, 'x') + "\r\n0\r\n\r\n"), 1012);
    EXPECT_EQ(run("3e9\r\n"), fault(body_too_long));
    EXPECT_EQ(run("3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\n"), fault(body_too_long));
    EXPECT_EQ(run("ffffffffffffffff\r\n"), fault(body_too_long));
}
TEST(ChunkGate, LimitsExtensions) {
    EXPECT_EQ(run("1;" + std::string(100'000, 'x')), fault(chunk_line_too_long));
    EXPECT_EQ(run("1;" + std::string(100'000, 'x'), 1), fault(chunk_line_too_long));
    std::string many;
    for (int i = 0; i < 10; ++i) many += "1;" + std::string(34, 'x') + "\r\ny\r\n";
    EXPECT_EQ(run(many), fault(chunk_line_too_long));
    EXPECT_EQ(run("1;a\x01\r\n"), fault(bad_chunk));
}
TEST(ChunkGate, LimitsTrailers) {
    EXPECT_EQ(run("0\r\nX: " + std::string(60, 'y') + "\r\n\r\n"), fault(trailers_too_long));
    EXPECT_EQ(run("0\r\nA: 1\r\n" + std::string(100, 'y')), fault(trailers_too_long));
    std::string many = "0\r\n";
    for (int i = 0; i < 20; ++i) many += "A: 1\r\n";
    EXPECT_EQ(run(many + "\r\n"), fault(trailers_too_long));
}
TEST(ChunkGate, RefusesBadTrailers) {
    for (std::string_view bad :
         {"Transfer-Encoding: x", "content-length: 5", "Host: a", "X : y", "X", " fold", "X: \x01"})
        EXPECT_EQ(run("0\r\n" + std::string{bad} + "\r\n\r\n"), fault(bad_trailer)) << bad;
}

}  // namespace
}  // namespace madang
