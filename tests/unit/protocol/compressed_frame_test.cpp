#include "broker/protocol/compressed_frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "broker/protocol/deflate.hpp"

namespace madang {
namespace {

TEST(CompressedFrame, IsAWholeFrameWithRsv1) {
    const std::string bytes(1000, 'x');
    const payload message = payload::copy_of(bytes);
    const std::string_view frame = compressed_text_frame(message, 15);
    ASSERT_GT(frame.size(), 2U);
    EXPECT_EQ(frame[0], '\xc1');
    EXPECT_EQ(static_cast<std::size_t>(frame[1]), frame.size() - 2);
    std::string back;
    EXPECT_EQ(inflate_message(frame.substr(2), 1000, back), inflate_result::done);
    EXPECT_EQ(back, bytes);
}
TEST(CompressedFrame, IsMadeOncePerWindow) {
    const payload message = payload::copy_of("hello hello hello");
    const payload other_reference = message;
    EXPECT_EQ(compressed_text_frame(message, 15).data(), compressed_text_frame(other_reference, 15).data());
    EXPECT_NE(compressed_text_frame(message, 15).data(), compressed_text_frame(message, 9).data());
}

}  // namespace
}  // namespace madang
