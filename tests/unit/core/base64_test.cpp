#include "broker/core/base64.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

TEST(Base64Url, HasNoPaddingAndNoCharacterThatAUrlEscapes) {
    EXPECT_EQ(base64url_encode(""), "");
    EXPECT_EQ(base64url_encode("f"), "Zg");
    EXPECT_EQ(base64url_encode("fo"), "Zm8");
    EXPECT_EQ(base64url_encode("foo"), "Zm9v");
    EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
}

TEST(Base64, DecodesTheRfcsVectors) {  // RFC 4648 10
    EXPECT_EQ(base64_decode(""), "");
    EXPECT_EQ(base64_decode("Zg=="), "f");
    EXPECT_EQ(base64_decode("Zm8="), "fo");
    EXPECT_EQ(base64_decode("Zm9v"), "foo");
    EXPECT_EQ(base64_decode("Zm9vYg=="), "foob");
    EXPECT_EQ(base64_decode("Zm9vYmE="), "fooba");
    EXPECT_EQ(base64_decode("+/+/"), "\xfb\xff\xbf");
    EXPECT_EQ(base64url_decode("Zm9vYg"), "foob");
    EXPECT_EQ(base64url_decode("Zm9vYmE"), "fooba");
    EXPECT_EQ(base64url_decode("-_-_"), "\xfb\xff\xbf");
}

TEST(Base64, HasOneTextForEachValue) {
    for (const auto text : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9=v", "Zm 9v", "Zm9v\n",
                            "Zh==", "Zm9=", "Zg==Zg==", "-_-_"})
        EXPECT_EQ(base64_decode(text), std::nullopt) << text;
    for (const auto text : {"Zg==", "Zm9vY", "Zh", "Zm9", "+/+/", "Zm9v ", "Z", "Zm.9"})
        EXPECT_EQ(base64url_decode(text), std::nullopt) << text;
}

}  // namespace
}  // namespace madang
