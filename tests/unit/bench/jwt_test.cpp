#include "broker/bench/jwt.hpp"

#include <gtest/gtest.h>

namespace madang::bench {
namespace {

// Expected value from `openssl dgst -sha256 -hmac secret` over the same head and claims.
TEST(SignHs256, AgreesWithOpenssl) {
    EXPECT_EQ(sign_hs256("secret", "u1", 2000000000),
              "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjIwMDAwMDAwMDAsInN1YiI6InUxIn0.i78ubYiP_"
              "1oAfjwA2dV1uw-MU_og_jdoO88_gNjgudA");
}

}  // namespace
}  // namespace madang::bench
