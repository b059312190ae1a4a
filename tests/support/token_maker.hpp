// Signs tokens and makes keys for tests, by other calls of OpenSSL than those that check them.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>

namespace madang::test {

inline std::string base64url(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    while (out.ends_with('=')) out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

inline std::string hmac(std::string_view key, std::string_view text, const EVP_MD* hash = EVP_sha256()) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(hash, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), mac, &size);
    return {reinterpret_cast<char*>(mac), size};
}

// The header as given, whatever it says.
inline std::string sign_hmac(std::string_view header, std::string_view claims, std::string_view secret,
                             const EVP_MD* hash = EVP_sha256()) {
    const auto text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(hmac(secret, text, hash));
}

class signing_key {
  public:
    static signing_key rsa(unsigned bits) { return signing_key(EVP_RSA_gen(bits)); }
    static signing_key ec(const char* curve) { return signing_key(EVP_EC_gen(curve)); }
    static signing_key ed25519() { return signing_key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

    // The hash is null for Ed25519. EC signatures are r and s side by side, as RFC 7518 3.4 wants.
    std::string sign(std::string_view header, std::string_view claims, const EVP_MD* hash) const {
        const auto text = base64url(header) + "." + base64url(claims);
        return text + "." + base64url(raw(signature(text, hash)));
    }
    // As OpenSSL gives it: for EC keys DER.
    std::string signature(std::string_view text, const EVP_MD* hash) const {
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                              &EVP_MD_CTX_free);
        const auto* from = reinterpret_cast<const unsigned char*>(text.data());
        std::size_t size = 0;
        EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get());
        EVP_DigestSign(context.get(), nullptr, &size, from, text.size());
        std::string out(size, '\0');
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, from, text.size());
        out.resize(size);
        return out;
    }

    std::string pem() const {
        const std::unique_ptr<BIO, decltype(&BIO_free)> to(BIO_new(BIO_s_mem()), &BIO_free);
        PEM_write_bio_PUBKEY(to.get(), key_.get());
        char* text = nullptr;
        const long size = BIO_get_mem_data(to.get(), &text);
        return {text, static_cast<std::size_t>(size)};
    }
    // `more`: further members, such as ,"use":"sig"
    std::string jwk(std::string_view id, std::string_view more = {}) const {
        std::string own;
        if (EVP_PKEY_is_a(key_.get(), "RSA")) {
            own = R"("kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
                  number(OSSL_PKEY_PARAM_RSA_E) + '"';
        } else if (EVP_PKEY_is_a(key_.get(), "EC")) {
            own = R"("kty":"EC","crv":")" + std::string(curve()) + R"(","x":")" +
                  number(OSSL_PKEY_PARAM_EC_PUB_X) + R"(","y":")" + number(OSSL_PKEY_PARAM_EC_PUB_Y) + '"';
        } else {
            std::string x(32, '\0');
            std::size_t size = x.size();
            EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(x.data()), &size);
            own = R"("kty":"OKP","crv":"Ed25519","x":")" + base64url(x) + '"';
        }
        return R"({"kid":")" + std::string(id) + "\"," + own + std::string(more) + "}";
    }

  private:
    explicit signing_key(EVP_PKEY* key) : key_(key, &EVP_PKEY_free) {}

    std::size_t half() const {
        return EVP_PKEY_is_a(key_.get(), "EC")
                   ? static_cast<std::size_t>(EVP_PKEY_get_bits(key_.get()) + 7) / 8
                   : 0;
    }
    std::string_view curve() const { return half() == 32 ? "P-256" : half() == 48 ? "P-384" : "P-521"; }
    std::string raw(const std::string& signature) const {
        if (half() == 0) return signature;
        const auto* from = reinterpret_cast<const unsigned char*>(signature.data());
        const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> parts(
            d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(signature.size())), &ECDSA_SIG_free);
        return padded(ECDSA_SIG_get0_r(parts.get())) + padded(ECDSA_SIG_get0_s(parts.get()));
    }
    std::string padded(const BIGNUM* value) const {
        std::string out(half() != 0 ? half() : static_cast<std::size_t>(BN_num_bytes(value)), '\0');
        BN_bn2binpad(value, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
        return out;
    }
    std::string number(const char* name) const {
        BIGNUM* value = nullptr;
        EVP_PKEY_get_bn_param(key_.get(), name, &value);
        const std::unique_ptr<BIGNUM, decltype(&BN_free)> held(value, &BN_free);
        return base64url(padded(value));
    }

    std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace madang::test
