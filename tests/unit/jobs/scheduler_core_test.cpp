#include "broker/jobs/scheduler_core.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/unit/jobs/times.hpp"

namespace madang {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::utc;
using testing::utc_text;

constexpr std::int64_t second = 1'000, minute = 60'000, hour = 3'600'000, day = 24 * hour;

// A scheduler and its clocks. It is asked every second, as a desk would, and remembers what was stored.
struct world {
    void put(const std::string& name, const std::string& json, std::int64_t stored = 0,
             std::uint64_t running = 0) {
        if (stored == 0) stored = now.wall_ms;
        const auto done = core.put(name, json, stored, running, now);
        ASSERT_TRUE(done) << done.error();
        last[name] = stored;
        jsons[name] = json;
    }
    // Time that passes. Jobs end at once unless `busy`.
    void pass(std::int64_t ms) {
        for (const auto end = now.elapsed_ms + ms; now.elapsed_ms < end;) {
            now.elapsed_ms += second;
            now.wall_ms += second;
            ask();
        }
    }
    void set_clock(std::int64_t by_ms) {
        now.wall_ms += by_ms;
        ask();
    }
    void ask() {
        for (auto& each : core.due(now)) {
            ASSERT_GT(each.at_ms, last[each.name]) << "a name that was used";
            last[each.name] = each.at_ms;
            skipped += each.skipped + each.skip;
            if (!each.skip) {
                fired.push_back(each);
                when.push_back(now);
                if (!busy) core.fired_job_over(each.name);
            }
        }
    }
    // The process was down for so long.
    void restart(std::int64_t down_ms) {
        now.wall_ms += down_ms;
        core = scheduler_core();
        for (const auto& [name, json] : jsons)
            ASSERT_TRUE(core.put(name, json, last[name], busy ? unfinished : 0, now));
        ask();
    }
    std::vector<std::string> times() const {
        std::vector<std::string> texts;
        for (const auto& each : fired) texts.push_back(utc_text(each.at_ms));
        return texts;
    }
    void forget() {
        fired.clear();
        when.clear();
        skipped = 0;
    }

    job_time now{utc("2026-06-01 12:00:30"), 1'000'000};
    scheduler_core core;
    std::map<std::string, std::string> jsons;
    std::map<std::string, std::int64_t> last;
    std::vector<scheduler_core::fire> fired;
    std::vector<job_time> when;
    std::uint32_t skipped = 0;
    bool busy = false;
    std::uint64_t unfinished = 1;
};
struct SchedulerCore : ::testing::Test, world {
    void anew() { static_cast<world&>(*this) = world(); }
};
const std::string minutely = R"({"task":"t","cron":"* * * * *"})";
const std::string daily = R"({"task":"t","cron":"0 3 * * *"})";
const std::string every_minute = R"({"task":"t","every":"1m"})";

TEST_F(SchedulerCore, CronFiresAtItsTimes) {
    put("s", R"({"task":"t","cron":"*/5 * * * *","queue":"q"})");
    EXPECT_EQ(core.next_of("s"), utc("2026-06-01 12:05"));
    EXPECT_EQ(core.next().wall_ms, utc("2026-06-01 12:05"));
    EXPECT_EQ(core.next().elapsed_ms, INT64_MAX);
    pass(12 * minute);
    EXPECT_THAT(times(), ElementsAre("2026-06-01 12:05", "2026-06-01 12:10"));
    EXPECT_EQ(fired[0].name, "s");
    EXPECT_EQ(fired[0].signature, R"({"task":"t","queue":"q"})");
    EXPECT_EQ(skipped, 0u);
}

TEST_F(SchedulerCore, IntervalsBeginWithTheScheduleAndDoNotDrift) {
    put("s", R"({"task":"t","every":"90s"})");
    EXPECT_EQ(core.next_of("s"), now.wall_ms + 90 * second);
    EXPECT_EQ(core.next().elapsed_ms, now.elapsed_ms + 90 * second);
    EXPECT_EQ(core.next().wall_ms, INT64_MAX);
    now.elapsed_ms += 91 * second;  // asked a second late
    now.wall_ms += 91 * second;
    ask();
    pass(89 * second);
    ASSERT_EQ(times().size(), 2u);
    EXPECT_EQ(fired[0].at_ms, utc("2026-06-01 12:02"));
    EXPECT_EQ(fired[1].at_ms, utc("2026-06-01 12:03:30"));
}

TEST_F(SchedulerCore, WhatIsOffOrRemovedDoesNotFire) {
    put("off", R"({"task":"t","every":1,"enabled":false})");
    put("gone", minutely);
    core.remove("gone");
    core.remove("never was");
    pass(3 * minute);
    EXPECT_THAT(fired, IsEmpty());
    EXPECT_EQ(core.next(), (job_time{INT64_MAX, INT64_MAX}));
    EXPECT_EQ(core.next_of("off"), 0);
    EXPECT_EQ(core.next_of("gone"), 0);
}

TEST_F(SchedulerCore, WrongSchedulesLeaveTheOldOne) {
    put("s", minutely);
    EXPECT_FALSE(core.put("s", R"({"every":0})", 0, 0, now));
    pass(minute);
    EXPECT_EQ(fired.size(), 1u);
}

TEST_F(SchedulerCore, ANewOneReplacesTheOldOne) {
    put("s", minutely);
    put("s", R"({"task":"u","cron":"*/10 * * * *"})");
    pass(10 * minute);
    ASSERT_THAT(times(), ElementsAre("2026-06-01 12:10"));
    EXPECT_EQ(fired[0].signature, R"({"task":"u"})");
}

// ---- The server was down

TEST_F(SchedulerCore, WhatWasMissedIsMadeGoodOnce) {
    put("cron", minutely);
    put("every", every_minute);
    pass(2 * minute);
    forget();
    restart(30 * minute);
    ASSERT_EQ(fired.size(), 2u);
    EXPECT_EQ(utc_text(fired[0].at_ms), "2026-06-01 12:32");
    EXPECT_EQ(fired[0].skipped, 29u);
    EXPECT_EQ(fired[1].skipped, 29u);
    forget();
    pass(3 * minute);
    EXPECT_EQ(fired.size(), 6u);
    EXPECT_EQ(skipped, 0u);
}

TEST_F(SchedulerCore, WhatWasMissedLongAgoIsLeftOut) {
    put("s", daily);
    restart(16 * hour);  // 04:00:30, an hour and more after 03:00
    EXPECT_THAT(fired, IsEmpty());
    EXPECT_EQ(skipped, 1u);
    EXPECT_EQ(last["s"], utc("2026-06-02 03:00"));
    pass(day);
    EXPECT_THAT(times(), ElementsAre("2026-06-03 03:00"));
}

TEST_F(SchedulerCore, TheWindowIsTheSchedules) {
    put("long", R"({"task":"t","cron":"0 3 * * *","catch_up":"5h"})");
    put("none", R"({"task":"t","cron":"0 3 * * *","catch_up":0})");
    restart(16 * hour);
    ASSERT_THAT(times(), ElementsAre("2026-06-02 03:00"));
    EXPECT_EQ(fired[0].name, "long");
}

TEST_F(SchedulerCore, ALittleLateIsOnTime) {
    put("s", R"({"task":"t","cron":"1 12 * * *","catch_up":0})");
    now.wall_ms += 39 * second;
    now.elapsed_ms += 39 * second;
    ask();
    EXPECT_EQ(fired.size(), 1u);
}

TEST_F(SchedulerCore, ARestartFiresNothingTwice) {
    put("cron", minutely);
    put("every", every_minute);
    pass(10 * minute);
    const auto before = fired.size();
    for (int i = 0; i < 20; ++i) restart(0);
    EXPECT_EQ(fired.size(), before);
    pass(10 * minute);
    EXPECT_EQ(fired.size(), before + 20);
}

TEST_F(SchedulerCore, AStoppedWorldIsNoStorm) {
    for (int i = 0; i < 50; ++i) put("s" + std::to_string(i), i % 2 ? minutely : every_minute);
    now.wall_ms += 400 * day;
    now.elapsed_ms += 400 * day;
    ask();
    EXPECT_EQ(fired.size(), 50u);
    forget();
    pass(minute);
    EXPECT_EQ(fired.size(), 50u);
}

TEST_F(SchedulerCore, TheLastMissedIsFoundHoweverManyThereWere) {
    put("s", minutely);
    now.wall_ms += 700 * day;
    ask();
    EXPECT_THAT(times(), ElementsAre(utc_text(now.wall_ms - 30 * second)));
    EXPECT_GE(skipped, 2'000u);
}

// ---- The clock jumps

TEST_F(SchedulerCore, ForwardIsOneFireEach) {
    for (const auto by : {hour, day}) {
        SCOPED_TRACE(by);
        anew();
        put("cron", minutely);
        put("every", every_minute);
        pass(5 * minute);
        forget();
        set_clock(by);
        EXPECT_EQ(fired.size(), 1u);  // cron's: the interval has not passed
        EXPECT_EQ(fired[0].name, "cron");
        pass(10 * minute);
        EXPECT_EQ(fired.size(), 1u + 20u);
    }
}

TEST_F(SchedulerCore, BackFiresNothingTwice) {
    for (const auto by : {hour, day}) {
        SCOPED_TRACE(by);
        anew();
        put("cron", minutely);
        put("every", every_minute);
        pass(2 * hour);
        forget();
        set_clock(-by);
        pass(10 * minute);
        if (by == hour) {  // these minutes were dealt with
            EXPECT_EQ(fired.size(), 10u);
            for (const auto& each : fired) EXPECT_EQ(each.name, "every");
            forget();
            pass(hour);  // and ten that were not
            EXPECT_EQ(std::count_if(fired.begin(), fired.end(),
                                    [](const auto& each) { return each.name == "cron"; }),
                      10);
        } else {  // yesterday the scheduler did not run: those are new
            EXPECT_EQ(std::count_if(fired.begin(), fired.end(),
                                    [](const auto& each) { return each.name == "every"; }),
                      10);
        }
    }
}

TEST_F(SchedulerCore, AClockThatIsWrongForAWhileLosesAndDoublesNothing) {
    for (const auto by : {-hour, hour, -day, day}) {
        SCOPED_TRACE(by);
        anew();
        put("cron", minutely);
        put("daily", daily);
        put("every", every_minute);
        pass(2 * hour);
        set_clock(by);
        pass(5 * minute);
        set_clock(-by);
        pass(30 * hour);
        const auto count = [&](std::string_view name) {
            return std::count_if(fired.begin(), fired.end(),
                                 [&](const auto& each) { return each.name == name; });
        };
        EXPECT_EQ(count("daily"), 1);
        EXPECT_EQ(count("every"), (32 * hour + 5 * minute) / minute);
        // Each true minute once; what the wrong clock fired besides is at most what it passed.
        EXPECT_GE(count("cron"), 32 * 60);
        EXPECT_LE(count("cron"), 32 * 60 + 5 + 1);
        for (std::size_t i = 1; i < fired.size(); ++i)
            EXPECT_LE(when[i].elapsed_ms - when[i - 1].elapsed_ms, minute + second);
    }
}

TEST_F(SchedulerCore, TheDailyFireOfAWrongDayComesOnItsDay) {
    put("s", daily);
    set_clock(day);  // 2026-06-02 12:00:30: today's 03:00 is too long ago
    EXPECT_THAT(fired, IsEmpty());
    EXPECT_EQ(skipped, 1u);
    set_clock(-day);
    pass(15 * hour);
    ASSERT_EQ(fired.size(), 1u);
    EXPECT_EQ(when[0].wall_ms, utc("2026-06-02 03:00"));
    EXPECT_GT(fired[0].at_ms, utc("2026-06-02 03:00"));  // that name is taken
    EXPECT_LT(fired[0].at_ms, utc("2026-06-02 03:00:01"));
}

TEST_F(SchedulerCore, WhatAWrongClockMadeGoodIsNotFiredAgain) {
    put("s", daily);
    set_clock(15 * hour);  // 03:00:30: in the window
    ASSERT_THAT(times(), ElementsAre("2026-06-02 03:00"));
    set_clock(-15 * hour);
    pass(20 * hour);
    EXPECT_EQ(fired.size(), 1u);
}

TEST_F(SchedulerCore, IntervalsDoNotHearOfTheClock) {
    put("s", every_minute);
    std::mt19937 dice(7);
    for (int i = 1; i <= 50; ++i) {
        set_clock(static_cast<std::int64_t>(dice() % 4 * day) - 2 * day +
                  static_cast<std::int64_t>(dice() % 7'000));
        pass(minute);
        EXPECT_EQ(fired.size(), static_cast<std::size_t>(i));
    }
}

TEST_F(SchedulerCore, AfterARestartTheLastFireIsTheFloor) {
    put("cron", minutely);
    put("every", every_minute);
    pass(10 * minute);
    forget();
    restart(-hour);
    pass(10 * minute);
    EXPECT_EQ(
        std::count_if(fired.begin(), fired.end(), [](const auto& each) { return each.name == "every"; }), 10);
    EXPECT_EQ(fired.size(), 10u);
    pass(hour);
    EXPECT_EQ(std::count_if(fired.begin(), fired.end(), [](const auto& each) { return each.name == "cron"; }),
              10);
}

TEST_F(SchedulerCore, AStoreFromAFarFutureDoesNotSilenceASchedule) {
    put("s", minutely);
    last["s"] = now.wall_ms + 365 * day;
    restart(0);
    pass(5 * minute);
    EXPECT_EQ(fired.size(), 5u);
}

// Whatever happens to the clock: names only grow (ask() holds that), no storm, and no true minute fires
// twice.
TEST_F(SchedulerCore, RandomClocks) {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        anew();
        std::mt19937 dice(seed);
        put("cron", minutely);
        put("every", R"({"task":"t","every":"7s"})");
        std::set<std::int64_t> minutes;
        std::int64_t passed = 0;
        for (int i = 0; i < 30; ++i) {
            forget();
            set_clock(static_cast<std::int64_t>(dice() % (2 * day)) - day);
            EXPECT_LE(fired.size(), 2u);
            forget();
            const auto ms = static_cast<std::int64_t>(dice() % 600 + 1) * second;
            passed += ms;
            pass(ms);
            for (std::size_t at = 0; at < fired.size(); ++at) {
                if (fired[at].name != "cron") continue;
                const auto of = when[at].wall_ms / minute;
                EXPECT_TRUE(minutes.insert(of).second) << utc_text(of * minute);
            }
        }
    }
}

// ---- A job that runs when the next fire comes

TEST_F(SchedulerCore, OverlapSkip) {
    put("s", minutely);
    busy = true;
    pass(3 * minute);
    EXPECT_EQ(fired.size(), 1u);
    EXPECT_EQ(skipped, 2u);
    core.fired_job_over("s");
    pass(minute);
    EXPECT_EQ(fired.size(), 2u);
}

TEST_F(SchedulerCore, OverlapAll) {
    put("s", R"({"task":"t","cron":"* * * * *","overlap":"all"})");
    busy = true;
    pass(3 * minute);
    EXPECT_EQ(fired.size(), 3u);
}

TEST_F(SchedulerCore, OverlapQueueHoldsOne) {
    put("s", R"({"task":"t","cron":"* * * * *","overlap":"queue"})");
    busy = true;
    pass(3 * minute + 10 * second);
    EXPECT_THAT(times(), ElementsAre("2026-06-01 12:01"));
    core.fired_job_over("s");
    ask();
    ASSERT_THAT(times(), ElementsAre("2026-06-01 12:01", "2026-06-01 12:03"));
    EXPECT_EQ(fired[1].skipped, 1u);
    ask();
    EXPECT_EQ(fired.size(), 2u);
    core.fired_job_over("s");
    ask();
    EXPECT_EQ(fired.size(), 2u);
    pass(minute);
    EXPECT_EQ(fired.size(), 3u);
}

TEST_F(SchedulerCore, OverlapQueueSurvivesARestart) {
    put("s", R"({"task":"t","cron":"0 * * * *","overlap":"queue","catch_up":0})");
    busy = true;
    pass(2 * hour);
    ASSERT_THAT(times(), ElementsAre("2026-06-01 13:00"));
    restart(10 * minute);
    EXPECT_EQ(fired.size(), 1u);
    core.fired_job_over("s");
    ask();
    EXPECT_THAT(times(), ElementsAre("2026-06-01 13:00", "2026-06-01 14:00"));
}

TEST_F(SchedulerCore, TheOverlapPolicyHoldsForWhatWasMissed) {
    for (const std::string policy : {"skip", "queue", "all"}) {
        SCOPED_TRACE(policy);
        anew();
        put("s", R"({"task":"t","cron":"* * * * *","overlap":")" + policy + "\"}");
        busy = true;
        pass(minute);
        ASSERT_THAT(times(), ElementsAre("2026-06-01 12:01"));
        forget();
        restart(10 * minute);  // while that one runs
        EXPECT_EQ(fired.size(), policy == "all" ? 1u : 0u);
        EXPECT_EQ(skipped, policy == "all" ? 9u : policy == "skip" ? 10u : 0u);
        forget();
        core.fired_job_over("s");
        ask();
        if (policy == "queue") {
            ASSERT_THAT(times(), ElementsAre("2026-06-01 12:11"));
            EXPECT_EQ(fired[0].skipped, 9u);
        } else {
            EXPECT_THAT(fired, IsEmpty());
        }
    }
}

TEST_F(SchedulerCore, UnfinishedJobsAreCounted) {
    put("s", minutely, now.wall_ms, 2);
    busy = true;
    core.fired_job_over("s");
    pass(minute);
    EXPECT_THAT(fired, IsEmpty());
    core.fired_job_over("s");
    core.fired_job_over("s");  // of something else: below none there is nothing
    core.fired_job_over("unknown");
    pass(minute);
    EXPECT_EQ(fired.size(), 1u);
    core.set_unfinished("s", 0);
    pass(minute);
    EXPECT_EQ(fired.size(), 2u);
}

}  // namespace
}  // namespace madang
