// libcurl as the http_fetcher: one thread, its multi interface, HTTP/1.1 with kept connections.
//
// TLS peers are verified with the system's certificates. A redirect is an answer like any other and is not
// followed; the environment's proxies, .netrc and cookies are not used.
#pragma once

#include <cstdint>
#include <memory>

#include "broker/core/http_fetch.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

struct curl_fetcher_settings {
    std::uint32_t connections = 32;  // at a time, per host and port; more wait
    std::uint32_t queue = 1024;      // requests that wait or run; more: busy
};

class curl_fetcher final : public http_fetcher {
  public:
    // Starts the thread. `counts` (fetch_seconds, fetches) is this fetcher's own shard and outlives it.
    // Throws failure (system_failure) when libcurl or the thread cannot be had.
    curl_fetcher(curl_fetcher_settings settings, metrics_shard& counts);
    ~curl_fetcher() override;
    curl_fetcher(const curl_fetcher&) = delete;
    curl_fetcher& operator=(const curl_fetcher&) = delete;

    void fetch(fetch_request what, std::function<void(result<fetch_answer>)> done) override;

    // Answers all that waits or runs with busy and ends the thread; what comes later is busy too. Once it has
    // returned, nobody is called any more: before what answers go to is destroyed. Any thread but the
    // fetcher's.
    void stop();

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace madang
