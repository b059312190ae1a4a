#include "broker/bench/frames.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace madang::bench {
namespace {

class FrameOfEverySize : public testing::TestWithParam<std::size_t> {};

TEST_P(FrameOfEverySize, SurvivesEveryCutFromEitherSide) {
    for (const auto from : {frame_from::client, frame_from::server}) {
        const std::string payload(GetParam(), 'p');
        std::string bytes;
        append_frame(bytes, from, binary_frame, payload);
        const auto whole = bytes.size();
        bytes += "next";
        frame_view frame;
        for (std::size_t cut = 0; cut < whole; cut += cut < 16 ? 1 : 997) {
            std::string part = bytes.substr(0, cut);
            EXPECT_EQ(parse_frame(part.data(), part.size(), from, frame), frame_status::partial) << cut;
            EXPECT_EQ(part, bytes.substr(0, cut)) << "an incomplete frame must not be unmasked yet";
        }
        ASSERT_EQ(parse_frame(bytes.data(), bytes.size(), from, frame), frame_status::complete);
        EXPECT_EQ(frame.opcode, binary_frame);
        EXPECT_EQ(frame.size, whole);
        EXPECT_EQ(frame.payload, payload);
    }
}

INSTANTIATE_TEST_SUITE_P(Lengths, FrameOfEverySize,
                         testing::Values(0, 1, 7, 125, 126, 127, 65535, 65536, 70001));

TEST(Frame, MasksAsTheRfcsExample) {
    std::string bytes;  // RFC 6455, 5.7: "Hello" under 0x37fa213d
    append_frame(bytes, frame_from::client, text_frame, "Hello");
    EXPECT_EQ(bytes, std::string("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11));
}

TEST(Frame, IsRefusedWhenFragmentedReservedOrMaskedByTheWrongSide) {
    frame_view frame;
    auto parse = [&](std::string bytes, frame_from from) {
        return parse_frame(bytes.data(), bytes.size(), from, frame);
    };
    EXPECT_EQ(parse(std::string("\x01\x00", 2), frame_from::server), frame_status::refused);
    EXPECT_EQ(parse(std::string("\x80\x00", 2), frame_from::server), frame_status::refused);
    EXPECT_EQ(parse(std::string("\xc1\x00", 2), frame_from::server), frame_status::refused);
    EXPECT_EQ(parse(std::string("\x81\x80mmmm", 6), frame_from::server), frame_status::refused);
    EXPECT_EQ(parse(std::string("\x81\x00", 2), frame_from::client), frame_status::refused);
    EXPECT_EQ(parse(std::string("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10), frame_from::server),
              frame_status::refused);
}

TEST(Payload, CarriesAnyNumberInAnyEnvelope) {
    for (const auto kind : {envelope::raw, envelope::chat})
        for (const std::uint64_t number :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x0123456789abcdef}, ~std::uint64_t{0}}) {
            payload_template text(kind, 128);
            EXPECT_EQ(text.with_sequence(number).size(), 128u);
            EXPECT_EQ(read_sequence(text.with_sequence(number)), number);
        }
    EXPECT_EQ(payload_template(envelope::chat, 40).with_sequence(0x1f),
              R"({"message":"~000000000000001?........."})");
}

TEST(Payload, IsFoundWhereverTheServerPutIt) {
    EXPECT_EQ(read_sequence(R"({"from": 1, "message": "~000000000000002:"})"), 0x2au);
}

TEST(Payload, MayBeNoPublicationAtAll) {
    EXPECT_EQ(read_sequence(R"({"system":"a joined"})"), std::nullopt);
    EXPECT_EQ(read_sequence("~00000000000000"), std::nullopt);
    EXPECT_EQ(read_sequence("~000000000000000z"), std::nullopt);
    EXPECT_EQ(read_sequence(""), std::nullopt);
}

TEST(Payload, RefusesASizeWithoutRoom) {
    EXPECT_NO_THROW(payload_template(envelope::raw, 17));
    EXPECT_THROW(payload_template(envelope::raw, 16), std::invalid_argument);
    EXPECT_THROW(payload_template(envelope::chat, 30), std::invalid_argument);
}

}  // namespace
}  // namespace madang::bench
