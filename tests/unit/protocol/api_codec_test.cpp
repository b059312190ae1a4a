#include "broker/protocol/api_codec.hpp"

#include <gmock/gmock.h>

#include "broker/protocol/json_members.hpp"

namespace madang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using verb = client_command::verb;

TEST(ValidJson, RefusesWhatIsBehindTheValueAndWhatIsNotUtf8) {
    EXPECT_TRUE(valid_json(R"( {"a":[1,2.50,"\u00e9"]} )"));
    for (const std::string& text :
         {std::string(""), std::string("{"), std::string("{}{}"), std::string("{}\0{}", 5),
          std::string("\"\xff\""), std::string("{a:1}"), std::string("[1,]"), std::string("NaN")})
        EXPECT_FALSE(valid_json(text)) << text;
}

TEST(JsonMembers, KeepsEachValuesTextAndDecodesKeys) {
    const auto members = json_members(R"( { "a" : 1.500 , "b\u0063":{"x":["}",1,"\"]"]} ,"n":null,"":[] } )");
    ASSERT_TRUE(members);
    ASSERT_EQ(members->size(), 4u);
    EXPECT_EQ((*members)[0].value, "1.500");
    EXPECT_EQ((*members)[1].key, "bc");
    EXPECT_EQ((*members)[1].value, R"({"x":["}",1,"\"]"]})");
    EXPECT_EQ((*members)[2].value, "null");
    EXPECT_EQ((*members)[3].value, "[]");
    EXPECT_FALSE(json_members("[1]"));
    EXPECT_TRUE(json_members("{}")->empty());
}

TEST(JsonElements, AreTheTextsInOrder) {
    EXPECT_THAT(*json_elements(R"([ 1 , "a,]" ,[2,3], {"b":[]} ])"),
                ElementsAre("1", R"("a,]")", "[2,3]", R"({"b":[]})"));
    EXPECT_TRUE(json_elements("[]")->empty());
    EXPECT_FALSE(json_elements("{}"));
}

TEST(DecodePublish, LeavesDataAsItWasWritten) {
    const auto what = decode_publish(
        R"({"channel":"news:kr","data":{"n":1.10,"big":123456789012345678901234567890,"a":1},"skip_history":true,
            "tags":{"b":"2","a":"\u00e9"},"idempotency_key":"k","delta":true,"version":7,"version_epoch":"v","later":[]})");
    ASSERT_TRUE(what);
    EXPECT_EQ(what->group, "news:kr");
    EXPECT_EQ(what->data.bytes(), R"({"n":1.10,"big":123456789012345678901234567890,"a":1})");
    EXPECT_TRUE(what->skip_history);
    EXPECT_EQ(what->idempotency_key, "k");
    ASSERT_TRUE(what->extra);
    EXPECT_EQ(what->extra->tags, (std::vector<tag>{{"b", "2"}, {"a", "é"}}));
    EXPECT_FALSE(what->extra->info);
}

TEST(DecodePublish, TakesRawNewlinesOutOfData) {
    EXPECT_EQ(decode_publish("{\"channel\":\"a\",\"data\":{\n\"x\":\r\n1}}")->data.bytes(), "{ \"x\":  1}");
}

TEST(DecodePublish, DecodesBase64ThatHoldsJson) {
    EXPECT_EQ(decode_publish(R"({"channel":"a","b64data":"eyJ4IjoxfQ=="})")->data.bytes(), R"({"x":1})");
    EXPECT_EQ(decode_publish(R"({"channel":"a","data":null})")->data.bytes(), "null");
}

TEST(DecodePublish, SaysWhatIsWrong) {
    const auto why = [](const char* params) { return decode_publish(params).error(); };
    EXPECT_EQ(why("[]"), fail(errc::bad_request, "takes a JSON object"));
    EXPECT_EQ(why(R"({"data":1})").detail, "channel is missing");
    EXPECT_EQ(why(R"({"channel":5,"data":1})").detail, "channel takes a string");
    EXPECT_EQ(why(R"({"channel":"a"})").detail, "data is missing");
    EXPECT_THAT(why(R"({"channel":"a","b64data":"###="})").detail, HasSubstr("base64"));
    EXPECT_THAT(why(R"({"channel":"a","b64data":"AP8="})").detail, HasSubstr("no JSON"));
    EXPECT_EQ(why(R"({"channel":"a","data":1,"skip_history":1})").detail, "skip_history takes true or false");
    EXPECT_EQ(why(R"({"channel":"a","data":1,"tags":["a"]})").detail, "tags takes an object of strings");
    EXPECT_EQ(why(R"({"channel":"a","data":1,"tags":{"a":1}})").detail, "tags takes an object of strings");
    EXPECT_THAT(
        why(("{\"channel\":\"a\",\"data\":1,\"idempotency_key\":\"" + std::string(256, 'k') + "\"}").c_str())
            .detail,
        HasSubstr("255"));
    for (const auto& each : {why(R"({"data":1})"), why(R"({"channel":"a"})")})
        EXPECT_EQ(each.code, errc::bad_request);
}

TEST(DecodeBroadcast, BoundsTheGroups) {
    const auto two = decode_broadcast(R"({"channels":["a","b"],"data":[1]})", 2);
    ASSERT_TRUE(two);
    EXPECT_THAT(two->groups, ElementsAre("a", "b"));
    EXPECT_EQ(two->what.data.bytes(), "[1]");
    EXPECT_EQ(decode_broadcast(R"({"channels":["a","b"],"data":1})", 1).error().code, errc::limit_exceeded);
    EXPECT_EQ(decode_broadcast(R"({"channels":[],"data":1})", 1).error().code, errc::bad_request);
    EXPECT_EQ(decode_broadcast(R"({"channels":[1],"data":1})", 1).error().code, errc::bad_request);
    EXPECT_EQ(decode_broadcast(R"({"channels":"a","data":1})", 1).error().code, errc::bad_request);
    EXPECT_EQ(decode_broadcast(R"({"channels":["a"]})", 1).error().detail, "data is missing");
}

TEST(DecodeClientOrder, ReadsASubscription) {
    const auto order = decode_client_order(
        verb::subscribe,
        R"({"channel":"news:kr","user":"ada","client":"c","session":"s","info":{"a":1},"b64data":"Mg==","expire_at":9,
            "recover_since":{"offset":18446744073709551615,"epoch":"e"},"override":{"presence":{"value":true}}})",
        9);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->whom.user + order->whom.client + order->whom.session, "adacs");
    EXPECT_EQ(order->what.group, "news:kr");
    EXPECT_EQ(order->what.info, R"({"a":1})");
    EXPECT_EQ(order->what.data, "2");
    EXPECT_EQ(order->what.expire_at, 9);
    EXPECT_EQ(order->what.since, (position{"e", 18446744073709551615ull}));
}

TEST(DecodeClientOrder, ReadsADisconnect) {
    const auto order = decode_client_order(
        verb::disconnect,
        R"({"user":"ada","whitelist":["c1"],"disconnect":{"code":4100,"reason":"moved","reconnect":true}})",
        9);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->what.code, 4100);
    EXPECT_EQ(order->what.reason, "moved");
    EXPECT_THAT(order->what.whitelist, ElementsAre("c1"));
}

TEST(DecodeClientOrder, SaysWhatIsWrong) {
    const auto why = [](verb what, const std::string& params) {
        return decode_client_order(what, params, 1).error();
    };
    EXPECT_THAT(why(verb::disconnect, "{}").detail, HasSubstr("user, client or session"));
    EXPECT_EQ(why(verb::subscribe, R"({"user":"a"})").detail, "channel is missing");
    EXPECT_EQ(why(verb::refresh, R"({"user":"a","expire_at":1.5})").detail, "expire_at takes a whole number");
    EXPECT_EQ(why(verb::refresh, R"({"user":"a","expire_at":-1})").detail, "expire_at takes Unix seconds");
    EXPECT_EQ(why(verb::refresh, R"({"user":"a","expired":"yes"})").detail, "expired takes true or false");
    EXPECT_EQ(why(verb::disconnect, R"({"user":"a","whitelist":["b","c"]})").code, errc::limit_exceeded);
    for (const auto* code : {"2999", "5000", "-1", "70000", "99999999999"})
        EXPECT_THAT(
            why(verb::disconnect, R"({"user":"a","disconnect":{"code":)" + std::string(code) + "}}").detail,
            HasSubstr("disconnect: code"));
    EXPECT_THAT(
        why(verb::disconnect, R"({"user":"a","disconnect":{"code":4000,"reason":"{\"x\":1}"}})").detail,
        HasSubstr("plain text"));
    EXPECT_THAT(why(verb::disconnect, R"({"user":"a","disconnect":{"reason":"a\nb"}})").detail,
                HasSubstr("plain text"));
    EXPECT_THAT(
        why(verb::disconnect, R"({"user":"a","disconnect":{"reason":")" + std::string(124, 'r') + "\"}}")
            .detail,
        HasSubstr("123"));
    EXPECT_THAT(why(verb::subscribe, R"({"user":"a","channel":"b","recover_since":{"offset":-1}})").detail,
                HasSubstr("recover_since: offset"));
    EXPECT_THAT(why(verb::subscribe, R"({"user":"a","channel":"b","recover_since":7})").detail,
                HasSubstr("recover_since: takes a JSON object"));
}

TEST(DecodeHistory, BoundsEveryLimit) {
    const auto limit = [](const std::string& text) {
        return decode_history(R"({"channel":"a","limit":)" + text + "}", 500)->limit;
    };
    EXPECT_EQ(limit("0"), 0u);
    EXPECT_EQ(limit("null"), 0u);
    EXPECT_EQ(limit("7"), 7u);
    EXPECT_EQ(limit("-1"), 500u);
    EXPECT_EQ(limit("-9223372036854775808"), 500u);
    EXPECT_EQ(limit("1000000000"), 500u);
    EXPECT_EQ(decode_history(R"({"channel":"a"})", 500)->limit, 0u);
    for (const auto* text : {"1e9", "\"7\"", "7.0", "99999999999999999999"})
        EXPECT_FALSE(decode_history(R"({"channel":"a","limit":)" + std::string(text) + "}", 500)) << text;
}

TEST(DecodeHistory, ReadsSinceAndReverse) {
    const auto what =
        decode_history(R"({"channel":"a","limit":1,"since":{"offset":3,"epoch":"e"},"reverse":true})", 9);
    ASSERT_TRUE(what);
    EXPECT_EQ(what->since, (position{"e", 3}));
    EXPECT_TRUE(what->reverse);
}

bool known(std::string_view name) { return name == "publish" || name == "info"; }

TEST(DecodeBatch, FindsEachCommandsMethod) {
    const auto batch = decode_batch(
        R"({"commands":[{"publish":{"channel":"a"}},{"fly":{}},{"x":1,"info":{}}],"parallel":true})", 3,
        known);
    ASSERT_TRUE(batch);
    EXPECT_TRUE(batch->parallel);
    ASSERT_EQ(batch->calls.size(), 3u);
    EXPECT_EQ(batch->calls[0].method, "publish");
    EXPECT_EQ(batch->calls[0].params, R"({"channel":"a"})");
    EXPECT_EQ(batch->calls[1].method, "");
    EXPECT_EQ(batch->calls[2].method, "info");
}

TEST(DecodeBatch, RefusesWhatIsNone) {
    EXPECT_EQ(decode_batch(R"({"commands":[{},{}]})", 1, known).error().code, errc::limit_exceeded);
    for (const auto* text : {"{}", R"({"commands":{}})", R"({"commands":[1]})", R"({"commands":null})",
                             R"({"commands":[{"publish":{},"info":{}}]})", "[]"})
        EXPECT_EQ(decode_batch(text, 9, known).error().code, errc::bad_request) << text;
    EXPECT_TRUE(decode_batch(R"({"commands":[]})", 9, known)->calls.empty());
}

TEST(DecodeCalls, TakesOneOrALineEach) {
    const auto one = decode_calls("{\n\"method\":\"PUBLISH\",\n\"params\":{\"a\":1},\"id\":3}", 9);
    ASSERT_TRUE(one);
    ASSERT_EQ(one->size(), 1u);
    EXPECT_EQ(one->front().method, "publish");
    EXPECT_EQ(one->front().params, "{\"a\":1}");
    EXPECT_EQ(one->front().id, "3");
    const auto two =
        decode_calls("{\"method\":\"info\"}\r\n\n{\"method\":\"channels\",\"params\":null}\n", 9);
    ASSERT_TRUE(two);
    ASSERT_EQ(two->size(), 2u);
    EXPECT_EQ((*two)[1].params, "{}");
}

TEST(DecodeCalls, RefusesWhatIsNone) {
    for (const auto* body : {"", "\n", "[]", "{\"method\":1}", "{\"params\":{}}", "{\"method\":\"info\"}\n{",
                             "{\"method\":\"info\"}{\"method\":\"info\"}"})
        EXPECT_EQ(decode_calls(body, 9).error().code, errc::bad_request) << body;
    EXPECT_EQ(decode_calls("{\"method\":\"info\"}\n{\"method\":\"info\"}", 1).error().code,
              errc::limit_exceeded);
}

TEST(EncodePublication, EmbedsDataAsItIs) {
    publication one{payload::copy_of("{\"n\":1.10}"), 7, 1000, nullptr};
    EXPECT_EQ(encode(one), R"({"data":{"n":1.10},"offset":7,"time":1000})");
    auto who = std::make_shared<client_info>(client_info{"c1", "a\"da", "{\"x\":1}", ""});
    one.extra = std::make_shared<publication_extra>(publication_extra{who, {{"k", "v"}, {"l", "w"}}});
    EXPECT_EQ(encode(one), R"({"data":{"n":1.10},"info":{"user":"a\"da","client":"c1","conn_info":{"x":1}},)"
                           R"("offset":7,"tags":{"k":"v","l":"w"},"time":1000})");
}

TEST(EncodeError, KeepsTheDetailOfInternalErrorsToItself) {
    EXPECT_EQ(encode(fail(errc::bad_request, "x is \"wrong\"")),
              R"({"code":107,"message":"x is \"wrong\""})");
    EXPECT_EQ(encode(fail(errc::storage_full)),
              R"({"code":530,"message":"The disk is full; nothing that needs it is accepted."})");
    for (const auto code : {errc::internal, errc::system_failure, errc::closed})
        EXPECT_EQ(encode(fail(code, "/var/lib/secret")),
                  R"({"code":100,"message":"The server failed; the log says why."})");
}

TEST(EncodePosition, IsEmptyWhereNothingIsKept) {
    EXPECT_EQ(encode(position{}), "{}");
    EXPECT_EQ(encode(position{"e", 4}), R"({"offset":4,"epoch":"e"})");
}

}  // namespace
}  // namespace madang
