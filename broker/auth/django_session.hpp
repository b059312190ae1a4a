// The session of a Django site that keeps it in its cookie (django.contrib.sessions.backends.signed_cookies
// with the JSON serializer, the default): who knows the site's SECRET_KEY reads it without asking the site.
//
// The cookie is TEXT:TIME:SIGNATURE. TEXT is JSON in base64url, with a '.' before it when it is zlib's; TIME
// is Unix seconds in base 62; SIGNATURE is HMAC-SHA256 of "TEXT:TIME" in base64url, keyed with the SHA-256 of
// the salt, "signer" and SECRET_KEY (django/core/signing.py, 3.1 and later).
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "broker/core/clock.hpp"
#include "broker/core/options.hpp"
#include "broker/core/result.hpp"

namespace madang {

// Why a session was not believed: an error's whole detail, and the label of madang_sessions_refused_total.
namespace session_fault {
inline constexpr std::string_view malformed = "malformed";
inline constexpr std::string_view signature = "signature";
inline constexpr std::string_view expired = "expired";
inline constexpr std::string_view too_long = "too_long";
}  // namespace session_fault

struct django_session {
    std::string json;       // an object, without _auth_user_hash, which says something about the password
    std::string user_id;    // _auth_user_id as text; "": nobody is logged in
    std::string user_json;  // {"sub":user_id,"backend":…}, or ""
};

// Any thread; immutable.
class django_sessions {
  public:
    // The options django_*. `clock` outlives *this.
    django_sessions(const options& from, const clock_source& clock);

    bool enabled() const noexcept { return !key_.empty(); }
    const std::string& cookie() const noexcept { return cookie_; }
    // errc::unauthorized or token_expired, with a session_fault. What the site itself would not know, we do
    // not know either: a session that it ended (logout, new password) is good until its age is over.
    result<django_session> read(std::string_view value) const;

  private:
    std::string key_;  // derived; "": no session is believed
    std::string cookie_;
    std::chrono::milliseconds age_;
    std::size_t cookie_bytes_;
    std::size_t session_bytes_;  // the JSON, decompressed
    const clock_source& clock_;
};

}  // namespace madang
