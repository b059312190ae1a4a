// JSON Web Tokens (RFC 7519) signed with HS256 and one secret. Any other algorithm is refused whatever the
// token's own header says (RFC 8725 3.1), so is a critical header (RFC 7515 4.1.11).
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "broker/auth/user.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/result.hpp"

namespace madang {

// Why a token was refused: an error's whole detail, and the label of madang_tokens_refused_total. No part of
// the token.
namespace token_fault {
inline constexpr std::string_view disabled = "disabled";            // no secret is set
inline constexpr std::string_view too_long = "too_long";            // more than jwt_bytes
inline constexpr std::string_view malformed = "malformed";          // not three base64url parts of JSON
inline constexpr std::string_view algorithm = "algorithm";          // not HS256, or a critical header
inline constexpr std::string_view signature = "signature";          // another secret, or changed since
inline constexpr std::string_view expired = "expired";              // exp passed (errc::token_expired)
inline constexpr std::string_view not_yet_valid = "not_yet_valid";  // nbf is to come
inline constexpr std::string_view subject = "subject";              // no sub, or not a string of 1-255 bytes
inline constexpr std::string_view claims = "claims";                // exp or nbf is not a number
}  // namespace token_fault

inline constexpr std::size_t jwt_bytes = 8 * 1024;

// Any thread; immutable.
class jwt_verifier {
  public:
    // `secret` "": every token is refused. `clock` must outlive *this.
    jwt_verifier(std::string secret, const clock_source& clock,
                 std::chrono::seconds leeway = std::chrono::seconds(10))
        : secret_(std::move(secret)), clock_(clock), leeway_(leeway) {}

    // errc::token_expired or errc::unauthorized, with a token_fault. A token without exp does not expire.
    result<user> verify(std::string_view token) const;
    bool enabled() const noexcept { return !secret_.empty(); }

  private:
    std::string secret_;
    const clock_source& clock_;
    std::chrono::seconds leeway_;
};

}  // namespace madang
