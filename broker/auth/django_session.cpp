#include "broker/auth/django_session.hpp"

#include <openssl/evp.h>
#include <zlib.h>

#include <optional>

#include "broker/auth/json_text.hpp"
#include "broker/auth/signature.hpp"
#include "broker/core/base64.hpp"

namespace madang {

namespace {

constexpr std::string_view salt = "django.contrib.sessions.backends.signed_cookies";

error refuse(std::string_view fault, errc code = errc::unauthorized) {
    return fail(code, std::string(fault));
}

std::string derive_key(const std::string& secret_key) {
    if (secret_key.empty()) return {};
    const auto text = std::string(salt) + "signer" + secret_key;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1) return {};
    return {reinterpret_cast<const char*>(digest), size};
}

std::optional<std::int64_t> read_base62(std::string_view text) noexcept {
    if (text.empty() || text.size() > 8) return std::nullopt;  // 62^8 seconds: 6.9 million years
    std::int64_t value = 0;
    for (const char c : text) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                          : c >= 'a' && c <= 'z' ? c - 'a' + 36
                                                 : -1;
        if (digit < 0) return std::nullopt;
        value = value * 62 + digit;
    }
    return value;
}

result<std::string> decompress(const std::string& compressed, std::size_t most) {
    std::string out(most + 1, '\0');
    auto size = static_cast<uLongf>(out.size());
    auto from = static_cast<uLong>(compressed.size());
    const int status = uncompress2(reinterpret_cast<Bytef*>(out.data()), &size,
                                   reinterpret_cast<const Bytef*>(compressed.data()), &from);
    if (status == Z_BUF_ERROR && size == out.size()) return refuse(session_fault::too_long);
    if (status != Z_OK || from != compressed.size()) return refuse(session_fault::malformed);
    if (size > most) return refuse(session_fault::too_long);
    out.resize(size);
    return out;
}

}  // namespace

django_sessions::django_sessions(const options& from, const clock_source& clock)
    : key_(derive_key(from.django_secret_key)),
      cookie_(from.django_session_cookie),
      age_(from.django_session_age),
      cookie_bytes_(from.django_cookie_bytes),
      session_bytes_(from.django_session_bytes),
      clock_(clock) {}

result<django_session> django_sessions::read(std::string_view value) const {
    if (!enabled()) return refuse(session_fault::signature);
    if (value.size() > cookie_bytes_) return refuse(session_fault::too_long);
    const auto second = value.rfind(':');
    const auto first = second == value.npos || second == 0 ? value.npos : value.rfind(':', second - 1);
    if (first == value.npos) return refuse(session_fault::malformed);
    const auto signature = base64url_decode(value.substr(second + 1));
    if (!signature || !verify_hmac(jwt_algorithm::hs256, key_, value.substr(0, second), *signature))
        return refuse(session_fault::signature);

    const auto made = read_base62(value.substr(first + 1, second - first - 1));
    if (!made) return refuse(session_fault::malformed);
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_.wall_now().time_since_epoch());
    if (now - std::chrono::seconds(*made) > age_) return refuse(session_fault::expired, errc::token_expired);

    auto text = value.substr(0, first);
    const bool compressed = text.starts_with('.');
    if (compressed) text.remove_prefix(1);
    auto json = base64url_decode(text);
    if (!json) return refuse(session_fault::malformed);
    if (compressed) {
        auto raw = decompress(*json, session_bytes_);
        if (!raw) return raw.error();
        json = std::move(*raw);
    }
    auto session = parse_json(*json);
    if (!session || !session->is_object()) return refuse(session_fault::malformed);

    django_session result;
    const auto id = session->find("_auth_user_id");
    if (id != session->end() && id->is_string()) result.user_id = id->get<std::string>();
    if (id != session->end() && id->is_number_integer()) result.user_id = id->dump();
    if (result.user_id.size() > 255) return refuse(session_fault::malformed);
    if (!result.user_id.empty()) {
        std::string backend;
        (void)read_text(*session, "_auth_user_backend", backend);
        result.user_json = json_text({{"sub", result.user_id}, {"backend", backend}});
    }
    session->erase("_auth_user_hash");
    result.json = json_text(*session);
    return result;
}

}  // namespace madang
