#include "broker/bench/client_words.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "broker/bench/frames.hpp"

namespace madang::bench {
namespace {

std::string recovered(std::initializer_list<std::uint64_t> sequences,
                      const char* end = R"("recovered":true)") {
    std::string reply = R"({"id":1,"connect":{"client":"a"}})"
                        "\n"
                        R"({"id":2,"subscribe":{"recoverable":true,"epoch":"e","publications":[)";
    payload_template payload(envelope::chat, 40);
    for (const auto each : sequences) reply.append(payload.with_sequence(each)).append(",");
    reply.back() = ']';
    return reply + "," + end + "}}";
}

TEST(ClientWords, ConnectAndSubscribeInOneMessageFromAPositionIfThereIsOne) {
    EXPECT_EQ(client_hello("a:b"),
              "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a:b\"}}");
    EXPECT_EQ(client_hello("a:b", client_position{"e", 7}),
              "{\"id\":1,\"connect\":{}}\n"
              R"({"id":2,"subscribe":{"channel":"a:b","recover":true,"epoch":"e","offset":7}})");
}

TEST(ClientWords, APositionIsReadFromTheReplyWhereverItStands) {
    EXPECT_FALSE(read_subscribed(R"({"id":1,"connect":{"client":"a"}})"));
    const auto kept = read_subscribed(
        "{\"id\":1,\"connect\":{}}\n"
        R"({"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":9}})");
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->epoch, "e");
    EXPECT_EQ(kept->offset, 9u);
    const auto live = read_subscribed(R"({"id":2,"subscribe":{}})");
    ASSERT_TRUE(live);
    EXPECT_EQ(live->epoch, "");
}

TEST(ClientWords, ARefusalIsThrown) {
    const auto refusal = R"({"id":2,"error":{"code":103,"message":"permission denied"}})";
    EXPECT_THROW(read_subscribed(refusal), std::runtime_error);
    EXPECT_THROW(read_subscribed("what"), std::runtime_error);
    EXPECT_THROW(read_recovered(refusal, 1), std::runtime_error);
}

TEST(ClientWords, OnlyARecoveryOfAllInOrderCounts) {
    EXPECT_FALSE(read_recovered(R"({"id":1,"connect":{"client":"a"}})", 3));
    EXPECT_TRUE(read_recovered(recovered({0, 1, 2}), 3));
    EXPECT_THROW(read_recovered(recovered({0, 2}), 3), std::runtime_error);
    EXPECT_THROW(read_recovered(recovered({0, 2, 1}), 3), std::runtime_error);
    EXPECT_THROW(read_recovered(recovered({0, 1, 2, 3}), 3), std::runtime_error);
    EXPECT_THROW(read_recovered(recovered({0, 1, 2}, R"("recovered":false)"), 3), std::runtime_error);
}

}  // namespace
}  // namespace madang::bench
