#include "broker/bench/jwt.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <nlohmann/json.hpp>

#include "broker/core/base64.hpp"

namespace madang::bench {

std::string sign_hs256(std::string_view secret, std::string_view user, long long expires) {
    const nlohmann::json claims{{"sub", user}, {"exp", expires}};
    const auto text =
        base64url_encode(R"({"alg":"HS256","typ":"JWT"})") + "." + base64url_encode(claims.dump());
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
    return text + "." + base64url_encode({reinterpret_cast<const char*>(digest), size});
}

}  // namespace madang::bench
