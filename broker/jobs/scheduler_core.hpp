// Which schedules fire now. No clock, no store: it is told what time it is and what is stored, and says what
// to do.
//
// A fire is named by its time, which only ever grows: whoever enqueues it can refuse what was there already.
// What was missed (the server was down, the machine slept, its clock was put forward) is made good by one
// fire at most, the last one missed, unless that is longer ago than the schedule's catch-up window. When the
// clock is put back, cron fires at the times that were not dealt with the first time, and only at those: so a
// clock that is wrong for a while loses nothing and doubles nothing. After a restart only the last fire is
// known: up to it nothing fires, unless it is more than 25 hours ahead (then the clock was wrong). Intervals
// go by the time that passes, whatever is done to the clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/jobs.hpp"
#include "broker/jobs/schedule.hpp"

namespace madang {

// One thread.
class scheduler_core {
  public:
    // So late a fire is still on time, whatever its schedule's window: ticks and commits take their time.
    static constexpr std::int64_t on_time_ms = 10'000;
    // A clock put back further than this was wrong before.
    static constexpr std::int64_t back_ms = 25 * 3'600'000;

    // Over what is known of the same name. `last_fire_ms`: as stored; 0: it is new. Errors:
    // schedule::parse's.
    result<void> put(std::string_view name, std::string_view json, std::int64_t last_fire_ms,
                     std::uint64_t unfinished, const job_time& now);
    void remove(std::string_view name);
    void fired_job_over(std::string_view name);  // one less is unfinished
    void set_unfinished(std::string_view name, std::uint64_t count);

    struct fire {
        std::string name;
        std::string signature;  // JSON
        std::int64_t at_ms = 0;
        std::uint32_t skipped = 0;  // fires before it that are left out
        bool skip = false;          // and this one too (overlap, catch-up window)
    };
    // Each is said once: it counts as the schedule's last, and as one unfinished job unless it is skipped.
    // To be asked whenever next() has come, after fired_job_over, and every minute, since clocks jump.
    std::vector<fire> due(const job_time& now);
    job_time next() const;                              // when due() is of use; INT64_MAX: never
    std::int64_t next_of(std::string_view name) const;  // Unix time; 0: never, or there is no such schedule

  private:
    struct entry {
        schedule what;
        std::int64_t last_ms = 0;          // the last fire's name
        std::int64_t floor_ms = 0;         // cron: nothing up to here, as stored
        std::int64_t next_ms = 0;          // cron; 0: never
        std::int64_t next_elapsed_ms = 0;  // interval
        std::uint64_t unfinished = 0;
        std::int64_t held_ms = 0;  // a fire that waits for the job before it (overlap: queue); 0: none
        std::uint32_t held_skipped = 0;
        std::vector<std::int64_t> made_good;  // times of late fires
    };
    struct span {
        std::int64_t from = 0, to = 0;  // Unix time, both ends included
        bool has(std::int64_t at) const noexcept { return from <= at && at <= to; }
    };
    struct missed {
        std::int64_t at_ms = 0, late_ms = 0;
        std::uint32_t skipped = 0;
    };
    void see(const job_time& now);
    std::int64_t next_fire(const entry& each, std::int64_t after_ms) const;
    missed pass(entry& each, const job_time& now) const;
    bool is_due(const entry& each, const job_time& now) const noexcept;
    static fire say(std::string_view name, entry& each, std::int64_t at_ms, std::uint32_t skipped, bool skip);

    std::map<std::string, entry, std::less<>> entries_;
    bool began_ = false;
    job_time seen_;
    span present_;            // since the clock jumped last
    std::vector<span> past_;  // times that were dealt with before it jumped
};

}  // namespace madang
