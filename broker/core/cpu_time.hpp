// CPU time, user and system.
#pragma once

#include <cstdint>
#include <ctime>

namespace madang {

// In microseconds, by CLOCK_PROCESS_CPUTIME_ID or CLOCK_THREAD_CPUTIME_ID (clock_gettime(2)).
inline std::uint64_t cpu_us(clockid_t whose) noexcept {
    timespec used{};
    ::clock_gettime(whose, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(used.tv_nsec) / 1000;
}

}  // namespace madang
