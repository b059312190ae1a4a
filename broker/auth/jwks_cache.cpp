#include "broker/auth/jwks_cache.hpp"

#include <utility>

#include "broker/auth/secrets.hpp"
#include "broker/core/log.hpp"

namespace madang {

namespace {

std::size_t hash(std::string_view id) noexcept { return std::hash<std::string_view>()(id); }

}  // namespace

jwks_limits read_jwks_limits(const options& from) {
    return {.age = from.jwt_jwks_age,
            .pause = from.jwt_jwks_pause,
            .timeout = from.jwt_jwks_timeout,
            .waiting = from.jwt_jwks_waiting,
            .keys = {.bytes = from.jwt_jwks_bytes, .keys = from.jwt_jwks_keys}};
}

jwks_cache::jwks_cache(std::string url, jwks_limits limits, http_fetcher& fetcher, const clock_source& clock,
                       metrics_shard& counts)
    : url_(std::move(url)), limits_(limits), fetcher_(fetcher), clock_(clock), counts_(counts) {}

bool jwks_cache::may_fetch(time now) const noexcept {
    return !fetching_ && (!last_fetch_ || now - *last_fetch_ >= limits_.pause);
}

void jwks_cache::prefetch() {
    std::unique_lock lock(lock_);
    const auto now = clock_.steady_now();
    if (may_fetch(now)) fetch(lock, now);
}

jwks_cache::answer jwks_cache::look(std::string_view id, jwt_algorithm which, time now) const {
    const bool believed = keys_ && now - believed_from_ < limits_.age;
    if (const auto* key = believed ? keys_->find(id, which) : nullptr) return {state::found, *key};
    if (fetching_) return {state::fetching, {}};
    const bool told = believed && (keys_->has(id) || looked_for_.contains(hash(id)));
    return {told ? state::unknown : state::unavailable, {}};
}

jwks_cache::answer jwks_cache::find(std::string_view id, jwt_algorithm which) {
    std::unique_lock lock(lock_);
    const auto now = clock_.steady_now();
    auto found = look(id, which, now);
    const bool missing = found.how != state::found;
    if (missing && wanted_.size() < limits_.waiting) wanted_.insert(hash(id));
    if ((missing || now - believed_from_ >= limits_.age / 4 * 3) && may_fetch(now)) {
        fetch(lock, now);  // may have ended at once, with an error
        lock.lock();
        if (missing) found = look(id, which, now);
    }
    return found;
}

bool jwks_cache::wait(std::function<void()> then) {
    {
        const std::lock_guard lock(lock_);
        if (fetching_) {
            if (waiting_.size() >= limits_.waiting) return false;
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
    looked_for_ = std::exchange(wanted_, {});
    lock.unlock();
    fetch_request what;
    what.method = "GET";
    what.url = url_;
    what.headers = {{"Accept", "application/json"}};
    what.timeout = limits_.timeout;
    what.answer_bytes = limits_.keys.bytes;
    fetcher_.fetch(std::move(what),
                   [this, now](result<fetch_answer> answer) { fetched(now, std::move(answer)); });
}

void jwks_cache::fetched(time begun, result<fetch_answer> answer) {
    std::string why, detail;
    result<key_set> keys = fail(errc::system_failure);
    if (!answer) {
        why = describe(answer.error().code).name;
        detail = answer.error().detail;
    } else if (answer->status != 200) {
        why = "status";
        detail = "the answer is " + std::to_string(answer->status);
    } else {
        keys = key_set::parse(answer->body, limits_.keys);
        if (!keys) {
            why = describe(keys.error().code).name;
            detail = keys.error().detail;
        }
    }
    counts_.add(labelled_counter::jwks_fetches, why.empty() ? "ok" : why);
    if (!why.empty())
        log_warn("jwks.fetch_failed", {{"url", url_for_log(url_)}, {"reason", why}, {"error", detail}});
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
        } else {
            looked_for_.clear();
        }
        waiting.swap(waiting_);
    }
    for (auto& each : waiting) each();
}

}  // namespace madang
