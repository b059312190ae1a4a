#include "actors/watchdog.hpp"

#include <chrono>

#include "actors/asio_loop_impl.hpp"
#include "broker/core/log.hpp"

namespace madang {

watchdog::watchdog(std::vector<const asio_loop*> loops)
    : loops_(std::move(loops)), thread_([this] { run(); }) {}

watchdog::~watchdog() {
    {
        std::lock_guard lock(mutex_);
        end_ = true;
    }
    ended_.notify_all();
    thread_.join();
}

void watchdog::run() {
    using clock = std::chrono::steady_clock;
    constexpr auto period = std::chrono::seconds{1};
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, period, [this] { return end_; })) {
        for (const auto* each : loops_) {
            const auto began = each->turn_began();
            if (began == 0) continue;
            const auto length = clock::now() - clock::time_point{clock::duration{began}};
            if (length < period) continue;
            log_error("loop.stuck",
                      {{"loop", static_cast<std::int64_t>(each->index())},
                       {"handler", each->running() != nullptr ? std::string_view{*each->running()} : "none"},
                       {"ms", static_cast<std::int64_t>(
                                  std::chrono::duration_cast<std::chrono::milliseconds>(length).count())}});
        }
    }
}

}  // namespace madang
