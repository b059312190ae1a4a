#include "broker/auth/secrets.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdexcept>

namespace madang {

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    if (::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
        throw std::runtime_error("OpenSSL has no random bytes");
    return bytes;
}

sha256_digest sha256(std::string_view text) {
    sha256_digest out{};
    unsigned size = 0;
    if (::EVP_Digest(text.data(), text.size(), out.data(), &size, ::EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
    return out;
}

bool same_secret(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool same_secret(const sha256_digest& a, const sha256_digest& b) noexcept {
    return ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string url_for_log(std::string_view url) {
    url = url.substr(0, url.find_first_of("?#"));
    const auto scheme = url.find("://");
    if (scheme == url.npos) return std::string(url);
    const auto host = scheme + 3;
    const auto at = url.substr(host, url.find('/', host) - host).rfind('@');
    return std::string(url.substr(0, host)).append(url.substr(at == url.npos ? host : host + at + 1));
}

}  // namespace madang
