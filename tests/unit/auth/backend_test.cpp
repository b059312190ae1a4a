#include "broker/auth/backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "broker/core/log.hpp"
#include "broker/core/scope.hpp"
#include "tests/support/fake_fetcher.hpp"
#include "tests/support/kept_spans.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

struct Backend : ::testing::Test {
    static options settings() {
        options made;
        made.proxy_rpc = "http://backend.example/rpc";
        made.proxy_publish = "http://backend.example/publish";
        made.proxy_headers = {"Cookie", "X-Request-ID"};
        made.proxy_breaker_failures = 2;
        made.proxy_timeout = 700ms;
        made.proxy_answer_bytes = 4096;
        return made;
    }
    // "result …", "error CODE MESSAGE", "disconnect CODE REASON", "failed" or "" (not answered).
    void ask(proxy which = proxy::rpc) {
        said.clear();
        backend.ask(which, "{}", {}, [this](verdict<nlohmann::json> v) { said = tell(v); });
    }
    static std::string tell(const verdict<nlohmann::json>& v) {
        if (v.goodbye) return "disconnect " + std::to_string(v.goodbye->code) + " " + v.goodbye->reason;
        if (v.yes) return "result " + v.yes->dump();
        if (v.wire_code != 0) return "error " + std::to_string(v.wire_code) + " " + v.message;
        return v.no.code == errc::internal ? "failed" : "?";
    }
    std::string after(std::string body, int status = 200) {
        ask();
        fetcher.answer(std::move(body), status);
        return said;
    }

    const options from = settings();
    manual_clock clock;
    fake_fetcher fetcher;
    metrics_shard counts;
    class backend backend {
        from, fetcher, clock, counts
    };
    std::string said;
    std::string logged;
    log_capture capture{log_format::text, log_level::warn,
                        [this](std::string_view line) { logged.append(line).append("\n"); }};
};

TEST_F(Backend, AsksByPostAndTellsEachAnswerApart) {
    EXPECT_TRUE(backend.has(proxy::rpc));
    EXPECT_FALSE(backend.has(proxy::connect));
    EXPECT_EQ(after(R"({"result":{"data":1}})"), R"(result {"data":1})");
    EXPECT_EQ(fetcher.last.method, "POST");
    EXPECT_EQ(fetcher.last.url, "http://backend.example/rpc");
    EXPECT_EQ(fetcher.last.timeout, 700ms);
    EXPECT_EQ(fetcher.last.answer_bytes, 4096u);
    EXPECT_THAT(fetcher.last.headers, ElementsAre(Pair("Content-Type", "application/json")));
    EXPECT_EQ(after("{}"), "result null");
    EXPECT_EQ(after(R"({"result":null,"error":null,"disconnect":null})"), "result null");
    EXPECT_EQ(after(R"({"error":{"code":1000,"message":"no!"}})"), "error 1000 no!");
    EXPECT_EQ(after(R"({"error":{"code":103},"result":{}})"), "error 103 ");
    EXPECT_EQ(after(R"({"disconnect":{"code":4500,"reason":"go"}})"), "disconnect 4500 go");
    EXPECT_EQ(after(R"({"disconnect":{"code":4000}})"), "disconnect 4000 closed")
        << "with an empty reason a client would come back after a terminal code";
    EXPECT_EQ(after(R"({"disconnect":{"code":4500,"reason":")" + std::string(300, 'r') + "\"}}"),
              "disconnect 4500 " + std::string(123, 'r'));
    for (const auto& [outcome, times] :
         {std::pair{"result", 3u}, std::pair{"error", 2u}, std::pair{"disconnect", 3u}})
        EXPECT_EQ(counts.value(labelled_counter::proxy_requests, outcome), times) << outcome;
    EXPECT_EQ(logged, "");
}

TEST_F(Backend, IsAskedOnBehalfOfTheTraceOfTheWork) {
    kept_spans spans;
    const auto parent_of = [&] {
        for (const auto& [name, value] : fetcher.last.headers)
            if (name == "traceparent") return value;
        return std::string("none");
    };
    {
        const traced_work mine({&spans, new_trace()});
        backend.ask(proxy::rpc, "{}", {{"Traceparent", "the client's"}}, [](auto) {});
    }
    EXPECT_TRUE(spans.all.empty());
    fetcher.answer(R"({"result":{}})");
    ASSERT_EQ(spans.all.size(), 1u);
    EXPECT_EQ(parent_of(), format_traceparent(spans.all[0].at));
    EXPECT_EQ(fetcher.last.headers.size(), 2u);
    EXPECT_FALSE(spans.all[0].failed);
    trace_context unsampled = new_trace();
    unsampled.flags = 0;
    {
        const traced_work mine({&spans, unsampled});
        ask();
        fetcher.answer("{", 500);
    }
    EXPECT_EQ(parent_of(), format_traceparent(unsampled));
    ask();
    fetcher.answer("{}");
    EXPECT_EQ(parent_of(), "none");
    EXPECT_EQ(spans.all.size(), 1u);
}

TEST_F(Backend, ABadAnswerIsAnErrorOfOurOwn) {
    for (const auto* body :
         {"", "[]", "nonsense", R"({"result":7})", R"({"result":[]})", R"({"error":{"message":"x"}})",
          R"({"error":"x"})", R"({"error":{"code":"103"}})", R"({"error":{"code":99}})",
          R"({"error":{"code":2000}})", R"({"error":{"code":1000,"message":7}})", R"({"disconnect":{}})",
          R"({"disconnect":{"code":1000}})", R"({"disconnect":{"code":5000}})",
          R"({"disconnect":{"code":4500,"reason":[]}})", "{\"result\":{\"a\":\"\xff\"}}"}) {
        EXPECT_EQ(after(body), "failed") << body;
        EXPECT_EQ(after("{}"), "result null");  // keeps the breaker closed
    }
    EXPECT_EQ(after(R"({"result":{}})", 500), "failed");
    EXPECT_EQ(after("{}"), "result null");
    EXPECT_EQ(after(R"({"result":{}})", 302), "failed");
    EXPECT_EQ(counts.value(labelled_counter::proxy_requests, "malformed"), 16u);
    EXPECT_EQ(counts.value(labelled_counter::proxy_requests, "status"), 2u);
    EXPECT_EQ(counts.value(labelled_counter::proxy_failures, "rpc"), 18u);
    EXPECT_THAT(logged, testing::HasSubstr("proxy.failed"));
}

TEST_F(Backend, LeavesAFailingUrlAloneAndOnlyThat) {
    for (const auto code : {errc::request_timeout, errc::too_large}) {
        ask();
        fetcher.fail_with(code);
        EXPECT_EQ(said, "failed");
    }
    const auto asked = fetcher.asked;
    ask();
    EXPECT_EQ(said, "failed") << "at once";
    EXPECT_EQ(fetcher.asked, asked);
    EXPECT_EQ(counts.value(labelled_counter::proxy_requests, "breaker_open"), 1u);
    EXPECT_EQ(counts.value(gauge::breakers_open), 1);
    ask(proxy::publish);
    EXPECT_EQ(fetcher.asked, asked + 1) << "another URL";
    fetcher.answer("{}");
    clock.advance(from.proxy_breaker_pause);
    ask();
    EXPECT_EQ(said, "");
    fetcher.answer("{}");
    EXPECT_EQ(said, "result null");
    EXPECT_EQ(counts.value(gauge::breakers_open), 0);
    EXPECT_EQ(after("{}"), "result null");
    EXPECT_THAT(logged, testing::HasSubstr("left_alone=true"));
}

TEST_F(Backend, AnswersThatComeAfterItsEndDoNoHarm) {
    auto late = std::make_unique<class backend>(from, fetcher, clock, counts);
    bool answered = false;
    late->ask(proxy::rpc, "{}", {}, [&](auto) { answered = true; });
    late.reset();
    fetcher.answer("{}");
    EXPECT_TRUE(answered);
}

TEST_F(Backend, CopiesTheHeadersThatItIsToldTo) {
    scope_builder builder;
    builder.add(scope_list::headers, "Cookie", "a=b");
    builder.add(scope_list::headers, "Authorization", "Bearer secret");
    const auto known = builder.build();
    const backend::headers own{{"COOKIE", "from=command"}, {"x-request-id", "7"}, {"Host", "evil"}};
    EXPECT_THAT(backend.copied(&known, own), ElementsAre(Pair("cookie", "a=b"), Pair("x-request-id", "7")));
    EXPECT_THAT(backend.copied(nullptr, own),
                ElementsAre(Pair("cookie", "from=command"), Pair("x-request-id", "7")));
    EXPECT_THAT(
        backend.copied(nullptr, {{"cookie", "a\r\nX-Admin: 1"}, {"x-request-id", std::string("\0", 1)}}),
        IsEmpty());
}

TEST_F(Backend, AQuestionIsJsonWhateverItHolds) {
    known_client who;
    who.who.client = "c\"1\n";
    who.who.user = "마당\xff";
    who.transport = "websocket";
    who.meta = R"({"role":"x"})";
    backend_question question(who);
    question.add_text("channel", "news");
    question.add_json("data", R"({"a":[1,2]})");
    question.add_json("none", "");
    question.add_json("injected", R"(1},"user":"admin)");
    const auto json = nlohmann::json::parse(std::move(question).done());
    EXPECT_EQ(json,
              nlohmann::json::parse("{\"client\":\"c\\\"1\\n\",\"transport\":\"websocket\",\"protocol\":"
                                    "\"json\",\"encoding\":\"json\",\"user\":\"마당\uFFFD\",\"meta\":"
                                    "{\"role\":\"x\"},\"channel\":\"news\",\"data\":{\"a\":[1,2]}}"));
}

}  // namespace
}  // namespace madang
