#include "broker/auth/signature.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <string>

namespace madang {

namespace {

template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T* what) const noexcept {
        Free(what);
    }
};
template <class T, auto Free>
using owned = std::unique_ptr<T, freed_by<Free>>;

// A failed call leaves words in OpenSSL's queue of this thread, where TLS would take them for its own.
struct error_queue {
    error_queue() = default;
    error_queue(const error_queue&) = delete;
    error_queue& operator=(const error_queue&) = delete;
    ~error_queue() { ERR_clear_error(); }
};

const unsigned char* bytes(std::string_view text) noexcept {
    return reinterpret_cast<const unsigned char*>(text.data());
}

const EVP_MD* digest_of(jwt_algorithm which) noexcept {
    switch (which) {
        case jwt_algorithm::hs256:
        case jwt_algorithm::rs256:
        case jwt_algorithm::es256:
            return EVP_sha256();
        case jwt_algorithm::hs384:
        case jwt_algorithm::rs384:
        case jwt_algorithm::es384:
            return EVP_sha384();
        case jwt_algorithm::hs512:
        case jwt_algorithm::rs512:
        case jwt_algorithm::es512:
            return EVP_sha512();
        case jwt_algorithm::eddsa:
            break;
    }
    return nullptr;
}

// r and s side by side (RFC 7518 3.4) as the DER that OpenSSL takes; "" when the size is wrong.
std::string der_of(std::string_view signature, std::size_t half) {
    if (signature.size() != 2 * half) return {};
    const owned<ECDSA_SIG, ECDSA_SIG_free> parts(ECDSA_SIG_new());
    owned<BIGNUM, BN_free> r(BN_bin2bn(bytes(signature), static_cast<int>(half), nullptr));
    owned<BIGNUM, BN_free> s(BN_bin2bn(bytes(signature.substr(half)), static_cast<int>(half), nullptr));
    if (!parts || !r || !s || ECDSA_SIG_set0(parts.get(), r.get(), s.get()) != 1) return {};
    (void)r.release();
    (void)s.release();
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(parts.get(), &der);
    if (size <= 0) return {};
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
}

error refuse(std::string_view why) { return fail(errc::invalid_argument, std::string(why)); }

// A key from its parts; null when they are none.
EVP_PKEY* made_of(const char* type, OSSL_PARAM_BLD* parts) {
    const owned<OSSL_PARAM, OSSL_PARAM_free> parameters(OSSL_PARAM_BLD_to_param(parts));
    const owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return nullptr;
    return key;
}

}  // namespace

std::optional<jwt_algorithm> parse_jwt_algorithm(std::string_view name) noexcept {
    constexpr std::string_view names[] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                          "RS512", "ES256", "ES384", "ES512", "EdDSA"};
    for (std::size_t i = 0; i < std::size(names); ++i)
        if (names[i] == name) return static_cast<jwt_algorithm>(i);
    return std::nullopt;
}

bool verify_hmac(jwt_algorithm which, std::string_view secret, std::string_view text,
                 std::string_view signature) {
    const error_queue cleared;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (HMAC(digest_of(which), secret.data(), static_cast<int>(secret.size()), bytes(text), text.size(), mac,
             &size) == nullptr)
        return false;
    return signature.size() == size && CRYPTO_memcmp(mac, signature.data(), size) == 0;
}

result<public_key> public_key::take(evp_pkey_st* key) {
    if (key == nullptr) return refuse("it is no public key");
    std::shared_ptr<evp_pkey_st> held(key, EVP_PKEY_free);
    if (EVP_PKEY_is_a(key, "ED25519")) return public_key(std::move(held), kind::ed25519);
    if (EVP_PKEY_is_a(key, "RSA")) {
        // RFC 7518 3.3: 2048 bits or more. An upper bound, since checking costs time by the square.
        const int bits = EVP_PKEY_get_bits(key);
        if (bits < 2048 || bits > 8192) return refuse("an RSA key has 2048 to 8192 bits");
        return public_key(std::move(held), kind::rsa);
    }
    char curve[64] = {};
    std::size_t size = 0;
    if (EVP_PKEY_is_a(key, "EC") &&
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, &size) == 1) {
        const std::string_view name(curve);
        if (name == "prime256v1" || name == "P-256") return public_key(std::move(held), kind::p256);
        if (name == "secp384r1" || name == "P-384") return public_key(std::move(held), kind::p384);
        if (name == "secp521r1" || name == "P-521") return public_key(std::move(held), kind::p521);
    }
    return refuse("it is not RSA, P-256, P-384, P-521 or Ed25519");
}

result<public_key> public_key::from_pem(std::string_view pem) {
    const error_queue cleared;
    const owned<BIO, BIO_free> from(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    // Without a callback OpenSSL would ask the terminal for the pass phrase of an encrypted block.
    const auto no_phrase = [](char*, int, int, void*) { return 0; };
    return take(from ? PEM_read_bio_PUBKEY(from.get(), nullptr, no_phrase, nullptr) : nullptr);
}

result<public_key> public_key::from_rsa(std::string_view modulus, std::string_view exponent) {
    const error_queue cleared;
    if (modulus.size() > 1024 || exponent.empty() || exponent.size() > 8)
        return refuse("an RSA key has 2048 to 8192 bits and an exponent of 64 at most");
    const owned<BIGNUM, BN_free> n(BN_bin2bn(bytes(modulus), static_cast<int>(modulus.size()), nullptr));
    const owned<BIGNUM, BN_free> e(BN_bin2bn(bytes(exponent), static_cast<int>(exponent.size()), nullptr));
    const owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> parts(OSSL_PARAM_BLD_new());
    if (!n || !e || !parts || !BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get()) ||
        OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
        return refuse("its numbers are no RSA key");
    return take(made_of("RSA", parts.get()));
}

result<public_key> public_key::from_ec(std::string_view curve, std::string_view x, std::string_view y) {
    const error_queue cleared;
    const std::size_t size = curve == "P-256" ? 32 : curve == "P-384" ? 48 : curve == "P-521" ? 66 : 0;
    if (size == 0 || x.size() != size || y.size() != size)
        return refuse("its curve or the size of its numbers is wrong");
    const std::string name(curve);
    const auto point = "\x04" + std::string(x) + std::string(y);  // SEC 1 2.3.3, uncompressed
    const owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> parts(OSSL_PARAM_BLD_new());
    if (!parts ||
        OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME, name.c_str(), 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
            1)
        return refuse("its numbers are no key");
    return take(made_of("EC", parts.get()));  // refuses a point that is not on the curve
}

result<public_key> public_key::from_ed25519(std::string_view x) {
    const error_queue cleared;
    if (x.size() != 32) return refuse("an Ed25519 key has 32 bytes");
    return take(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(x), x.size()));
}

bool public_key::fits(jwt_algorithm which) const noexcept {
    switch (which) {
        case jwt_algorithm::rs256:
        case jwt_algorithm::rs384:
        case jwt_algorithm::rs512:
            return kind_ == kind::rsa;
        case jwt_algorithm::es256:
            return kind_ == kind::p256;
        case jwt_algorithm::es384:
            return kind_ == kind::p384;
        case jwt_algorithm::es512:
            return kind_ == kind::p521;
        case jwt_algorithm::eddsa:
            return kind_ == kind::ed25519;
        case jwt_algorithm::hs256:
        case jwt_algorithm::hs384:
        case jwt_algorithm::hs512:
            break;
    }
    return false;
}

bool public_key::verify(jwt_algorithm which, std::string_view text, std::string_view signature) const {
    if (!fits(which)) return false;
    const error_queue cleared;
    std::string der;
    if (kind_ == kind::p256 || kind_ == kind::p384 || kind_ == kind::p521) {
        der = der_of(signature, kind_ == kind::p256 ? 32 : kind_ == kind::p384 ? 48 : 66);
        if (der.empty()) return false;
        signature = der;
    }
    const owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    return context &&
           EVP_DigestVerifyInit(context.get(), nullptr, digest_of(which), nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text), text.size()) == 1;
}

}  // namespace madang
