#include "actors/handler_clock.hpp"

namespace madang::handler_clock {

double ticks_per_second() {
    static const double rate = [] {
        using clock = std::chrono::steady_clock;
        const auto begin = clock::now();
        const auto first = now();
        clock::time_point end;
        do end = clock::now();
        while (end - begin < std::chrono::milliseconds{2});
        return static_cast<double>(now() - first) / std::chrono::duration<double>(end - begin).count();
    }();
    return rate;
}

}  // namespace madang::handler_clock
