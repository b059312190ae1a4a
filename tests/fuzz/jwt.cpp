// What strangers bring to prove who they are. The first line says what: a token, claims (signed well, so that
// the parser behind the signature is reached too), a key set, or a Django session (as it is, or signed well).
#include <cstdlib>

#include "broker/auth/django_session.hpp"
#include "broker/auth/grants.hpp"
#include "broker/auth/json_text.hpp"
#include "broker/auth/jwt.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_fetcher.hpp"
#include "tests/support/token_maker.hpp"

namespace {

using namespace madang;

const std::string secret = "0123456789abcdef0123456789abcdef";
const std::string site_secret = "django-insecure-0123456789";
// The keys whose private halves signed the corpus and were thrown away, and all that they ever signed.
constexpr std::string_view keys =
    R"({"keys":[{"kid":"r","kty":"RSA","n":"yvswqdox-Zc6pgabaO4-56UVlHIR8GqA3RbRkMCVq2tfByzQUgIOB)"
    R"(pA4lfnQ-s-xo2pb6pPM45mNPg9SOznAQFeoserjlo6oO5uUUDS9KafLmYNKjJC5wlTxDDe_ud8dGQjFJL8sQH3_med)"
    R"(bD49Tbi3o6VzgVDrib8QO4_fvrZ3Y3uVdBJ8STftutx4lYOdThJoi_vzFIsx9cf0-fNOdosi3spWpBx_Jo0DkSQdMv)"
    R"(a169RGJ3j6vDx39zToR-jcMCzsXFTJi_acFK_RO6m2TrlLn4R79_O1DErhpQ605hpQa9mhTubnQTKwus9HrgaTQDp-)"
    R"(ii2Ec7gXKGjPlRgz4dQ","e":"AQAB","use":"sig","alg":"RS256"},{"kid":"e","kty":"EC","crv":"P-)"
    R"(256","x":"WyVcuLivfWtGwEL7Yaf9_PS1y2FWmKlmPo-wqUCDUAY","y":"o-aXp18QufYX1-JQJ2o3h94RRYHsqc)"
    R"(DrfiaHeGB8JSE"},{"kid":"o","kty":"OKP","crv":"Ed25519","x":"DvAz1580qE8Lwru91Wc1XWeOJQoBhB)"
    R"(GD3bt9LXJXcZI","key_ops":["verify"]}]})";
constexpr std::string_view signed_texts[] = {
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiJ1IiwiZXhwIjoxODAwMDAwMDAwfQ",
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJzdWIiOiJ1IiwiZXhwIjoxODAwMDAwMDAwfQ",
    "eyJhbGciOiJFZERTQSIsImtpZCI6Im8ifQ.eyJzdWIiOiJ1IiwiZXhwIjoxODAwMDAwMDAwfQ"};

struct world {
    world() {
        from.django_secret_key = site_secret;
        cache.prefetch();
        fetcher.answer(std::string(keys));
        fetcher.refuse = errc::busy;
    }
    options from;
    manual_clock clock;
    fake_fetcher fetcher;
    metrics_shard counts;
    jwks_cache cache{"https://keys.example/", jwks_limits{}, fetcher, clock, counts};
    jwt_settings settings{.hmac_secret = secret, .key = {}, .audience = {}, .issuer = {}};
    jwt_verifier verifier{settings, clock, &cache};
    django_sessions sessions{from, clock};
};

// Independent of the verifier: whether somebody with a key made this.
bool made_by_a_key(std::string_view token) {
    const auto text = token.substr(0, token.rfind('.'));
    for (const auto each : signed_texts)
        if (text == each) return true;
    const auto signature = token.substr(token.rfind('.') + 1);
    for (const auto* hash : {EVP_sha256(), EVP_sha384(), EVP_sha512()})
        if (signature == test::base64url(test::hmac(secret, text, hash))) return true;
    return false;
}

void check_token(const world& in, std::string_view token) {
    const auto claims = in.verifier.verify_claims(token);
    const auto who = in.verifier.verify(token);
    if (!claims) {
        fuzz::require(!who && claims.error().detail.size() <= 13, "a refusal is a fault's name");
        return;
    }
    fuzz::require(made_by_a_key(token), "what is accepted was signed");
    fuzz::require(!who || (!who->id.empty() && who->id.size() <= 255), "a user has an id");
    const auto object = parse_json(claims->claims_json);
    fuzz::require(object && object->is_object(), "claims can be handed on");
    if (const auto grant = read_connect_grant(*object))
        for (const auto& each : grant->groups) fuzz::require(!each.group.empty(), "a group has a name");
    if (const auto grant = read_subscription_grant(*object))
        fuzz::require(grant->expire_at >= 0, "an end is a time");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const world in;
    fuzz::input input{data, size};
    const auto kind = input.line();
    if (kind == "t") {
        check_token(in, input.rest());
    } else if (kind == "c") {
        const auto header = input.line();
        for (const auto* hash : {EVP_sha256(), EVP_sha384(), EVP_sha512()})
            check_token(in, test::sign_hmac(header, input.rest(), secret, hash));
    } else if (kind == "k") {
        if (const auto set = key_set::parse(input.rest()))
            fuzz::require(set->size() <= key_set_limits{}.keys, "a key set has its size");
    } else if (kind == "d") {
        const auto session = in.sessions.read(input.rest());
        fuzz::require(!session || parse_json(session->json), "a session is JSON");
    } else if (kind == "s") {
        const auto key = "django.contrib.sessions.backends.signed_cookiessigner" + site_secret;
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        EVP_Digest(key.data(), key.size(), digest, &length, EVP_sha256(), nullptr);
        const std::string time(input.line());
        const auto value = test::base64url(input.rest()) + ":" + time;
        for (const auto& text : {value, "." + value}) {
            const auto mac = test::hmac({reinterpret_cast<char*>(digest), length}, text);
            const auto session = in.sessions.read(text + ":" + test::base64url(mac));
            fuzz::require(!session || (parse_json(session->json) && session->user_id.size() <= 255),
                          "a session is JSON and its user has a size");
        }
    }
    return 0;
}
