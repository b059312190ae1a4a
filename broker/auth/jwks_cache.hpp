// The key set behind a URL, kept for as long as it is believed.
//
// It is fetched ahead of time (at three quarters of its age) and when a token names a key that is not in it
// (rotation), but never twice at a time and at most once per pause: whatever tokens say, the key
// server's load is that, and a token that names nonsense costs a look into a list.
//
// An id is unknown only by the word of a fetch that began after somebody asked for it; until then its key may
// have been made since, and the answer is to come again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "broker/auth/key_set.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/http_fetch.hpp"
#include "broker/core/options.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

// The options jwt_jwks_*.
struct jwks_limits {
    std::chrono::milliseconds age{3'600'000};  // how long keys are believed
    std::chrono::milliseconds pause{5'000};    // between the beginnings of two fetches
    std::chrono::milliseconds timeout{5'000};  // of one
    std::size_t waiting = 1024;                // tokens that wait for one; ids that the next one is to find
    key_set_limits keys{};
};
jwks_limits read_jwks_limits(const options& from);

// Any thread; never blocks. The fetcher and all else given outlive it, but the fetcher must have ended before
// *this is destroyed (curl_fetcher::stop), since its answers come here.
class jwks_cache {
  public:
    jwks_cache(std::string url, jwks_limits limits, http_fetcher& fetcher, const clock_source& clock,
               metrics_shard& counts);

    // Starts the first fetch, so that the first token finds keys.
    void prefetch();

    enum class state : std::uint8_t {
        found,
        unknown,      // there is no such key: it was looked for
        fetching,     // ask again when wait() says so
        unavailable,  // not to be told before the next fetch, which the pause puts off: ask again later
    };
    struct answer {
        state how = state::unavailable;
        std::optional<public_key> key;
    };
    answer find(std::string_view id, jwt_algorithm which);

    // `then` is called when the fetch under way has ended, at once when there is none. False, and no call:
    // limits.waiting wait already.
    bool wait(std::function<void()> then);

  private:
    using time = clock_source::steady;
    bool may_fetch(time now) const noexcept;  // locked
    void fetch(std::unique_lock<std::mutex>& lock, time now);
    void fetched(time begun, result<fetch_answer> answer);
    answer look(std::string_view id, jwt_algorithm which, time now) const;  // locked

    const std::string url_;
    const jwks_limits limits_;
    http_fetcher& fetcher_;
    const clock_source& clock_;
    metrics_shard& counts_;

    std::mutex lock_;
    std::shared_ptr<const key_set> keys_;  // null: never fetched
    time believed_from_{};                 // when the fetch of keys_ began
    std::optional<time> last_fetch_;       // when the last one began, whatever came of it
    bool fetching_ = false;
    // Hashes of ids: asked for since the last fetch began, and before it did. Two ids with one hash share
    // their word until the fetch after.
    std::unordered_set<std::size_t> wanted_;
    std::unordered_set<std::size_t> looked_for_;
    std::vector<std::function<void()>> waiting_;
};

}  // namespace madang
