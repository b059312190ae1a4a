// Sessions that a real Django signs.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "broker/auth/django_session.hpp"

namespace madang {
namespace {

const std::string secret_key = "django-insecure-a key with $ 'quotes' & spaces, 마당";

// Name -> cookie, by make_sessions.py; made once.
const std::map<std::string, std::string>& cookies() {
    static const auto all = [] {
        setenv("MADANG_TEST_KEY", secret_key.c_str(), 1);
        std::map<std::string, std::string> made;
        FILE* from = popen(MADANG_PYTHON " " MADANG_SCRIPT " \"$MADANG_TEST_KEY\"", "r");
        std::string text;
        char buffer[4096];
        while (const auto n = std::fread(buffer, 1, sizeof buffer, from)) text.append(buffer, n);
        EXPECT_EQ(pclose(from), 0) << "is python3-django installed?";
        for (std::size_t at = 0; at < text.size();) {
            const auto tab = text.find('\t', at), end = text.find('\n', at);
            made[text.substr(at, tab - at)] = text.substr(tab + 1, end - tab - 1);
            at = end + 1;
        }
        return made;
    }();
    return all;
}

struct Django : ::testing::Test {
    static options settings() {
        options made;
        made.django_secret_key = secret_key;
        return made;
    }
    static result<django_session> read(const clock_source& clock, const char* name) {
        return django_sessions(settings(), clock).read(cookies().at(name));
    }
    system_clock_source now;
    manual_clock then;  // stands where `then` was signed
};

TEST_F(Django, ItsSessionsAreRead) {
    RecordProperty("django", cookies().at("version"));
    for (const auto* name : {"plain", "unicode", "compressed"}) {
        const auto session = read(now, name);
        ASSERT_TRUE(session) << name << ' ' << session.error();
        EXPECT_EQ(session->user_id, "42") << name;
        EXPECT_EQ(session->json.find("_auth_user_hash"), std::string::npos);
    }
    EXPECT_TRUE(cookies().at("compressed").starts_with("."));
    EXPECT_EQ(nlohmann::json::parse(read(now, "unicode")->json).at("name"), "마당 ☃ \"quoted\"");
    EXPECT_EQ(nlohmann::json::parse(read(now, "compressed")->json).at("text").get<std::string>().size(),
              6000u);
    const auto anonymous = read(now, "anonymous");
    ASSERT_TRUE(anonymous);
    EXPECT_EQ(anonymous->user_id, "");
    EXPECT_EQ(nlohmann::json::parse(anonymous->json), nlohmann::json::parse(R"({"cart":[1,2,3]})"));
}

TEST_F(Django, TheirAgeIsReadToo) {
    EXPECT_TRUE(read(then, "then"));
    EXPECT_TRUE(read(then, "then_compressed"));
    EXPECT_EQ(read(now, "then").error().detail, session_fault::expired);
    EXPECT_EQ(read(then, "bomb").error().detail, session_fault::too_long);
}

TEST_F(Django, AnotherSitesAndChangedOnesAreNot) {
    auto other = settings();
    other.django_secret_key += "x";
    EXPECT_EQ(django_sessions(other, now).read(cookies().at("plain")).error().detail,
              session_fault::signature);
    auto changed = cookies().at("compressed");
    changed[5] = changed[5] == 'a' ? 'b' : 'a';
    EXPECT_EQ(django_sessions(settings(), now).read(changed).error().detail, session_fault::signature);
}

}  // namespace
}  // namespace madang
