#include "broker/net/connection_limits.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace madang {
namespace {

using verdict = connection_limits::verdict;

TEST(ConnectionLimits, RefusesOneMoreThanTheTotalUntilASlotIsGivenBack) {
    connection_limits limits(2, 0);
    connection_slot a, b, c;
    EXPECT_EQ(limits.admit("1.1.1.1", a), verdict::admitted);
    EXPECT_EQ(limits.admit("1.1.1.1", b), verdict::admitted);
    EXPECT_EQ(limits.admit("2.2.2.2", c), verdict::full);
    EXPECT_FALSE(c);
    { connection_slot gone = std::move(a); }
    EXPECT_EQ(limits.admit("2.2.2.2", c), verdict::admitted);
    EXPECT_EQ(limits.connections(), 2u);
}

TEST(ConnectionLimits, CountsAddressesApart) {
    connection_limits limits(0, 1);
    connection_slot a, b, c;
    EXPECT_EQ(limits.admit("1.1.1.1", a), verdict::admitted);
    EXPECT_EQ(limits.admit("1.1.1.1", b), verdict::address_full);
    EXPECT_EQ(limits.admit("2.2.2.2", c), verdict::admitted);
    EXPECT_EQ(limits.connections(), 2u);
}

TEST(ConnectionLimits, CountsAProxysConnectionForTheClientItNames) {
    connection_limits limits(0, 1);
    connection_slot a, b, c;
    ASSERT_EQ(limits.admit("", a), verdict::admitted);
    ASSERT_EQ(limits.admit("", b), verdict::admitted);
    EXPECT_EQ(limits.assign(a, "9.9.9.9"), verdict::admitted);
    EXPECT_EQ(limits.assign(a, "9.9.9.9"), verdict::admitted);
    EXPECT_EQ(limits.assign(b, "9.9.9.9"), verdict::address_full);
    EXPECT_EQ(limits.assign(a, "8.8.8.8"), verdict::admitted);
    EXPECT_EQ(limits.assign(b, "9.9.9.9"), verdict::admitted);
    { connection_slot gone = std::move(b); }
    EXPECT_EQ(limits.admit("9.9.9.9", c), verdict::admitted);
    EXPECT_EQ(limits.connections(), 2u);
}

TEST(ConnectionLimits, KeepsCountWhenThreadsComeAndGo) {
    connection_limits limits(0, 1000);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&limits, t] {
            for (int i = 0; i < 1000; ++i) {
                connection_slot slot;
                ASSERT_EQ(limits.admit(std::to_string((t + i) % 3), slot), verdict::admitted);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(limits.connections(), 0u);
}

}  // namespace
}  // namespace madang
