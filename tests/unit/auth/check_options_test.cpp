#include "broker/auth/check_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace madang {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(CheckAuthOptions, AddressesAreHttp) {
    options from;
    const namespace_table none;
    EXPECT_TRUE(check_auth_options(from, none));
    for (auto member :
         {&options::jwt_jwks_url, &options::proxy_connect, &options::proxy_refresh, &options::proxy_subscribe,
          &options::proxy_sub_refresh, &options::proxy_publish, &options::proxy_rpc}) {
        for (const auto good : {"http://127.0.0.1:8080/x", "https://user:pw@host/"}) {
            from.*member = good;
            EXPECT_TRUE(check_auth_options(from, none)) << good;
        }
        for (const auto bad :
             {"pw@host", "http://", "ftp://pw/", "HTTP//pw", "https://pw host/", "http://pw\n"}) {
            from.*member = bad;
            const auto got = check_auth_options(from, none);
            ASSERT_FALSE(got) << bad;
            EXPECT_EQ(got.error().code, errc::invalid_option);
            EXPECT_THAT(got.error().detail, AllOf(HasSubstr("http"), Not(HasSubstr("pw"))));
        }
        (from.*member).clear();
    }
}

TEST(CheckAuthOptions, ANamespaceThatAsksNeedsSomebodyToAsk) {
    options from;
    namespace_table namespaces;
    ASSERT_TRUE(namespaces.set("a", R"({"subscribe_proxy":true})", "test"));
    EXPECT_THAT(check_auth_options(from, namespaces).error().detail,
                AllOf(HasSubstr("[namespace.a]"), HasSubstr("--proxy-subscribe")));
    from.proxy_subscribe = "http://host/";
    EXPECT_TRUE(check_auth_options(from, namespaces));
    ASSERT_TRUE(namespaces.set("", R"({"publish_proxy":true})", "test"));
    EXPECT_THAT(check_auth_options(from, namespaces).error().detail, HasSubstr("--proxy-publish"));
}

}  // namespace
}  // namespace madang
