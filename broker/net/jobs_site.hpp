// Jobs over HTTP, beside the server API's methods: enqueue, look, wait, cancel; queues, dead letters,
// schedules, workers. For the internal listener; docs/jobs-api.md. The key was checked already; an error has
// its own HTTP status.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/auth/api_keys.hpp"
#include "broker/core/jobs.hpp"
#include "broker/net/http_dispatcher.hpp"

namespace madang {

// Immutable once made; any loop's thread.
class jobs_site {
  public:
    struct parts {
        job_port& jobs;                             // outlives what was asked of it
        std::size_t page = 1000;                    // jobs of one page at most
        std::chrono::milliseconds wait{30'000};     // for a job's end at most (job-wait-timeout)
        std::chrono::milliseconds timeout{30'000};  // for any answer, behind that; 504 afterwards
    };
    explicit jobs_site(parts all) : parts_(all) {}

    static bool serves(std::string_view path) noexcept;
    http_answer handle(loop& on, http_request& request, const api_key_holder& who,
                       reply_function reply) const;

    // One operation, for the OpenAPI document. `path` has {id} or {name}.
    struct operation {
        std::string_view method, path;
        api_right needs;
        std::string_view summary;
        std::string_view query;   // "name:what it is", joined by '|'
        std::string_view body;    // JSON Schema, or ""
        std::string_view answer;  // JSON Schema
        unsigned status;          // when it went well
    };
    static std::span<const operation> operations();

  private:
    parts parts_;
};

}  // namespace madang
