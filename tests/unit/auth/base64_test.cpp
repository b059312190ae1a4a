#include "broker/auth/base64.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

TEST(Base64, DecodesTheRfcsVectors) {  // RFC 4648 10
    EXPECT_EQ(decode_base64(""), "");
    EXPECT_EQ(decode_base64("Zg=="), "f");
    EXPECT_EQ(decode_base64("Zm8="), "fo");
    EXPECT_EQ(decode_base64("Zm9v"), "foo");
    EXPECT_EQ(decode_base64("Zm9vYg=="), "foob");
    EXPECT_EQ(decode_base64("Zm9vYmE="), "fooba");
    EXPECT_EQ(decode_base64("+/+/"), "\xfb\xff\xbf");
    EXPECT_EQ(decode_base64url("Zm9vYg"), "foob");
    EXPECT_EQ(decode_base64url("Zm9vYmE"), "fooba");
    EXPECT_EQ(decode_base64url("-_-_"), "\xfb\xff\xbf");
}

TEST(Base64, HasOneTextForEachValue) {
    for (const auto text :
         {"Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9=v", "Zm 9v", "Zm9v\n", "Zh==", "-_-_"})
        EXPECT_EQ(decode_base64(text), std::nullopt) << text;
    for (const auto text : {"Zg==", "Zm9vY", "Zh", "Zm9", "+/+/", "Zm9v ", "Z", "Zm.9"})
        EXPECT_EQ(decode_base64url(text), std::nullopt) << text;
}

}  // namespace
}  // namespace madang
