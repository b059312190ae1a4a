// What becomes of an attempt that did not succeed. Pure.
#pragma once

#include <cstdint>

#include "broker/core/jobs.hpp"
#include "broker/jobs/worker_link.hpp"

namespace madang {

struct attempt_verdict {
    enum class kind : std::uint8_t { retry, dead, rejected, ignored, requeued };
    kind what = kind::dead;
    std::int64_t after_ms = 0;  // retry, requeued
    friend bool operator==(const attempt_verdict&, const attempt_verdict&) = default;
};

// `options` null: the task is not known any more; then its errors are retried. `failed`: attempts before this
// one that did. `dice`: uniform in [0, 1).
attempt_verdict judge(const job_spec& job, const task_options* options, std::uint32_t failed,
                      const link::ended& how, double dice);

}  // namespace madang
