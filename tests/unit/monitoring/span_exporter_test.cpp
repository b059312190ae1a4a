#include "monitoring/span_exporter.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;

// Answers at once, with what it is told to.
class fake_receiver final : public http_fetcher {
  public:
    void fetch(fetch_request what, std::function<void(result<fetch_answer>)> done) override {
        result<fetch_answer> answer = fail(errc::system_failure, "nobody listens");
        {
            const std::lock_guard lock(mutex);
            asked.push_back(std::move(what));
            if (status != 0) answer = fetch_answer{status, {}, {}};
            came.notify_all();
        }
        done(std::move(answer));
    }
    void wait_for(std::size_t count) {
        std::unique_lock lock(mutex);
        ASSERT_TRUE(came.wait_for(lock, 60s, [&] { return asked.size() >= count; }));
    }

    std::mutex mutex;
    std::condition_variable came;
    std::vector<fetch_request> asked;
    int status = 200;
};

span_exporter_settings settings_of(std::size_t queue, std::size_t batch) {
    return {.url = "http://127.0.0.1:1/v1/traces",
            .one_in = 3,
            .timeout = 5s,
            .queue = {.spans = queue, .batch = batch, .interval = 1h, .least_pause = 1h, .most_pause = 1h},
            .from = {"a", "1"}};
}
double dropped(const metrics& counts) { return counts.total(counter::spans_dropped); }

TEST(SpanExporter, SendsWholeBatchesAndTheRestAtItsEnd) {
    metrics counts;
    fake_receiver receiver;
    span_exporter exporter(settings_of(100, 2), receiver, counts);
    for (int i = 0; i < 2; ++i) exporter.record(span{});
    receiver.wait_for(1);
    exporter.record(span{});
    exporter.stop();
    exporter.record(span{});
    ASSERT_EQ(receiver.asked.size(), 2u);
    EXPECT_EQ(receiver.asked[0].headers.front().second, "application/json");
    const auto spans = [&](std::size_t which) {
        return nlohmann::json::parse(receiver.asked[which].body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .size();
    };
    EXPECT_EQ(spans(0), 2u);
    EXPECT_EQ(spans(1), 1u);
    EXPECT_EQ(counts.total(counter::spans_exported), 3);
    EXPECT_EQ(dropped(counts), 1);
}

TEST(SpanExporter, KeepsABoundedNumberWhileTheReceiverIsAway) {
    metrics counts;
    fake_receiver receiver;
    receiver.status = 0;
    span_exporter exporter(settings_of(10, 2), receiver, counts);
    for (int i = 0; i < 30; ++i) exporter.record(span{});
    receiver.wait_for(1);
    EXPECT_EQ(counts.total(gauge::spans_waiting), 10);
    EXPECT_EQ(dropped(counts), 20);
    exporter.stop();
    EXPECT_EQ(counts.total(counter::spans_exported), 0);
}

TEST(SpanExporter, CountsWhatTheReceiverRefuses) {
    metrics counts;
    fake_receiver receiver;
    receiver.status = 400;
    span_exporter exporter(settings_of(10, 2), receiver, counts);
    for (int i = 0; i < 2; ++i) exporter.record(span{});
    receiver.wait_for(1);
    exporter.stop();
    EXPECT_EQ(counts.total(counter::spans_failed), 2);
}

TEST(SpanExporter, SamplesOneInSoMany) {
    metrics counts;
    fake_receiver receiver;
    const span_exporter_settings all = settings_of(10, 2);
    for (const auto& [one_in, wanted] : {std::pair{0u, 0}, {1u, 300}, {3u, 100}}) {
        auto settings = all;
        settings.one_in = one_in;
        span_exporter exporter(settings, receiver, counts);
        int sampled = 0;
        for (int i = 0; i < 300; ++i) sampled += exporter.sample();
        EXPECT_EQ(sampled, wanted) << one_in;
    }
}

}  // namespace
}  // namespace madang
