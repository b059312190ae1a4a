#include "broker/auth/jwt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;

const std::string secret = "0123456789abcdef0123456789abcdef";

std::string sign(std::string_view header, std::string_view claims, const std::string& key = secret,
                 const EVP_MD* hash = EVP_sha256()) {
    return test::sign_hmac(header, claims, key, hash);
}

constexpr std::string_view hs256 = R"({"alg":"HS256","typ":"JWT"})";

class Jwt : public testing::Test {
  protected:
    // The fault, or "ok:" and the user's id.
    std::string verdict(std::string_view token) const {
        const auto verified = verifier_.verify(token);
        return verified ? "ok:" + verified->id : verified.error().detail;
    }
    std::string claims_verdict(std::string_view claims) const { return verdict(sign(hs256, claims)); }

    manual_clock clock_;  // stands at 1,700,000,000
    jwt_verifier verifier_{secret, clock_};
};

TEST_F(Jwt, AcceptsTheExampleOfJwtIo) {
    // https://jwt.io's first example, whose secret is "your-256-bit-secret".
    const jwt_verifier example("your-256-bit-secret", clock_);
    const auto verified = example.verify(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
        "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c");
    ASSERT_TRUE(verified) << verified.error();
    EXPECT_EQ(verified->id, "1234567890");
    EXPECT_EQ(nlohmann::json::parse(verified->claims_json),
              nlohmann::json::parse(R"({"sub":"1234567890","name":"John Doe","iat":1516239022})"));
    EXPECT_FALSE(verified->expires);
}

TEST_F(Jwt, KeepsClaimsAndExpiry) {
    const auto verified =
        verifier_.verify(sign(hs256, R"({"sub":"마당","exp":1700000060,"info":{"name":"a"}})"));
    ASSERT_TRUE(verified) << verified.error();
    EXPECT_EQ(verified->id, "마당");
    EXPECT_EQ(verified->expires, clock_.wall_now() + 60s);
    EXPECT_EQ(nlohmann::json::parse(verified->claims_json).at("info").at("name"), "a");
}

TEST_F(Jwt, HeaderNeedsNoType) { EXPECT_EQ(verdict(sign(R"({"alg":"HS256"})", R"({"sub":"u"})")), "ok:u"); }

TEST_F(Jwt, TakesEachHashWithTheSecret) {
    const auto claims = R"({"sub":"u"})";
    EXPECT_EQ(verdict(sign(R"({"alg":"HS512"})", claims, secret, EVP_sha512())), "ok:u");
    EXPECT_EQ(verdict(sign(R"({"alg":"HS384"})", claims, secret, EVP_sha384())), "ok:u");
    EXPECT_EQ(verdict(sign(R"({"alg":"HS512"})", claims, secret, EVP_sha256())), token_fault::signature);
    EXPECT_EQ(verdict(sign(R"({"alg":"HS256"})", claims, secret, EVP_sha512())), token_fault::signature);
}

TEST_F(Jwt, RefusesEveryOtherAlgorithm) {
    const auto claims = R"({"sub":"u"})";
    const auto none = sign(R"({"alg":"none"})", claims);
    for (const auto& token :
         {none, none.substr(0, none.rfind('.') + 1), sign(R"({"alg":"None"})", claims),
          sign(R"({"alg":"nOnE"})", claims), sign(R"({"alg":"RS256"})", claims),
          sign(R"({"alg":"ES256"})", claims), sign(R"({})", claims), sign(R"({"alg":""})", claims),
          sign(R"({"alg":"hs256"})", claims), sign(R"({"alg":"HS256 "})", claims),
          sign(R"({"alg":"HS224"})", claims), sign(R"({"alg":"PS256"})", claims),
          sign(R"({"alg":"EdDSA"})", claims), sign(R"({"alg":null})", claims), sign(R"({"alg":5})", claims),
          sign(R"({"alg":["HS256"]})", claims)}) {
        const auto fault = verdict(token);
        EXPECT_TRUE(fault == token_fault::algorithm || fault == token_fault::malformed) << fault;
    }
}

TEST_F(Jwt, RefusesCriticalHeaders) {
    EXPECT_EQ(verdict(sign(R"({"alg":"HS256","crit":["b64"],"b64":false})", R"({"sub":"u"})")),
              token_fault::algorithm);
}

TEST_F(Jwt, RefusesAnotherSecretAndAChangedToken) {
    EXPECT_EQ(verdict(sign(hs256, R"({"sub":"u"})", "another secret")), token_fault::signature);
    EXPECT_EQ(verdict(sign(hs256, R"({"sub":"u"})", secret + "x")), token_fault::signature);
    const auto good = sign(hs256, R"({"sub":"u"})");
    const auto other = sign(hs256, R"({"sub":"admin"})");
    EXPECT_EQ(verdict(other.substr(0, other.rfind('.')) + good.substr(good.rfind('.'))),
              token_fault::signature);
    EXPECT_EQ(verdict(good.substr(0, good.rfind('.') + 1)), token_fault::signature);
}

TEST_F(Jwt, RefusesEveryChangeOfOneCharacter) {
    const auto good = sign(hs256, R"({"sub":"user-1","exp":1800000000})");
    ASSERT_EQ(verdict(good), "ok:user-1");
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const char c : {'A', 'z', '_', '.', '=', '\0', ' ', '%'}) {
            if (good[i] == c) continue;
            auto changed = good;
            changed[i] = c;
            ASSERT_FALSE(verdict(changed).starts_with("ok")) << i << ' ' << c;
        }
        ASSERT_FALSE(verdict(good.substr(0, i)).starts_with("ok")) << i;
    }
}

TEST_F(Jwt, RefusesMalformedTokens) {
    const auto good = sign(hs256, R"({"sub":"u"})");
    for (const auto& token :
         {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), good + "=", good + ".x",
          good + "\n", " " + good, good.substr(0, good.rfind('.')), std::string(8000, 'a'),
          std::string(100, '.'), sign("not json", "{}"), sign(hs256, "not json"), sign(hs256, "[1]"),
          sign(hs256, "\"x\""), sign("[]", R"({"sub":"u"})"), sign(hs256, R"({"sub":"u"} trailing)"),
          sign(hs256, "{\"sub\":\"\xff\"}")}) {
        EXPECT_EQ(verdict(token), token_fault::malformed) << token.substr(0, 100);
    }
}

TEST_F(Jwt, RefusesTokensOfMoreThan8KiB) {
    EXPECT_EQ(verdict(sign(hs256, R"({"sub":"u","x":")" + std::string(9000, 'x') + "\"}")),
              token_fault::too_long);
    EXPECT_EQ(verdict(sign(hs256, R"({"sub":"u","x":")" + std::string(5000, 'x') + "\"}")), "ok:u");
}

TEST_F(Jwt, ExpiryHasALeeway) {
    const auto token = sign(hs256, R"({"sub":"u","exp":1700000000})");
    EXPECT_EQ(verdict(token), "ok:u");
    clock_.advance(9s);
    EXPECT_EQ(verdict(token), "ok:u");
    clock_.advance(1s);
    EXPECT_EQ(verdict(token), token_fault::expired);
    EXPECT_EQ(verifier_.verify(token).error().code, errc::token_expired);
    const jwt_verifier strict(secret, clock_, 0s);
    EXPECT_EQ(strict.verify(sign(hs256, R"({"sub":"u","exp":1700000010})")).error().detail,
              token_fault::expired);
    EXPECT_TRUE(strict.verify(sign(hs256, R"({"sub":"u","exp":1700000010.5})")));
}

TEST_F(Jwt, BeginningHasALeeway) {
    EXPECT_EQ(claims_verdict(R"({"sub":"u","nbf":1700000010})"), "ok:u");
    EXPECT_EQ(claims_verdict(R"({"sub":"u","nbf":1700000011})"), token_fault::not_yet_valid);
}

TEST_F(Jwt, RefusesTimesThatAreNoNumbers) {
    for (const auto claims :
         {R"({"sub":"u","exp":"1800000000"})", R"({"sub":"u","exp":null})", R"({"sub":"u","nbf":{}})",
          R"({"sub":"u","exp":true})", R"({"sub":"u","iat":"now"})"}) {
        EXPECT_EQ(claims_verdict(claims), token_fault::claims) << claims;
    }
    EXPECT_EQ(claims_verdict(R"({"sub":"u","exp":-1})"), token_fault::expired);
    EXPECT_EQ(claims_verdict(R"({"sub":"u","exp":1e300})"), "ok:u");
    EXPECT_GT(verifier_.verify(sign(hs256, R"({"sub":"u","exp":1e300})"))->expires,
              clock_.wall_now() + 24h * 365 * 200);
    EXPECT_EQ(claims_verdict(R"({"sub":"u","nbf":1e300})"), token_fault::not_yet_valid);
}

TEST_F(Jwt, NeedsASubject) {
    for (const auto& claims :
         {std::string("{}"), std::string(R"({"sub":""})"), std::string(R"({"sub":7})"),
          std::string(R"({"sub":null})"), R"({"sub":")" + std::string(256, 'u') + "\"}"}) {
        EXPECT_EQ(claims_verdict(claims), token_fault::subject) << claims.substr(0, 40);
    }
    EXPECT_TRUE(claims_verdict(R"({"sub":")" + std::string(255, 'u') + "\"}").starts_with("ok"));
}

TEST_F(Jwt, WithoutASecretNothingIsAccepted) {
    const jwt_verifier off("", clock_);
    EXPECT_FALSE(off.enabled());
    EXPECT_EQ(off.verify(sign(hs256, R"({"sub":"u"})", "")).error().detail, token_fault::disabled);
    EXPECT_EQ(off.verify(sign(R"({"alg":"none"})", R"({"sub":"u"})")).error().detail, token_fault::disabled);
    EXPECT_TRUE(verifier_.enabled());
}

TEST_F(Jwt, ASubscriptionsTokenSaysNothingAboutItsBearer) {
    const auto token = sign(hs256, R"({"sub":"u","channel":"news"})");
    EXPECT_EQ(verdict(token), token_fault::claims);
    EXPECT_TRUE(verifier_.verify_claims(token));
    EXPECT_EQ(verifier_.verify_claims(sign(hs256, "{}"))->id, "") << "claims alone need no subject";
    EXPECT_FALSE(verifier_.verify_claims(sign(hs256, R"({"sub":7})")));
}

TEST_F(Jwt, ChecksAudienceAndIssuerWhenTheyAreSet) {
    jwt_settings settings{.hmac_secret = secret, .key = {}, .audience = "us", .issuer = "them"};
    const jwt_verifier strict(settings, clock_);
    const auto says = [&](std::string_view more) {
        const auto verified = strict.verify(sign(hs256, R"({"sub":"u")" + std::string(more) + "}"));
        return verified ? "ok" : verified.error().detail;
    };
    EXPECT_EQ(says(R"(,"aud":"us","iss":"them")"), "ok");
    EXPECT_EQ(says(R"(,"aud":["others","us"],"iss":"them")"), "ok");
    for (const auto more :
         {"", R"(,"aud":"others")", R"(,"aud":["others"])", R"(,"aud":[])", R"(,"aud":"us ")",
          R"(,"aud":null)", R"(,"aud":{"us":1})", R"(,"aud":[["us"]])", R"(,"aud":"US")"})
        EXPECT_EQ(says(std::string(R"(,"iss":"them")") + more), token_fault::audience) << more;
    for (const auto more : {"", R"(,"iss":"others")", R"(,"iss":["them"])", R"(,"iss":null)", R"(,"iss":7)"})
        EXPECT_EQ(says(std::string(R"(,"aud":"us")") + more), token_fault::issuer) << more;
}

TEST_F(Jwt, RefusesJsonThatIsTooDeep) {
    const auto nested = [&](std::size_t depth) {
        return sign(hs256, R"({"sub":"u","x":)" + std::string(depth, '[') + std::string(depth, ']') + "}");
    };
    EXPECT_EQ(verdict(nested(60)), "ok:u");
    EXPECT_EQ(verdict(nested(70)), token_fault::malformed);
    EXPECT_EQ(verdict(nested(2900)), token_fault::malformed);
}

TEST_F(Jwt, GarbageNeverPassesAndFaultsNeverHoldIt) {
    std::mt19937 random(23);
    const auto good = sign(hs256, R"({"sub":"u"})");
    for (int round = 0; round < 5000; ++round) {
        auto token = random() % 2 ? good : std::string(random() % 200, 'e');
        for (std::size_t n = 1 + random() % 4; n > 0 && !token.empty(); --n) {
            token[random() % token.size()] = static_cast<char>(random());
        }
        if (token == good) continue;
        const auto verified = verifier_.verify(token);
        ASSERT_FALSE(verified);
        ASSERT_LE(verified.error().detail.size(), 13u);
    }
}

}  // namespace
}  // namespace madang
