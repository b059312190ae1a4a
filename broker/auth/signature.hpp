// Signatures of JSON Web Tokens (RFC 7518 3, RFC 8037 3.1) and the keys they are checked with. A key has one
// kind and a kind has its algorithms: nothing that a token says lets one be used as another (RFC 8725 3.1).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "broker/core/result.hpp"

struct evp_pkey_st;

namespace madang {

enum class jwt_algorithm : std::uint8_t {
    hs256,
    hs384,
    hs512,
    rs256,
    rs384,
    rs512,
    es256,
    es384,
    es512,
    eddsa  // Ed25519
};
// By its name in a token's head, upper and lower case as there; nothing for "none" and all others.
std::optional<jwt_algorithm> parse_jwt_algorithm(std::string_view name) noexcept;
inline bool is_hmac(jwt_algorithm which) noexcept { return which <= jwt_algorithm::hs512; }

// In constant time. `which` is one of HMAC's.
bool verify_hmac(jwt_algorithm which, std::string_view secret, std::string_view text,
                 std::string_view signature);

// Any thread; copies share the key. Errors: invalid_argument, the detail says what is wrong with it.
class public_key {
  public:
    // "-----BEGIN PUBLIC KEY-----". RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519.
    static result<public_key> from_pem(std::string_view pem);
    // Big-endian bytes, as in a JSON Web Key (RFC 7518 6.2, 6.3; RFC 8037 2). `curve`: "P-256" and so on.
    static result<public_key> from_rsa(std::string_view modulus, std::string_view exponent);
    static result<public_key> from_ec(std::string_view curve, std::string_view x, std::string_view y);
    static result<public_key> from_ed25519(std::string_view x);

    bool fits(jwt_algorithm which) const noexcept;
    bool verify(jwt_algorithm which, std::string_view text, std::string_view signature) const;

  private:
    enum class kind : std::uint8_t { rsa, p256, p384, p521, ed25519 };
    public_key(std::shared_ptr<evp_pkey_st> key, kind which) : key_(std::move(key)), kind_(which) {}
    static result<public_key> take(evp_pkey_st* key);  // may be null; finds out its kind

    std::shared_ptr<evp_pkey_st> key_;
    kind kind_;
};

}  // namespace madang
