#include "broker/auth/signature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "broker/auth/jwt.hpp"
#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

using test::signing_key;

struct algorithm_row {
    const char* name;
    const EVP_MD* hash;
    signing_key key;
};

// Every asymmetric algorithm with a key of its kind; made once.
const std::vector<algorithm_row>& rows() {
    static const auto all = [] {
        const auto rsa = signing_key::rsa(2048);
        return std::vector<algorithm_row>{{"RS256", EVP_sha256(), rsa},
                                          {"RS384", EVP_sha384(), rsa},
                                          {"RS512", EVP_sha512(), rsa},
                                          {"ES256", EVP_sha256(), signing_key::ec("P-256")},
                                          {"ES384", EVP_sha384(), signing_key::ec("P-384")},
                                          {"ES512", EVP_sha512(), signing_key::ec("P-521")},
                                          {"EdDSA", nullptr, signing_key::ed25519()}};
    }();
    return all;
}

std::string header(std::string_view algorithm) { return R"({"alg":")" + std::string(algorithm) + "\"}"; }
constexpr auto claims = R"({"sub":"u"})";

struct Signature : ::testing::Test {
    jwt_verifier with(const std::string& pem, std::string secret = {}) const {
        auto key = public_key::from_pem(pem);
        EXPECT_TRUE(key) << key.error();
        return jwt_verifier({.hmac_secret = std::move(secret), .key = *key, .audience = {}, .issuer = {}},
                            clock);
    }
    static std::string verdict(const jwt_verifier& by, std::string_view token) {
        const auto who = by.verify(token);
        return who ? "ok:" + who->id : who.error().detail;
    }
    manual_clock clock;
};

TEST_F(Signature, EachAlgorithmTakesItsOwnKeysTokens) {
    for (const auto& each : rows()) {
        const auto verifier = with(each.key.pem());
        const auto token = each.key.sign(header(each.name), claims, each.hash);
        EXPECT_EQ(verdict(verifier, token), "ok:u") << each.name;
        const auto forged = each.key.sign(header(each.name), R"({"sub":"admin"})", each.hash);
        EXPECT_EQ(verdict(verifier, token.substr(0, token.rfind('.')) + forged.substr(forged.rfind('.'))),
                  token_fault::signature)
            << each.name;
        EXPECT_EQ(verdict(verifier, token.substr(0, token.rfind('.') + 1)), token_fault::signature);
    }
}

TEST_F(Signature, NoKeyServesAnotherKindsAlgorithm) {
    for (const auto& key : rows())
        for (const auto& claimed : rows()) {
            const bool own = key.key.pem() == claimed.key.pem();
            const auto got =
                verdict(with(key.key.pem()), key.key.sign(header(claimed.name), claims, key.hash));
            EXPECT_EQ(got.starts_with("ok"), std::string_view(key.name) == claimed.name)
                << key.name << ' ' << claimed.name;
            EXPECT_EQ(got == token_fault::algorithm, !own) << key.name << ' ' << claimed.name;
        }
}

TEST_F(Signature, APublicKeyIsNoSecret) {
    // Whoever has the public key (everybody) signs with its text as HMAC's secret (RFC 8725 2.1).
    for (const auto& each : rows()) {
        const auto pem = each.key.pem();
        for (const auto* name : {"HS256", each.name})
            for (const auto& secret : {pem, pem.substr(0, pem.size() - 1)}) {
                const auto token = test::sign_hmac(header(name), claims, secret);
                EXPECT_NE(verdict(with(pem), token), "ok:u") << each.name;
                EXPECT_NE(verdict(with(pem, "another secret of thirty-two bytes"), token), "ok:u")
                    << each.name;
            }
        // And a secret that happens to be a PEM text checks HS tokens only.
        const jwt_verifier confused(pem, clock);
        EXPECT_EQ(verdict(confused, each.key.sign(header(each.name), claims, each.hash)),
                  token_fault::algorithm);
    }
}

TEST_F(Signature, ATokensOwnKeysAreNotLookedAt) {
    const auto& real = rows()[6];
    const auto fake = signing_key::ed25519();
    const auto verifier = with(real.key.pem());
    for (const auto& more : {R"("jwk":)" + fake.jwk("x"), std::string(R"("jku":"https://evil.example/jwks")"),
                             std::string(R"("x5u":"https://evil.example/cert")"),
                             std::string(R"("x5c":["AAAA"])"), std::string(R"("kid":"../../dev/null")")}) {
        const auto head = R"({"alg":"EdDSA",)" + more + "}";
        EXPECT_EQ(verdict(verifier, fake.sign(head, claims, nullptr)), token_fault::signature) << more;
        EXPECT_EQ(verdict(verifier, real.key.sign(head, claims, nullptr)), "ok:u") << more;
    }
    EXPECT_EQ(verdict(verifier, real.key.sign(R"({"alg":"EdDSA","crit":["exp"]})", claims, nullptr)),
              token_fault::algorithm);
}

TEST_F(Signature, AnEcSignatureIsRAndSAndNotDer) {
    const auto& es256 = rows()[3];
    const auto verifier = with(es256.key.pem());
    const auto text = test::base64url(header("ES256")) + "." + test::base64url(claims);
    const auto with_signature = [&](std::string_view bytes) { return text + "." + test::base64url(bytes); };
    EXPECT_EQ(verdict(verifier, with_signature(es256.key.signature(text, EVP_sha256()))),
              token_fault::signature);
    // CVE-2022-21449: nothing at all, as r and s.
    for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 72u, 2048u})
        EXPECT_EQ(verdict(verifier, with_signature(std::string(size, '\0'))), token_fault::signature) << size;
    EXPECT_EQ(verdict(verifier, with_signature(std::string(64, '\xff'))), token_fault::signature);
}

TEST_F(Signature, RefusesKeysThatAreWeakOrNone) {
    for (const auto& pem : {signing_key::rsa(1024).pem(), signing_key::ec("secp256k1").pem(), std::string(),
                            std::string("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")}) {
        EXPECT_EQ(public_key::from_pem(pem).error().code, errc::invalid_argument);
    }
}

TEST_F(Signature, SettingsComeFromOptionsAndNameAFileThatIsNoKey) {
    char folder[] = "/tmp/madang-jwt-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    const auto file = std::string(folder) + "/key.pem";
    options from;
    from.jwt_public_key = file;
    EXPECT_EQ(read_jwt_settings(from).error().code, errc::invalid_option);
    std::ofstream(file) << "nonsense";
    const auto wrong = read_jwt_settings(from);
    EXPECT_THAT(wrong.error().detail, testing::HasSubstr(file));
    EXPECT_THAT(wrong.error().detail, testing::Not(testing::HasSubstr("nonsense")));
    std::ofstream(file) << rows()[6].key.pem();
    from.jwt_audience = "us";
    from.jwt_leeway = std::chrono::milliseconds(3);
    const auto settings = read_jwt_settings(from);
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(settings) << settings.error();
    EXPECT_TRUE(settings->key->fits(jwt_algorithm::eddsa));
    EXPECT_EQ(settings->audience, "us");
    EXPECT_EQ(settings->leeway, std::chrono::milliseconds(3));
    EXPECT_FALSE(read_jwt_settings({})->key);
}

}  // namespace
}  // namespace madang
