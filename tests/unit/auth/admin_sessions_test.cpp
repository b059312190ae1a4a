#include "broker/auth/admin_sessions.hpp"

#include <gtest/gtest.h>

#include <set>

namespace madang {
namespace {

using namespace std::chrono_literals;

const admin_sessions::time start{std::chrono::hours(1)};
const api_key_holder ann{"ann", api_right::all}, ben{"ben", api_right::read};

TEST(AdminSessions, AreFoundByTheirIdAlone) {
    admin_sessions all;
    const auto one = all.open(ann, start), two = all.open(ben, start);
    ASSERT_TRUE(all.find(one.id, start));
    EXPECT_EQ(all.find(one.id, start)->who.name, "ann");
    EXPECT_EQ(all.find(two.id, start)->who.rights, api_right::read);
    EXPECT_EQ(all.find(one.id, start)->token, one.session.token);
    for (const auto& wrong :
         {std::string(), std::string("x"), one.session.token, one.id.substr(1), one.id + "="})
        EXPECT_FALSE(all.find(wrong, start)) << wrong;
}

TEST(AdminSessions, IdsAndTokensAre256BitsAndNeverTheSame) {
    admin_sessions all;
    std::set<std::string> seen;
    for (int i = 0; i < 50; ++i) {
        const auto made = all.open(ann, start);
        for (const auto& text : {made.id, made.session.token}) {
            EXPECT_EQ(text.size(), 43u) << "32 bytes as base64url";
            EXPECT_TRUE(seen.insert(text).second);
        }
    }
}

TEST(AdminSession, ShowsItsOwnTokenOnly) {
    admin_sessions all;
    const auto one = all.open(ann, start), two = all.open(ann, start);
    EXPECT_TRUE(one.session.shows(one.session.token));
    for (const auto& wrong : {std::string(), two.session.token, one.id, one.session.token + "x"})
        EXPECT_FALSE(one.session.shows(wrong));
}

TEST(AdminSessions, EndWhenTheyAreNotUsed) {
    admin_sessions all({.sessions = 9, .idle = 30min, .life = 12h});
    const auto id = all.open(ann, start).id;
    EXPECT_TRUE(all.find(id, start + 29min));
    EXPECT_TRUE(all.find(id, start + 58min)) << "a use begins the idle time anew";
    EXPECT_FALSE(all.find(id, start + 88min));
    EXPECT_FALSE(all.find(id, start + 59min)) << "what ended does not come back";
    EXPECT_EQ(all.size(), 0u);
}

TEST(AdminSessions, EndAfterTheirLifeHoweverMuchTheyAreUsed) {
    admin_sessions all({.sessions = 9, .idle = 30min, .life = 2h});
    const auto id = all.open(ann, start).id;
    for (auto at = start; at < start + 2h; at += 10min) EXPECT_TRUE(all.find(id, at));
    EXPECT_FALSE(all.find(id, start + 2h));
}

TEST(AdminSessions, BeyondTheirNumberTheOneUsedLeastLatelyEnds) {
    admin_sessions all({.sessions = 2, .idle = 30min, .life = 12h});
    const auto one = all.open(ann, start).id;
    const auto two = all.open(ann, start + 1s).id;
    EXPECT_TRUE(all.find(one, start + 2s));
    const auto three = all.open(ann, start + 3s).id;
    EXPECT_EQ(all.size(), 2u);
    EXPECT_TRUE(all.find(one, start + 4s));
    EXPECT_FALSE(all.find(two, start + 4s));
    EXPECT_TRUE(all.find(three, start + 4s));
}

TEST(AdminSessions, AreOverWhenClosed) {
    admin_sessions all;
    const auto one = all.open(ann, start).id, two = all.open(ann, start).id;
    all.close(one);
    all.close("nobody's");
    EXPECT_FALSE(all.find(one, start));
    EXPECT_TRUE(all.find(two, start));
}

}  // namespace
}  // namespace madang
