// Spans to an OTLP receiver, by a thread of its own: the hot paths only put them into the queue.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "broker/core/http_fetch.hpp"
#include "broker/core/span.hpp"
#include "monitoring/otlp_json.hpp"
#include "monitoring/span_queue.hpp"

namespace madang {

class metrics;

struct span_exporter_settings {
    std::string url;
    std::uint32_t one_in = 100;  // of what comes without a trace; 0: none
    std::chrono::milliseconds timeout{5'000};
    span_queue::limits queue;
    otlp_resource from;
};

class span_exporter final : public tracer {
  public:
    // Starts the thread. Both outlive it.
    span_exporter(span_exporter_settings settings, http_fetcher& by, metrics& counts);
    ~span_exporter();

    // What waits is sent once more, for at most the time-out, and the thread ends. What is recorded later is
    // dropped. Before the fetcher's own end.
    void stop();

    // -- tracer
    bool sample() noexcept override;
    void record(span&& what) noexcept override;
    std::int64_t now_ns() const noexcept override;
    std::uint64_t place() const noexcept override { return place_; }

  private:
    struct shared;
    void run();

    const span_exporter_settings settings_;
    const std::uint64_t place_;
    http_fetcher& fetcher_;
    metrics& counts_;
    std::mutex mutex_;
    std::condition_variable changed_;
    span_queue queue_;
    bool stopping_ = false;
    std::uint64_t lost_ = 0;  // no memory, or recorded after the end
    std::thread thread_;
};

}  // namespace madang
