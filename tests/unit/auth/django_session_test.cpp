#include "broker/auth/django_session.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;

// By Django 3.2.25 (tests/integration/auth/make_sessions.py) at 1,700,000,000, where the manual clock stands.
const std::string secret_key = "django-insecure-0123456789";
const std::string plain =
    ".eJyrVopPLC3JiC8tTi2Kz0xRslIyMVLSQRZMSkzOTs0DyaRkJeal5-sl5-eVFGUm6YGU6EFli_V881NSc5ygalEMyEgszgD"
    "qNjA0Mk5MSk5RqgUAboYo0g:1r31eq:gMbjn936ak57mleDxywA1S-5OLcHxKEisH86oxOk7pQ";
const std::string compressed =
    ".eJyrVopPLC3JiC8tTi2Kz0xRslIyMVLSQRZMSkzOTs0DyaRkJeal5-sl5-eVFGUm6YGU6EFli_V881NSc5ygalEMyEgszgD"
    "qNjA0Mk5MSgZJlqRWlABFEtMTM_MURslRkrqkUi0AB2YAFA:1r31eq:Jf-vo7Vv6D0NzPSyMqfkJCTfBYtY0X3QeSc3fLOLV"
    "R4";
const std::string bomb =
    ".eJztwUENADAIBDAvJ2N-5oAHyTLvmODZ9qVuV04aAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFiXP_rTN4A:1r31eq:Wq_zyE7AWgQdUSe9j7vUTHOhpmDqVlT9_NNDqj6h4oI";

struct DjangoSession : ::testing::Test {
    // The fault, or "ok:" and the user.
    std::string verdict(std::string_view cookie) const {
        const auto session = sessions.read(cookie);
        return session ? "ok:" + session->user_id : session.error().detail;
    }
    // As Django signs it: the text is base64url already.
    static std::string sign(const std::string& text, const std::string& time = "1r31eq",
                            const std::string& secret = secret_key) {
        const auto salted = "django.contrib.sessions.backends.signed_cookiessigner" + secret;
        unsigned char key[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        EVP_Digest(salted.data(), salted.size(), key, &size, EVP_sha256(), nullptr);
        const auto value = text + ":" + time;
        return value + ":" + test::base64url(test::hmac({reinterpret_cast<char*>(key), size}, value));
    }
    static std::string sign_json(std::string_view json) { return sign(test::base64url(json)); }

    static options settings() {
        options made;
        made.django_secret_key = secret_key;
        return made;
    }
    manual_clock clock;
    const django_sessions sessions{settings(), clock};
};

TEST_F(DjangoSession, ReadsWhatDjangoSigned) {
    const auto session = sessions.read(plain);
    ASSERT_TRUE(session) << session.error();
    EXPECT_EQ(session->user_id, "42");
    EXPECT_EQ(nlohmann::json::parse(session->user_json),
              nlohmann::json::parse(R"({"sub":"42","backend":"django.contrib.auth.backends.ModelBackend"})"));
    const auto json = nlohmann::json::parse(session->json);
    EXPECT_EQ(json.at("_auth_user_id"), "42");
    EXPECT_FALSE(json.contains("_auth_user_hash"));
    EXPECT_EQ(sessions.cookie(), "sessionid");
}

TEST_F(DjangoSession, ReadsCompressedOnes) {
    const auto session = sessions.read(compressed);
    ASSERT_TRUE(session) << session.error();
    EXPECT_EQ(session->user_id, "42");
    EXPECT_EQ(nlohmann::json::parse(session->json).at("text").get<std::string>().size(), 600u);
}

TEST_F(DjangoSession, ASessionWithoutAUserIsNobodys) {
    const auto session = sessions.read(sign_json(R"({"cart":[1]})"));
    ASSERT_TRUE(session);
    EXPECT_EQ(session->user_id, "");
    EXPECT_EQ(session->user_json, "");
    EXPECT_EQ(session->json, R"({"cart":[1]})");
    EXPECT_EQ(verdict(sign_json(R"({"_auth_user_id":7})")), "ok:7");
    EXPECT_EQ(verdict(sign_json(R"({"_auth_user_id":["7"]})")), "ok:");
}

TEST_F(DjangoSession, HasAnAge) {
    clock.advance(14 * 24h);
    EXPECT_EQ(verdict(plain), "ok:42");
    clock.advance(1s);
    EXPECT_EQ(verdict(plain), session_fault::expired);
    EXPECT_EQ(sessions.read(plain).error().code, errc::token_expired);
}

TEST_F(DjangoSession, RefusesEveryChangeOfOneCharacter) {
    for (std::size_t i = 0; i < plain.size(); ++i)
        for (const char c : {'A', 'z', '_', ':', '.', '=', '\0', ' '}) {
            if (plain[i] == c) continue;
            auto changed = plain;
            changed[i] = c;
            ASSERT_FALSE(sessions.read(changed)) << i << ' ' << c;
        }
    for (std::size_t i = 0; i < plain.size(); ++i) ASSERT_FALSE(sessions.read(plain.substr(0, i))) << i;
}

TEST_F(DjangoSession, RefusesAnotherKeyAndAnotherPurpose) {
    EXPECT_EQ(verdict(sign("e30", "1r31eq", "another")), session_fault::signature);
    EXPECT_EQ(verdict("e30:1r31eq:" + test::base64url(test::hmac(secret_key, "e30:1r31eq"))),
              session_fault::signature);
    auto off = settings();
    off.django_secret_key = "";
    const django_sessions none(off, clock);
    EXPECT_FALSE(none.enabled());
    EXPECT_FALSE(none.read(sign("e30", "1r31eq", "")));
}

TEST_F(DjangoSession, RefusesNonsenseThatIsSignedWell) {
    for (const auto& text : {std::string(), std::string("!"), test::base64url("[]"), test::base64url("{"),
                             test::base64url("{\"a\":\"\xff\"}"), "." + test::base64url("no zlib"),
                             test::base64url(std::string(200, '[')), std::string(".")})
        EXPECT_EQ(verdict(sign(text)), session_fault::malformed) << text;
    for (const auto time : {"", "-1", "1r31e!", "999999999"})
        EXPECT_EQ(verdict(sign("e30", time)), session_fault::malformed) << time;
    EXPECT_EQ(verdict("::"), session_fault::signature);
    EXPECT_EQ(verdict(""), session_fault::malformed);
    EXPECT_EQ(verdict(":"), session_fault::malformed);
    EXPECT_EQ(verdict(sign_json(R"({"_auth_user_id":")" + std::string(256, 'u') + "\"}")),
              session_fault::malformed);
}

TEST_F(DjangoSession, SizesHaveLimitsBeforeAndAfterDecompression) {
    EXPECT_EQ(verdict(std::string(options{}.django_cookie_bytes + 1, 'a')), session_fault::too_long);
    EXPECT_EQ(verdict(bomb), session_fault::too_long);
    const auto cookie_of = [](std::size_t size) {
        const auto json = R"({"t":")" + std::string(size - 8, 'x') + "\"}";
        std::string packed(compressBound(json.size()), '\0');
        auto packed_size = static_cast<uLongf>(packed.size());
        compress(reinterpret_cast<Bytef*>(packed.data()), &packed_size,
                 reinterpret_cast<const Bytef*>(json.data()), json.size());
        packed.resize(packed_size);
        return "." + test::base64url(packed);
    };
    EXPECT_EQ(verdict(sign(cookie_of(options{}.django_session_bytes))), "ok:");
    EXPECT_EQ(verdict(sign(cookie_of(options{}.django_session_bytes + 1))), session_fault::too_long);
    EXPECT_EQ(verdict(sign(cookie_of(1'000'000))), session_fault::too_long);
    const auto whole = cookie_of(5000);
    EXPECT_EQ(verdict(sign(whole.substr(0, whole.size() - 8))), session_fault::malformed) << "cut off";
}

}  // namespace
}  // namespace madang
