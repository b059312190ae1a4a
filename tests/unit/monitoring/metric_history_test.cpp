#include "monitoring/metric_history.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using nlohmann::json;

struct MetricHistory : ::testing::Test {
    metrics all;
    metrics_shard& shard = all.new_shard();
    metric_history history{all};
    std::int64_t now = 0;

    void sample(std::int64_t after_ms = metric_history::interval_ms) {
        now += after_ms;
        history.sample(1'700'000'000'000 + now, now);
    }
    json told() const { return json::parse(history.json()); }
    json last(const std::string& series) const { return told()["series"][series].back(); }
};

TEST_F(MetricHistory, TheFirstSampleIsOnlyTheBeginning) {
    EXPECT_TRUE(told()["times"].empty());
    shard.add(counter::messages_in, 1'000);
    sample();
    EXPECT_TRUE(told()["times"].empty());
    shard.add(counter::messages_in, 50);
    sample();
    EXPECT_EQ(told()["times"], json({1'700'000'020'000}));
    EXPECT_EQ(last("messages_in"), 5);
    EXPECT_EQ(told()["interval_ms"], 10'000);
}

TEST_F(MetricHistory, CountersAreRatesOverTheTimeThatReallyPassed) {
    sample();
    shard.add(counter::publications, 300);
    shard.add(labelled_counter::jobs_ended, "SUCCESS", 30);
    shard.add(labelled_counter::jobs_ended, "REVOKED", 3);
    shard.add(labelled_counter::jobs_ended, "IGNORED", 3);
    shard.add(counter::drops_oldest, 60);
    sample(30'000);
    EXPECT_EQ(last("publications"), 10);
    EXPECT_EQ(last("jobs_success"), 1);
    EXPECT_EQ(last("jobs_other"), 0.2);
    EXPECT_EQ(last("outbox_drops"), 2);
    sample();
    EXPECT_EQ(last("publications"), 0);
}

TEST_F(MetricHistory, GaugesAreAsTheyAre) {
    all.set_gauge(labelled_gauge::job_queue_depth, [] {
        return std::vector<metrics::labelled_value>{
            {"mail", "ready", 4}, {"mail", "dead", 100}, {"default", "ready", 3}};
    });
    all.set_gauge(labelled_gauge::job_queue_oldest, [] {
        return std::vector<metrics::labelled_value>{{"mail", "", 12.5}, {"default", "", 3}};
    });
    sample();
    shard.gauge_add(gauge::connections_open, 7);
    sample();
    EXPECT_EQ(last("connections"), 7);
    EXPECT_EQ(last("jobs_ready"), 7);
    EXPECT_EQ(last("jobs_oldest_s"), 12.5);
    EXPECT_GT(last("memory_bytes"), 100'000);
}

TEST_F(MetricHistory, TheTurnsQuantileIsOfTheIntervalAlone) {
    shard.observe(histogram::turn_seconds, 0.2, 1'000);
    sample();
    shard.observe(histogram::turn_seconds, 0.0001, 100);
    sample();
    EXPECT_LT(last("turn_p99_s"), 0.0002);
    EXPECT_GT(last("turn_p99_s"), 0.00005);
    sample();
    EXPECT_EQ(last("turn_p99_s"), 0);
}

TEST_F(MetricHistory, KeepsAnHour) {
    for (std::size_t i = 0; i < metric_history::most + 10; ++i) sample();
    const auto got = told();
    EXPECT_EQ(got["times"].size(), metric_history::most);
    EXPECT_EQ(got["times"].back(), 1'700'000'000'000 + now);
    EXPECT_EQ(got["series"].size(), metric_history::series);
    for (const auto& [name, values] : got["series"].items())
        EXPECT_EQ(values.size(), metric_history::most) << name;
}

TEST(BucketCounts, QuantilesLieWithinTheirBuckets) {
    const auto& row = histogram_rows[static_cast<std::size_t>(histogram::handler_seconds)];
    bucket_counts none;
    EXPECT_EQ(none.quantile(row, 0.5), 0);
    EXPECT_EQ(none.mean(), 0);
    bucket_counts some;
    some.buckets[3] = 10;  // to 8 us
    some.buckets[4] = 10;  // to 16 us
    some.sum = 20 * 8e-6;
    EXPECT_DOUBLE_EQ(some.quantile(row, 0.5), 8e-6);
    EXPECT_DOUBLE_EQ(some.quantile(row, 0.75), 12e-6);
    EXPECT_DOUBLE_EQ(some.mean(), 8e-6);
    some.buckets[row.buckets] = 100;
    EXPECT_EQ(some.quantile(row, 0.99), row.upper_bound(row.buckets - 1))
        << "what lies beyond is that or more";
}

TEST(Metrics, HandlersAreCountedEachByItself) {
    metrics all;
    auto &one = all.new_shard(), &two = all.new_shard();
    one.observe_handler(1, histogram::handler_seconds, 0.001, 3);
    two.observe_handler(1, histogram::handler_seconds, 0.002);
    two.observe_pooled(2, histogram::handler_seconds, 0.004);
    EXPECT_EQ(all.handler(1).count(), 4u);
    EXPECT_DOUBLE_EQ(all.handler(1).sum, 0.005);
    EXPECT_EQ(all.handler(2).count(), 1u);
    one.observe_handler(metrics_shard::max_handlers, histogram::handler_seconds, 1);
    one.observe_pooled(metrics_shard::max_handlers, histogram::handler_seconds, 1);
    EXPECT_EQ(all.handler(metrics_shard::max_handlers).count(), 0u);
}

}  // namespace
}  // namespace madang
