#include "broker/core/route_pattern.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>

namespace madang {
namespace {

using testing::HasSubstr;

// "name=value name=value", or "-" for no match.
std::string matched(std::string_view pattern, std::string_view path) {
    const auto parsed = route_pattern::parse(pattern);
    const auto arguments = parsed.value().match(path);
    if (!arguments) return "-";
    std::string result;
    for (const auto& [name, value] : *arguments) {
        result.append(result.empty() ? "" : " ").append(name).append("=").append(value);
    }
    return result;
}

TEST(RoutePattern, LeadingSlashIsOptional) {
    for (const auto pattern : {"/ws/chat/<str:room>/", "ws/chat/<room>/"}) {
        EXPECT_EQ(matched(pattern, "/ws/chat/general/"), "room=general");
        EXPECT_EQ(matched(pattern, "ws/chat/general/"), "room=general");
        EXPECT_EQ(matched(pattern, "//ws/chat/general/"), "-");
    }
    EXPECT_EQ(matched("", "/"), "");
    EXPECT_EQ(matched("/", ""), "");
    EXPECT_EQ(matched("/", "/x"), "-");
}

TEST(RoutePattern, ConvertersTakeWhatDjangosTake) {
    EXPECT_EQ(matched("a/<int:n>", "a/007"), "n=007");
    EXPECT_EQ(matched("a/<int:n>", "a/-1"), "-");
    EXPECT_EQ(matched("a/<int:n>", "a/"), "-");
    EXPECT_EQ(matched("a/<str:s>", "a/마당 %"), "s=마당 %");
    EXPECT_EQ(matched("a/<str:s>", "a/b/c"), "-");
    EXPECT_EQ(matched("a/<slug:s>", "a/A-b_9"), "s=A-b_9");
    EXPECT_EQ(matched("a/<slug:s>", "a/a.b"), "-");
    EXPECT_EQ(matched("a/<path:p>", "a/b/c/"), "p=b/c/");
    EXPECT_EQ(matched("a/<path:p>", "a/"), "-");
    EXPECT_EQ(matched("<uuid:u>/x", "/01234567-89ab-cdef-0123-456789abcdef/x"),
              "u=01234567-89ab-cdef-0123-456789abcdef");
    EXPECT_EQ(matched("<uuid:u>", "01234567-89AB-cdef-0123-456789abcdef"), "-");
    EXPECT_EQ(matched("<uuid:u>", "01234567-89ab-cdef-0123-456789abcde"), "-");
    EXPECT_EQ(matched("<uuid:u>", "0123456789ab-cdef-0123-456789abcdef-"), "-");
}

TEST(RoutePattern, WholePathMustMatch) {
    EXPECT_EQ(matched("ws/echo/", "/ws/echo"), "-");
    EXPECT_EQ(matched("ws/echo/", "/ws/echo/"), "");
    EXPECT_EQ(matched("ws/echo/", "/ws/echo/x"), "-");
    EXPECT_EQ(matched("ws/<int:n>/x", "/ws/1/xx"), "-");
}

TEST(RoutePattern, AmbiguousConvertersAreGreedyAsDjangos) {
    EXPECT_EQ(matched("<str:a>-<str:b>", "x-y-z"), "a=x-y b=z");
    EXPECT_EQ(matched("<int:a><int:b>", "123"), "a=12 b=3");
    EXPECT_EQ(matched("<int:a><int:b>", "1"), "-");
    EXPECT_EQ(matched("<path:p>/edit/<int:n>", "a/edit/1/edit/2"), "p=a/edit/1 n=2");
    EXPECT_EQ(matched("<path:p>.<slug:e>", "a/b.tar.gz"), "p=a/b.tar e=gz");
    EXPECT_EQ(matched("<slug:a><uuid:u>", "x01234567-89ab-cdef-0123-456789abcdef"),
              "a=x u=01234567-89ab-cdef-0123-456789abcdef");
}

TEST(RoutePattern, AgreesWithRegularExpressions) {
    const std::pair<const char*, const char*> kinds[] = {
        {"int", "([0-9]+)"}, {"str", "([^/]+)"}, {"slug", "([-a-zA-Z0-9_]+)"}, {"path", "([^]+)"}};
    std::mt19937 random(99);
    const std::string alphabet = "a1-/";
    const auto letters = [&](std::size_t most) {
        std::string out(1 + random() % most, '\0');
        for (char& c : out) c = alphabet[random() % alphabet.size()];
        return out;
    };
    int matches = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string pattern = "x", expression = "x";
        const auto pieces = 1 + random() % 5;
        for (std::size_t i = 0; i < pieces; ++i) {
            if (random() % 3 == 0) {
                const auto literal = letters(2);
                pattern += literal;
                expression += literal;
            } else {
                const auto& [name, sub] = kinds[random() % std::size(kinds)];
                pattern += std::string("<") + name + ":p" + std::to_string(i) + ">";
                expression += sub;
            }
        }
        const std::regex oracle(expression);
        for (int n = 0; n < 10; ++n) {
            const auto path = "x" + letters(9);
            std::smatch groups;
            std::string expected = "-";
            if (std::regex_match(path, groups, oracle)) {
                expected.clear();
                for (std::size_t g = 1; g < groups.size(); ++g) expected += "[" + groups[g].str() + "]";
                ++matches;
            }
            std::string actual = "-";
            if (const auto arguments = route_pattern::parse(pattern).value().match(path)) {
                actual.clear();
                for (const auto& each : *arguments) actual += "[" + std::string(each.value) + "]";
            }
            ASSERT_EQ(actual, expected) << pattern << ' ' << path;
        }
    }
    EXPECT_GT(matches, 1000);
}

TEST(RoutePattern, HostilePathsTakeLinearTime) {
    const auto pattern = route_pattern::parse("<path:a>-<path:b>-<path:c>-<path:d>-<path:e>!").value();
    EXPECT_FALSE(pattern.match(std::string(100'000, '-')));  // an exponential matcher would not come back
}

TEST(RoutePattern, MalformedPatternsSayWhy) {
    const std::pair<const char*, const char*> golden[] = {
        {"a/<int:x", "'<' without its '>'"},
        {"a/x>", "'>' without its '<'"},
        {"<float:x>", "no converter \"float\""},
        {"<int:>", "no parameter name"},
        {"<>", "no parameter name"},
        {"<int: x>", "no parameter name"},
        {"<int:1x>", "no parameter name"},
        {"<int:a>/<str:a>", "twice"},
        {"<<int:a>", "no converter"},
        {"<int:a>>", "'>' without"},
    };
    for (const auto& [pattern, why] : golden) {
        const auto parsed = route_pattern::parse(pattern);
        ASSERT_FALSE(parsed) << pattern;
        EXPECT_THAT(parsed.error().detail, HasSubstr(why)) << pattern;
        EXPECT_THAT(parsed.error().detail, HasSubstr(pattern));
    }
}

TEST(RouteList, FirstAddedThatMatchesWins) {
    route_list<int> routes;
    ASSERT_TRUE(routes.add("/ws/chat/<str:room>/", 1));
    ASSERT_TRUE(routes.add("/ws/chat/lobby/", 2));
    ASSERT_TRUE(routes.add("/<path:rest>", 3));
    EXPECT_EQ(*routes.find("/ws/chat/lobby/")->value, 1);
    EXPECT_EQ(routes.find("/ws/chat/lobby/")->arguments.at(0).value, "lobby");
    EXPECT_EQ(*routes.find("/other")->value, 3);
    EXPECT_EQ(routes.find("/other")->pattern->text(), "/<path:rest>");
    EXPECT_FALSE(routes.find("/"));
}

TEST(RouteList, RefusesWhatIsTakenWhateverTheParametersAreCalled) {
    route_list<int> routes;
    ASSERT_TRUE(routes.add("/ws/<str:a>/", 1));
    EXPECT_THAT(routes.add("ws/<b>/", 2).error().detail, HasSubstr("taken"));
    EXPECT_FALSE(routes.add("/ws/<int", 2));
    EXPECT_TRUE(routes.add("/ws/<int:a>/", 3));
    EXPECT_EQ(*routes.find_shape("ws/<str>/"), 1);
    EXPECT_EQ(routes.find_shape("ws/<slug>/"), nullptr);
    EXPECT_EQ(std::distance(routes.begin(), routes.end()), 2);
}

}  // namespace
}  // namespace madang
