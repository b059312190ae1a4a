#include "broker/auth/key_set.hpp"

#include <gtest/gtest.h>

#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

using test::signing_key;

const signing_key& rsa_key() {
    static const auto key = signing_key::rsa(2048);
    return key;
}

std::string set_of(std::initializer_list<std::string> keys) {
    std::string out = R"({"keys":[)";
    for (const auto& each : keys) out.append(out.ends_with('[') ? "" : ",").append(each);
    return out + "]}";
}

TEST(KeySet, FindsKeysByIdAndAlgorithm) {
    const auto ec = signing_key::ec("P-256");
    const auto keys =
        key_set::parse(set_of({rsa_key().jwk("a"), ec.jwk("b"), signing_key::ed25519().jwk("c"),
                               signing_key::ec("P-384").jwk("d"), signing_key::ec("P-521").jwk("e")}));
    ASSERT_TRUE(keys) << keys.error();
    EXPECT_EQ(keys->size(), 5u);
    for (const auto which : {jwt_algorithm::rs256, jwt_algorithm::rs384, jwt_algorithm::rs512})
        EXPECT_NE(keys->find("a", which), nullptr);
    EXPECT_EQ(keys->find("a", jwt_algorithm::es256), nullptr);
    EXPECT_EQ(keys->find("a", jwt_algorithm::hs256), nullptr) << "a public key is no secret";
    EXPECT_NE(keys->find("b", jwt_algorithm::es256), nullptr);
    EXPECT_EQ(keys->find("b", jwt_algorithm::es384), nullptr);
    EXPECT_NE(keys->find("c", jwt_algorithm::eddsa), nullptr);
    EXPECT_NE(keys->find("d", jwt_algorithm::es384), nullptr);
    EXPECT_NE(keys->find("e", jwt_algorithm::es512), nullptr);
    EXPECT_EQ(keys->find("f", jwt_algorithm::es512), nullptr);
    EXPECT_EQ(keys->find("", jwt_algorithm::es512), nullptr);
}

TEST(KeySet, AKeysOwnAlgorithmIsTheOnlyOne) {
    const auto keys = key_set::parse(set_of({rsa_key().jwk("a", R"(,"alg":"RS512")")}));
    ASSERT_TRUE(keys);
    EXPECT_EQ(keys->find("a", jwt_algorithm::rs256), nullptr);
    EXPECT_NE(keys->find("a", jwt_algorithm::rs512), nullptr);
}

TEST(KeySet, TwoKeysOfOneIdAreToldApartByTheirKind) {
    const auto keys = key_set::parse(set_of({rsa_key().jwk("a"), signing_key::ed25519().jwk("a")}));
    ASSERT_TRUE(keys);
    EXPECT_NE(keys->find("a", jwt_algorithm::rs256), nullptr);
    EXPECT_NE(keys->find("a", jwt_algorithm::eddsa), nullptr);
}

TEST(KeySet, LeavesOutWhatIsNoGood) {
    const auto& rsa = rsa_key();
    const auto ec = signing_key::ec("P-256").jwk("a");
    auto off_curve = ec;  // one bit of y: the point is on the curve no more
    const auto y = off_curve.find("\"y\":\"") + 6;
    off_curve[y] = off_curve[y] == 'A' ? 'B' : 'A';
    for (const auto& each : {rsa.jwk("a", R"(,"use":"enc")"),
                             rsa.jwk("a", R"(,"use":5)"),
                             rsa.jwk("a", R"(,"key_ops":["encrypt"])"),
                             rsa.jwk("a", R"(,"key_ops":"verify")"),
                             rsa.jwk("a", R"(,"alg":"PS256")"),
                             rsa.jwk("a", R"(,"alg":"ES256")"),
                             rsa.jwk("a", R"(,"alg":"none")"),
                             rsa.jwk(""),
                             signing_key::rsa(1024).jwk("a"),
                             off_curve,
                             signing_key::ec("secp256k1").jwk("a"),  // claims to be P-256
                             std::string(R"({"kid":"a","kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"})"),
                             std::string(R"({"kid":"a","kty":"OKP","crv":"Ed25519","x":"AAAA"})"),
                             std::string(R"({"kid":"a","kty":"OKP","crv":"X25519","x":"AAAA"})"),
                             std::string(R"({"kid":"a","kty":"RSA","n":"","e":"AQAB"})"),
                             std::string(R"({"kid":"a","kty":"RSA"})"),
                             std::string(R"({"kid":["a"],"kty":"RSA"})"),
                             std::string("7"),
                             std::string("null"),
                             std::string("{}")}) {
        const auto keys = key_set::parse(set_of({each}));
        ASSERT_TRUE(keys) << each;
        EXPECT_EQ(keys->size(), 0u) << each;
    }
}

TEST(KeySet, RefusesAnExponentThatWouldCostTime) {
    auto jwk = rsa_key().jwk("a");
    const auto e = jwk.find("\"e\":\"") + 5;
    for (const auto& exponent : {std::string("AQ"), std::string("BA"), std::string(86, 'B')}) {
        auto changed = jwk;
        changed.replace(e, 4, exponent);
        const auto keys = key_set::parse(set_of({changed}));
        ASSERT_TRUE(keys);
        EXPECT_EQ(keys->size(), 0u) << exponent;
    }
}

TEST(KeySet, RefusesWhatIsNoSetAndWhatIsTooMuch) {
    for (const auto text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":null})", "{\"keys\":[", "nonsense"})
        EXPECT_EQ(key_set::parse(text).error().code, errc::bad_request) << text;
    std::string many = R"({"keys":[{})";
    for (std::size_t i = 1; i < key_set_limits{}.keys; ++i) many += ",{}";
    EXPECT_TRUE(key_set::parse(many + "]}"));
    EXPECT_EQ(key_set::parse(many + ",{}]}").error().code, errc::too_large);
    EXPECT_EQ(key_set::parse(R"({"keys":[]})" + std::string(key_set_limits{}.bytes, ' ')).error().code,
              errc::too_large);
    EXPECT_EQ(key_set::parse(R"({"keys":[)" + std::string(10'000, '[')).error().code, errc::bad_request);
}

}  // namespace
}  // namespace madang
