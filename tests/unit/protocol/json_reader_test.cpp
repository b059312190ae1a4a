#include "broker/protocol/json_reader.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "broker/protocol/client_push.hpp"

namespace madang {
namespace {

std::string nested(std::size_t depth, char open, char close) {
    return std::string(depth, open) + std::string(depth, close);
}

TEST(JsonReader, TakesWhatTheGrammarAllows) {
    for (const std::string text :
         {"0", "-0", "-0.0e-0", "12345678901234567890123456789", "1e999", "1.5E+3", "\"\"", "\"\\u0000\"",
          "true", "null", " [ ] ", "{}", "\t{\"a\" : [1,{\"b\":null}] , \"\":0}\r\n", "\"\xed\x95\x9c\"",
          "\"\\ud800\"", "\"\x7f\"", "[[],[[]],{}]", "{\"a\":1,\"a\":2}", "\"0123456789012345678901\\n\""})
        EXPECT_TRUE(is_json(text)) << text;
    EXPECT_TRUE(is_json(nested(json_depth, '[', ']')));
}

TEST(JsonReader, RefusesWhatItDoesNot) {
    for (const std::string text : {"",
                                   " ",
                                   "01",
                                   "+1",
                                   "1.",
                                   ".5",
                                   "-",
                                   "1e",
                                   "1e+",
                                   "tru",
                                   "nul",
                                   "True",
                                   "NaN",
                                   "Infinity",
                                   "0x10",
                                   "'a'",
                                   "\"",
                                   "\"\\\"",
                                   "\"\\x\"",
                                   "\"\\u12\"",
                                   "\"\\u12g4\"",
                                   "\"a\nb\"",
                                   "\"\t\"",
                                   "[",
                                   "]",
                                   "[1,]",
                                   "[,1]",
                                   "[1 2]",
                                   "[1}",
                                   "{",
                                   "}",
                                   "{\"a\"}",
                                   "{\"a\":}",
                                   "{\"a\":1,}",
                                   "{,\"a\":1}",
                                   "{a:1}",
                                   "{\"a\" 1}",
                                   "{\"a\":1]",
                                   "1 2",
                                   "{}{}",
                                   "\"\xff\"",
                                   "\"\xc0\x80\"",
                                   "\"\xed\xa0\x80\"",
                                   "\"\xe2\x82\"",
                                   "//\n1",
                                   "[1]x",
                                   "\xef\xbb\xbf{}",
                                   "{1:1}"})
        EXPECT_FALSE(is_json(text)) << text;
    EXPECT_FALSE(is_json(std::string_view("\"\0\"", 3)));
    EXPECT_FALSE(is_json(std::string_view("\"\\\0\"", 4)));
    EXPECT_FALSE(is_json(nested(json_depth + 1, '[', ']')));
    EXPECT_FALSE(is_json(std::string(1'000'000, '[')));
}

// nlohmann's grammar is the second opinion: on texts one change away from JSON.
TEST(JsonReader, AgreesWithAnotherParser) {
    std::mt19937 random(7);
    const std::string seeds[] = {
        R"({"id":1,"publish":{"channel":"a","data":{"x":[1,2.5e3,-0,"\u00e9\\"],"y":null}}})",
        "[true,false,null,\"\xed\x95\x9c\xea\xb8\x80\",{\"\":[[]]}]",
        R"("a string of some length, \"quoted\" and \/ more")"};
    const std::string alphabet = "{}[]\",:\\ue0+-.19tfn \n\x01\x80\xc3";
    int accepted = 0;
    for (int round = 0; round < 30'000; ++round) {
        std::string text = seeds[random() % std::size(seeds)];
        const auto at = random() % text.size();
        switch (random() % 3) {
            case 0:
                text[at] = alphabet[random() % alphabet.size()];
                break;
            case 1:
                text.erase(at, 1 + random() % 3);
                break;
            default:
                text.insert(at, 1, alphabet[random() % alphabet.size()]);
        }
        // Numbers beyond a double's range are JSON, but not for that parser: the alphabet makes none.
        const bool is = nlohmann::json::accept(text);
        accepted += is;
        ASSERT_EQ(is_json(text), is) << text;
    }
    EXPECT_GT(accepted, 1000);
}

TEST(JsonReader, ReadsStrings) {
    EXPECT_EQ(json_text(""), "");
    EXPECT_EQ(json_text(R"("plain")"), "plain");
    EXPECT_EQ(json_text(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
    EXPECT_EQ(json_text(R"("\u0041\u00e9\ud55c\ud83d\ude00")"), "A\xc3\xa9\xed\x95\x9c\xf0\x9f\x98\x80");
    EXPECT_EQ(json_text(R"("\ud800x\udc00\ud800\ud800")"),
              "\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_TRUE(json_says(R"("id")", "id"));
    EXPECT_TRUE(json_says(R"("\u0069d")", "id"));
    EXPECT_FALSE(json_says(R"("idx")", "id"));
    EXPECT_FALSE(json_says(R"("\u0069\u0064\u0064")", "id"));
}

TEST(JsonReader, WritesStringsThatOthersRead) {
    std::string all;
    for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
    all += "\xed\x95\x9c and the rest";
    std::string out;
    append_json_string(out, all);
    EXPECT_EQ(nlohmann::json::parse(out).get<std::string>(), all);
    EXPECT_EQ(out.find('\n'), out.npos);
    out.clear();
    append_json_string(out, "a\xff\xe2\x82z");
    EXPECT_EQ(out, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

std::string members(std::string_view object) {
    std::string all;
    const bool whole = each_json_member(object, [&](std::string_view name, std::string_view value) {
        all.append(name).append("=").append(value).append(";");
    });
    return whole ? all : all + "broke";
}
std::string elements(std::string_view array) {
    std::string all;
    const bool whole = each_json_element(array, [&](std::string_view value) { all.append(value) += ';'; });
    return whole ? all : all + "broke";
}

TEST(JsonReader, GivesPartsAsTheyStand) {
    EXPECT_EQ(members(R"({"a":1,"b":{"c":[1,"}"]},"d":"x\"},"})"), R"("a"=1;"b"={"c":[1,"}"]};"d"="x\"},";)");
    EXPECT_EQ(members(R"( { "a" : 1.50e3 , "\u0062" : null } )"), R"("a"=1.50e3;"\u0062"=null;)");
    EXPECT_EQ(members("{}"), "");
    EXPECT_EQ(elements(R"([1, {"a":[2]} ,"x,y"] )"), R"(1;{"a":[2]};"x,y";)");
    EXPECT_EQ(elements(" [ ]"), "");
}

TEST(JsonReader, SaysWhenPartsAreNotWhatTheySeem) {
    EXPECT_EQ(members("[1]"), "broke");
    EXPECT_EQ(members(""), "broke");
    EXPECT_EQ(members(R"({"a":1}{)"), R"("a"=1;broke)");
    EXPECT_EQ(members(R"({"a":1,})"), R"("a"=1;broke)");
    EXPECT_EQ(elements(R"({"a":1})"), "broke");
    EXPECT_EQ(elements("[1 2]"), "1;broke");
    EXPECT_EQ(elements("[1,]"), "1;broke");
    EXPECT_EQ(elements("[,1]"), "broke");
    EXPECT_EQ(elements("[1"), "1;broke");
    EXPECT_EQ(elements("[1}"), "1;broke");
}

TEST(JsonReader, HasRoomForAnEnvelopeAroundTheDeepestValue) {
    const auto data = nested(json_depth, '[', ']');
    EXPECT_EQ(elements('[' + data + ']'), data + ';');
    const auto deepest = nested(json_depth + json_envelope_depth, '[', ']');
    EXPECT_EQ(elements('[' + deepest + ']'), deepest + ';');
    EXPECT_EQ(elements("[[" + deepest + "]]"), "broke");
}

TEST(JsonReader, StaysWithinWhateverItIsGiven) {
    const std::string whole = R"({"a":[1,{"b":"\\\""}],"c":{"d":null},"e":-1})";
    for (std::size_t size = 0; size <= whole.size(); ++size)
        for (std::size_t from = 0; from <= size; ++from) {
            const std::vector<char> own(whole.begin() + static_cast<std::ptrdiff_t>(from),
                                        whole.begin() + static_cast<std::ptrdiff_t>(size));
            const std::string_view view(own.data(), own.size());
            const auto inside = [&](std::string_view part) {
                EXPECT_TRUE(!part.empty() && part.data() >= view.data() &&
                            part.data() + part.size() <= view.data() + view.size());
            };
            EXPECT_EQ(each_json_member(view,
                                       [&](std::string_view name, std::string_view value) {
                                           inside(name);
                                           inside(value);
                                       }),
                      view.starts_with('{') && is_json(view));
            EXPECT_EQ(each_json_element(view, inside), view.starts_with('[') && is_json(view));
        }
}

TEST(JsonReader, ReadsWholeNumbersOnly) {
    EXPECT_EQ(json_unsigned("18446744073709551615"), 18446744073709551615u);
    EXPECT_EQ(json_signed("-5"), -5);
    for (const char* text : {"18446744073709551616", "-1", "1.0", "1e3", "\"1\"", "true", ""})
        EXPECT_FALSE(json_unsigned(text)) << text;
    EXPECT_FALSE(json_signed("9223372036854775808"));
}

TEST(JsonReader, PutsAValueOnOneLine) {
    EXPECT_EQ(one_line("{\r\n \"a\\n\": [1,\n2]\n}"), "{ \"a\\n\": [1,2]}");
    EXPECT_EQ(one_line("\"a\""), "\"a\"");
    EXPECT_EQ(one_line(""), "");
}

TEST(ClientPush, WritesWhatAPublicationHas) {
    publication what;
    what.data = payload::copy_of(R"({"n":12345678901234567890,"f":1.10})");
    std::string out;
    append_publication_push(out, "a\"b", what);
    EXPECT_EQ(out, R"({"push":{"channel":"a\"b","pub":{"data":{"n":12345678901234567890,"f":1.10}}}})");
    what.offset = 7;
    what.time_ms = 9;
    auto extra = std::make_shared<publication_extra>();
    extra->info = std::make_shared<client_info>(client_info{"c", "\"u\"", "{\"i\":1}", "2"});
    extra->tags = {{"a", "\n"}, {"b", "x"}};
    what.extra = extra;
    out.clear();
    append_publication(out, what);
    EXPECT_EQ(out,
              R"({"data":{"n":12345678901234567890,"f":1.10},"info":{"user":"\"u\"","client":"c",)"
              R"("conn_info":{"i":1},"chan_info":2},"offset":7,"tags":{"a":"\u000a","b":"x"},"time":9})");
    out.clear();
    append_publication(out, {});
    EXPECT_EQ(out, R"({"data":null})");
}

TEST(ClientPush, WritesTheOthers) {
    std::string out;
    append_join_push(out, "g", {"c", "u", "", ""});
    EXPECT_EQ(out, R"({"push":{"channel":"g","join":{"info":{"user":"u","client":"c"}}}})");
    out.clear();
    append_leave_push(out, "g", {"c", "", "", ""});
    EXPECT_EQ(out, R"({"push":{"channel":"g","leave":{"info":{"user":"","client":"c"}}}})");
    out.clear();
    append_unsubscribe_push(out, "g", 2500, "insufficient state");
    EXPECT_EQ(out, R"({"push":{"channel":"g","unsubscribe":{"code":2500,"reason":"insufficient state"}}})");
}

TEST(ClientPush, StripsToWhatAUnidirectionalClientGets) {
    std::string out;
    append_publication_push(out, "g", {});
    EXPECT_EQ(out.substr(push_prefix, out.size() - push_prefix - push_suffix),
              R"({"channel":"g","pub":{"data":null}})");
}

}  // namespace
}  // namespace madang
