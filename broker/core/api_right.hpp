// What a key of the server API may do. Rights are given to keys (broker/auth) and asked for by methods
// (broker/protocol).
#pragma once

#include <cstdint>
#include <string_view>

namespace madang {

enum class api_right : std::uint8_t {
    none = 0,     // what every key may do
    read = 1,     // presence, history, channels, info, jobs
    publish = 2,  // publish, broadcast
    manage = 4,   // connections and subscriptions of clients, removing history; jobs, queues, schedules
    enqueue = 8,  // jobs
    all = 15
};

constexpr api_right operator|(api_right a, api_right b) noexcept {
    return static_cast<api_right>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr bool may(api_right held, api_right asked) noexcept {
    return (static_cast<std::uint8_t>(held) & static_cast<std::uint8_t>(asked)) ==
           static_cast<std::uint8_t>(asked);
}

// Of a single right.
constexpr std::string_view name_of(api_right right) noexcept {
    switch (right) {
        case api_right::none:
            return "none";
        case api_right::read:
            return "read";
        case api_right::publish:
            return "publish";
        case api_right::manage:
            return "manage";
        case api_right::enqueue:
            return "enqueue";
        default:
            return "all";
    }
}

}  // namespace madang
