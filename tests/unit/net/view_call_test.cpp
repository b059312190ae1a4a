#include "broker/net/view_call.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "plugins/host/plugin_host.hpp"

namespace madang {
namespace {

struct ViewCall : ::testing::Test {
    // The plugin's side: what the view does with its request.
    static madang_status handle(void* context, madang_request* request) {
        return static_cast<ViewCall*>(context)->behaviour(request);
    }
    ViewCall() {
        owner = std::make_unique<plugin>();
        owner->id = "tester";
        auto made = std::make_shared<http_route>();
        made->owner = owner.get();
        made->view.handle = handle;
        made->view.context = this;
        route = made;
    }
    std::shared_ptr<view_call> call() {
        auto made = std::make_shared<view_call>(
            route, scope_builder{}.build(), "body",
            [this](http_response r) { answers.push_back(std::move(r)); },
            [this](const http_route&, std::string_view, std::string_view why) {
                failures.emplace_back(why);
            });
        made->run();
        return made;
    }
    madang_status answer(madang_request* request, std::uint16_t status,
                         std::vector<madang_pair> headers = {}) {
        return plugin_host::api().reply(request, status, headers.data(), headers.size(), {"hi", 2});
    }
    static madang_str str(const char* text) { return {text, std::strlen(text)}; }

    std::unique_ptr<plugin> owner;
    std::shared_ptr<const http_route> route;
    std::function<madang_status(madang_request*)> behaviour;
    std::vector<http_response> answers;
    std::vector<std::string> failures;
};

TEST_F(ViewCall, HandsOverTheReply) {
    behaviour = [&](madang_request* r) {
        const auto& api = plugin_host::api();
        auto body = api.payload_bytes(api.request_body(r));
        EXPECT_EQ(std::string_view(body.data, body.size), "body");
        return answer(r, 201, {{str("X-A"), str("b")}, {str("Content-Length"), str("999")}});
    };
    call();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].status, 201u);
    EXPECT_EQ(answers[0].body, "hi");
    EXPECT_EQ(answers[0].headers, (header_list{{"X-A", "b"}}));
    EXPECT_TRUE(failures.empty());
}

TEST_F(ViewCall, LivesUntilALaterReplyFromAnotherThread) {
    madang_request* kept = nullptr;
    behaviour = [&](madang_request* r) {
        kept = r;
        return MADANG_OK;
    };
    call();
    EXPECT_TRUE(answers.empty());
    std::thread([&] { EXPECT_EQ(answer(kept, 200), MADANG_OK); }).join();
    EXPECT_EQ(answers.size(), 1u);
}

TEST_F(ViewCall, IsCountedFromWhenItWasGivenUpUntilTheReply) {
    std::vector<madang_request*> kept;
    behaviour = [&](madang_request* r) {
        kept.push_back(r);
        return MADANG_OK;
    };
    auto first = call(), second = call();
    std::weak_ptr<view_call> held = first;
    EXPECT_EQ(route->unanswered, 0);
    EXPECT_EQ(first->give_up(), 1);
    EXPECT_EQ(second->give_up(), 2);
    first.reset();
    EXPECT_FALSE(held.expired());  // the plugin may still use it
    answer(kept[0], 200);
    EXPECT_TRUE(held.expired());
    EXPECT_EQ(route->unanswered, 1);
    answer(kept[1], 0);  // malformed: a reply all the same
    EXPECT_EQ(route->unanswered, 0);
}

TEST_F(ViewCall, IsNotCountedWhenTheReplyCameFirst) {
    behaviour = [&](madang_request* r) { return answer(r, 200); };
    EXPECT_EQ(call()->give_up(), 0);
    EXPECT_EQ(route->unanswered, 0);
}

TEST_F(ViewCall, Answers500WhenTheViewFails) {
    behaviour = [](madang_request*) { return MADANG_FAILED; };
    call();
    behaviour = [](madang_request*) -> madang_status { throw 1; };
    call();
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[1].status, 500u);
    EXPECT_EQ(failures.size(), 2u);
}

TEST_F(ViewCall, AnswersOnceWhenTheViewRepliesAndThenFails) {
    behaviour = [&](madang_request* r) {
        answer(r, 200);
        return MADANG_FAILED;
    };
    call();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].status, 200u);
    EXPECT_EQ(failures.size(), 1u);
}

TEST_F(ViewCall, Answers500ToHeadersThatWouldSplitTheResponse) {
    for (auto& bad : std::vector<madang_pair>{
             {str("X"), str("a\r\nSet-Cookie: b")}, {str("X Y"), str("a")}, {str(""), str("")}}) {
        behaviour = [&](madang_request* r) {
            EXPECT_EQ(answer(r, 200, {bad}), MADANG_INVALID);
            return MADANG_OK;
        };
        call();
    }
    behaviour = [&](madang_request* r) {
        EXPECT_EQ(answer(r, 101), MADANG_INVALID);
        return MADANG_OK;
    };
    call();
    ASSERT_EQ(answers.size(), 4u);
    for (auto& a : answers) EXPECT_EQ(a.status, 500u);
}

}  // namespace
}  // namespace madang
