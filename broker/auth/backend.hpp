// The user's own backend, asked by HTTP ("proxies"): a POST of JSON, answered by {"result":{…}},
// {"error":{"code","message"}} or {"disconnect":{"code","reason"}} with status 200. Everything else is error
// 100 for the client, counted and logged.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/clock.hpp"
#include "broker/core/gatekeeper.hpp"
#include "broker/core/http_fetch.hpp"
#include "broker/core/options.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

enum class proxy : std::uint8_t { connect, refresh, subscribe, sub_refresh, publish, rpc };
inline constexpr std::size_t proxy_count = 6;

// A question's JSON, member by member.
class backend_question {
  public:
    // {"client","transport","protocol":"json","encoding":"json"}
    backend_question(std::string_view client, std::string_view transport);
    // The same with {"user","meta"}.
    explicit backend_question(const known_client& who);

    void add_text(std::string_view name, std::string_view value);
    // `json` as it is; nothing is added when it is "" or not JSON.
    void add_json(std::string_view name, std::string_view json);
    std::string done() && { return std::move(text_) + "}"; }

  private:
    void name(std::string_view name);
    std::string text_;
};

// Any thread; never blocks. What it is given outlives it, and answers too late do it no harm.
class backend {
  public:
    backend(const options& settings, http_fetcher& fetcher, const clock_source& clock, metrics_shard& counts);
    ~backend();

    bool has(proxy which) const noexcept;

    using headers = std::vector<std::pair<std::string, std::string>>;
    // The configured headers of the client: of its HTTP request, else the connect command's own. A value with
    // control bytes is left out.
    headers copied(const scope* known, const headers& own) const;

    // `done` gets the result's object; null when the answer is {} or {"result":null}. Exactly once, at once
    // or on the fetcher's thread. has(which) holds.
    void ask(proxy which, std::string question, const headers& with,
             std::function<void(verdict<nlohmann::json>)> done);

    // A backend's answer, read: the part of ask() that needs no network. Nothing: it is malformed.
    static std::optional<verdict<nlohmann::json>> read(std::string_view answer);

  private:
    struct state;
    const std::shared_ptr<state> state_;
};

}  // namespace madang
