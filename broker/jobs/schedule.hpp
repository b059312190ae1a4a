// One schedule: when it fires. Pure; time zones are the date library's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/result.hpp"

namespace madang {

// Immutable.
class schedule {
  public:
    enum class overlap : std::uint8_t { skip, queue, all };  // while a job it fired before is not over

    // docs/jobs.md has the members. Errors: bad_request with the member's name ("cron.hour: 25 is above 23").
    static result<schedule> parse(std::string_view name, std::string_view json);

    // The first fire after that Unix time, in ms; 0: never again (or not before the year 10000). Of cron:
    // at most the days of 400 years are looked at, of months that fit; in practice of one day.
    std::int64_t next(std::int64_t after_ms) const;
    std::vector<std::int64_t> next(std::int64_t after_ms, std::size_t count) const;

    // Intervals are counted from the fire before, not from the hour; 0: it goes by the clock (cron).
    std::int64_t interval_ms() const noexcept;

    const std::string& signature() const noexcept { return signature_; }  // JSON, for plan_enqueue
    bool enabled() const noexcept { return enabled_; }
    overlap when_running() const noexcept { return overlap_; }
    // Fires missed longer ago are left out.
    std::int64_t catch_up_ms() const noexcept { return catch_up_ms_; }

    class when;  // interval, cron

  private:
    std::shared_ptr<const when> when_;
    std::string signature_;
    bool enabled_ = true;
    overlap overlap_ = overlap::skip;
    std::int64_t catch_up_ms_ = 0;
};

}  // namespace madang
