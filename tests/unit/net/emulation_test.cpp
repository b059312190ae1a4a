#include "broker/net/emulation.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/fake_loop.hpp"
#include "tests/unit/protocol/ws_client.hpp"

namespace madang {
namespace {

using outcome = emulation_registry::outcome;

struct counting_owner final : emulation_inbox::owner {
    void on_mail() override { ++told; }
    int told = 0;
};

TEST(EmulationRegistry, FindsASessionUntilItsTicketIsGone) {
    testing::fake_loop on;
    auto registry = emulation_registry::make(100);
    {
        auto ticket = emulation_registry::enter(registry, on, "a");
        auto moved = std::move(ticket);
        EXPECT_EQ(registry->deliver("a", "{}"), outcome::delivered);
        EXPECT_EQ(registry->deliver("b", "{}"), outcome::unknown);
        EXPECT_EQ(registry->sessions(), 1u);
    }
    EXPECT_EQ(registry->deliver("a", "{}"), outcome::unknown);
    EXPECT_EQ(registry->sessions(), 0u);
    on.run();  // the wake that was under way finds nobody
}

TEST(EmulationRegistry, OutlivesItsMakerInItsTickets) {
    testing::fake_loop on;
    auto registry = emulation_registry::make(100);
    auto ticket = emulation_registry::enter(registry, on, "a");
    registry.reset();
    ticket = {};
}

TEST(EmulationInbox, WakesItsOwnerOncePerTake) {
    testing::fake_loop on;
    auto registry = emulation_registry::make(1000);
    auto ticket = emulation_registry::enter(registry, on, "a");
    counting_owner owner;
    ticket.inbox()->open(owner);
    for (int i = 0; i < 3; ++i) registry->deliver("a", "{}");
    on.run();
    EXPECT_EQ(owner.told, 1);
    std::string got;
    ticket.inbox()->take(got);
    EXPECT_EQ(test::decode(got), (std::vector<std::string>{"text:{}", "text:{}", "text:{}"}));
    registry->deliver("a", "{}");
    on.run();
    EXPECT_EQ(owner.told, 2);
}

TEST(EmulationInbox, TakesOneMessageBeyondItsBoundAndNoMore) {
    testing::fake_loop on;
    auto registry = emulation_registry::make(100);
    auto ticket = emulation_registry::enter(registry, on, "a");
    EXPECT_EQ(registry->deliver("a", std::string(5000, 'x')), outcome::delivered);
    EXPECT_EQ(registry->deliver("a", "y"), outcome::full);
    std::string got;
    ticket.inbox()->take(got);
    EXPECT_EQ(registry->deliver("a", "y"), outcome::delivered);
}

TEST(EmulationInbox, CountsEmptyMessagesToo) {
    testing::fake_loop on;
    auto registry = emulation_registry::make(100);
    auto ticket = emulation_registry::enter(registry, on, "a");
    int taken = 0;
    while (registry->deliver("a", "") == outcome::delivered && taken < 1000) ++taken;
    EXPECT_LT(taken, 100);
}

TEST(EmulationRegistry, TakesFromAllThreadsWhileItsSessionsComeAndGo) {
    testing::fake_loop on;
    auto registry = emulation_registry::make(1 << 20);
    auto lasting = emulation_registry::enter(registry, on, "lasting");
    counting_owner owner;
    lasting.inbox()->open(owner);
    std::atomic<int> delivered{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                if (registry->deliver("lasting", "m") == outcome::delivered) ++delivered;
                registry->deliver("passing", "m");
            }
        });
    std::string got;
    std::size_t frames = 0;
    const auto take = [&] {
        on.run();
        lasting.inbox()->take(got);
        frames += got.size() / 7;  // header, mask, "m"
        got.clear();
    };
    for (int i = 0; i < 500; ++i) {
        auto passing = emulation_registry::enter(registry, on, "passing");
        take();
    }
    for (auto& thread : threads) thread.join();
    take();
    EXPECT_EQ(delivered, 8000);
    EXPECT_EQ(frames, 8000u);
    EXPECT_EQ(registry->sessions(), 1u);
}

}  // namespace
}  // namespace madang
