#include "broker/net/forwarded.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

struct Forwarded : ::testing::Test {
    address_list trusted = [] {
        std::vector<std::string> entries{"10.0.0.0/8", "::1"};
        return address_list::parse(entries).value();
    }();
    client_view from(std::string address, std::string_view forwarded_for, std::string_view proto = {},
                     std::string_view host = {}) {
        return resolve_client(trusted, {std::move(address), "5000", false, "inner"}, forwarded_for, proto,
                              host);
    }
};

TEST_F(Forwarded, BelievesNobodyWhoIsNotATrustedProxy) {
    auto client = from("203.0.113.5", "1.2.3.4", "https", "evil");
    EXPECT_EQ(client.address, "203.0.113.5");
    EXPECT_EQ(client.port, "5000");
    EXPECT_FALSE(client.secure);
    EXPECT_EQ(client.host, "inner");
}

TEST_F(Forwarded, TakesTheRightmostAddressThatIsNoTrustedProxy) {
    EXPECT_EQ(from("10.0.0.1", "6.6.6.6, 203.0.113.5, 10.0.0.2").address, "203.0.113.5");
    EXPECT_EQ(from("::1", "203.0.113.5:4711").address, "203.0.113.5");
    EXPECT_EQ(from("::ffff:10.0.0.1", "[2001:db8::7]:80").address, "2001:db8::7");
    EXPECT_EQ(from("10.0.0.1", "203.0.113.5").port, "0");
    EXPECT_EQ(from("10.0.0.1", "10.0.0.3, 10.0.0.2").address, "10.0.0.3");
}

TEST_F(Forwarded, StopsAtWhatIsNoAddress) {
    EXPECT_EQ(from("10.0.0.1", "203.0.113.5, unknown, 10.0.0.2").address, "10.0.0.2");
    EXPECT_EQ(from("10.0.0.1", "unknown").address, "10.0.0.1");
    EXPECT_EQ(from("10.0.0.1", "").address, "10.0.0.1");
}

TEST_F(Forwarded, TakesSchemeAndHostFromTheNearestProxy) {
    auto client = from("10.0.0.1", "203.0.113.5", "http, https", "a.example, b.example:8443");
    EXPECT_TRUE(client.secure);
    EXPECT_EQ(client.host, "b.example:8443");
    EXPECT_EQ(from("10.0.0.1", "", "", "bad host<script>").host, "inner");
}

}  // namespace
}  // namespace madang
