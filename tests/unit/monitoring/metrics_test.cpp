#include "monitoring/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

namespace madang {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricTable, NamesAreUniqueAndWellFormed) {
    std::set<std::string_view> seen;
    std::string_view before;
    for (const auto& row : counter_rows) {
        EXPECT_TRUE(row.name.ends_with("_total")) << row.name;
        EXPECT_EQ(row.label.empty(), row.value.empty()) << row.name;
        EXPECT_TRUE(row.name == before || seen.insert(row.name).second) << row.name;
        EXPECT_EQ(row.help.empty(), row.name == before) << row.name;
        before = row.name;
    }
    for (const auto& row : labelled_counter_rows) {
        EXPECT_TRUE(row.name.ends_with("_total")) << row.name;
        EXPECT_TRUE(seen.insert(row.name).second) << row.name;
    }
    // OpenMetrics names a counter's family without _total: a gauge of that name would be the same family.
    const auto is_gauge = [&seen](std::string_view name) {
        EXPECT_FALSE(name.ends_with("_total") || seen.contains(std::string(name) + "_total")) << name;
        EXPECT_TRUE(seen.insert(name).second) << name;
    };
    for (const auto& row : gauge_rows) is_gauge(row.name);
    for (const auto& row : labelled_gauge_rows) is_gauge(row.name);
    for (const auto& row : histogram_rows) {
        EXPECT_TRUE(seen.insert(row.name).second) << row.name;
        EXPECT_LE(row.buckets, metrics_shard::max_buckets) << row.name;
        EXPECT_LT(row.first + row.buckets, 62u) << row.name;
        const bool unit = row.name.ends_with("_seconds") || row.name.ends_with("_bytes");
        EXPECT_TRUE(unit || row.scale == 1) << row.name;
        EXPECT_EQ(row.scale != 1, row.name.ends_with("_seconds")) << row.name;
    }
    for (const auto name : seen) {
        EXPECT_TRUE(name.starts_with("madang_") || name.starts_with("process_")) << name;
    }
}

TEST(MetricTable, StatusesFallIntoTheirClass) {
    EXPECT_EQ(http_status_class(101), counter::http_1xx);
    EXPECT_EQ(http_status_class(200), counter::http_2xx);
    EXPECT_EQ(http_status_class(308), counter::http_3xx);
    EXPECT_EQ(http_status_class(404), counter::http_4xx);
    EXPECT_EQ(http_status_class(599), counter::http_5xx);
}

TEST(Histogram, BoundsAreInclusive) {
    const histogram_row row{"", 1e6, 3, 4, ""};  // 8, 16, 32, 64 µs
    EXPECT_EQ(metrics_shard::bucket_of(row, 0), 0u);
    EXPECT_EQ(metrics_shard::bucket_of(row, -1), 0u);
    EXPECT_EQ(metrics_shard::bucket_of(row, std::nan("")), 0u);
    EXPECT_EQ(metrics_shard::bucket_of(row, 8e-6), 0u);
    EXPECT_EQ(metrics_shard::bucket_of(row, 8.1e-6), 1u);
    EXPECT_EQ(metrics_shard::bucket_of(row, 16e-6), 1u);
    EXPECT_EQ(metrics_shard::bucket_of(row, 64e-6), 3u);
    EXPECT_EQ(metrics_shard::bucket_of(row, 65e-6), 4u);
    EXPECT_EQ(metrics_shard::bucket_of(row, std::numeric_limits<double>::infinity()), 4u);
}

TEST(Histogram, BucketIsTheFirstWhoseBoundIsNotBelowTheValue) {
    std::mt19937_64 random(7);
    for (const auto& row : histogram_rows) {
        std::uniform_real_distribution<double> exponent(-3, row.first + row.buckets + 3);
        for (int i = 0; i < 2000; ++i) {
            const double value = std::exp2(exponent(random)) / row.scale;
            unsigned expected = 0;
            while (expected < row.buckets && value * row.scale > row.upper_bound(expected) * row.scale)
                ++expected;
            ASSERT_EQ(metrics_shard::bucket_of(row, value), expected) << row.name << ' ' << value;
        }
    }
}

TEST(MetricsShard, CountsForItself) {
    metrics_shard shard;
    shard.add(counter::messages_in);
    shard.add(counter::messages_in, 4);
    shard.gauge_add(gauge::outbox_bytes, 100);
    shard.gauge_add(gauge::outbox_bytes, -130);
    shard.observe(histogram::write_bytes, 64, 3);
    shard.observe(histogram::write_bytes, 65);
    EXPECT_EQ(shard.value(counter::messages_in), 5u);
    EXPECT_EQ(shard.value(counter::messages_out), 0u);
    EXPECT_EQ(shard.value(gauge::outbox_bytes), -30);
    EXPECT_EQ(shard.count(histogram::write_bytes), 4u);
    EXPECT_EQ(shard.sum(histogram::write_bytes), 3 * 64 + 65);
    EXPECT_EQ(shard.bucket(histogram::write_bytes, 0), 3u);
    EXPECT_EQ(shard.bucket(histogram::write_bytes, 1), 1u);
}

TEST(MetricsShard, LabelsAreBounded) {
    metrics_shard shard;
    for (int i = 0; i < 100; ++i) shard.add(labelled_counter::closes, std::to_string(4000 + i), 2);
    shard.add(labelled_counter::closes, "4000");
    shard.add(labelled_counter::plugin_errors, "chat");
    EXPECT_EQ(shard.value(labelled_counter::closes, "4000"), 3u);
    EXPECT_EQ(shard.value(labelled_counter::closes, "4063"), 2u);
    EXPECT_EQ(shard.value(labelled_counter::closes, "4064"), 0u);
    EXPECT_EQ(shard.value(labelled_counter::closes, "other"), 36u * 2);
    EXPECT_EQ(shard.values(labelled_counter::closes).size(), 65u);
    EXPECT_EQ(shard.value(labelled_counter::plugin_errors, "chat"), 1u);
}

TEST(Metrics, AddsUpShardsOfSeveralThreads) {
    metrics all;
    constexpr int threads = 4, rounds = 10000;
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) {
        running.emplace_back([&all] {
            metrics_shard& mine = all.new_shard();
            for (int n = 0; n < rounds; ++n) {
                mine.add(counter::deliveries);
                mine.gauge_add(gauge::members, n % 2 == 0 ? 2 : -1);
                mine.observe(histogram::turn_handlers, 3);
                if (n % 1000 == 0) mine.add(labelled_counter::closes, "1000");
            }
        });
    }
    for (int i = 0; i < 20; ++i) EXPECT_THAT(all.expose(), HasSubstr("madang_deliveries_total"));
    for (auto& each : running) each.join();
    EXPECT_EQ(all.total(counter::deliveries), threads * rounds);
    EXPECT_EQ(all.total(gauge::members), threads * rounds / 2);
    EXPECT_EQ(all.total(histogram::turn_handlers), std::uint64_t{threads} * rounds);
    EXPECT_EQ(all.total(labelled_counter::closes, "1000"), std::uint64_t{threads} * rounds / 1000);
}

TEST(Metrics, ReadsGaugesAtAScrapeUntilTheyAreRemoved) {
    metrics all;
    all.new_shard().gauge_add(gauge::timers, 1);
    double now = 5;
    all.set_gauge(gauge::timers, [&] { return now; });
    EXPECT_EQ(all.total(gauge::timers), 6);
    now = 7.5;
    EXPECT_THAT(all.expose(), HasSubstr("\nmadang_timers 8.5\n"));
    all.set_gauge(gauge::timers, {});
    EXPECT_EQ(all.total(gauge::timers), 1);
    all.set_counter(counter::log_warn, [] { return 3.0; });
    EXPECT_THAT(all.expose(), HasSubstr("\nmadang_log_lines_total{level=\"warn\"} 3\n"));
}

TEST(Metrics, ExposesWhatLabelledGaugesReadWithBothLabels) {
    metrics all;
    all.set_gauge(labelled_gauge::job_queue_depth, [] {
        return std::vector<metrics::labelled_value>{{"a", "ready", 2}, {"a", "dead", 1}};
    });
    all.set_gauge(labelled_gauge::job_queue_oldest, [] {
        return std::vector<metrics::labelled_value>{{"a", "", 1.5}};
    });
    auto text = all.expose();
    EXPECT_NE(text.find("madang_job_queue_depth{queue=\"a\",state=\"ready\"} 2"), std::string::npos);
    EXPECT_NE(text.find("madang_job_queue_depth{queue=\"a\",state=\"dead\"} 1"), std::string::npos);
    EXPECT_NE(text.find("madang_job_queue_oldest_seconds{queue=\"a\"} 1.5"), std::string::npos);
    all.set_gauge(labelled_gauge::job_queue_depth, {});
    text = all.expose();
    EXPECT_EQ(text.find("madang_job_queue_depth{"), std::string::npos);
}

TEST(Metrics, ExposesEveryRowOnceWithItsType) {
    metrics all;
    const auto text = all.expose();
    const auto typed = [&](std::string_view name, const char* type) {
        const auto line = "\n# TYPE " + std::string(name) + ' ' + type + '\n';
        const auto at = ("\n" + text).find(line);
        EXPECT_NE(at, std::string::npos) << line;
        EXPECT_EQ(text.find(line, at + 1), std::string::npos) << line;
    };
    typed("madang_build_info", "gauge");
    for (const auto& row : counter_rows) typed(row.name, "counter");
    for (const auto& row : labelled_counter_rows) typed(row.name, "counter");
    for (const auto& row : gauge_rows) typed(row.name, "gauge");
    for (const auto& row : labelled_gauge_rows) typed(row.name, "gauge");
    for (const auto& row : histogram_rows) typed(row.name, "histogram");
}

TEST(Metrics, ExposesGoldenLines) {
    metrics all;
    auto& shard = all.new_shard();
    shard.add(counter::drops_oldest, 7);
    shard.add(http_status_class(204));
    shard.observe(histogram::turn_seconds, 20e-6);
    shard.observe(histogram::turn_seconds, 10);
    shard.add(labelled_counter::plugin_errors, "a\"b\\c\nd");
    const auto text = all.expose();
    EXPECT_THAT(text, HasSubstr("\nmadang_outbox_drops_total{policy=\"disconnect\"} 0\n"
                                "madang_outbox_drops_total{policy=\"drop_oldest\"} 7\n"));
    EXPECT_THAT(text, HasSubstr("\nmadang_http_requests_total{status=\"2xx\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\nmadang_turn_seconds_bucket{le=\"1.6e-05\"} 0\n"
                                "madang_turn_seconds_bucket{le=\"3.2e-05\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\nmadang_turn_seconds_bucket{le=\"+Inf\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("\nmadang_turn_seconds_count 2\n"));
    EXPECT_THAT(text, HasSubstr("\nmadang_plugin_errors_total{plugin=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Metrics, KnownLabelValuesAreThereFromTheStart) {
    metrics all;
    EXPECT_THAT(all.expose(), HasSubstr("\nmadang_jobs_ended_total{state=\"FAILURE\"} 0\n"));
    EXPECT_THAT(all.expose(), HasSubstr("\nmadang_jwks_fetches_total{outcome=\"ok\"} 0\n"));
    auto& shard = all.new_shard();
    shard.add(labelled_counter::slow_handlers, "chat", 0);
    EXPECT_THAT(all.expose(), HasSubstr("\nmadang_slow_handlers_total{plugin=\"chat\"} 0\n"));
    shard.add(labelled_counter::jobs_ended, "FAILURE", 2);
    EXPECT_THAT(all.expose(), HasSubstr("\nmadang_jobs_ended_total{state=\"FAILURE\"} 2\n"));
}

TEST(Metrics, ProcessFiguresAreThere) {
    metrics all;
    EXPECT_GT(all.total(gauge::process_resident), 1e6);
    EXPECT_GE(all.total(gauge::process_fds), 3);
    EXPECT_GE(all.total(gauge::process_max_fds), all.total(gauge::process_fds));
    EXPECT_GE(all.total(gauge::process_threads), 1);
    EXPECT_GT(all.total(gauge::process_start), 1.6e9);
    EXPECT_GT(all.total(counter::process_cpu), 0);
}

TEST(MetricsPage, NamesEveryMetricOnce) {
    const auto page = metrics_markdown();
    std::set<std::string_view> names;
    for (const auto& row : counter_rows) names.insert(row.name);
    for (const auto& row : labelled_counter_rows) names.insert(row.name);
    for (const auto& row : gauge_rows) names.insert(row.name);
    for (const auto& row : labelled_gauge_rows) names.insert(row.name);
    for (const auto& row : histogram_rows) names.insert(row.name);
    for (const auto name : names) {
        const auto cell = "| `" + std::string(name) + "` |";
        const auto at = page.find(cell);
        ASSERT_NE(at, std::string::npos) << name;
        EXPECT_EQ(page.find(cell, at + 1), std::string::npos) << name;
    }
    EXPECT_THAT(page, HasSubstr("`policy`: disconnect, drop_oldest, latest_only"));
    EXPECT_THAT(page, Not(HasSubstr("|  |  |\n")));
}

}  // namespace
}  // namespace madang
