#include "broker/auth/api_keys.hpp"

#include <gmock/gmock.h>

namespace madang {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

result<api_key_ring> parse(std::vector<std::string> entries) { return api_key_ring::parse(entries); }

TEST(ApiKeys, AreFoundWithTheirNameAndRights) {
    const auto ring =
        parse({"shop:publish:k-shop-1", "watch:read+publish:k-watch-1", "root:all:k:with:colons"});
    ASSERT_TRUE(ring) << ring.error();
    EXPECT_EQ(ring->find("k-shop-1")->name, "shop");
    EXPECT_EQ(ring->find("k-shop-1")->rights, api_right::publish);
    EXPECT_EQ(ring->find("k-watch-1")->rights, api_right::read | api_right::publish);
    EXPECT_FALSE(may(ring->find("k-watch-1")->rights, api_right::manage));
    EXPECT_TRUE(may(ring->find("k:with:colons")->rights, api_right::manage));
    for (const auto* key : {"", "k-shop-", "k-shop-11", "K-SHOP-1", "shop:publish:k-shop-1"})
        EXPECT_EQ(ring->find(key), nullptr) << key;
}

TEST(ApiKeys, SayWhoHasAKeyThatARingBeforeHad) {
    const auto before = parse({"ann:read:k1", "ben:all:k2"}), now = parse({"ann:read:k3", "boss:publish:k2"});
    ASSERT_TRUE(before && now);
    EXPECT_EQ(now->find(*before->find("k1")), nullptr) << "its name counts for nothing";
    EXPECT_EQ(now->find(*before->find("k2")), now->find("k2"));
    EXPECT_EQ(before->find(*before->find("k1")), before->find("k1"));
}

TEST(ApiKeys, OfNoEntryFindNothing) {
    const auto ring = parse({});
    ASSERT_TRUE(ring);
    EXPECT_TRUE(ring->empty());
    EXPECT_EQ(ring->find(""), nullptr);
}

TEST(ApiKeys, NameAWrongEntryButNeverItsKey) {
    const std::pair<const char*, const char*> wrong[] = {
        {"s3cr3t", "entry 2: write NAME:RIGHTS:KEY"},
        {"s3cr3t:all", "entry 2: write NAME:RIGHTS:KEY"},
        {"bad name:all:s3cr3t", "entry 2: its NAME"},
        {":all:s3cr3t", "entry 2: its NAME"},
        {"shop:fly:s3cr3t", "entry 2 (shop): its RIGHTS"},
        {"shop::s3cr3t", "entry 2 (shop): its RIGHTS"},
        {"shop:read+:s3cr3t", "entry 2 (shop): its RIGHTS"},
        {"shop:read,publish:s3cr3t", "entry 2 (shop): its RIGHTS"},
        {"shop:all:", "entry 2 (shop): its KEY is empty"},
        {"shop:all:s3cr3t s3cr3t", "entry 2 (shop): its KEY"},
        {"shop:all:s3cr3t\n", "entry 2 (shop): its KEY"},
        {"first:all:s3cr3t", "entry 2 (first): another entry has this name"},
        {"shop:all:good", "entry 2 (shop): its KEY is that of first"}};
    for (const auto& [entry, why] : wrong) {
        const auto ring = parse({"first:all:good", entry});
        ASSERT_FALSE(ring) << entry;
        EXPECT_EQ(ring.error().code, errc::invalid_option);
        EXPECT_THAT(ring.error().detail, HasSubstr(why));
        EXPECT_THAT(ring.error().detail, Not(HasSubstr("s3cr3t")));
    }
}

TEST(ApiKeyOf, IsTheHeadersOrTheQuerys) {
    EXPECT_EQ(api_key_of("k1", "apikey k2", "api_key=k3"), "k1");
    EXPECT_EQ(api_key_of("", "apikey k2", "api_key=k3"), "k2");
    EXPECT_EQ(api_key_of("", "ApiKey   k2 ", ""), "k2");
    EXPECT_EQ(api_key_of("", "", "a=b&api_key=k%2B3"), "k+3");
    EXPECT_EQ(api_key_of("", "Bearer k2", "api_key=k3"), "k3");
    EXPECT_EQ(api_key_of("", "apikey  ", ""), "");
    EXPECT_EQ(api_key_of("", "Bearer k2", ""), "");
}

}  // namespace
}  // namespace madang
