#include <gtest/gtest.h>

#include "tests/unit/protocol/client_talk.hpp"

namespace madang {
namespace {

using testing::error_reply;
using testing::goodbye;
using testing::no;
using testing::pub;
using testing::talk;
using testing::yes;

// A connected client, with a live subscription to "news" where `subscribed`; what it says, hears, and how it
// ends.
struct row {
    const char* claim;
    std::string says;
    std::string hears;
    std::string closed = {};
    bool subscribed = false;
    void (*given)(talk&) = nullptr;
};

const std::string bad = "3501 bad request";

const row frames[] = {
    {"EmptyFrameEnds", "", "", bad},
    {"BlankFrameEnds", " \r\n \n", "", bad},
    {"BlankLinesAreSkipped", "\n{\"id\":5,\"rpc\":{}}\n\n", R"({"id":5,"rpc":{}})"},
    {"NoJsonEnds", "hello", "", bad},
    {"ArrayEnds", "[]", "", bad},
    {"HalfACommandEnds", R"({"id":5,"rpc":{})", "", bad},
    {"TextBehindACommandEnds", R"({"id":5,"rpc":{}} x)", "", bad},
    {"ACommandOverTwoLinesEnds", "{\"id\":5,\n\"rpc\":{}}", "", bad},
    {"InvalidUtf8Ends", "{\"id\":5,\"rpc\":{\"data\":\"\xff\"}}", "", bad},
    {"SurrogateInUtf8Ends", "{\"id\":5,\"rpc\":{\"data\":\"\xed\xa0\x80\"}}", "", bad},
    {"TwoMethodsEnd", R"({"id":5,"rpc":{},"send":{}})", "", bad},
    {"OneMethodTwiceEnds", R"({"id":5,"rpc":{},"rpc":{}})", "", bad},
    {"TheLastIdCounts", R"({"id":5,"id":6,"rpc":{}})", R"({"id":6,"rpc":{}})"},
    {"TheLastFieldCounts", R"({"id":5,"rpc":{"data":1,"data":2}})", R"({"id":5,"rpc":{"data":2}})"},
    {"EscapedNamesAreNames", R"({"\u0069d":5,"rp\u0063":{"d\u0061ta":1}})", R"({"id":5,"rpc":{"data":1}})"},
    {"UnknownMembersArePassedOver", R"({"x":[{}],"id":5,"rpc":{"y":null,"data":1},"z":1})",
     R"({"id":5,"rpc":{"data":1}})"},
    {"NullIsAbsent", R"({"id":5,"publish":{"channel":null,"data":1}})", "", bad},
    {"ANullMethodEnds", R"({"id":5,"rpc":null})", "", bad},
    {"ATextMethodEnds", R"({"id":5,"rpc":"x"})", "", bad},
    {"NegativeIdEnds", R"({"id":-5,"rpc":{}})", "", bad},
    {"FractionalIdEnds", R"({"id":5.0,"rpc":{}})", "", bad},
    {"TextIdEnds", R"({"id":"5","rpc":{}})", "", bad},
    {"HugeIdEnds", R"({"id":4294967296,"rpc":{}})", "", bad},
    {"TheLargestIdIsAnswered", R"({"id":4294967295,"rpc":{}})", R"({"id":4294967295,"rpc":{}})"},
    {"NoIdEnds", R"({"rpc":{}})", "", bad},
    {"UnknownMethodIsToldSo", R"({"id":5,"dance":{}})", error_reply(5, 104, "method not found")},
    {"AnIdAloneIsNoMethod", R"({"id":5})", error_reply(5, 104, "method not found")},
    {"UnknownMethodWithoutIdEnds", R"({"dance":{}})", "", bad},
    {"PingEnds", R"({"id":5,"ping":{}})", "", bad},
    {"UnexpectedPongEnds", "{}", "", bad},
    {"SecondConnectEnds", R"({"id":5,"connect":{}})", "", bad},
    {"AnswersAtHandAreOneFrame", "{\"id\":5,\"dance\":{}}\n{\"id\":6,\"unsubscribe\":{\"channel\":\"x\"}}",
     error_reply(5, 104, "method not found") + "\n" + R"({"id":6,"unsubscribe":{}})"},
    {"WhatWasAnsweredBeforeTheEndIsSent", "{\"id\":5,\"dance\":{}}\n!\n{\"id\":6,\"rpc\":{}}",
     error_reply(5, 104, "method not found"), bad},
};

const row publishes[] = {
    {"Publishes", R"({"id":5,"publish":{"channel":"x","data":{"a":1}}})", R"({"id":5,"publish":{}})"},
    {"WithoutChannelEnds", R"({"id":5,"publish":{"data":1}})", "", bad},
    {"EmptyChannelEnds", R"({"id":5,"publish":{"channel":"","data":1}})", "", bad},
    {"ChannelOfAnotherTypeEnds", R"({"id":5,"publish":{"channel":5,"data":1}})", "", bad},
    {"NameWithSpace", R"({"id":5,"publish":{"channel":"a b","data":1}})", error_reply(5, 107, "bad request")},
    {"NameNotAscii", R"({"id":5,"publish":{"channel":"\u00e9","data":1}})",
     error_reply(5, 107, "bad request")},
    {"WithoutData", R"({"id":5,"publish":{"channel":"x"}})", error_reply(5, 107, "bad request")},
    {"Denied", R"({"id":5,"publish":{"channel":"x","data":1}})", error_reply(5, 103, "permission denied"), "",
     false,
     [](talk& t) {
         t.port.on_publish = [](auto&, bool) { return no<publish_grant>(errc::permission_denied); };
     }},
    {"UnknownNamespace", R"({"id":5,"publish":{"channel":"q:x","data":1}})",
     error_reply(5, 102, "unknown channel"), "", false,
     [](talk& t) {
         t.port.on_publish = [](auto&, bool) { return no<publish_grant>(errc::unknown_channel); };
     }},
    {"NotSubscribed", R"({"id":5,"publish":{"channel":"x","data":1}})",
     error_reply(5, 103, "permission denied"), "", true,
     [](talk& t) {
         t.port.on_publish = [](auto&, bool in) {
             return in ? yes<publish_grant>() : no<publish_grant>(errc::permission_denied);
         };
     }},
    {"Subscribed", R"({"id":5,"publish":{"channel":"news:1","data":1}})", R"({"id":5,"publish":{}})", "",
     true,
     [](talk& t) {
         t.port.on_publish = [](auto&, bool in) {
             return in ? yes<publish_grant>() : no<publish_grant>(errc::permission_denied);
         };
     }},
    {"GoodbyeEnds", R"({"id":5,"publish":{"channel":"x","data":1}})", "", "4501 enough", false,
     [](talk& t) { t.port.on_publish = [](auto&, bool) { return goodbye<publish_grant>(4501, "enough"); }; }},
    {"GoodbyeWithoutReasonHasOne", R"({"id":5,"publish":{"channel":"x","data":1}})", "",
     "3503 force disconnect", false,
     [](talk& t) { t.port.on_publish = [](auto&, bool) { return goodbye<publish_grant>(3503, ""); }; }},
    {"GoodbyeWithJsonAsReasonHasAnother", R"({"id":5,"publish":{"channel":"x","data":1}})", "",
     "3503 force disconnect", false,
     [](talk& t) { t.port.on_publish = [](auto&, bool) { return goodbye<publish_grant>(3503, "{}"); }; }},
    {"GoodbyeWithACodeNobodyMaySend", R"({"id":5,"publish":{"channel":"x","data":1}})", "", "3004 oops",
     false,
     [](talk& t) { t.port.on_publish = [](auto&, bool) { return goodbye<publish_grant>(1006, "oops"); }; }},
    {"TheBackendsOwnError", R"({"id":5,"publish":{"channel":"x","data":1}})",
     error_reply(5, 1001, "no \\\"swearing\\\""), "", false,
     [](talk& t) {
         t.port.on_publish = [](auto&, bool) {
             return no<publish_grant>(errc::internal, 1001, "no \"swearing\"");
         };
     }},
    {"TheBackendsOwnErrorWithoutText", R"({"id":5,"publish":{"channel":"x","data":1}})",
     error_reply(5, 1001, "error"), "", false,
     [](talk& t) {
         t.port.on_publish = [](auto&, bool) { return no<publish_grant>(errc::internal, 1001); };
     }},
    {"TheBackendSaysTooMany", R"({"id":5,"publish":{"channel":"x","data":1}})",
     error_reply(5, 111, "too many requests", true), "", false,
     [](talk& t) { t.port.on_publish = [](auto&, bool) { return no<publish_grant>(errc::internal, 111); }; }},
    {"TheGatekeeperFails", R"({"id":5,"publish":{"channel":"x","data":1}})",
     error_reply(5, 100, "internal server error", true), "", false,
     [](talk& t) { t.port.on_publish = [](auto&, bool) { return no<publish_grant>(errc::internal); }; }},
    {"TheStreamIsBusy", R"({"id":5,"publish":{"channel":"x","data":1}})", error_reply(5, 503, "busy", true),
     "", false, [](talk& t) { t.port.published = fail(errc::busy); }},
    {"TheDiskIsFull", R"({"id":5,"publish":{"channel":"x","data":1}})",
     error_reply(5, 530, "storage full", true), "", false,
     [](talk& t) { t.port.published = fail(errc::storage_full); }},
    {"AnErrorThatIsNoneOnTheWire", R"({"id":5,"publish":{"channel":"x","data":1}})",
     error_reply(5, 100, "internal server error", true), "", false,
     [](talk& t) { t.port.published = fail(errc::system_failure); }},
};

const row others[] = {
    {"UnsubscribesTwice",
     "{\"id\":5,\"unsubscribe\":{\"channel\":\"news:1\"}}\n{\"id\":6,\"unsubscribe\":{\"channel\":\"news:1\"}"
     "}",
     "{\"id\":5,\"unsubscribe\":{}}\n{\"id\":6,\"unsubscribe\":{}}", "", true},
    {"UnsubscribeWithoutChannelEnds", R"({"id":5,"unsubscribe":{}})", "", bad},
    {"Rpc", R"({"id":5,"rpc":{"method":"m","data":[12345678901234567890,1.10]}})",
     R"({"id":5,"rpc":{"data":[12345678901234567890,1.10]}})"},
    {"RpcOfNull", R"({"id":5,"rpc":{"method":"m","data":null}})", R"({"id":5,"rpc":{"data":null}})"},
    {"RpcUnknown", R"({"id":5,"rpc":{"method":"m"}})", error_reply(5, 104, "method not found"), "", false,
     [](talk& t) { t.port.on_rpc = [](auto&, auto&) { return no<rpc_answer>(errc::method_not_found); }; }},
    {"RpcUnauthorized", R"({"id":5,"rpc":{"method":"m"}})", error_reply(5, 101, "unauthorized"), "", false,
     [](talk& t) { t.port.on_rpc = [](auto&, auto&) { return no<rpc_answer>(errc::unauthorized); }; }},
    {"RpcTooMany", R"({"id":5,"rpc":{"method":"m"}})", error_reply(5, 111, "too many requests", true), "",
     false,
     [](talk& t) { t.port.on_rpc = [](auto&, auto&) { return no<rpc_answer>(errc::too_many_requests); }; }},
    {"RpcAnswersOnOneLine", R"({"id":5,"rpc":{}})", R"({"id":5,"rpc":{"data":[1,2]}})", "", false,
     [](talk& t) { t.port.on_rpc = [](auto&, auto&) { return yes(rpc_answer{"[1,\n2]"}); }; }},
    {"RpcMethodOfAnotherTypeEnds", R"({"id":5,"rpc":{"method":1}})", "", bad},
    {"SendHasNoAnswer", R"({"send":{"data":1}})", ""},
    {"SendWithIdHasNone", R"({"id":5,"send":{"data":1}})", ""},
    {"Presence", R"({"id":5,"presence":{"channel":"room:1"}})",
     R"({"id":5,"presence":{"presence":{"c1":{"user":"ann","client":"c1"},"c2":{"user":"","client":"c2","conn_info":1}}}})",
     "", false,
     [](talk& t) {
         t.port.present = presence_page{{{{"c1", "ann", "", ""}, 1}, {{"c2", "", "1", ""}, 2}}, false};
     }},
    {"PresenceOfNobody", R"({"id":5,"presence":{"channel":"room:1"}})",
     R"({"id":5,"presence":{"presence":{}}})"},
    {"PresenceOfTooMany", R"({"id":5,"presence":{"channel":"room:1"}})",
     error_reply(5, 106, "limit exceeded"), "", false,
     [](talk& t) {
         t.port.present = presence_page{{}, true};
     }},
    {"PresenceOff", R"({"id":5,"presence":{"channel":"room:1"}})", error_reply(5, 108, "not available"), "",
     false, [](talk& t) { t.port.may_presence = fail(errc::not_available); }},
    {"PresenceDenied", R"({"id":5,"presence":{"channel":"room:1"}})",
     error_reply(5, 103, "permission denied"), "", false,
     [](talk& t) { t.port.may_presence = fail(errc::permission_denied); }},
    {"PresenceWithoutChannelEnds", R"({"id":5,"presence":{}})", "", bad},
    {"PresenceOfABadName", R"({"id":5,"presence":{"channel":" "}})", error_reply(5, 107, "bad request")},
    {"PresenceStats", R"({"id":5,"presence_stats":{"channel":"room:1"}})",
     R"({"id":5,"presence_stats":{"num_clients":3,"num_users":2}})", "", false,
     [](talk& t) {
         t.port.counts = presence_counts{3, 2};
     }},
    {"PresenceStatsOff", R"({"id":5,"presence_stats":{"channel":"x"}})", error_reply(5, 108, "not available"),
     "", false, [](talk& t) { t.port.may_presence = fail(errc::not_available); }},
    {"HistoryPosition", R"({"id":5,"history":{"channel":"news:1"}})",
     R"({"id":5,"history":{"epoch":"e","offset":9}})", "", false,
     [](talk& t) {
         t.port.page = history_page{{"e", 9}, {}};
     }},
    {"HistoryPage", R"({"id":5,"history":{"channel":"news:1","limit":2}})",
     R"({"id":5,"history":{"publications":[{"data":{"a":1},"offset":8},{"data":9,"offset":9}],"epoch":"e","offset":9}})",
     "", false,
     [](talk& t) {
         t.port.page = history_page{{"e", 9}, {pub(8, R"({"a":1})"), pub(9)}};
     }},
    {"HistoryOff", R"({"id":5,"history":{"channel":"x","limit":2}})", error_reply(5, 108, "not available"),
     "", false, [](talk& t) { t.port.may_history = fail(errc::not_available); }},
    {"HistoryUnknownNamespace", R"({"id":5,"history":{"channel":"q:x","limit":2}})",
     error_reply(5, 102, "unknown channel"), "", false,
     [](talk& t) { t.port.may_history = fail(errc::unknown_channel); }},
    {"HistoryOfAnotherEpoch", R"({"id":5,"history":{"channel":"news:1","since":{"offset":1,"epoch":"old"}}})",
     error_reply(5, 112, "unrecoverable position"), "", false,
     [](talk& t) { t.port.page = fail(errc::unrecoverable_position); }},
    {"HistoryWithoutChannelEnds", R"({"id":5,"history":{}})", "", bad},
    {"HistoryLimitAsTextEnds", R"({"id":5,"history":{"channel":"x","limit":"2"}})", "", bad},
    {"HistoryLimitOutOfRangeEnds", R"({"id":5,"history":{"channel":"x","limit":1e40}})", "", bad},
    {"HistorySinceAsNumberEnds", R"({"id":5,"history":{"channel":"x","since":7}})", "", bad},
    {"HistorySinceNegativeEnds", R"({"id":5,"history":{"channel":"x","since":{"offset":-1}}})", "", bad},
    {"HistoryReverseAsNumberEnds", R"({"id":5,"history":{"channel":"x","reverse":1}})", "", bad},
    {"RefreshWithoutTokenEnds", R"({"id":5,"refresh":{}})", "", bad},
    {"Refresh", R"({"id":5,"refresh":{"token":"t"}})",
     R"({"id":5,"refresh":{"client":"c1","version":"Madang 0.1.0","expires":true,"ttl":60}})", "", false,
     [](talk& t) {
         t.port.on_refresh = [&t](auto&) { return yes(refresh_grant{t.port.now_ms() / 1000 + 60, ""}); };
     }},
    {"RefreshForEver", R"({"id":5,"refresh":{"token":"t"}})",
     R"({"id":5,"refresh":{"client":"c1","version":"Madang 0.1.0"}})"},
    {"RefreshWithAnExpiredTokenEnds", R"({"id":5,"refresh":{"token":"t"}})", "", "3005 connection expired",
     false,
     [](talk& t) { t.port.on_refresh = [](auto&) { return no<refresh_grant>(errc::token_expired); }; }},
    {"RefreshThatIsOverEnds", R"({"id":5,"refresh":{"token":"t"}})", "", "3005 connection expired", false,
     [](talk& t) { t.port.on_refresh = [](auto&) {
                       return yes(refresh_grant{1'600'000'000, ""});
                   }; }},
    {"RefreshOfAnotherUserEnds", R"({"id":5,"refresh":{"token":"t"}})", "", "3500 invalid token", false,
     [](talk& t) {
         t.port.on_refresh = [](auto&) { return goodbye<refresh_grant>(3500, "invalid token"); };
     }},
    {"RefreshLater", R"({"id":5,"refresh":{"token":"t"}})",
     error_reply(5, 100, "internal server error", true), "", false,
     [](talk& t) { t.port.on_refresh = [](auto&) { return no<refresh_grant>(errc::internal); }; }},
    {"SubRefresh", R"({"id":5,"sub_refresh":{"channel":"news:1","token":"t"}})",
     R"({"id":5,"sub_refresh":{"expires":true,"ttl":60}})", "", true,
     [](talk& t) {
         t.port.on_sub_refresh = [&t](auto&, auto&) {
             return yes(refresh_grant{t.port.now_ms() / 1000 + 60, ""});
         };
     }},
    {"SubRefreshOfNoSubscription", R"({"id":5,"sub_refresh":{"channel":"news:2","token":"t"}})",
     error_reply(5, 103, "permission denied"), "", true},
    {"SubRefreshWithoutTokenEnds", R"({"id":5,"sub_refresh":{"channel":"news:1"}})", "", bad, true},
    {"SubRefreshWithAnExpiredToken", R"({"id":5,"sub_refresh":{"channel":"news:1","token":"t"}})",
     error_reply(5, 109, "token expired"), "", true,
     [](talk& t) {
         t.port.on_sub_refresh = [](auto&, auto&) { return no<refresh_grant>(errc::token_expired); };
     }},
    {"SubRefreshThatIsOver", R"({"id":5,"sub_refresh":{"channel":"news:1","token":"t"}})",
     error_reply(5, 110, "expired"), "", true,
     [](talk& t) {
         t.port.on_sub_refresh = [](auto&, auto&) { return yes(refresh_grant{1'600'000'000, ""}); };
     }},
    {"SubRefreshWithATokenForAnotherEnds", R"({"id":5,"sub_refresh":{"channel":"news:1","token":"t"}})", "",
     "3500 invalid token", true,
     [](talk& t) {
         t.port.on_sub_refresh = [](auto&, auto&) { return goodbye<refresh_grant>(3500, "invalid token"); };
     }},
};

class ClientCommand : public ::testing::TestWithParam<row> {};
INSTANTIATE_TEST_SUITE_P(Frames, ClientCommand, ::testing::ValuesIn(frames),
                         [](const auto& each) { return each.param.claim; });
INSTANTIATE_TEST_SUITE_P(Publish, ClientCommand, ::testing::ValuesIn(publishes),
                         [](const auto& each) { return each.param.claim; });
INSTANTIATE_TEST_SUITE_P(Others, ClientCommand, ::testing::ValuesIn(others),
                         [](const auto& each) { return each.param.claim; });

TEST_P(ClientCommand, IsAnswered) {
    const auto& it = GetParam();
    talk t;
    it.subscribed ? t.subscribed("news:1") : t.connected();
    if (it.given != nullptr) it.given(t);
    EXPECT_EQ(t.say(it.says), it.hears);
    EXPECT_EQ(t.closed(), it.closed);
}

TEST(ClientPublish, PassesThePayloadAsItCame) {
    talk t;
    t.connected();
    const std::string data =
        R"({"big":12345678901234567890123,"f":1.10e-7,"dup":1,"dup":2, "s":"\u00e9\n" })";
    t.say(R"({"id":5,"publish":{"data": )" + data + R"( ,"channel":"x"}})");
    EXPECT_EQ(t.port.publish_asked.data.bytes(), data);
    EXPECT_EQ(t.port.publish_asked.group, "x");
    EXPECT_FALSE(t.port.publish_asked.skip_history);
    t.say("{\"id\":6,\"publish\":{\"channel\":\"x\",\"data\":[1,\r2]}}");
    EXPECT_EQ(t.port.publish_asked.data.bytes(), "[1,2]");
}

TEST(ClientPublish, SaysWhoPublished) {
    talk t;
    t.port.on_subscribe = [](auto&) {
        subscription_grant grant;
        grant.chan_info = "{\"role\":\n1}";
        return yes(grant);
    };
    t.subscribed("news:1");
    t.say(R"({"id":5,"publish":{"channel":"news:1","data":1}})");
    const auto first = t.port.publish_asked.extra;
    EXPECT_EQ(*first->info, (client_info{"c1", "ann", "", "{\"role\":1}"}));
    t.say(R"({"id":6,"publish":{"channel":"news:1","data":1}})");
    EXPECT_EQ(t.port.publish_asked.extra, first) << "made once";
    t.say(R"({"id":7,"publish":{"channel":"news:2","data":1}})");
    EXPECT_EQ(*t.port.publish_asked.extra->info, (client_info{"c1", "ann", "", ""}));
    t.port.on_refresh = [](auto&) { return yes(refresh_grant{0, "\"new\""}); };
    t.say(R"({"id":8,"refresh":{"token":"t"}})");
    t.say(R"({"id":9,"publish":{"channel":"news:1","data":1}})");
    EXPECT_EQ(t.port.publish_asked.extra->info->conn_info, "\"new\"");
}

TEST(ClientPublish, TakesWhatTheBackendPutInItsPlace) {
    talk t;
    t.connected();
    t.port.on_publish = [](auto&, bool) { return yes(publish_grant{"{\"clean\":\n1}", true}); };
    t.say(R"({"id":5,"publish":{"channel":"x","data":1}})");
    EXPECT_EQ(t.port.publish_asked.data.bytes(), "{\"clean\":1}");
    EXPECT_TRUE(t.port.publish_asked.skip_history);
}

TEST(ClientSend, HandsTheDataOver) {
    talk t;
    t.connected();
    t.say("{\"send\":{\"data\":{\"a\":1.0}}}\n{\"send\":{}}");
    EXPECT_EQ(t.port.messages, (std::vector<std::string>{"{\"a\":1.0}", "null"}));
}

struct history_row {
    const char* claim;
    const char* asks;
    std::size_t limit;
    std::optional<position> since = {};
    bool reverse = false;
};
class ClientHistory : public ::testing::TestWithParam<history_row> {};
INSTANTIATE_TEST_SUITE_P(, ClientHistory,
                         ::testing::ValuesIn(std::initializer_list<history_row>{
                             {"NoLimitIsNone", "", 0},
                             {"ALimit", R"(,"limit":10)", 10},
                             {"TheLimitIsCapped", R"(,"limit":9223372036854775807)", 300},
                             {"BelowZeroIsAll", R"(,"limit":-1)", 300},
                             {"Since", R"(,"limit":1,"since":{"offset":5,"epoch":"e"})", 1, position{"e", 5}},
                             {"SinceTheBeginning", R"(,"since":{})", 0, position{"", 0}},
                             {"SinceNull", R"(,"since":null)", 0},
                             {"Reverse", R"(,"limit":3,"reverse":true)", 3, std::nullopt, true},
                             {"LargeOffsets", R"(,"since":{"offset":18446744073709551615})", 0,
                              position{"", 18446744073709551615u}},
                         }),
                         [](const auto& each) { return each.param.claim; });
TEST_P(ClientHistory, AsksFor) {
    talk t;
    t.connected();
    t.say(R"({"id":5,"history":{"channel":"news:1")" + std::string(GetParam().asks) + "}}");
    EXPECT_EQ(t.port.history_asked.group, "news:1");
    EXPECT_EQ(t.port.history_asked.limit, GetParam().limit);
    EXPECT_EQ(t.port.history_asked.since, GetParam().since);
    EXPECT_EQ(t.port.history_asked.reverse, GetParam().reverse);
}

TEST(ClientCommands, AreBoundedWhileTheyWait) {
    talk t;
    t.connected();
    t.limits.commands_waiting = 3;
    for (int i = 0; i < 3; ++i) t.session.on_message(R"({"id":5,"rpc":{}})");
    EXPECT_EQ(t.closed(), "");
    t.port.run();
    for (int i = 0; i < 3; ++i) t.session.on_message(R"({"id":5,"rpc":{}})");
    EXPECT_EQ(t.closed(), "") << "what was answered waits no more";
    t.session.on_message(R"({"id":5,"rpc":{}})");
    EXPECT_EQ(t.closed(), "3013 too many requests");
}

// Each kind of answer, a refusal too, takes back what its command counted for.
TEST(ClientCommands, AreBoundedInBytesWhileTheyWait) {
    using namespace std::string_literals;
    const auto room = [](std::size_t size) { return std::string(size, ' '); };
    for (const auto& one :
         {R"({"id":5,"rpc":{}})"s, R"({"id":5,"publish":{"channel":"x","data":1}})"s,
          R"({"id":5,"history":{"channel":"x"}})"s, R"({"id":5,"presence":{"channel":"x"}})"s,
          R"({"id":5,"presence_stats":{"channel":"x"}})"s, R"({"id":5,"refresh":{"token":"t"}})"s,
          R"({"id":5,"sub_refresh":{"channel":"mine","token":"t"}})"s,
          R"({"id":5,"subscribe":{"channel":"y"}})"s + "\n" + R"({"id":6,"unsubscribe":{"channel":"y"}})"}) {
        talk t;
        t.subscribed("mine");
        t.limits.waiting_bytes = 1000;
        const auto wide =
            one.substr(0, one.find('\n')) + room(600) + one.substr(std::min(one.find('\n'), one.size()));
        for (int i = 0; i < 3; ++i) t.say(wide);
        for (const auto answered : {0, 1}) {
            if (answered) {
                t.port.on_rpc = [](auto&, auto&) { return no<rpc_answer>(errc::internal); };
                t.port.on_publish = [](auto&, bool) { return no<publish_grant>(errc::permission_denied); };
                t.port.on_subscribe = [](auto&) { return no<subscription_grant>(errc::permission_denied); };
            }
            for (int i = 0; i < 3; ++i) t.say(wide);
        }
        EXPECT_EQ(t.closed(), "") << one;
        t.session.on_message(R"({"id":7,"rpc":{}})" + room(600));
        EXPECT_EQ(t.closed(), "") << one;
        t.session.on_message(R"({"id":7,"rpc":{}})" + room(600));
        EXPECT_EQ(t.closed(), "3013 too many requests") << one;
    }
}

TEST(ClientCommands, AreNotAnsweredOnceItIsOver) {
    talk t;
    t.connected();
    t.session.on_message(R"({"id":5,"rpc":{}})");
    t.session.ended();
    EXPECT_EQ(t.say(R"({"id":6,"rpc":{}})"), "");
    EXPECT_EQ(t.closed(), "");
}

TEST(ClientCommands, SurviveHostileText) {
    const std::string deep(100'000, '[');
    using namespace std::string_literals;
    for (const auto& text : std::initializer_list<std::string>{
             R"({"id":5,"rpc":{"data":)" + deep,
             R"({"id":5,"rpc":{"data":)" + deep + std::string(100'000, ']') + "}}", std::string(1 << 20, '{'),
             std::string(1 << 20, '"'), "{\"id\":" + std::string(1 << 20, '9') + ",\"rpc\":{}}",
             R"({"id":5,"subscribe":{"channel":"x","offset":)" + std::string(400, '9') + "}}",
             R"({"id":5,"subscribe":{"channel":"x","offset":1e2}})",
             R"({"id":5,"subscribe":{"channel":["x"]}})",
             R"({"id":5,"subscribe":{"channel":"x","recover":"yes"}})", R"({"id":5,"subscribe":[]})",
             "{\"id\":5,\"rpc\":{\"data\":\"\0\"}}"s, "\0"s}) {
        talk t;
        t.connected();
        EXPECT_EQ(t.say(text), "");
        EXPECT_EQ(t.closed(), bad) << text.substr(0, 60);
    }
    talk t;
    t.connected();
    t.limits.waiting_bytes = 2 << 20;
    const std::string data = "\"" + std::string(1 << 20, 'x') + "\"";
    EXPECT_EQ(t.say(R"({"id":5,"rpc":{"data":)" + data + "}}"), R"({"id":5,"rpc":{"data":)" + data + "}}");
    EXPECT_EQ(t.say(R"({"id":6,"subscribe":{"channel":")" + std::string(1 << 20, 'x') + "\"}}"),
              error_reply(6, 107, "bad request"));
}

}  // namespace
}  // namespace madang
