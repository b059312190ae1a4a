// Who is signed in to the admin page: sessions in memory, which end with the process.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/auth/api_keys.hpp"
#include "broker/auth/secrets.hpp"

namespace madang {

struct admin_session {
    api_key_holder who;
    std::string token;  // what a changing request shows beside the cookie, against forgery by other pages

    bool shows(std::string_view given) const noexcept;  // that token; takes the same time for each
};

// Any thread. Keeps the ids' SHA-256, not the ids.
class admin_sessions {
  public:
    using time = std::chrono::steady_clock::time_point;
    struct limits {
        std::size_t sessions = 64;      // beyond it the one that was used least lately ends
        std::chrono::minutes idle{30};  // without a request; an open page asks every 2 s
        std::chrono::hours life{12};    // whatever it does
    };
    admin_sessions() : admin_sessions(limits()) {}
    explicit admin_sessions(limits most) : limits_(most) {}

    struct opened {
        std::string id;  // 256 random bits as base64url; the cookie's value
        admin_session session;
    };
    // Throws std::runtime_error where there is no randomness.
    opened open(api_key_holder who, time now);
    // The session, which is used by that; nothing: none of that id, or it ended.
    std::optional<admin_session> find(std::string_view id, time now);
    void close(std::string_view id);
    std::size_t size() const;

  private:
    struct entry {
        sha256_digest id;
        admin_session session;
        time began, used;
    };
    entry* entry_of(std::string_view id);
    void forget_ended(time now);

    const limits limits_;
    mutable std::mutex mutex_;
    std::vector<entry> entries_;
};

}  // namespace madang
