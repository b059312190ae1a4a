#include "broker/auth/key_set.hpp"

#include <algorithm>

#include "broker/auth/json_text.hpp"
#include "broker/core/base64.hpp"

namespace madang {

namespace {

// A member that holds bytes in base64url; "" when it is not there or is none.
std::string read_bytes(const nlohmann::json& jwk, const char* name) {
    std::string text;
    if (!read_text(jwk, name, text)) return {};
    return base64url_decode(text).value_or("");
}

// RFC 7517 4.2, 4.3: both are optional.
bool for_signatures(const nlohmann::json& jwk) {
    std::string use;
    if (!read_text(jwk, "use", use) || (!use.empty() && use != "sig")) return false;
    const auto operations = jwk.find("key_ops");
    if (operations == jwk.end()) return true;
    if (!operations->is_array()) return false;
    for (const auto& each : *operations)
        if (each == "verify") return true;
    return false;
}

result<public_key> read_key(const nlohmann::json& jwk) {
    std::string type, curve;
    if (!read_text(jwk, "kty", type) || !read_text(jwk, "crv", curve)) return fail(errc::invalid_argument);
    if (type == "RSA") return public_key::from_rsa(read_bytes(jwk, "n"), read_bytes(jwk, "e"));
    if (type == "EC") return public_key::from_ec(curve, read_bytes(jwk, "x"), read_bytes(jwk, "y"));
    if (type == "OKP" && curve == "Ed25519") return public_key::from_ed25519(read_bytes(jwk, "x"));
    return fail(errc::invalid_argument);
}

}  // namespace

result<key_set> key_set::parse(std::string_view json, const key_set_limits& limits) {
    if (json.size() > limits.bytes) return fail(errc::too_large, "jwt-jwks-bytes");
    const auto document = parse_json(json);
    if (!document || !document->is_object()) return fail(errc::bad_request, "no JSON object");
    const auto keys = document->find("keys");
    if (keys == document->end() || !keys->is_array()) return fail(errc::bad_request, "no keys");
    if (keys->size() > limits.keys) return fail(errc::too_large, "jwt-jwks-keys");
    key_set made;
    for (const auto& jwk : *keys) {
        std::string id, algorithm;
        if (!jwk.is_object() || !read_text(jwk, "kid", id) || id.empty() ||
            !read_text(jwk, "alg", algorithm) || !for_signatures(jwk))
            continue;
        const auto only = parse_jwt_algorithm(algorithm);
        if (!algorithm.empty() && !only) continue;
        auto key = read_key(jwk);
        if (!key || (only && !key->fits(*only))) continue;
        made.keys_.push_back({std::move(id), only, std::move(*key)});
    }
    return made;
}

const public_key* key_set::find(std::string_view id, jwt_algorithm which) const noexcept {
    for (const auto& each : keys_)
        if (each.id == id && each.key.fits(which) && (!each.only || *each.only == which)) return &each.key;
    return nullptr;
}

bool key_set::has(std::string_view id) const noexcept {
    return std::any_of(keys_.begin(), keys_.end(), [&](const entry& each) { return each.id == id; });
}

}  // namespace madang
