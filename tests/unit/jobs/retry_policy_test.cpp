#include "broker/jobs/retry_policy.hpp"

#include <gtest/gtest.h>

#include "broker/jobs/task_options.hpp"

namespace madang {
namespace {

using outcome = link::ended::outcome;
using kind = attempt_verdict::kind;

struct RetryPolicy : ::testing::Test {
    attempt_verdict verdict(outcome what, std::uint32_t failed = 0, double dice = 0.5) {
        end.what = what;
        return judge(job, &*options, failed, end, dice);
    }
    void given(std::string_view json) {
        options = parse_task_options("t", json).value();
        job.retry = options->retry;
        job.late_ack = options->late_ack;
    }
    RetryPolicy() {
        given("{}");
        end.error.type = "std::runtime_error";
    }

    job_spec job;
    std::optional<task_options> options;
    link::ended end;
};

TEST_F(RetryPolicy, FailuresAreRetriedThreeTimesAfterThreeMinutes) {
    for (std::uint32_t failed : {0u, 1u, 2u})
        EXPECT_EQ(verdict(outcome::failure, failed), (attempt_verdict{kind::retry, 180'000}));
    EXPECT_EQ(verdict(outcome::failure, 3).what, kind::dead);
    EXPECT_EQ(verdict(outcome::retry, 3).what, kind::dead);
}

TEST_F(RetryPolicy, NullRetriesForEver) {
    given(R"({"max_retries":null})");
    EXPECT_EQ(verdict(outcome::failure, 4'000'000'000).what, kind::retry);
}

TEST_F(RetryPolicy, ZeroRetriesNever) {
    given(R"({"max_retries":0})");
    EXPECT_EQ(verdict(outcome::failure, 0).what, kind::dead);
    EXPECT_EQ(verdict(outcome::retry, 0).what, kind::dead);
}

TEST_F(RetryPolicy, OnlyNamedErrorsAreRetried) {
    given(R"({"autoretry_for":["net::error","std::runtime_error"],"dont_autoretry_for":["app::hopeless"]})");
    EXPECT_EQ(verdict(outcome::failure).what, kind::retry);
    end.error.type = "std::logic_error";
    EXPECT_EQ(verdict(outcome::failure).what, kind::dead);
    EXPECT_EQ(verdict(outcome::retry).what, kind::retry);  // the task asks for it itself
    given(R"({"dont_autoretry_for":["std::logic_error"]})");
    EXPECT_EQ(verdict(outcome::failure).what, kind::dead);
    given(R"({"autoretry_for":[]})");
    end.error.type = "std::runtime_error";
    EXPECT_EQ(verdict(outcome::failure).what, kind::dead);
}

TEST_F(RetryPolicy, BackoffDoublesUpToItsMaximum) {
    given(R"({"max_retries":null,"retry_backoff":true,"retry_jitter":false})");
    EXPECT_EQ(verdict(outcome::failure, 0).after_ms, 1'000);
    EXPECT_EQ(verdict(outcome::failure, 1).after_ms, 2'000);
    EXPECT_EQ(verdict(outcome::failure, 9).after_ms, 512'000);
    EXPECT_EQ(verdict(outcome::failure, 10).after_ms, 600'000);
    EXPECT_EQ(verdict(outcome::failure, 4'000'000'000).after_ms, 600'000);
    given(R"({"max_retries":null,"retry_backoff":7,"retry_backoff_max":"40d","retry_jitter":false})");
    EXPECT_EQ(verdict(outcome::failure, 2).after_ms, 28'000);
    EXPECT_EQ(verdict(outcome::failure, 60).after_ms, 3'456'000'000);
}

TEST_F(RetryPolicy, JitterIsUniformUpToTheDelay) {
    given(R"({"retry_backoff":4})");
    EXPECT_EQ(verdict(outcome::failure, 1, 0.0).after_ms, 0);
    EXPECT_EQ(verdict(outcome::failure, 1, 0.5).after_ms, 4'000);
    EXPECT_EQ(verdict(outcome::failure, 1, 0.999999999).after_ms, 8'000);
}

TEST_F(RetryPolicy, JitterLeavesTheFixedDelayAlone) {
    EXPECT_EQ(verdict(outcome::failure, 0, 0.0).after_ms, 180'000);
}

TEST_F(RetryPolicy, TheTaskSaysWhen) {
    end.after_ms = 1'500;
    EXPECT_EQ(verdict(outcome::retry), (attempt_verdict{kind::retry, 1'500}));
    EXPECT_EQ(verdict(outcome::reject, 99), (attempt_verdict{kind::requeued, 1'500}));
    end.after_ms = -1;
    EXPECT_EQ(verdict(outcome::reject).what, kind::rejected);
    EXPECT_EQ(verdict(outcome::ignore).what, kind::ignored);
}

TEST_F(RetryPolicy, LossIsRepeatedUnlessTheTaskForbids) {
    EXPECT_EQ(verdict(outcome::lost, 100), (attempt_verdict{kind::retry, 0}));
    given(R"({"reject_on_worker_lost":true})");
    EXPECT_EQ(verdict(outcome::lost).what, kind::dead);
    given(R"({"acks_late":false})");
    EXPECT_EQ(verdict(outcome::lost).what, kind::dead);
}

TEST_F(RetryPolicy, ErrorsOfForgottenTasksAreRetried) {
    end.what = outcome::failure;
    EXPECT_EQ(judge(job, nullptr, 0, end, 0.5), (attempt_verdict{kind::retry, 180'000}));
    EXPECT_EQ(judge(job, nullptr, 3, end, 0.5).what, kind::dead);
}

}  // namespace
}  // namespace madang
