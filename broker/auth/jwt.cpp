#include "broker/auth/jwt.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "broker/auth/json_text.hpp"
#include "broker/core/base64.hpp"

namespace madang {

namespace {

// 2255: a later expiry is cut, so that it fits a time_point, whose nanoseconds end in 2262.
constexpr double last_second = 9e9;

error refuse(std::string_view fault, errc code = errc::unauthorized) {
    return fail(code, std::string(fault));
}

// A part of a token: an object, in base64url.
std::optional<nlohmann::json> read_part(std::string_view encoded) {
    const auto text = base64url_decode(encoded);
    auto object = text ? parse_json(*text) : std::nullopt;
    if (!object || !object->is_object()) return std::nullopt;
    return object;
}

// A claim that holds a time (NumericDate: seconds since 1970, maybe with a fraction). False: not a number.
bool read_time(const nlohmann::json& claims, const char* name, std::optional<double>& into) {
    const auto found = claims.find(name);
    if (found == claims.end()) return true;
    if (!found->is_number()) return false;
    into = found->get<double>();
    return true;
}

// RFC 7519 4.1.3: a string or a list of them.
bool is_for(const nlohmann::json& claims, const std::string& audience) {
    const auto found = claims.find("aud");
    if (found == claims.end()) return false;
    if (!found->is_array()) return *found == audience;
    return std::find(found->begin(), found->end(), audience) != found->end();
}

}  // namespace

result<jwt_settings> read_jwt_settings(const options& from) {
    jwt_settings made{.hmac_secret = from.jwt_hmac_secret,
                      .key = {},
                      .audience = from.jwt_audience,
                      .issuer = from.jwt_issuer,
                      .leeway = from.jwt_leeway,
                      .bytes = from.jwt_bytes};
    if (from.jwt_public_key.empty()) return made;
    const auto refuse_option = [&](const std::string& why) {
        return fail(errc::invalid_option, "--jwt-public-key " + from.jwt_public_key + ": " + why +
                                              "; name a PEM file that begins with BEGIN PUBLIC KEY");
    };
    std::ifstream file(from.jwt_public_key, std::ios::binary);
    const std::string pem{std::istreambuf_iterator<char>(file), {}};
    if (!file) return refuse_option("it cannot be read");
    auto key = public_key::from_pem(pem);
    if (!key) return refuse_option(key.error().detail);
    made.key = std::move(*key);
    return made;
}

result<jwt_verifier::checked> jwt_verifier::check_signature(std::string_view token) const {
    if (!enabled()) return refuse(token_fault::disabled);
    if (token.size() > settings_.bytes) return refuse(token_fault::too_long);
    // RFC 7515 7.1: three parts.
    const auto first = token.find('.');
    const auto second = first == token.npos ? token.npos : token.find('.', first + 1);
    if (second == token.npos) return refuse(token_fault::malformed);
    const auto header = read_part(token.substr(0, first));
    const auto signature = base64url_decode(token.substr(second + 1));
    if (!header || !signature || !read_part(token.substr(first + 1, second - first - 1)))
        return refuse(token_fault::malformed);

    std::string name, id;
    if (!read_text(*header, "alg", name)) return refuse(token_fault::malformed);
    const auto algorithm = parse_jwt_algorithm(name);
    if (!algorithm || header->contains("crit")) return refuse(token_fault::algorithm);
    if (!read_text(*header, "kid", id)) return refuse(token_fault::malformed);

    const auto text = token.substr(0, second);
    const checked good{token.substr(first + 1, second - first - 1)};
    const auto verdict = [&](bool holds) -> result<checked> {
        if (!holds) return refuse(token_fault::signature);
        return good;
    };
    if (is_hmac(*algorithm)) {
        if (settings_.hmac_secret.empty()) return refuse(token_fault::algorithm);
        return verdict(verify_hmac(*algorithm, settings_.hmac_secret, text, *signature));
    }
    if (keys_ && !id.empty()) {
        const auto found = keys_->find(id, *algorithm);
        switch (found.how) {
            case jwks_cache::state::found:
                return verdict(found.key->verify(*algorithm, text, *signature));
            case jwks_cache::state::unknown:
                return refuse(token_fault::key);
            case jwks_cache::state::fetching:
                return checked{{}, true};
            case jwks_cache::state::unavailable:
                return refuse(token_fault::keys, errc::busy);
        }
    }
    if (!settings_.key && keys_) return refuse(token_fault::key);
    if (!settings_.key || !settings_.key->fits(*algorithm)) return refuse(token_fault::algorithm);
    return verdict(settings_.key->verify(*algorithm, text, *signature));
}

result<user> jwt_verifier::read_claims(std::string_view encoded) const {
    const auto part = read_part(encoded);
    if (!part) return refuse(token_fault::malformed);
    const auto& claims = *part;

    std::optional<double> expires, begins, issued;
    if (!read_time(claims, "exp", expires) || !read_time(claims, "nbf", begins) ||
        !read_time(claims, "iat", issued))
        return refuse(token_fault::claims);
    const double now = std::chrono::duration<double>(clock_.wall_now().time_since_epoch()).count();
    const double leeway = std::chrono::duration<double>(settings_.leeway).count();
    if (expires && now >= *expires + leeway) return refuse(token_fault::expired, errc::token_expired);
    if (begins && now + leeway < *begins) return refuse(token_fault::not_yet_valid);
    if (!settings_.audience.empty() && !is_for(claims, settings_.audience))
        return refuse(token_fault::audience);
    if (!settings_.issuer.empty() && claims.value("iss", nlohmann::json()) != settings_.issuer)
        return refuse(token_fault::issuer);

    user result;
    const auto subject = claims.find("sub");
    if (subject != claims.end()) {
        if (!subject->is_string()) return refuse(token_fault::subject);
        result.id = subject->get<std::string>();
        if (result.id.size() > 255) return refuse(token_fault::subject);
    }
    if (expires) {
        const std::chrono::duration<double> since_epoch(std::clamp(*expires, 0.0, last_second));
        result.expires = std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch));
    }
    result.claims_json = json_text(claims);
    return result;
}

result<user> jwt_verifier::verify_claims(std::string_view token) const {
    const auto good = check_signature(token);
    if (!good) return good.error();
    if (good->fetching) return refuse(token_fault::keys, errc::busy);
    return read_claims(good->claims);
}

void jwt_verifier::verify_claims(std::string token, std::function<void(result<user>)> done) const {
    const auto good = check_signature(token);
    if (!good || !good->fetching) {
        done(good ? read_claims(good->claims) : result<user>(good.error()));
        return;
    }
    auto waiting = std::make_shared<std::pair<std::string, std::function<void(result<user>)>>>(
        std::move(token), std::move(done));
    // Once: if the key set is not there then, it will not be in this moment.
    if (!keys_->wait([this, waiting] { waiting->second(verify_claims(std::string_view(waiting->first))); }))
        waiting->second(refuse(token_fault::keys, errc::busy));
}

result<user> jwt_verifier::verify(std::string_view token) const {
    auto known = verify_claims(token);
    if (!known) return known;
    if (known->id.empty()) return refuse(token_fault::subject);
    const auto claims = parse_json(known->claims_json);
    if (!claims || claims->contains("channel")) return refuse(token_fault::claims);
    return known;
}

}  // namespace madang
