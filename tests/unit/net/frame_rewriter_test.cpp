#include "broker/net/frame_rewriter.hpp"

#include <gtest/gtest.h>

#include <random>

#include "broker/protocol/chunked_body.hpp"
#include "broker/protocol/ws_encoder.hpp"

namespace madang {
namespace {

using shape = frame_rewriter::shape;
using envelope = frame_rewriter::envelope;

const std::string accepted =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n";
const std::string head = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";

std::string text(std::string_view lines) { return ws_frame(ws_opcode::text, lines); }
std::string close(std::uint16_t code, std::string_view reason) {
    return std::string(make_ws_close(code, reason).bytes());
}

std::string rewrite(frame_rewriter& with, std::string_view in, std::size_t piece = ~std::size_t{0}) {
    std::string out;
    while (!in.empty()) {
        with.feed(in.substr(0, piece), out);
        in.remove_prefix(std::min(piece, in.size()));
    }
    return out;
}
std::string rewrite(frame_rewriter::format how, std::string_view in, std::size_t piece = ~std::size_t{0}) {
    frame_rewriter with(std::move(how));
    return rewrite(with, in, piece);
}

frame_rewriter::format to(shape what, envelope pushes = envelope::kept, bool chunked = false) {
    return {what, pushes, chunked, what == shape::websocket ? "" : head};
}

// The messages of unmasked frames, fragments joined; control frames as their opcode and payload.
std::vector<std::string> messages(std::string_view frames) {
    std::vector<std::string> result;
    std::string open;
    bool begun = false;
    while (!frames.empty()) {
        EXPECT_GE(frames.size(), 2u);
        if (frames.size() < 2) break;
        const auto first = static_cast<unsigned char>(frames[0]);
        std::size_t size = static_cast<unsigned char>(frames[1]), header = 2;
        if (size >= 126) {
            header = size == 126 ? 4 : 10;
            size = 0;
            for (std::size_t i = 2; i < header; ++i) size = size << 8 | static_cast<unsigned char>(frames[i]);
        }
        EXPECT_GE(frames.size(), header + size);
        const auto payload = frames.substr(header, size);
        if ((first & 0x0f) >= 8) {
            EXPECT_FALSE(begun) << "a control frame within a message of ours";
            result.push_back("control " + std::to_string(first & 0x0f) + " " + std::string(payload));
        } else {
            EXPECT_EQ(first & 0x0f, begun ? 0 : 1);
            open += payload;
            begun = (first & 0x80) == 0;
            if (!begun) result.push_back(std::exchange(open, {}));
        }
        frames.remove_prefix(std::min(frames.size(), header + size));
    }
    EXPECT_FALSE(begun) << "a message did not end";
    return result;
}

std::string unchunked(std::string_view stream) {
    EXPECT_TRUE(stream.starts_with(head));
    stream.remove_prefix(head.size());
    chunked_body body(1 << 24);
    std::string result;
    EXPECT_EQ(body.feed(stream, result), chunked_body::state::done);
    EXPECT_EQ(stream, "");
    return result;
}

TEST(FrameRewriter, ReplacesTheAcceptedHandshakesAnswer) {
    EXPECT_EQ(rewrite(to(shape::lines), accepted), head);
    EXPECT_EQ(rewrite(to(shape::event_stream), accepted), head);
    EXPECT_EQ(rewrite(to(shape::websocket), accepted), accepted);
}

TEST(FrameRewriter, PassesARefusalAsItIs) {
    const std::string refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlater";
    for (auto what : {shape::lines, shape::event_stream, shape::websocket})
        for (std::size_t piece = 1; piece < 20; ++piece) {
            frame_rewriter with(to(what, envelope::stripped, what != shape::websocket));
            EXPECT_EQ(rewrite(with, refusal, piece), refusal);
            EXPECT_EQ(with.refused(), 503u);
            EXPECT_FALSE(with.ended());
        }
}

TEST(FrameRewriter, MakesALineOfEachLine) {
    EXPECT_EQ(rewrite(to(shape::lines), accepted + text("{\"id\":1}\n{\"id\":2}") + text("{}")),
              head + "{\"id\":1}\n{\"id\":2}\n{}\n");
}

TEST(FrameRewriter, MakesAnEventOfEachLine) {
    EXPECT_EQ(rewrite(to(shape::event_stream), accepted + text("{\"id\":1}\n{\"id\":2}") + text("{}")),
              head + "data: {\"id\":1}\n\ndata: {\"id\":2}\n\ndata: {}\n\n");
}

TEST(FrameRewriter, NeverEmitsAnEmptyLine) {
    const auto in = accepted + text("") + text("\n\n{}\n\n") + text("\n");
    EXPECT_EQ(rewrite(to(shape::lines), in), head + "{}\n");
    EXPECT_EQ(rewrite(to(shape::event_stream), in), head + "data: {}\n\n");
    EXPECT_EQ(messages(rewrite(to(shape::websocket), in).substr(accepted.size())),
              std::vector<std::string>{"{}"});
}

TEST(FrameRewriter, KeepsACarriageReturnFromEndingAnEventsLine) {
    EXPECT_EQ(rewrite(to(shape::event_stream), accepted + text("{\"a\":\r1}")),
              head + "data: {\"a\": 1}\n\n");
    EXPECT_EQ(rewrite(to(shape::lines), accepted + text("{\"a\":\r1}")), head + "{\"a\":\r1}\n");
}

TEST(FrameRewriter, DropsPingsAndPongsWhereThereAreNone) {
    const auto ping = std::string(make_ws_control(ws_opcode::ping, "p").bytes());
    const auto pong = std::string(make_ws_control(ws_opcode::pong, {}).bytes());
    EXPECT_EQ(rewrite(to(shape::lines), accepted + ping + text("a") + pong), head + "a\n");
    EXPECT_EQ(
        messages(rewrite(to(shape::websocket), accepted + ping + text("a") + pong).substr(accepted.size())),
        (std::vector<std::string>{"control 9 p", "a", "control 10 "}));
}

TEST(FrameRewriter, StripsPushesOfTheirEnvelopeAndNothingElse) {
    const auto in = accepted + text(R"({"push":{"channel":"a","pub":{"data":1}}})") + text("{}") +
                    text(R"({"push":{"connect":{}}})"
                         "\n"
                         R"({"error":{"code":1},"id":1})"
                         "\n"
                         R"({"pu)");
    const std::vector<std::string> lines{R"({"channel":"a","pub":{"data":1}})", "{}", R"({"connect":{}})",
                                         R"({"error":{"code":1},"id":1})", R"({"pu)"};
    for (std::size_t piece = 1; piece < in.size(); ++piece) {
        auto expected = head;
        for (const auto& line : lines) expected += line + "\n";
        EXPECT_EQ(rewrite(to(shape::lines, envelope::stripped), in, piece), expected) << piece;
        expected = head;
        for (const auto& line : lines) expected += "data: " + line + "\n\n";
        EXPECT_EQ(rewrite(to(shape::event_stream, envelope::stripped), in, piece), expected) << piece;
        EXPECT_EQ(
            messages(rewrite(to(shape::websocket, envelope::stripped), in, piece).substr(accepted.size())),
            lines)
            << piece;
    }
}

TEST(FrameRewriter, GivesAWholeUnidirectionalPushOneFrame) {
    frame_rewriter with(to(shape::websocket, envelope::stripped));
    rewrite(with, accepted);
    EXPECT_EQ(rewrite(with, text(R"({"push":{"pub":{}}})")), text(R"({"pub":{}})"));
    const std::string large(70'000, 'x');
    EXPECT_EQ(rewrite(with, text("{\"push\":" + large + "}")), text(large));
}

TEST(FrameRewriter, TellsACloseAsADisconnectPushAndEndsTheBody) {
    frame_rewriter with(to(shape::event_stream, envelope::kept, true));
    const auto out = rewrite(with, accepted + text("{}") + close(3501, "bad request") + text("late"));
    EXPECT_EQ(unchunked(out),
              "data: {}\n\ndata: {\"push\":{\"disconnect\":{\"code\":3501,\"reason\":\"bad "
              "request\"}}}\n\n");
    EXPECT_TRUE(with.ended());
    EXPECT_EQ(with.close_code(), 3501);
    EXPECT_EQ(rewrite(with, text("late")), "");
    EXPECT_EQ(rewrite(to(shape::lines, envelope::stripped), accepted + close(3000, "why \"not\"")),
              head + "{\"disconnect\":{\"code\":3000,\"reason\":\"why \\\"not\\\"\"}}\n");
}

TEST(FrameRewriter, PutsTheProtocolsCodesForTheWebSocketsOwn) {
    const auto told = [](const std::string& frame) {
        frame_rewriter with(to(shape::lines));
        const auto out = rewrite(with, accepted + frame);
        return out.substr(head.size());
    };
    const auto push = [](int code, const std::string& reason) {
        return "{\"push\":{\"disconnect\":{\"code\":" + std::to_string(code) + ",\"reason\":\"" + reason +
               "\"}}}\n";
    };
    EXPECT_EQ(told(close(1001, "the server is shutting down")), push(3001, "the server is shutting down"));
    EXPECT_EQ(told(close(1011, "")), push(3004, "internal server error"));
    EXPECT_EQ(told(close(1005, "")), push(3000, "connection closed"));
    EXPECT_EQ(told(close(4001, "mine")), push(4001, "mine"));
}

TEST(FrameRewriter, LeavesAWebSocketsCloseFrame) {
    frame_rewriter with(to(shape::websocket, envelope::stripped));
    EXPECT_EQ(rewrite(with, accepted + close(3501, "no")), accepted + close(3501, "no"));
    EXPECT_FALSE(with.ended());
}

TEST(FrameRewriter, ChunksWhatEachFeedGave) {
    frame_rewriter with(to(shape::lines, envelope::kept, true));
    EXPECT_EQ(rewrite(with, accepted), head);  // an empty chunk would end the body
    EXPECT_EQ(rewrite(with, text("0123456789")), "b\r\n0123456789\n\r\n");
    EXPECT_EQ(rewrite(with, std::string(make_ws_control(ws_opcode::ping, {}).bytes())), "");
    EXPECT_TRUE(rewrite(with, close(3000, "x")).ends_with("\r\n0\r\n\r\n"));
}

// However the bytes are cut, the client gets the same.
TEST(FrameRewriter, DoesNotDependOnWhereItsInputIsCut) {
    std::mt19937 random(20261122);
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    for (int round = 0; round < 300; ++round) {
        std::string in = accepted;
        std::vector<std::string> kept, stripped;
        for (std::size_t frames = pick(8); frames > 0; --frames) {
            std::string lines;
            for (std::size_t count = pick(4); count > 0; --count) {
                std::string line(pick(10) == 0 ? pick(80'000) : 1 + pick(40),
                                 static_cast<char>('a' + pick(26)));
                if (line.empty()) continue;
                const bool push = pick(2) == 0;
                kept.push_back(push ? "{\"push\":" + line + "}" : line);
                stripped.push_back(line);
                lines += (lines.empty() ? "" : "\n") + kept.back();
            }
            in += text(lines);
            if (pick(4) == 0) in += make_ws_control(ws_opcode::pong, "abc").bytes();
        }
        for (auto pushes : {envelope::kept, envelope::stripped}) {
            const auto& lines = pushes == envelope::kept ? kept : stripped;
            for (auto what : {shape::lines, shape::event_stream, shape::websocket}) {
                const auto ended = what == shape::websocket ? in : in + close(3001, "shutdown");
                frame_rewriter with(to(what, pushes, what != shape::websocket));
                std::string out;
                for (std::string_view rest = ended; !rest.empty();) {
                    const auto piece = std::min(rest.size(), pick(3) == 0 ? 1 + pick(12) : 1 + pick(50'000));
                    with.feed(rest.substr(0, piece), out);
                    rest.remove_prefix(piece);
                }
                std::string expected;
                const std::string goodbye = R"({"disconnect":{"code":3001,"reason":"shutdown"}})";
                const auto last = pushes == envelope::kept ? "{\"push\":" + goodbye + "}" : goodbye;
                if (what == shape::lines) {
                    for (const auto& line : lines) expected += line + "\n";
                    ASSERT_EQ(unchunked(out), expected + last + "\n");
                } else if (what == shape::event_stream) {
                    for (const auto& line : lines) expected += "data: " + line + "\n\n";
                    ASSERT_EQ(unchunked(out), expected + "data: " + last + "\n\n");
                } else {
                    auto got = messages(out.substr(accepted.size()));
                    std::erase(got, "control 10 abc");
                    ASSERT_EQ(got, lines);
                }
            }
        }
    }
}

TEST(FrameRewriter, GrowsByLittle) {
    std::string in;
    for (int i = 0; i < 1000; ++i) in += text("a");
    for (auto what : {shape::lines, shape::event_stream, shape::websocket})
        for (auto pushes : {envelope::kept, envelope::stripped}) {
            frame_rewriter with(to(what, pushes));
            rewrite(with, accepted);
            EXPECT_LE(rewrite(with, in).size(), 12 * in.size());
        }
    std::string lines;
    for (int i = 0; i < 1000; ++i) lines += "a\n";
    frame_rewriter with(to(shape::event_stream));
    rewrite(with, accepted);
    EXPECT_LE(rewrite(with, text(lines)).size(), 12 * lines.size());
}

}  // namespace
}  // namespace madang
