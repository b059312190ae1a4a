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

// RFC 4648 10.
TEST(Base64, DecodesTheStandardsVectors) {
    EXPECT_EQ(base64_decode(""), "");
    EXPECT_EQ(base64_decode("Zg=="), "f");
    EXPECT_EQ(base64_decode("Zm8="), "fo");
    EXPECT_EQ(base64_decode("Zm9v"), "foo");
    EXPECT_EQ(base64_decode("Zm9vYg=="), "foob");
    EXPECT_EQ(base64_decode("+/8="), "\xfb\xff");
}

TEST(Base64, RefusesWhatHasAnotherReading) {
    for (const auto* text :
         {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm 9", "-_8=", "Zm9v\n"})
        EXPECT_FALSE(base64_decode(text)) << text;
}

}  // namespace
}  // namespace madang
