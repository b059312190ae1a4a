// The key set behind a URL, kept for as long as it is believed.
//
// It is fetched ahead of time (at three quarters of its age) and when a token names a key that is not in it
// (rotation), but never twice at a time and at most once per jwks_pause: whatever tokens say, the key
// server's load is that, and a token that names nonsense costs a look into a list.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/auth/key_set.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/http_fetch.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

inline constexpr std::chrono::seconds jwks_pause{5};     // between the beginnings of two fetches
inline constexpr std::chrono::seconds jwks_timeout{5};   // of one
inline constexpr std::size_t jwks_waiting_limit = 1024;  // tokens that wait for one

// Any thread; never blocks. The fetcher and all else given outlive it, but the fetcher must have ended before
// *this is destroyed (curl_fetcher::stop), since its answers come here.
class jwks_cache {
  public:
    jwks_cache(std::string url, std::chrono::milliseconds age, http_fetcher& fetcher,
               const clock_source& clock, metrics_shard& counts);

    // Starts the first fetch, so that the first token finds keys.
    void prefetch();

    enum class state : std::uint8_t {
        found,
        unknown,      // there is no such key as of now
        fetching,     // ask again when wait() says so
        unavailable,  // there are no keys to believe, and the last fetch failed a moment ago
    };
    struct answer {
        state how = state::unavailable;
        std::optional<public_key> key;
    };
    answer find(std::string_view id, jwt_algorithm which);

    // `then` is called when the fetch under way has ended, at once when there is none. False, and no call:
    // jwks_waiting_limit wait already.
    bool wait(std::function<void()> then);

  private:
    using time = clock_source::steady;
    bool may_fetch(time now) const noexcept;  // locked
    void fetch(std::unique_lock<std::mutex>& lock, time now);
    void fetched(time begun, result<fetch_answer> answer);

    const std::string url_;
    const std::chrono::milliseconds age_;
    http_fetcher& fetcher_;
    const clock_source& clock_;
    metrics_shard& counts_;

    std::mutex lock_;
    std::shared_ptr<const key_set> keys_;  // null: never fetched
    time believed_from_{};                 // when the fetch of keys_ began
    std::optional<time> last_fetch_;       // when the last one began, whatever came of it
    bool fetching_ = false;
    std::vector<std::function<void()>> waiting_;
};

}  // namespace madang
