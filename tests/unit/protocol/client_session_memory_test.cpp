// What an idle session costs: docs/client-protocol.md's number. Not with sanitizers, whose allocator is
// another.
#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/unit/protocol/client_talk.hpp"

namespace madang {
namespace {

#ifndef MADANG_SANITIZED
TEST(ClientSession, TakesLessThanOneAndAHalfKibibytesWhenIdle) {
    testing::talk t;
    constexpr std::size_t many = 1000;
    const auto known = std::make_shared<scope>();
    std::vector<std::unique_ptr<client_session>> sessions;
    sessions.reserve(many);
    // One first: what is made once is not any session's.
    std::size_t before = 0;
    for (std::size_t i = 0; i <= many; ++i) {
        if (i == 1) before = mallinfo2().uordblks;
        auto one = std::make_unique<client_session>(
            t.port, t.limits,
            session_entry{"6f9619ff-8b86-4011-b42d-00c04fc964ff", "websocket", "", false, known});
        one->start();
        one->on_message(R"({"id":1,"connect":{"token":"t","name":"js"}})");
        t.port.run();
        one->on_message(
            R"({"id":2,"subscribe":{"channel":"news:a-group-with-a-longer-name","recover":true}})");
        t.port.run();
        one->on_timer(session_timer::ping);
        one->on_message("{}");
        ASSERT_EQ(one->subscriptions(), 1u);
        t.port.frames.clear();
        t.port.frames.shrink_to_fit();
        t.port.calls.clear();
        t.port.calls.shrink_to_fit();
        sessions.push_back(std::move(one));
        if (i == 0) sessions.clear();
    }
    const auto each = (mallinfo2().uordblks - before) / many;
    RecordProperty("bytes", static_cast<int>(each));
    std::printf("%zu bytes per idle session with one subscription\n", each);
    EXPECT_LT(each, 1536u);
}
#endif

}  // namespace
}  // namespace madang
