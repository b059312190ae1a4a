#include "broker/core/net_address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace madang {
namespace {

using namespace std::string_view_literals;

TEST(Endpoint, ParsesAndPrints) {
    for (const auto text : {"127.0.0.1:8000", "[::1]:0", "0.0.0.0:65535", "[2001:db8::1]:443"}) {
        const auto parsed = endpoint::parse(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(parsed->text(), text);
    }
    EXPECT_EQ(endpoint::parse("127.0.0.1:8000")->port, 8000);
    EXPECT_TRUE(endpoint::parse("127.0.0.1:8000")->address.is_v4());
    EXPECT_FALSE(endpoint::parse("[::1]:1")->address.is_v4());
}

TEST(Endpoint, RefusesWhatIsNoAddressAndPortWithTheMend) {
    for (const auto text :
         {""sv, "8000"sv, ":8000"sv, "127.0.0.1"sv, "localhost:80"sv, "::1:80"sv, "[::1]"sv,
          "[127.0.0.1]:80"sv, "127.0.0.1:"sv, "127.0.0.1:x"sv, "127.0.0.1:65536"sv, "127.0.0.1:-1"sv,
          "127.0.0.1:80 "sv, "127.0.0.1:+80"sv, "[::1]x:80"sv, "1.2.3.4\0:80"sv, "127.1:80"sv, "[]:80"sv}) {
        const auto parsed = endpoint::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_THAT(parsed.error().detail, testing::HasSubstr("port")) << text;
    }
}

TEST(IpAddress, MappedIPv4IsTheSameAddress) {
    EXPECT_EQ(ip_address::parse("::ffff:192.0.2.1"), ip_address::parse("192.0.2.1"));
    EXPECT_NE(ip_address::parse("::192.0.2.1"), ip_address::parse("192.0.2.1"));
    EXPECT_EQ(ip_address::parse("2001:DB8::0001")->text(), "2001:db8::1");
    EXPECT_FALSE(ip_address::parse(std::string(100, '1')));
}

address_list list(std::vector<std::string> entries) { return address_list::parse(entries).value(); }

TEST(AddressList, MatchesAddressesAndBlocks) {
    const auto some = list({"10.0.0.0/8", "192.0.2.7", "2001:db8::/33", "::1", "172.16.0.0/12"});
    for (const auto inside :
         {"10.255.1.2", "192.0.2.7", "::ffff:10.0.0.1", "2001:db8:7fff::1", "::1", "172.31.255.255"}) {
        EXPECT_TRUE(some.contains(std::string_view(inside))) << inside;
    }
    for (const auto outside :
         {"11.0.0.0", "192.0.2.8", "2001:db8:8000::1", "::2", "172.32.0.0", "::a00:1", "", "x"}) {
        EXPECT_FALSE(some.contains(std::string_view(outside))) << outside;
    }
    EXPECT_TRUE(list({"0.0.0.0/0"}).contains("203.0.113.9"sv));
    EXPECT_FALSE(list({"0.0.0.0/0"}).contains("2001:db8::1"sv));
    EXPECT_TRUE(list({"::/0"}).contains("203.0.113.9"sv));
    EXPECT_TRUE(list({}).empty());
}

TEST(AddressList, RefusesMalformedBlocks) {
    for (const auto text : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::/129", "10.0.0.0/-1",
                            "example.com", "10.0.0.1/8"}) {
        EXPECT_FALSE(address_list::parse(std::vector<std::string>{text})) << text;
    }
    const auto failed = address_list::parse(std::vector<std::string>{"10.1.2.3/8"});
    EXPECT_THAT(failed.error().detail, testing::HasSubstr("10.0.0.0/8"));
}

TEST(AddressList, PrefixesAgreeWithArithmetic) {
    std::mt19937 random(11);
    const auto dotted = [](std::uint32_t a) {
        return std::to_string(a >> 24) + '.' + std::to_string(a >> 16 & 255) + '.' +
               std::to_string(a >> 8 & 255) + '.' + std::to_string(a & 255);
    };
    for (int round = 0; round < 2000; ++round) {
        const unsigned bits = random() % 33;
        const std::uint32_t mask = bits == 0 ? 0 : ~0u << (32 - bits);
        const std::uint32_t base = static_cast<std::uint32_t>(random()) & mask;
        std::uint32_t probe = static_cast<std::uint32_t>(random());
        if (random() % 2) probe = base | (probe & ~mask);
        if (random() % 4 == 0 && bits > 0) probe ^= 1u << (32 - bits);
        EXPECT_EQ(list({dotted(base) + '/' + std::to_string(bits)}).contains(std::string_view(dotted(probe))),
                  (probe & mask) == base);
    }
}

}  // namespace
}  // namespace madang
