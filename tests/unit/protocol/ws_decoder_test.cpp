#include "broker/protocol/ws_decoder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/protocol/ws_client.hpp"

namespace madang {
namespace {

using namespace std::string_literals;
using test::client_frame;
using test::close_payload;
using test::decode;
using test::recorder;
using test::text;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto deflated = ws_compression::permessage_deflate;

TEST(WsDecoder, IsSmallWhenIdle) { EXPECT_LE(sizeof(ws_decoder), 48U); }

// RFC 6455 5.7
TEST(WsDecoder, ReadsTheMaskedHelloOfTheRfc) {
    EXPECT_THAT(decode("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), ElementsAre("text:Hello"));
}
TEST(WsDecoder, ReadsTheMaskedPongOfTheRfc) {
    EXPECT_THAT(decode("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), ElementsAre("pong:Hello"));
}
TEST(WsDecoder, JoinsFragments) {
    EXPECT_THAT(decode(client_frame(0x01, "Hel") + client_frame(0x80, "lo")), ElementsAre("text:Hello"));
    EXPECT_THAT(decode(client_frame(0x02, "") + client_frame(0x00, "") + client_frame(0x80, "")),
                ElementsAre("binary:"));
}
TEST(WsDecoder, TellsControlFramesBetweenFragmentsAtOnce) {
    EXPECT_THAT(decode(client_frame(0x01, "Hel") + client_frame(0x89, "p") + client_frame(0x00, "l") +
                       client_frame(0x8a, "q") + client_frame(0x80, "o")),
                ElementsAre("ping:p", "pong:q", "text:Hello"));
}
TEST(WsDecoder, ReadsEveryLengthForm) {
    for (std::size_t size : {0, 1, 7, 8, 15, 16, 17, 125, 126, 127, 128, 65535, 65536, 65537, 300000}) {
        const std::string payload(size, 'x');
        EXPECT_THAT(decode(text(payload) + client_frame(0x82, payload)),
                    ElementsAre("text:" + payload, "binary:" + payload))
            << size;
    }
}
TEST(WsDecoder, ReadsSeveralMessagesOfOneRead) {
    EXPECT_THAT(decode(text("a") + text("") + client_frame(0x82, "\0\xff"s) + text("b")),
                ElementsAre("text:a", "text:", "binary:\0\xff"s, "text:b"));
}

TEST(WsDecoder, GivesTheSameForEverySplit) {
    const std::string payload = "마당 광장 κόσμε " + std::string(300, 'y');
    const std::string bytes = text("one") + client_frame(0x01, payload) + client_frame(0x89, "ping") +
                              client_frame(0x00, "") + client_frame(0x80, payload) +
                              client_frame(0x82, std::string(70000, '\xfe')) + text("") +
                              client_frame(0x88, close_payload(1000, "bye"));
    const auto whole = decode(bytes);
    ASSERT_THAT(whole, ElementsAre("text:one", "ping:ping", "text:" + payload + payload,
                                   "binary:" + std::string(70000, '\xfe'), "text:", "close:1000:bye"));
    for (std::size_t piece = 1; piece < 40; ++piece) EXPECT_EQ(decode(bytes, piece), whole) << piece;
    const std::string head = bytes.substr(0, 1100);
    const auto expected = decode(head);
    for (std::size_t cut = 1; cut < head.size(); ++cut) {
        recorder sink;
        ws_decoder decoder{1 << 20, ws_compression::none};
        std::string first = head.substr(0, cut);
        std::string second = head.substr(cut);
        EXPECT_EQ(decoder.consume(first.data(), first.size(), sink).bytes, first.size());
        EXPECT_EQ(decoder.consume(second.data(), second.size(), sink).bytes, second.size());
        EXPECT_EQ(sink.lines, expected) << cut;
    }
}

TEST(WsDecoder, HandsOutAWholeMessageWhereItLies) {
    struct final_sink final : ws_sink {
        bool on_message(ws_opcode, std::string_view bytes) override { return at = bytes.data(), true; }
        void on_ping(std::string_view) override {}
        void on_pong(std::string_view) override {}
        void on_close(std::uint16_t, std::string_view) override {}
        const char* at = nullptr;
    } sink;
    ws_decoder decoder{1000, ws_compression::none};
    std::string bytes = text("Hello");
    decoder.consume(bytes.data(), bytes.size(), sink);
    EXPECT_EQ(sink.at, bytes.data() + 6);
    EXPECT_TRUE(decoder.idle());
}
TEST(WsDecoder, HoldsNothingBetweenMessages) {
    recorder sink;
    ws_decoder decoder{1000, ws_compression::none};
    for (const std::string& frame : {text("Hello"), client_frame(0x89, "ping")}) {
        for (std::size_t cut = 1; cut < frame.size(); ++cut) {
            std::string first = frame.substr(0, cut);
            std::string second = frame.substr(cut);
            decoder.consume(first.data(), first.size(), sink);
            EXPECT_FALSE(decoder.idle());
            decoder.consume(second.data(), second.size(), sink);
            EXPECT_TRUE(decoder.idle());
        }
    }
    std::string fragments = client_frame(0x01, "Hel") + client_frame(0x80, "lo");
    decoder.consume(fragments.data(), fragments.size(), sink);
    EXPECT_TRUE(decoder.idle());
}

// Backpressure
TEST(WsDecoder, StopsAfterTheMessageThatTheSinkRefusesToFollow) {
    recorder sink;
    sink.messages_until_stop = 2;
    ws_decoder decoder{1000, ws_compression::none};
    const std::string three = text("a") + text("b") + text("c");
    std::string bytes = three;
    const ws_consumed result = decoder.consume(bytes.data(), bytes.size(), sink);
    EXPECT_THAT(sink.lines, ElementsAre("text:a", "text:b"));
    EXPECT_EQ(result.bytes, 14U);
    EXPECT_EQ(bytes.substr(14), three.substr(14));
    EXPECT_EQ(decoder.consume(bytes.data() + 14, 7, sink).bytes, 7U);
    EXPECT_THAT(sink.lines, ElementsAre("text:a", "text:b", "text:c"));
}
TEST(WsDecoder, StopsAfterAGatheredMessageToo) {
    recorder sink;
    sink.messages_until_stop = 1;
    ws_decoder decoder{1000, ws_compression::none};
    std::string bytes = client_frame(0x01, "a") + client_frame(0x80, "b") + text("c");
    EXPECT_EQ(decoder.consume(bytes.data(), bytes.size(), sink).bytes, 14U);
    EXPECT_THAT(sink.lines, ElementsAre("text:ab"));
}

// RFC 6455 5.1, 5.2, 5.4, 5.5
TEST(WsDecoder, RefusesUnmaskedClientFrame) {
    EXPECT_THAT(decode("\x81\x05Hello"), ElementsAre("error:1002"));
}
TEST(WsDecoder, RefusesReservedBits) {
    for (int bits : {0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70})
        for (int opcode : {0x81, 0x82, 0x88, 0x89, 0x8a})
            EXPECT_THAT(decode(client_frame(opcode | bits, "")), ElementsAre("error:1002"))
                << bits << ' ' << opcode;
}
TEST(WsDecoder, RefusesReservedOpcodes) {
    for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
        for (int fin : {0, 0x80})
            EXPECT_THAT(decode(client_frame(fin | opcode, "")), ElementsAre("error:1002")) << opcode;
}
TEST(WsDecoder, RefusesFragmentedControlFrames) {
    for (int opcode : {8, 9, 10})
        EXPECT_THAT(decode(client_frame(opcode, "")), ElementsAre("error:1002")) << opcode;
}
TEST(WsDecoder, RefusesControlFramesOver125Bytes) {
    for (int opcode : {0x88, 0x89, 0x8a}) {
        EXPECT_THAT(decode(client_frame(opcode, std::string(126, 'x'))), ElementsAre("error:1002")) << opcode;
        EXPECT_THAT(decode(client_frame(opcode, std::string(70000, 'x'))), ElementsAre("error:1002"))
            << opcode;
    }
    EXPECT_THAT(decode(client_frame(0x89, std::string(125, 'x'))),
                ElementsAre("ping:" + std::string(125, 'x')));
}
TEST(WsDecoder, RefusesAContinuationOfNothing) {
    EXPECT_THAT(decode(client_frame(0x80, "x")), ElementsAre("error:1002"));
    EXPECT_THAT(decode(client_frame(0x00, "x")), ElementsAre("error:1002"));
    EXPECT_THAT(decode(text("a") + client_frame(0x80, "x")), ElementsAre("text:a", "error:1002"));
}
TEST(WsDecoder, RefusesAMessageWithinAMessage) {
    EXPECT_THAT(decode(client_frame(0x01, "x") + text("y")), ElementsAre("error:1002"));
    EXPECT_THAT(decode(client_frame(0x01, "x") + client_frame(0x02, "y")), ElementsAre("error:1002"));
}
TEST(WsDecoder, RefusesALengthWithItsTopBitSet) {
    EXPECT_THAT(decode("\x82\xff\x80\0\0\0\0\0\0\0mask"s), ElementsAre("error:1002"));
}
TEST(WsDecoder, RefusesLengthsThatAreNotMinimal) {
    EXPECT_THAT(decode("\x82\xfe\0\x7dmask"s), ElementsAre("error:1002"));
    EXPECT_THAT(decode("\x82\xff\0\0\0\0\0\0\xff\xffmask"s), ElementsAre("error:1002"));
}
TEST(WsDecoder, RefusesAsSoonAsTheFirstOctetsTell) {
    EXPECT_THAT(decode("\x83"), ElementsAre("error:1002"));
    EXPECT_THAT(decode("\x81\x05"), ElementsAre("error:1002"));
    EXPECT_THAT(decode("\x81\x05", 1), ElementsAre("error:1002"));
    EXPECT_THAT(decode("\x89\xfe", 1), ElementsAre("error:1002"));
}
TEST(WsDecoder, IgnoresEverythingAfterAnError) {
    EXPECT_THAT(decode(client_frame(0x83, "") + text("x"), 1), ElementsAre("error:1002"));
}

// RFC 6455 5.5.1, 7.4
TEST(WsDecoder, ReadsCloseFrames) {
    EXPECT_THAT(decode(client_frame(0x88, "")), ElementsAre("close:1005:"));
    for (int code :
         {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999})
        EXPECT_THAT(decode(client_frame(0x88, close_payload(code, "why"))),
                    ElementsAre("close:" + std::to_string(code) + ":why"));
    const std::string longest(123, 'r');
    EXPECT_THAT(decode(client_frame(0x88, close_payload(1000, longest))),
                ElementsAre("close:1000:" + longest));
}
TEST(WsDecoder, RefusesACloseFrameOfOneByte) {
    EXPECT_THAT(decode(client_frame(0x88, "x")), ElementsAre("error:1002"));
}
TEST(WsDecoder, RefusesCloseCodesThatMustNotBeSent) {
    for (int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535})
        EXPECT_THAT(decode(client_frame(0x88, close_payload(code))), ElementsAre("error:1002")) << code;
}
TEST(WsDecoder, RefusesACloseReasonThatIsNotUtf8) {
    EXPECT_THAT(decode(client_frame(0x88, close_payload(1000, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80"))),
                ElementsAre("error:1007"));
    EXPECT_THAT(decode(client_frame(0x88, close_payload(1000, "cut\xce"))), ElementsAre("error:1007"));
}
TEST(WsDecoder, IgnoresEverythingAfterAClose) {
    EXPECT_THAT(decode(client_frame(0x88, close_payload(1000)) + text("x") + "\xff\xff"),
                ElementsAre("close:1000:"));
    EXPECT_THAT(decode(client_frame(0x01, "half") + client_frame(0x88, "") + client_frame(0x80, "x"), 1),
                ElementsAre("close:1005:"));
}

// RFC 6455 8.1
TEST(WsDecoder, RefusesTextThatIsNotUtf8) {
    for (std::string_view bad :
         {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xce", "a\x80", "\xf0\x8f\xbf\xbf"}) {
        EXPECT_THAT(decode(text(bad)), ElementsAre("error:1007"));
        EXPECT_THAT(decode(text(bad), 1), ElementsAre("error:1007"));
        EXPECT_THAT(decode(client_frame(0x82, bad)), ElementsAre("binary:" + std::string{bad}));
    }
}
TEST(WsDecoder, AllowsACharacterAcrossFragments) {
    EXPECT_THAT(decode(client_frame(0x01, "\xea") + client_frame(0x00, "\xb0") + client_frame(0x80, "\x80")),
                ElementsAre("text:\xea\xb0\x80"));
    EXPECT_THAT(decode(client_frame(0x01, "\xea") + client_frame(0x80, "\xb0")), ElementsAre("error:1007"));
}
TEST(WsDecoder, FailsWithTheBadOctetWithoutWaitingForTheFrame) {  // Autobahn 6.4
    const std::string good = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
    const std::string frame = text(good + "\xf4\x90\x80\x80" + good);
    recorder sink;
    ws_decoder decoder{1000, ws_compression::none};
    const std::size_t bad = 6 + good.size() + 1;  // 0x90 after 0xf4
    for (std::size_t i = 0; i <= bad; ++i) {
        char octet = frame[i];
        const ws_error error = decoder.consume(&octet, 1, sink).error;
        EXPECT_EQ(error.code, i == bad ? 1007 : 0) << i;
    }
    EXPECT_TRUE(decoder.closed());
    EXPECT_TRUE(decoder.idle());
}
TEST(WsDecoder, FailsWithTheBadFragmentWithoutWaitingForTheMessage) {
    EXPECT_THAT(decode(client_frame(0x01, "ok") + client_frame(0x00, "\xed\xa0")), ElementsAre("error:1007"));
}

// Sizes
TEST(WsDecoder, RefusesTooLongAMessageByItsHeader) {
    const auto limited = [](std::string_view bytes) {
        return decode(bytes, ~std::size_t{0}, ws_compression::none, 1000);
    };
    EXPECT_THAT(limited(text(std::string(1000, 'x'))), ElementsAre("text:" + std::string(1000, 'x')));
    EXPECT_THAT(limited(client_frame(0x82, "", 1001)), ElementsAre("error:1009"));
    EXPECT_THAT(limited(client_frame(0x82, "", INT64_MAX)), ElementsAre("error:1009"));
    EXPECT_THAT(limited(client_frame(0x02, std::string(600, 'x')) + client_frame(0x80, "", 401)),
                ElementsAre("error:1009"));
    EXPECT_THAT(limited(client_frame(0x02, std::string(600, 'x')) + client_frame(0x00, "", INT64_MAX)),
                ElementsAre("error:1009"));
    EXPECT_THAT(
        limited(client_frame(0x02, std::string(600, 'x')) + client_frame(0x80, std::string(400, 'x'))),
        ElementsAre("binary:" + std::string(1000, 'x')));
}

// RFC 7692 6, 7.2.3
TEST(WsDecoder, InflatesTheExamplesOfTheRfc) {
    const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;
    EXPECT_THAT(decode(client_frame(0xc1, hello), 99, deflated), ElementsAre("text:Hello"));
    EXPECT_THAT(
        decode(client_frame(0x41, hello.substr(0, 3)) + client_frame(0x80, hello.substr(3)), 1, deflated),
        ElementsAre("text:Hello"));
    const std::string stored = "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s;  // 7.2.3.3
    EXPECT_THAT(decode(client_frame(0xc1, stored), 99, deflated), ElementsAre("text:Hello"));
    const std::string final_block = "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s;  // 7.2.3.4
    EXPECT_THAT(decode(client_frame(0xc1, final_block), 99, deflated), ElementsAre("text:Hello"));
    const std::string two_blocks = "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s;  // 7.2.3.5
    EXPECT_THAT(decode(client_frame(0xc1, two_blocks), 99, deflated), ElementsAre("text:Hello"));
    EXPECT_THAT(decode(client_frame(0xc1, "\0"s), 99, deflated), ElementsAre("text:"));  // 7.2.3.6
}
TEST(WsDecoder, InflatesEachMessageWithoutThePreviousOnesContext) {
    const std::string shared_window = "\xf2\x00\x11\x00\x00"s;  // 7.2.3.2: refers to the message before
    EXPECT_THAT(
        decode(client_frame(0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"s) + client_frame(0xc1, shared_window), 99,
               deflated),
        ElementsAre("text:Hello", "error:1007"));
}
TEST(WsDecoder, TakesUncompressedMessagesBesideCompressedOnes) {
    EXPECT_THAT(decode(text("plain") + client_frame(0xc2, "\xf2\x48\xcd\xc9\xc9\x07\x00"s), 99, deflated),
                ElementsAre("text:plain", "binary:Hello"));
}
TEST(WsDecoder, AllowsRsv1OnTheFirstDataFrameOnly) {
    const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;
    EXPECT_THAT(
        decode(client_frame(0x41, hello.substr(0, 3)) + client_frame(0xc0, hello.substr(3)), 99, deflated),
        ElementsAre("error:1002"));
    EXPECT_THAT(decode(client_frame(0xc9, ""), 99, deflated), ElementsAre("error:1002"));
    EXPECT_THAT(decode(client_frame(0xc1, hello)), ElementsAre("error:1002"));
}
TEST(WsDecoder, RefusesCorruptCompressedData) {
    EXPECT_THAT(decode(client_frame(0xc1, "\xff\xff\xff\xff"), 99, deflated), ElementsAre("error:1007"));
}
TEST(WsDecoder, RefusesInflatedTextThatIsNotUtf8) {
    const std::string stored = "\x00\x02\x00\xfd\xff\xc0\x80\x00"s;
    EXPECT_THAT(decode(client_frame(0xc1, stored), 99, deflated), ElementsAre("error:1007"));
    EXPECT_THAT(decode(client_frame(0xc2, stored), 99, deflated), ElementsAre("binary:\xc0\x80"));
}

}  // namespace
}  // namespace madang
