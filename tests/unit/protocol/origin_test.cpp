#include "broker/protocol/origin.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace madang {
namespace {

bool same(std::optional<std::string_view> origin, std::string_view scheme, std::string_view host) {
    return origin_policy{{}}.allows(origin, scheme, host);
}
bool listed(std::vector<std::string> list, std::optional<std::string_view> origin) {
    return origin_policy{list}.allows(origin, "http", "server.test");
}

TEST(SameOrigin, AcceptsTheServersOwnPages) {
    EXPECT_TRUE(same("http://example.com", "http", "example.com"));
    EXPECT_TRUE(same("http://example.com:8000", "ws", "example.com:8000"));
    EXPECT_TRUE(same("https://example.com", "wss", "example.com"));
    EXPECT_TRUE(same("http://[::1]:8000", "http", "[::1]:8000"));
}
TEST(SameOrigin, FillsInDefaultPorts) {
    EXPECT_TRUE(same("http://example.com", "http", "example.com:80"));
    EXPECT_TRUE(same("https://example.com:443", "https", "example.com"));
    EXPECT_FALSE(same("https://example.com", "https", "example.com:80"));
}
TEST(SameOrigin, ComparesWithoutCase) { EXPECT_TRUE(same("HTTP://Example.COM", "http", "eXample.com")); }
TEST(SameOrigin, RefusesOtherPages) {
    EXPECT_FALSE(same("http://evil.test", "http", "example.com"));
    EXPECT_FALSE(same("http://example.com:8001", "http", "example.com:8000"));
    EXPECT_FALSE(same("https://example.com", "http", "example.com"));
    EXPECT_FALSE(same("http://sub.example.com", "http", "example.com"));
    EXPECT_FALSE(same("http://example.com.evil.test", "http", "example.com"));
}
TEST(SameOrigin, RefusesOpaqueAndMalformedOrigins) {
    for (std::string_view origin :
         {"null", "", "example.com", "http://", "http://a b", "http://example.com/path",
          "http://user@example.com", "http://example.com:x", "http://example.com:99999"})
        EXPECT_FALSE(same(origin, "http", "example.com")) << origin;
}
TEST(SameOrigin, AcceptsProgramsThatSendNone) { EXPECT_TRUE(same(std::nullopt, "http", "example.com")); }

// As Django Channels' tests/security/test_websocket.py has it.
TEST(OriginList, RefusesProgramsThatSendNone) { EXPECT_FALSE(listed({"example.com"}, std::nullopt)); }
TEST(OriginList, StarAcceptsEverything) {
    EXPECT_TRUE(listed({"*"}, "http://any.test"));
    EXPECT_TRUE(listed({"*"}, std::nullopt));
    EXPECT_TRUE(listed({"other.test", "*"}, "null"));
}
TEST(OriginList, AHostAloneStandsForEverySchemeAndPort) {
    EXPECT_TRUE(listed({"allowed.test"}, "http://allowed.test"));
    EXPECT_TRUE(listed({"allowed.test"}, "https://allowed.test:8443"));
    EXPECT_FALSE(listed({"allowed.test"}, "http://bad.test"));
    EXPECT_FALSE(listed({"allowed.test"}, "http://sub.allowed.test"));
}
TEST(OriginList, ALeadingDotStandsForTheDomainAndItsSubdomains) {
    EXPECT_TRUE(listed({".allowed.test"}, "http://allowed.test"));
    EXPECT_TRUE(listed({".allowed.test"}, "http://a.b.allowed.test"));
    EXPECT_FALSE(listed({".allowed.test"}, "http://notallowed.test"));
    EXPECT_TRUE(listed({"http://.allowed.test:81"}, "http://www.allowed.test:81"));
}
TEST(OriginList, ASchemeBindsSchemeAndPort) {
    EXPECT_TRUE(listed({"http://allowed.test"}, "http://allowed.test:80"));
    EXPECT_TRUE(listed({"https://allowed.test:443"}, "https://allowed.test"));
    EXPECT_FALSE(listed({"http://allowed.test"}, "https://allowed.test"));
    EXPECT_FALSE(listed({"http://allowed.test"}, "http://allowed.test:8080"));
    EXPECT_FALSE(listed({"http://allowed.test:8080"}, "http://allowed.test"));
}
TEST(OriginList, NamesAPatternThatIsNone) {
    for (const char* bad : {"", "http://", "http://a b", "a/b", "*.example.com:x"})
        EXPECT_THROW(origin_policy{{bad}}, std::invalid_argument) << bad;
}

}  // namespace
}  // namespace madang
