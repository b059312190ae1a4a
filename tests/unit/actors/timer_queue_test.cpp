#include "actors/timer_queue.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <stdexcept>
#include <string>

namespace madang {
namespace {

using std::chrono::milliseconds;
using clock = timer_queue::clock;

// On a tick, so that the rounding under test is the delay's.
constexpr clock::time_point start{std::chrono::hours{1}};

TEST(TimerQueue, FiresInOrderOfDeadline) {
    timer_queue queue;
    std::string order;
    queue.schedule(start, milliseconds{30}, [&] { order += 'c'; });
    queue.schedule(start, milliseconds{10}, [&] { order += 'a'; });
    queue.schedule(start, milliseconds{20}, [&] { order += 'b'; });
    EXPECT_EQ(queue.size(), 3u);
    EXPECT_EQ(queue.fire(start + milliseconds{20}), 2u);
    EXPECT_EQ(order, "ab");
    EXPECT_EQ(queue.fire(start + milliseconds{500}), 1u);
    EXPECT_EQ(order, "abc");
    EXPECT_EQ(queue.size(), 0u);
    EXPECT_EQ(queue.next_deadline(), std::nullopt);
}

TEST(TimerQueue, RoundsUpToTheTickAndNeverFiresEarly) {
    timer_queue queue;
    int fired = 0;
    queue.schedule(start + std::chrono::nanoseconds{1}, milliseconds{10}, [&] { ++fired; });
    EXPECT_EQ(queue.next_deadline(), start + milliseconds{20});
    queue.fire(start + milliseconds{20} - std::chrono::nanoseconds{1});
    EXPECT_EQ(fired, 0);
    queue.fire(start + milliseconds{20});
    EXPECT_EQ(fired, 1);

    queue.schedule(start, milliseconds{1}, [&] { ++fired; });
    queue.schedule(start, milliseconds{10}, [&] { ++fired; });
    EXPECT_EQ(queue.next_deadline(), start + milliseconds{10}) << "they share a wake-up";
    EXPECT_EQ(queue.fire(start + milliseconds{10}), 2u);
}

TEST(TimerQueue, CancelledTimersDoNotFire) {
    timer_queue queue;
    int fired = 0;
    const auto id = queue.schedule(start, milliseconds{10}, [&] { ++fired; });
    queue.cancel(id);
    queue.cancel(id);
    queue.cancel({});
    queue.cancel({77, 1});
    EXPECT_EQ(queue.size(), 0u);
    EXPECT_EQ(queue.fire(start + milliseconds{100}), 0u);
    EXPECT_EQ(fired, 0);
}

TEST(TimerQueue, StaleIdsDoNotCancelASlotsNextTimer) {
    timer_queue queue;
    int fired = 0;
    const auto cancelled = queue.schedule(start, milliseconds{10}, [] {});
    queue.cancel(cancelled);
    const auto second = queue.schedule(start, milliseconds{10}, [&] { ++fired; });
    EXPECT_EQ(second.slot, cancelled.slot) << "the slot is used again";
    EXPECT_NE(second.generation, cancelled.generation);
    queue.cancel(cancelled);
    EXPECT_EQ(queue.fire(start + milliseconds{10}), 1u);
    const auto third = queue.schedule(start, milliseconds{10}, [&] { ++fired; });
    queue.cancel(second);  // it fired
    EXPECT_EQ(third.slot, second.slot);
    queue.fire(start + milliseconds{10});
    EXPECT_EQ(fired, 2);
}

TEST(TimerQueue, FreesWhatACancelledTimerHeld) {
    timer_queue queue;
    auto held = std::make_shared<int>(1);
    const auto id = queue.schedule(start, milliseconds{10}, [held] {});
    EXPECT_EQ(held.use_count(), 2);
    queue.cancel(id);
    EXPECT_EQ(held.use_count(), 1);
}

TEST(TimerQueue, ATimerMayCancelOneThatIsDueWithIt) {
    timer_queue queue;
    int fired = 0;
    timer_id ids[2];
    for (int i = 0; i < 2; ++i)
        ids[i] = queue.schedule(start, milliseconds{10}, [&, i] {
            ++fired;
            queue.cancel(ids[1 - i]);
        });
    EXPECT_EQ(queue.fire(start + milliseconds{10}), 1u);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(queue.size(), 0u);
}

TEST(TimerQueue, WhatIsScheduledWhileFiringWaitsForTheNextCall) {
    timer_queue queue;
    int fired = 0;
    std::function<void()> again = [&] {
        ++fired;
        queue.schedule(start, milliseconds{0}, again);
    };
    queue.schedule(start, milliseconds{0}, again);
    EXPECT_EQ(queue.fire(start), 1u);
    EXPECT_EQ(queue.fire(start), 1u);
    EXPECT_EQ(fired, 2);
    EXPECT_EQ(queue.size(), 1u);
}

TEST(TimerQueue, OneThatThrowsCostsNoOther) {
    timer_queue queue;
    int fired = 0;
    for (int i = 0; i < 3; ++i)
        queue.schedule(start, milliseconds{10 * (i + 1)}, [&, i] {
            ++fired;
            if (i == 0) throw std::runtime_error("first");
        });
    EXPECT_THROW(queue.fire(start + milliseconds{30}), std::runtime_error);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(queue.size(), 2u);
    EXPECT_EQ(queue.next_deadline(), start + milliseconds{20});
    EXPECT_EQ(queue.fire(start + milliseconds{30}), 2u);
    EXPECT_EQ(fired, 3);
}

// Against a multimap, which never forgets: schedule, cancel and time in any mixture, with far more cancels
// than fires.
TEST(TimerQueue, BehavesAsASortedListOfDeadlines) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random{seed};
        timer_queue queue;
        auto now = start;
        std::multimap<clock::time_point, int> model;
        std::map<int, std::pair<timer_id, std::multimap<clock::time_point, int>::iterator>> live;
        std::vector<timer_id> stale;
        std::vector<int> fired;
        int next = 0;
        for (int step = 0; step < 3000; ++step) {
            const auto choice = random() % 100;
            if (choice < 55) {
                const auto delay = milliseconds{random() % 2000};
                const int name = next++;
                const auto id = queue.schedule(now, delay, [&fired, name] { fired.push_back(name); });
                const auto exact = now + delay;
                auto due = std::chrono::time_point_cast<milliseconds>(exact);
                const auto over = due.time_since_epoch() % timer_queue::tick;
                live[name] = {
                    id, model.emplace(over.count() == 0 ? due : due + (timer_queue::tick - over), name)};
            } else if (choice < 95) {
                if (live.empty()) continue;
                auto victim = std::next(live.begin(), static_cast<int>(random() % live.size()));
                queue.cancel(victim->second.first);
                stale.push_back(victim->second.first);
                model.erase(victim->second.second);
                live.erase(victim);
            } else if (choice < 97) {
                if (!stale.empty()) queue.cancel(stale[random() % stale.size()]);
            } else {
                now += milliseconds{random() % 300};
                fired.clear();
                const auto count = queue.fire(now);
                ASSERT_EQ(count, fired.size());
                clock::time_point last{};
                for (int name : fired) {
                    auto found = live.find(name);
                    ASSERT_NE(found, live.end());
                    ASSERT_LE(found->second.second->first, now);
                    ASSERT_LE(last, found->second.second->first);
                    last = found->second.second->first;
                    stale.push_back(found->second.first);
                    model.erase(found->second.second);
                    live.erase(found);
                }
                if (!model.empty()) {
                    ASSERT_GT(model.begin()->first, now);
                }
            }
            ASSERT_EQ(queue.size(), live.size());
            const auto deadline = queue.next_deadline();
            if (!model.empty()) {
                ASSERT_TRUE(deadline);
                ASSERT_LE(*deadline, model.begin()->first);
            }
        }
    }
}

TEST(TimerQueue, TenThousandCancelledTimersLeaveTheLivingOneNext) {
    timer_queue queue;
    std::vector<timer_id> ids;
    for (int i = 0; i < 10'000; ++i) ids.push_back(queue.schedule(start, milliseconds{10 * (i % 50)}, [] {}));
    bool fired = false;
    queue.schedule(start, milliseconds{60'000}, [&] { fired = true; });
    for (auto id : ids) queue.cancel(id);
    EXPECT_EQ(queue.size(), 1u);
    EXPECT_EQ(queue.fire(start + milliseconds{1000}), 0u);
    EXPECT_EQ(queue.next_deadline(), start + milliseconds{60'000});
    EXPECT_EQ(queue.fire(start + milliseconds{60'000}), 1u);
    EXPECT_TRUE(fired);
}

}  // namespace
}  // namespace madang
