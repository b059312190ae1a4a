#include "broker/auth/admin_sessions.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/base64.hpp"

namespace madang {
namespace {

std::string random_secret() { return base64url_encode(random_bytes(32)); }

}  // namespace

bool admin_session::shows(std::string_view given) const noexcept { return same_secret(given, token); }

admin_sessions::opened admin_sessions::open(api_key_holder who, time now) {
    opened made{random_secret(), {std::move(who), random_secret()}};
    const std::lock_guard lock(mutex_);
    forget_ended(now);
    if (entries_.size() >= limits_.sessions && !entries_.empty())
        entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                        [](const entry& a, const entry& b) { return a.used < b.used; }));
    entries_.push_back({sha256(made.id), made.session, now, now});
    return made;
}

std::optional<admin_session> admin_sessions::find(std::string_view id, time now) {
    const std::lock_guard lock(mutex_);
    forget_ended(now);
    auto* found = entry_of(id);
    if (found == nullptr) return std::nullopt;
    found->used = now;
    return found->session;
}

void admin_sessions::close(std::string_view id) {
    const std::lock_guard lock(mutex_);
    if (auto* found = entry_of(id); found != nullptr)
        entries_.erase(entries_.begin() + (found - entries_.data()));
}

std::size_t admin_sessions::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

admin_sessions::entry* admin_sessions::entry_of(std::string_view id) {
    const auto hashed = sha256(id);
    entry* found = nullptr;
    for (auto& each : entries_)
        if (same_secret(each.id, hashed)) found = &each;
    return found;
}

void admin_sessions::forget_ended(time now) {
    std::erase_if(entries_, [&](const entry& each) {
        return now - each.used >= limits_.idle || now - each.began >= limits_.life;
    });
}

}  // namespace madang
