#include "broker/protocol/handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/protocol/deflate.hpp"

namespace madang {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using fields = std::vector<name_value>;

// RFC 6455 1.2
fields good() {
    return {{"Host", "server.example.com"},   {"Upgrade", "websocket"},
            {"Connection", "Upgrade"},        {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
            {"Origin", "http://example.com"}, {"Sec-WebSocket-Version", "13"}};
}
fields with(std::string_view name, std::string_view value) {
    fields all = good();
    for (name_value& field : all)
        if (field.name == name) return field.value = value, all;
    all.push_back({name, value});
    return all;
}
fields without(std::string_view name) {
    fields all = good();
    std::erase_if(all, [&](const name_value& field) { return field.name == name; });
    return all;
}
ws_handshake shake(const fields& headers, std::string_view method = "GET", unsigned version = 11) {
    return read_ws_handshake({method, version, headers});
}

TEST(Handshake, AnswersTheExampleOfTheRfc) {
    const ws_handshake result = shake(good());
    EXPECT_EQ(result.status, 101U) << result.reason;
    EXPECT_EQ(result.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_THAT(result.subprotocols, IsEmpty());
    EXPECT_THAT(result.extensions, IsEmpty());
}
TEST(Handshake, ReadsNamesAndTokensWithoutCase) {
    fields headers = with("Connection", "keep-alive, UPGRADE");
    for (name_value& field : headers)
        if (field.name == "Upgrade") field = {"uPGRADE", "WebSocket"};
    EXPECT_EQ(shake(headers).status, 101U);
    EXPECT_TRUE(asks_for_websocket(headers));
}
TEST(Handshake, NeedsGetAndHttp11) {
    EXPECT_EQ(shake(good(), "POST").status, 405U);
    EXPECT_EQ(shake(good(), "get").status, 405U);
    EXPECT_EQ(shake(good(), "GET", 10).status, 400U);
}
TEST(Handshake, NeedsUpgradeAndConnection) {
    for (const fields& bad : {without("Upgrade"), with("Upgrade", "websockets"), without("Connection"),
                              with("Connection", "close"), with("Connection", "Upgrade, a b")}) {
        EXPECT_EQ(shake(bad).status, 400U);
        EXPECT_FALSE(asks_for_websocket(bad));
    }
}
TEST(Handshake, AsksForVersion13) {
    EXPECT_EQ(shake(without("Sec-WebSocket-Version")).status, 426U);
    for (std::string_view version : {"8", "14", "013", "13, 8", ""})
        EXPECT_EQ(shake(with("Sec-WebSocket-Version", version)).status, 426U) << version;
    fields twice = good();
    twice.push_back({"sec-websocket-version", "13"});
    EXPECT_EQ(shake(twice).status, 400U);
}
TEST(Handshake, NeedsOneKeyOf16Bytes) {
    EXPECT_EQ(shake(without("Sec-WebSocket-Key")).status, 400U);
    for (std::string_view key :
         {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZWVl",
          "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBub25jZWVlZQ=="})
        EXPECT_EQ(shake(with("Sec-WebSocket-Key", key)).status, 400U) << key;
    fields twice = good();
    twice.push_back({"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="});
    EXPECT_EQ(shake(twice).status, 400U);
}
TEST(Handshake, RefusesABody) {
    EXPECT_EQ(shake(with("Content-Length", "0")).status, 101U);
    EXPECT_EQ(shake(with("Content-Length", "5")).status, 400U);
    EXPECT_EQ(shake(with("Transfer-Encoding", "chunked")).status, 400U);
}
TEST(Handshake, ListsSubprotocolsInOrder) {
    fields headers = with("Sec-WebSocket-Protocol", "chat.v2 , chat.v1");
    headers.push_back({"sec-websocket-protocol", "raw"});
    EXPECT_THAT(shake(headers).subprotocols, ElementsAre("chat.v2", "chat.v1", "raw"));
}
TEST(Handshake, RefusesBadSubprotocols) {
    for (std::string_view list : {"", "a b", "a,b;c", "a,a", "a, \"b\"", ","})
        EXPECT_EQ(shake(with("Sec-WebSocket-Protocol", list)).status, 400U) << list;
}
TEST(Handshake, JoinsExtensionFields) {
    fields headers = with("Sec-WebSocket-Extensions", "x-webkit-deflate-frame");
    headers.push_back({"Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"});
    const ws_handshake result = shake(headers);
    EXPECT_EQ(result.extensions, "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits");
    EXPECT_TRUE(negotiate_deflate(result.extensions));
}
TEST(Handshake, RefusesMalformedExtensions) {
    for (std::string_view list : {"a;", "a; =1", "a b", "a; b=", "a; b=\"", "a; b=\"c d\"", "a; b=\"\"", ";"})
        EXPECT_EQ(shake(with("Sec-WebSocket-Extensions", list)).status, 400U) << list;
}

TEST(AcceptResponse, CarriesWhatWasChosen) {
    const fields extra{{"X-Request-ID", "abc"}};
    EXPECT_EQ(ws_accept_response("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "chat", "permessage-deflate", extra),
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n"
              "Sec-WebSocket-Extensions: permessage-deflate\r\nX-Request-ID: abc\r\n\r\n");
}
TEST(AcceptResponse, LeavesOutWhatWasNot) {
    const auto response = ws_accept_response("key", "", "", {});
    ASSERT_TRUE(response);
    EXPECT_THAT(*response, testing::Not(HasSubstr("Protocol:")));
    EXPECT_THAT(*response, testing::Not(HasSubstr("Extensions:")));
}
TEST(AcceptResponse, RefusesInjection) {
    const auto refused = [](std::string_view name, std::string_view value) {
        const fields extra{{name, value}};
        return !ws_accept_response("key", "", "", extra);
    };
    EXPECT_TRUE(refused("X", "a\r\nSet-Cookie: b"));
    EXPECT_TRUE(refused("X", "a\nb"));
    EXPECT_TRUE(refused("X", std::string_view{"a\0b", 3}));
    EXPECT_TRUE(refused("X\r\nY", "a"));
    EXPECT_TRUE(refused("X Y", "a"));
    EXPECT_TRUE(refused("", "a"));
    EXPECT_FALSE(refused("X", "a\tb"));
    EXPECT_FALSE(ws_accept_response("key", "a\r\nb", "", {}));
    EXPECT_FALSE(ws_accept_response("key", "two words", "", {}));
}
TEST(AcceptResponse, KeepsItsOwnHeadersToItself) {
    for (std::string_view own :
         {"Connection", "UPGRADE", "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Accept",
          "sec-websocket-protocol", "Sec-WebSocket-Extensions"}) {
        const fields extra{{own, "x"}};
        EXPECT_FALSE(ws_accept_response("key", "", "", extra)) << own;
    }
}

}  // namespace
}  // namespace madang
