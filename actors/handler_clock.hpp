// Time for measuring handlers: the processor's counter where there is one, since two clock calls per event
// would cost more than a forwarding handler does (about 20 ns each; the counter 8).
#pragma once

#include <chrono>
#include <cstdint>

namespace madang::handler_clock {

inline std::uint64_t now() noexcept {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// Ticks of now() per second: measured once against steady_clock, over 2 ms, at the first call (any thread).
double ticks_per_second();

}  // namespace madang::handler_clock
