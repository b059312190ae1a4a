#include "broker/protocol/ws_encoder.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

using namespace std::string_literals;

std::string text_header(std::uint64_t size) {
    char bytes[ws_header_limit];
    return {bytes, write_ws_header(bytes, ws_opcode::text, size)};
}
std::string close(std::uint16_t code, std::string_view reason) {
    return std::string{make_ws_close(code, reason).bytes()};
}

// RFC 6455 5.7
TEST(WsEncoder, WritesTheExamplesOfTheRfc) {
    EXPECT_EQ(ws_frame(ws_opcode::text, "Hello"), "\x81\x05Hello");
    EXPECT_EQ(make_ws_control(ws_opcode::ping, "Hello").bytes(), "\x89\x05Hello");
    EXPECT_EQ(ws_frame(ws_opcode::binary, std::string(256, 'x')).substr(0, 4), "\x82\x7e\x01\x00"s);
    EXPECT_EQ(ws_frame(ws_opcode::binary, std::string(65536, 'x')).substr(0, 10),
              "\x82\x7f\0\0\0\0\0\x01\0\0"s);
}
TEST(WsEncoder, UsesTheShortestLengthForm) {
    EXPECT_EQ(text_header(125), "\x81\x7d"s);
    EXPECT_EQ(text_header(126), "\x81\x7e\x00\x7e"s);
    EXPECT_EQ(text_header(65535), "\x81\x7e\xff\xff"s);
    EXPECT_EQ(text_header(65536), "\x81\x7f\0\0\0\0\0\x01\0\0"s);
    EXPECT_EQ(text_header(0x123456789a), "\x81\x7f\0\0\0\x12\x34\x56\x78\x9a"s);
}
TEST(WsEncoder, MarksCompressedFrames) { EXPECT_EQ(ws_frame(ws_opcode::text, "x", ws_rsv1), "\xc1\x01x"); }
TEST(WsEncoder, WritesCloseFrames) {
    EXPECT_EQ(close(1000, ""), "\x88\x02\x03\xe8"s);
    EXPECT_EQ(close(4001, "bye"), "\x88\x05\x0f\xa1"s + "bye");
}
TEST(WsEncoder, NeverSendsCodesThatMayNotBeSent) {
    for (std::uint16_t code : {1005, 1006, 1015}) EXPECT_EQ(close(code, "why"), "\x88\0"s) << code;
    for (std::uint16_t code : {0, 999, 1004, 1016, 2999, 5000})
        EXPECT_EQ(close(code, ""), "\x88\x02\x03\xf3"s) << code;
}
TEST(WsEncoder, CutsAReasonBetweenCharacters) {
    EXPECT_EQ(close(1000, std::string(200, 'r')), "\x88\x7d\x03\xe8"s + std::string(123, 'r'));
    EXPECT_EQ(close(1000, std::string(122, 'r') + "가"), "\x88\x7c\x03\xe8"s + std::string(122, 'r'));
    EXPECT_EQ(close(1000, std::string(120, 'r') + "가나"),
              "\x88\x7d\x03\xe8"s + std::string(120, 'r') + "가");
}
TEST(WsEncoder, SurvivesAReasonOfContinuationOctetsOnly) {
    EXPECT_EQ(close(1000, std::string(200, '\x80')), "\x88\x02\x03\xe8"s);
}
TEST(WsEncoder, LeavesOutAReasonThatIsNotUtf8) { EXPECT_EQ(close(1000, "\xff"), "\x88\x02\x03\xe8"s); }

}  // namespace
}  // namespace madang
