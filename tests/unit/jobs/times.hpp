// Times as people write them.
#pragma once

#include <date/date.h>

#include <cstdint>
#include <sstream>
#include <string>

namespace madang::testing {

// "2026-03-29 01:30" or "…:05", UTC, to Unix milliseconds.
inline std::int64_t utc(const std::string& text) {
    std::istringstream in(text);
    date::sys_time<std::chrono::seconds> at;
    in >> date::parse(text.size() > 16 ? "%F %T" : "%F %H:%M", at);
    if (in.fail()) throw std::invalid_argument(text);
    return at.time_since_epoch().count() * 1000;
}

inline std::string utc_text(std::int64_t ms) {
    if (ms == 0) return "never";
    const date::sys_time<std::chrono::milliseconds> at{std::chrono::milliseconds(ms)};
    const auto minute = date::floor<std::chrono::minutes>(at);
    auto text = date::format("%F %H:%M", minute);
    if (at != minute) text += date::format(":%S", at);
    return text;
}

}  // namespace madang::testing
