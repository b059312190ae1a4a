// Asking another server by HTTP: the seam for proxies to the user's backend and for key sets.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/result.hpp"

namespace madang {

struct fetch_request {
    std::string method = "POST";
    std::string url;  // http or https
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::chrono::milliseconds timeout{1000};  // for all of it
    std::size_t answer_bytes = 1024 * 1024;   // larger answers are refused
};
struct fetch_answer {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    std::string body;
};

// Any thread; never blocks. The answer comes exactly once, on the fetcher's own thread, also when the fetcher
// ends (busy); but what is not accepted at all is answered at once, within the call. Errors:
// request_timeout, too_large, busy (its queue is full, or it has ended), bad_request (a header or address
// that cannot be sent), system_failure (no connection; the detail names the cause, never a secret).
class http_fetcher {
  public:
    virtual ~http_fetcher() = default;
    virtual void fetch(fetch_request what, std::function<void(result<fetch_answer>)> done) = 0;
};

}  // namespace madang
