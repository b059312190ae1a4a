#include "broker/auth/jwks_cache.hpp"

#include "broker/core/log.hpp"

namespace madang {

jwks_cache::jwks_cache(std::string url, std::chrono::milliseconds age, http_fetcher& fetcher,
                       const clock_source& clock, metrics_shard& counts)
    : url_(std::move(url)), age_(age), fetcher_(fetcher), clock_(clock), counts_(counts) {}

bool jwks_cache::may_fetch(time now) const noexcept {
    return !fetching_ && (!last_fetch_ || now - *last_fetch_ >= jwks_pause);
}

void jwks_cache::prefetch() {
    std::unique_lock lock(lock_);
    const auto now = clock_.steady_now();
    if (may_fetch(now)) fetch(lock, now);
}

jwks_cache::answer jwks_cache::find(std::string_view id, jwt_algorithm which) {
    std::unique_lock lock(lock_);
    const auto now = clock_.steady_now();
    const bool believed = keys_ && now - believed_from_ < age_;
    answer found;
    if (believed) {
        const auto* key = keys_->find(id, which);
        found = key ? answer{state::found, *key} : answer{state::unknown, {}};
    }
    const bool wanted = found.how != state::found || now - believed_from_ >= age_ / 4 * 3;
    if (wanted && may_fetch(now)) {
        fetch(lock, now);  // may have ended at once, with an error
        lock.lock();
    }
    if (found.how != state::found && fetching_) found.how = state::fetching;
    return found;
}

bool jwks_cache::wait(std::function<void()> then) {
    {
        const std::lock_guard lock(lock_);
        if (fetching_) {
            if (waiting_.size() >= jwks_waiting_limit) return false;
            waiting_.push_back(std::move(then));
            return true;
        }
    }
    then();
    return true;
}

// Unlocks: the answer may come within the call.
void jwks_cache::fetch(std::unique_lock<std::mutex>& lock, time now) {
    fetching_ = true;
    last_fetch_ = now;
    lock.unlock();
    fetch_request what;
    what.method = "GET";
    what.url = url_;
    what.headers = {{"Accept", "application/json"}};
    what.timeout = jwks_timeout;
    what.answer_bytes = jwks_bytes;
    fetcher_.fetch(std::move(what),
                   [this, now](result<fetch_answer> answer) { fetched(now, std::move(answer)); });
}

void jwks_cache::fetched(time begun, result<fetch_answer> answer) {
    std::string why;
    result<key_set> keys = fail(errc::system_failure);
    if (!answer) {
        why = describe(answer.error().code).name;
    } else if (answer->status != 200) {
        why = "status";
    } else {
        keys = key_set::parse(answer->body);
        if (!keys) why = describe(keys.error().code).name;
    }
    counts_.add(labelled_counter::jwks_fetches, why.empty() ? "ok" : why);
    if (!why.empty()) log_warn("jwks.fetch_failed", {{"reason", why}});
    std::vector<std::function<void()>> waiting;
    {
        const std::lock_guard lock(lock_);
        fetching_ = false;
        if (keys) {
            const auto before = keys_ ? keys_->size() : 0;
            counts_.gauge_add(gauge::jwks_keys,
                              static_cast<std::int64_t>(keys->size()) - static_cast<std::int64_t>(before));
            keys_ = std::make_shared<const key_set>(std::move(*keys));
            believed_from_ = begun;
        }
        waiting.swap(waiting_);
    }
    for (auto& each : waiting) each();
}

}  // namespace madang
