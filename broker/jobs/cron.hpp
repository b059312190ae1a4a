// A crontab's five fields: which local days and minutes they name. Time zones are schedule.cpp's.
#pragma once

#include <cstdint>
#include <string_view>

#include "broker/core/result.hpp"

namespace madang {

// How day of month and day of week go together, and what may be written.
enum class cron_style : std::uint8_t {
    vixie,   // either is enough, unless one begins with '*'; 7 is Sunday, too
    celery,  // both must hold; Sunday is 0; a range may go round ("fri-mon", "22-2")
};

struct cron_fields {
    std::uint64_t minutes = 0;  // bit n: minute n
    std::uint32_t hours = 0, days = 0, months = 0;
    std::uint8_t weekdays = 0;  // bit 0: Sunday
    bool either_day = false;    // day of month OR day of week

    // "*/5 0-6,22 * jan mon-fri", "@hourly", "@daily", "@weekly", "@monthly", "@yearly". Errors: bad_request
    // ("cron.hour: 25 is above 23").
    static result<cron_fields> parse(std::string_view text, cron_style style);

    bool every_hour() const noexcept { return hours == 0xffffff; }
    bool has_month(unsigned month) const noexcept { return (months >> month & 1) != 0; }
    // weekday: 0 is Sunday.
    bool has_day(unsigned day, unsigned weekday) const noexcept {
        const bool by_day = (days >> day & 1) != 0;
        const bool by_weekday = (weekdays >> weekday & 1) != 0;
        return either_day ? by_day || by_weekday : by_day && by_weekday;
    }
    friend bool operator==(const cron_fields&, const cron_fields&) = default;
};

}  // namespace madang
