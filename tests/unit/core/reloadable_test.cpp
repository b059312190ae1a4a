#include "broker/core/reloadable.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace madang {
namespace {

TEST(Reloadable, GivesWhatWasPutThereLast) {
    reloadable<std::string> all;
    EXPECT_EQ(all.now(), "");
    all.replace("b");
    EXPECT_EQ(all.now(), "b");
    EXPECT_EQ(reloadable(std::string("a")).now(), "a");
}

TEST(Reloadable, WhatItGaveStaysAsItWas) {
    reloadable all(std::string("first"));
    const auto& first = all.now();
    for (int i = 0; i < 100; ++i) all.replace(std::to_string(i));
    EXPECT_EQ(first, "first");
    EXPECT_EQ(all.now(), "99");
}

// Each value is whole, and nobody sees an older one behind a newer.
TEST(Reloadable, IsReadWhileItIsReplaced) {
    constexpr int last = 300;
    reloadable all(std::vector<int>(8, 0));
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i)
        readers.emplace_back([&] {
            for (int seen = 0; seen < last;) {
                const auto& now = all.now();
                for (const int each : now) ASSERT_EQ(each, now.front());
                ASSERT_GE(now.front(), seen);
                seen = now.front();
                std::this_thread::yield();
            }
        });
    for (int i = 1; i <= last; ++i) all.replace(std::vector<int>(8, i));
    for (auto& each : readers) each.join();
}

}  // namespace
}  // namespace madang
