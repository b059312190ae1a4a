#include "broker/auth/admin_sessions.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "broker/core/base64.hpp"

namespace madang {
namespace {

std::string random_secret() {
    unsigned char bytes[32];
    if (RAND_bytes(bytes, sizeof bytes) != 1) throw std::runtime_error("no random bytes are available");
    return base64url_encode({reinterpret_cast<const char*>(bytes), sizeof bytes});
}

}  // namespace

bool admin_session::shows(std::string_view given) const noexcept {
    return given.size() == token.size() && CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
}

admin_sessions::opened admin_sessions::open(api_key_holder who, time now) {
    opened made{random_secret(), {std::move(who), random_secret()}};
    const std::lock_guard lock(mutex_);
    forget_ended(now);
    if (entries_.size() >= limits_.sessions && !entries_.empty())
        entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                        [](const entry& a, const entry& b) { return a.used < b.used; }));
    entries_.push_back({digest_of(made.id), made.session, now, now});
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
    const auto hashed = digest_of(id);
    entry* found = nullptr;
    for (auto& each : entries_)
        if (CRYPTO_memcmp(each.id.data(), hashed.data(), hashed.size()) == 0) found = &each;
    return found;
}

void admin_sessions::forget_ended(time now) {
    std::erase_if(entries_, [&](const entry& each) {
        return now - each.used >= limits_.idle || now - each.began >= limits_.life;
    });
}

admin_sessions::digest admin_sessions::digest_of(std::string_view text) {
    digest out{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
    return out;
}

}  // namespace madang
