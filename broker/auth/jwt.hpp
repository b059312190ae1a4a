// JSON Web Tokens (RFC 7519), as RFC 8725 wants them checked: HMAC with one secret, RS, ES and EdDSA with one
// public key or with a key set. Which keys an algorithm may be used with is ours to say, not the token's;
// keys or addresses of keys in a token (jwk, jku, x5u) are not looked at, and a critical header (RFC
// 7515 4.1.11) is refused.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "broker/auth/jwks_cache.hpp"
#include "broker/auth/signature.hpp"
#include "broker/auth/user.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/options.hpp"
#include "broker/core/result.hpp"

namespace madang {

// Why a token was refused: an error's whole detail, and the label of madang_tokens_refused_total. No part of
// the token.
namespace token_fault {
inline constexpr std::string_view disabled = "disabled";            // no secret and no key is set
inline constexpr std::string_view too_long = "too_long";            // more than settings.bytes
inline constexpr std::string_view malformed = "malformed";          // not three base64url parts of JSON
inline constexpr std::string_view algorithm = "algorithm";          // none that we have a key for, or crit
inline constexpr std::string_view key = "key";                      // the key set has no key of that id
inline constexpr std::string_view keys = "keys";                    // no key set just now (errc::busy)
inline constexpr std::string_view signature = "signature";          // another key, or changed since
inline constexpr std::string_view expired = "expired";              // exp passed (errc::token_expired)
inline constexpr std::string_view not_yet_valid = "not_yet_valid";  // nbf is to come
inline constexpr std::string_view subject = "subject";              // no sub, or not a string of 1-255 bytes
inline constexpr std::string_view claims = "claims";  // exp, nbf or iat is not a number, or not such a token
inline constexpr std::string_view audience = "audience";  // aud is not ours
inline constexpr std::string_view issuer = "issuer";      // iss is not ours
}  // namespace token_fault

struct jwt_settings {
    std::string hmac_secret;  // "": no HS tokens
    std::optional<public_key> key;
    std::string audience;  // "": not checked
    std::string issuer;    // "": not checked
    std::chrono::milliseconds leeway{10'000};
    std::size_t bytes = 8 * 1024;  // of a token
};
// From the options jwt_*; reads the key's file. Errors: invalid_option.
result<jwt_settings> read_jwt_settings(const options& from);

// Any thread; immutable.
class jwt_verifier {
  public:
    // `clock` and `keys` outlive *this. With `keys` a token that names a key (kid) is checked with that one
    // and no other; the settings' public key is for tokens that name none.
    explicit jwt_verifier(jwt_settings settings, const clock_source& clock, jwks_cache* keys = nullptr)
        : settings_(std::move(settings)), clock_(clock), keys_(keys) {}
    jwt_verifier(std::string hmac_secret, const clock_source& clock,
                 std::chrono::seconds leeway = std::chrono::seconds(10))
        : jwt_verifier(jwt_settings{.hmac_secret = std::move(hmac_secret),
                                    .key = {},
                                    .audience = {},
                                    .issuer = {},
                                    .leeway = leeway,
                                    .bytes = 8 * 1024},
                       clock) {}

    // Who the bearer is. errc::token_expired, unauthorized, or busy (the key set is on its way: try again),
    // with a token_fault. A token without exp does not expire; one for a subscription (with a `channel`) says
    // nothing about its bearer.
    result<user> verify(std::string_view token) const;

    // The same, but for what the token is for: it may have any kind of claims, and no subject (id "").
    result<user> verify_claims(std::string_view token) const;
    // Waits for the key set when it must (busy: too many wait, or it could not be had). Answers once, at once
    // or on the fetcher's thread.
    void verify_claims(std::string token, std::function<void(result<user>)> done) const;

    bool enabled() const noexcept { return !settings_.hmac_secret.empty() || settings_.key || keys_; }

  private:
    struct checked {
        std::string_view claims;  // a part of the token, in base64url
        bool fetching = false;    // the key set is; nothing was checked
    };
    result<checked> check_signature(std::string_view token) const;
    result<user> read_claims(std::string_view encoded) const;

    jwt_settings settings_;
    const clock_source& clock_;
    jwks_cache* keys_;
};

}  // namespace madang
