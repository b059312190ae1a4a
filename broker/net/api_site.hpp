// The server API over HTTP: POST /api/<method>, POST /api, GET /api/openapi.json. For the internal listener;
// Centrifugo's HTTP API as its client libraries know it (docs/server-api.md).
//
// 401 without a good key, 403 without the right, 404 for a method that does not exist, 400 for what is not
// JSON; otherwise 200 with {"result":…} or {"error":…} (a batch: {"replies":…}). With the header
// X-Centrifugo-Error-Mode: transport an error has its own status. There is no CORS: a page of another origin
// can neither send the key's header nor read an answer.
#pragma once

#include <chrono>
#include <string>

#include "broker/auth/api_keys.hpp"
#include "broker/core/reloadable.hpp"
#include "broker/net/cluster_site.hpp"
#include "broker/net/http_dispatcher.hpp"
#include "broker/net/jobs_site.hpp"
#include "broker/protocol/api_methods.hpp"

namespace madang {

// Immutable once made; any loop's thread. Must outlive what it asked of `streams`.
class api_site final : public http_dispatcher {
  public:
    struct parts {
        stream_port& streams;
        const reloadable<api_key_ring>& keys;  // outlives *this
        api_limits limits;
        std::chrono::milliseconds timeout{30'000};  // for the streams' answer; 504 afterwards
        std::string version;                        // of this server, for the OpenAPI document
        const jobs_site* jobs = nullptr;            // outlives *this; null: there are none
        decltype(api_request::back_up) back_up{};   // null: it makes none
        const cluster_site* cluster = nullptr;      // outlives *this; null: nothing at /api/cluster
    };
    explicit api_site(parts all);

    // `path` is /api or begins with /api/.
    static bool serves(std::string_view path) noexcept;
    http_answer handle(loop& on, http_request& request, reply_function reply) override;
    // The same for who was let in otherwise, whatever key the request has.
    http_answer answer(loop& on, http_request& request, const api_key_holder& who, reply_function reply);

  private:
    bool about_jobs(const http_request& request) const;
    http_answer one(const api_method& method, const std::shared_ptr<const api_request>& task, bool transport,
                    const reply_function& reply) const;
    http_answer several(const std::shared_ptr<const api_request>& task, bool transport,
                        const reply_function& reply) const;

    stream_port& streams_;
    const reloadable<api_key_ring>& keys_;
    api_limits limits_;
    std::chrono::milliseconds timeout_;
    std::string openapi_;
    const jobs_site* jobs_;
    const cluster_site* cluster_;
    decltype(api_request::back_up) back_up_;
};

}  // namespace madang
