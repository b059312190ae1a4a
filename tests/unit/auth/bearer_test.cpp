#include "broker/auth/bearer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using names = std::vector<std::string_view>;

TEST(Bearer, AuthorizationHeader) {
    for (const auto text : {"Bearer abc.def.ghi", "bearer abc.def.ghi", "  BEARER   abc.def.ghi "}) {
        const auto found = token_from_authorization(text);
        EXPECT_EQ(found.source, token_source::authorization) << text;
        EXPECT_EQ(found.token, "abc.def.ghi") << text;
    }
    for (const auto text : {"", "Basic dXNlcg==", "Bearerabc", "Bear abc", "Token abc"}) {
        EXPECT_EQ(token_from_authorization(text).source, token_source::none) << text;
    }
    EXPECT_EQ(token_from_authorization("Bearer").source, token_source::authorization);
    EXPECT_EQ(token_from_authorization("Bearer ").token, "");
}

TEST(Bearer, QueryParameter) {
    EXPECT_EQ(token_from_query("room=1&token=a.b%2Ec").token, "a.b.c");
    EXPECT_EQ(token_from_query("token=").source, token_source::query);
    EXPECT_EQ(token_from_query("tokens=a&Token=b").source, token_source::none);
    EXPECT_EQ(token_from_query("token=%zz").source, token_source::none);
}

TEST(Bearer, Subprotocols) {
    EXPECT_EQ(token_from_subprotocols(names{"madang.v1", "madang.token.a.b.c"}).token, "a.b.c");
    EXPECT_EQ(token_from_subprotocols(names{"bearer", "a.b.c"}).token, "a.b.c");
    EXPECT_EQ(token_from_subprotocols(names{"chat", "bearer", "a.b.c", "x"}).token, "a.b.c");
    EXPECT_EQ(token_from_subprotocols(names{"bearer", "x", "madang.token.y"}).token, "y");
    EXPECT_EQ(token_from_subprotocols(names{"chat", "bearer"}).source, token_source::none);
    EXPECT_EQ(token_from_subprotocols(names{}).source, token_source::none);
    EXPECT_EQ(token_from_subprotocols(names{"madang.token."}).source, token_source::subprotocol);
}

TEST(Bearer, AuthorizationWinsThenTheQuery) {
    const names offered = {"bearer", "from-subprotocol"};
    EXPECT_EQ(find_token("Bearer from-header", "token=from-query", offered).token, "from-header");
    EXPECT_EQ(find_token("Basic x", "token=from-query", offered).token, "from-query");
    EXPECT_EQ(find_token("", "x=1", offered).token, "from-subprotocol");
    EXPECT_EQ(find_token("Bearer", "token=from-query", offered).token, "");
    EXPECT_EQ(find_token("", "", {}).source, token_source::none);
}

TEST(Bearer, TokensAreNeverAmongWhatMayBeAnswered) {
    EXPECT_THAT(without_tokens(names{"madang.v1", "madang.token.a.b.c"}), ElementsAre("madang.v1"));
    EXPECT_THAT(without_tokens(names{"bearer", "a.b.c", "chat"}), ElementsAre("bearer", "chat"));
    EXPECT_THAT(without_tokens(names{"madang.token.a"}), IsEmpty());
    EXPECT_THAT(without_tokens(names{"bearer"}), ElementsAre("bearer"));
    EXPECT_EQ(default_subprotocol(names{"bearer", "a.b.c"}), "bearer");
    EXPECT_EQ(default_subprotocol(names{"bearer"}), "");
    EXPECT_EQ(default_subprotocol(names{"madang.token.a"}), "");
    std::mt19937 random(17);
    const std::string_view some[] = {"bearer", "chat", "madang.v1", "madang.token.t0", "t1", "t2"};
    for (int round = 0; round < 2000; ++round) {
        names offered;
        const auto size = random() % 6;
        for (std::size_t i = 0; i < size; ++i) offered.push_back(some[random() % std::size(some)]);
        const auto found = token_from_subprotocols(offered);
        const auto answerable = without_tokens(offered);
        for (const auto each : answerable) EXPECT_FALSE(each.starts_with("madang.token.")) << each;
        if (found.source == token_source::none) {
            EXPECT_EQ(answerable, offered);
        }
        const auto chosen = default_subprotocol(offered);
        if (!chosen.empty()) {
            EXPECT_EQ(chosen, "bearer");
        }
        if (!chosen.empty()) {
            EXPECT_THAT(answerable, testing::Contains(chosen));
        }
    }
}

TEST(Bearer, SplitsTheSubprotocolHeader) {
    EXPECT_THAT(split_subprotocols("a, b ,\tc,,d"), ElementsAre("a", "b", "c", "d"));
    EXPECT_THAT(split_subprotocols(" , "), IsEmpty());
    EXPECT_THAT(split_subprotocols(""), IsEmpty());
}

}  // namespace
}  // namespace madang
