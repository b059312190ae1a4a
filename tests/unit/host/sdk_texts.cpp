#include "tests/unit/host/sdk_texts.hpp"

#include "madang/jobs.hpp"

namespace sdk_texts {

using namespace std::chrono_literals;
using madang::signature;

std::string task_options() {
    madang::TaskOptions all{.queue = "slow",
                            .priority = 7,
                            .max_retries = madang::TaskOptions::for_ever,
                            .default_retry_delay = 1500ms,
                            .autoretry_for = {"std::runtime_error"},
                            .dont_autoretry_for = {"std::out_of_range"},
                            .retry_backoff = 2s,
                            .retry_backoff_max = 1min,
                            .retry_jitter = false,
                            .soft_time_limit = 10s,
                            .time_limit = 20s,
                            .expires = 1h,
                            .result_expires = 2h,
                            .acks_late = false,
                            .reject_on_worker_lost = true,
                            .ignore_result = true,
                            .track_started = true,
                            .in_process = false,
                            .rate_limit = "10/m",
                            .concurrency_limit = 2,
                            .limit_by = "user"};
    all.args_schema = madang::detail::schema_of_args(std::type_identity<std::tuple<std::string, int>>());
    all.kwargs_schema = {{"type", "object"}};
    return all.dump();
}
std::string plain_task_options() { return madang::TaskOptions{}.dump(); }

std::vector<std::string> requests() {
    const auto full = signature("a", "x", 1)
                          .kwarg("user", 7)
                          .queue("q")
                          .priority(9)
                          .countdown(1500ms)
                          .expires(1h)
                          .id("mine")
                          .headers({{"tenant", 7}})
                          .soft_time_limit(1s)
                          .time_limit(2s)
                          .ignore_result()
                          .immutable()
                          .notify_user("42")
                          .link(signature("b"))
                          .link_error(signature("b"));
    const auto alone = signature("b")
                           .unique("k", 10min)
                           .notify_group("room:1")
                           .eta(std::chrono::system_clock::time_point(1'700'003'600s));
    return {full.dump(),
            alone.dump(),
            signature("b").unique().dump(),
            signature("b").unique("k").dump(),
            madang::chain({signature("a", "x", 1), signature("b")}).dump(),
            madang::group({signature("b"), signature("b")}).dump(),
            madang::chord({signature("b"), madang::chain({signature("b"), signature("b")})}, signature("b"))
                .dump()};
}

std::vector<std::string> schedules() {
    return {madang::every(90s, signature("b")).catch_up(1h).overlap(madang::Overlap::queue).dump(),
            madang::cron("0 3 * * mon-fri", signature("b", 1)).timezone("Asia/Seoul").dump()};
}

}  // namespace sdk_texts
