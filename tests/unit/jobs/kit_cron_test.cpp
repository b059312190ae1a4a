// The test kit reads crontabs by itself, being headers only; here beside the server's own reading.
#include "madang/testing/cron.hpp"

#include <gtest/gtest.h>

#include <random>

#include "broker/jobs/schedule.hpp"

namespace madang {
namespace {

// Random ones, where no daylight saving comes in between.
TEST(KitCron, FiresWhenTheServerWould) {
    std::mt19937_64 dice(20240229);
    const auto pick = [&](const std::vector<std::string>& of) { return of[dice() % of.size()]; };
    for (int i = 0; i < 100; ++i) {
        nlohmann::json asked{{"task", "t"}, {"timezone", pick({"UTC", "Asia/Seoul", "Asia/Kathmandu"})}};
        asked["cron_style"] = pick({"vixie", "celery"});
        asked["cron"] = pick({"*", "0", "*/7", "5-9,50", "59", "1-30/4"}) + " " +
                        pick({"*", "0", "23", "*/5", "2-4", "22-2"}) + " " +
                        pick({"*", "1", "31", "29", "*/10", "5,20"}) + " " +
                        pick({"*", "feb", "4-6", "12", "Jan,aug"}) + " " +
                        pick({"*", "sun", "7", "mon-fri", "fri-mon", "0", "*/2"});
        const auto text = asked.dump();
        const auto theirs = schedule::parse("s", text);
        const auto ours = testing::detail::Cron::parse(asked);
        const bool never = !theirs && theirs.error().detail.find("never") != std::string::npos;
        ASSERT_EQ(ours.has_value(), theirs.has_value() || never) << text;
        if (!theirs) continue;
        auto at = static_cast<std::int64_t>(1'700'000'000'000 + dice() % 100'000'000'000);
        for (int n = 0; n < 5; ++n) {
            const auto next = theirs->next(at);
            ASSERT_EQ(ours->next(static_cast<std::uint64_t>(at)), static_cast<std::uint64_t>(next))
                << text << " after " << at;
            at = next;
        }
    }
}

}  // namespace
}  // namespace madang
