// for_each_api_call among threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "broker/protocol/api_methods.hpp"

namespace madang {
namespace {

TEST(ForEachApiCall, SurvivesAnswersFromOtherThreads) {
    constexpr std::size_t count = 20'000;
    std::vector<std::thread> workers;
    std::mutex lock;
    std::deque<std::function<void()>> queue;
    std::condition_variable more;
    bool over = false;
    std::vector<int> started(count);
    for (int i = 0; i < 4; ++i)
        workers.emplace_back([&] {
            for (;;) {
                std::unique_lock guard(lock);
                more.wait(guard, [&] { return over || !queue.empty(); });
                if (queue.empty()) return;
                auto done = std::move(queue.front());
                queue.pop_front();
                guard.unlock();
                done();
            }
        });
    std::promise<void> finished;
    for_each_api_call(
        count, 16,
        [&](std::size_t i, std::function<void()> done) {
            ++started[i];  // by one thread at a time
            if (i % 3 == 0) return done();
            const std::lock_guard guard(lock);
            queue.push_back(std::move(done));
            more.notify_one();
        },
        [&] { finished.set_value(); });
    finished.get_future().get();
    {
        const std::lock_guard guard(lock);
        over = true;
    }
    more.notify_all();
    for (auto& each : workers) each.join();
    EXPECT_EQ(std::count(started.begin(), started.end(), 1), static_cast<std::ptrdiff_t>(count));
}

TEST(ForEachApiCall, OfNothingIsDoneAtOnce) {
    int finished = 0;
    for_each_api_call(
        0, 1, [](std::size_t, const std::function<void()>&) { FAIL(); }, [&] { ++finished; });
    EXPECT_EQ(finished, 1);
}

}  // namespace
}  // namespace madang
