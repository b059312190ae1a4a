#include "broker/jobs/retry_policy.hpp"

#include <algorithm>

namespace madang {
namespace {

bool names(const std::vector<std::string>& types, const std::string& type) {
    return std::any_of(types.begin(), types.end(),
                       [&](const auto& each) { return each == "*" || each == type; });
}

std::int64_t delay(const retry_rule& rule, std::uint32_t failed, double dice) {
    if (rule.backoff_ms == 0) return rule.delay_ms;
    const auto doubled = static_cast<std::uint64_t>(rule.backoff_ms) << std::min(failed, 31u);
    const auto most = static_cast<std::int64_t>(std::min<std::uint64_t>(doubled, rule.backoff_max_ms));
    if (!rule.jitter) return most;
    return std::min(most, static_cast<std::int64_t>(dice * static_cast<double>(most + 1)));
}

}  // namespace

attempt_verdict judge(const job_spec& job, const task_options* options, std::uint32_t failed,
                      const link::ended& how, double dice) {
    using outcome = link::ended::outcome;
    using kind = attempt_verdict::kind;
    const auto again = [&](std::int64_t asked_ms) -> attempt_verdict {
        const auto most = job.retry.max_retries;
        if (most >= 0 && failed >= static_cast<std::uint32_t>(most)) return {kind::dead};
        return {kind::retry, asked_ms >= 0 ? asked_ms : delay(job.retry, failed, dice)};
    };
    switch (how.what) {
        case outcome::ignore:
            return {kind::ignored};
        case outcome::reject:
            return how.after_ms >= 0 ? attempt_verdict{kind::requeued, how.after_ms}
                                     : attempt_verdict{kind::rejected};
        case outcome::retry:
            return again(how.after_ms);
        case outcome::lost:  // counted apart from failures, against --job-loss-limit
            if (!job.late_ack || (options && options->reject_on_worker_lost)) return {kind::dead};
            return {kind::retry, 0};
        case outcome::failure:
            if (options && (names(options->dont_autoretry_for, how.error.type) ||
                            !names(options->autoretry_for, how.error.type)))
                return {kind::dead};
            return again(-1);
        case outcome::success:
        case outcome::handed_back:
            break;  // not failures: nobody asks
    }
    return {kind::retry, 0};
}

}  // namespace madang
