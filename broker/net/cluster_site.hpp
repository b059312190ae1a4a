// What an operator asks of a node of a cluster, over HTTP: POST /api/cluster/drain, resume, remove and
// adopt. For the internal listener; docs/cluster.md. The key was checked already; an error has its own HTTP
// status, and a reason by name.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "broker/auth/api_keys.hpp"
#include "broker/core/errors.hpp"
#include "broker/net/http_dispatcher.hpp"

namespace madang {

// Why an operator's wish was not done.
struct cluster_refusal {
    unsigned status = 409;    // HTTP's
    std::string_view reason;  // no_cluster, another_node, unknown_node, still_up, itself, alone, ending,
                              // no_word, busy
    std::string text;
};

// The node itself. Any thread; each is answered once, on any thread.
class cluster_port {
  public:
    using answer = std::function<void(std::optional<cluster_refusal>)>;
    virtual ~cluster_port() = default;
    // `node`: refused when this one has another name; "": whoever this is. `clients`: they are told to
    // connect elsewhere, spread over drain-spread.
    virtual void drain(std::string node, bool clients, answer done) = 0;
    virtual void resume(std::string node, answer done) = 0;
    // `force`: also one that lives.
    virtual void remove(std::string node, bool force, answer done) = 0;
    // What `node` says to a word (job_adopters.hpp) of who gives the jobs in a dead node's folder.
    using told = std::function<void(std::optional<cluster_refusal>, std::string word)>;
    virtual void adopt(std::string node, std::string word, told done) = 0;
};

// Immutable once made; any loop's thread.
class cluster_site {
  public:
    // `node` outlives *this; null: this server is in no cluster. `timeout`: for an answer; 504 afterwards.
    explicit cluster_site(cluster_port* node, std::chrono::milliseconds timeout = std::chrono::seconds(30))
        : node_(node), timeout_(timeout) {}

    static bool serves(std::string_view path) noexcept;
    http_answer handle(loop& on, http_request& request, const api_key_holder& who,
                       reply_function reply) const;

  private:
    cluster_port* node_;
    std::chrono::milliseconds timeout_;
};

// `document` (OpenAPI) with these operations.
std::string with_cluster(const std::string& document);

}  // namespace madang
