#include "broker/auth/jwt.hpp"

#include <jwt.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

namespace madang {

namespace {

using decoded_token = std::unique_ptr<jwt_t, decltype(&jwt_free)>;
using owned_text = std::unique_ptr<char, decltype(&std::free)>;

constexpr double last_second =
    253402300799;  // 9999-12-31: a later expiry is cut, so that it fits a time_point

error refuse(std::string_view fault, errc code = errc::unauthorized) {
    return fail(code, std::string(fault));
}

// Three parts of base64url without padding, the first two not empty (RFC 7515 7.1). libjwt is laxer.
bool well_formed(std::string_view token) noexcept {
    const auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    };
    const auto first = token.find('.');
    if (first == 0 || first == std::string_view::npos) return false;
    const auto second = token.find('.', first + 1);
    if (second == std::string_view::npos || second == first + 1) return false;
    const std::string_view parts[] = {token.substr(0, first), token.substr(first + 1, second - first - 1),
                                      token.substr(second + 1)};
    return std::all_of(std::begin(parts), std::end(parts), [&](std::string_view part) {
        return part.size() % 4 != 1 && std::all_of(part.begin(), part.end(), letter);
    });
}

// With a secret libjwt checks the signature by the algorithm that the header names: ours is checked by the
// caller. Without one it only parses.
decoded_token decode(const std::string& token, const std::string& secret) {
    jwt_t* decoded = nullptr;
    const auto* key = secret.empty() ? nullptr : reinterpret_cast<const unsigned char*>(secret.data());
    if (jwt_decode(&decoded, token.c_str(), key, static_cast<int>(secret.size())) != 0) decoded = nullptr;
    return {decoded, &jwt_free};
}

// jansson and nlohmann are both recursive or limited in depth; a claim set needs little.
nlohmann::json parse_object(char* (*get)(jwt_t*, const char*), jwt_t* from) {
    const owned_text text(get(from, nullptr), &std::free);
    auto parsed = text ? nlohmann::json::parse(text.get(), nullptr, false) : nlohmann::json();
    return parsed.is_object() ? parsed : nlohmann::json();
}

// A claim that holds a time (NumericDate: seconds since 1970, maybe with a fraction). False: not a number.
bool read_time(const nlohmann::json& claims, const char* name, std::optional<double>& into) {
    const auto found = claims.find(name);
    if (found == claims.end()) return true;
    if (!found->is_number()) return false;
    into = found->get<double>();
    return true;
}

}  // namespace

result<user> jwt_verifier::verify(std::string_view token) const {
    if (secret_.empty()) return refuse(token_fault::disabled);
    if (token.size() > jwt_bytes) return refuse(token_fault::too_long);
    if (!well_formed(token)) return refuse(token_fault::malformed);

    const std::string text(token);
    const auto verified = decode(text, secret_);
    if (!verified) {  // which of the three it was, is read from the token as it is: nothing else depends on
                      // that
        const auto unverified = decode(text, {});
        if (!unverified) return refuse(token_fault::malformed);
        const char* named = jwt_get_header(unverified.get(), "alg");
        return refuse(named && named == std::string_view("HS256") ? token_fault::signature
                                                                  : token_fault::algorithm);
    }
    if (jwt_get_alg(verified.get()) != JWT_ALG_HS256) return refuse(token_fault::algorithm);
    const auto header = parse_object(jwt_get_headers_json, verified.get());
    if (!header.is_object()) return refuse(token_fault::malformed);
    if (header.contains("crit")) return refuse(token_fault::algorithm);
    const auto claims = parse_object(jwt_get_grants_json, verified.get());
    if (!claims.is_object()) return refuse(token_fault::malformed);

    std::optional<double> expires, begins;
    if (!read_time(claims, "exp", expires) || !read_time(claims, "nbf", begins))
        return refuse(token_fault::claims);
    const double now = std::chrono::duration<double>(clock_.wall_now().time_since_epoch()).count();
    const auto leeway = static_cast<double>(leeway_.count());
    if (expires && now >= *expires + leeway) return refuse(token_fault::expired, errc::token_expired);
    if (begins && now + leeway < *begins) return refuse(token_fault::not_yet_valid);

    const auto subject = claims.find("sub");
    if (subject == claims.end() || !subject->is_string()) return refuse(token_fault::subject);
    user result;
    result.id = subject->get<std::string>();
    if (result.id.empty() || result.id.size() > 255) return refuse(token_fault::subject);
    if (expires) {
        const std::chrono::duration<double> since_epoch(std::min(*expires, last_second));
        result.expires = std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch));
    }
    result.claims_json = claims.dump();
    return result;
}

}  // namespace madang
