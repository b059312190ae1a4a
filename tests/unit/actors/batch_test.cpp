#include "actors/batch.hpp"

#include <gtest/gtest.h>

#include "actors/outbox.hpp"  // frame_length, count_frames

namespace madang {
namespace {

batch make(std::initializer_list<payload> bodies) {
    std::vector<event> events;
    for (const auto& body : bodies) events.push_back({"said", body});
    return batch("room", 7, std::move(events));
}

TEST(Batch, OfOneEventCopiesNothing) {
    const auto body = payload::copy_of("hello");
    const auto one = make({body});
    EXPECT_EQ(one.block(), body);
    EXPECT_EQ(one.frames(0, 1).data(), body.text_frame().data());
    EXPECT_EQ(one.events()[0].body, body);
    EXPECT_EQ(one.group(), "room");
    EXPECT_EQ(one.first(), 7u);
}

TEST(Batch, HasItsFramesEndToEndInOneBlock) {
    const std::string large(70'000, 'x');
    const auto several = make(
        {payload::copy_of("a"), payload(), payload::copy_of(large), payload::copy_of(std::string(200, 'y'))});
    const auto all = several.frames(0, 4);
    EXPECT_EQ(all, std::string("\x81\x01"
                               "a\x81\x00",
                               5) +
                       std::string("\x81\x7f\0\0\0\0\0\x01\x11\x70", 10) + large +
                       std::string("\x81\x7e\x00\xc8", 4) + std::string(200, 'y'));
    const auto block = several.block().bytes();
    EXPECT_EQ(all.data(), block.data());
    EXPECT_EQ(all.size(), block.size());
    EXPECT_EQ(count_frames(several.frames(1, 3)), 2u);
    EXPECT_EQ(several.frames(1, 2), std::string_view("\x81\x00", 2));
}

TEST(Batch, BodiesAreTheirFramesInTheBlock) {
    const auto several =
        make({payload::copy_of("one"), payload::copy_of("two", payload::frame::binary), payload()});
    const std::string_view texts[] = {"one", "two", ""};
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& body = several.events()[i].body;
        EXPECT_EQ(body.bytes(), texts[i]);
        EXPECT_EQ(body.text_frame().data(), several.frames(i, i + 1).data());
        EXPECT_EQ(body.text_frame(), several.frames(i, i + 1));
        EXPECT_EQ(body.root(), several.block());
        EXPECT_EQ(body.binary_frame().substr(2), texts[i]);
        EXPECT_EQ(body.binary_frame()[0], '\x82');
    }
}

TEST(Batch, OfOneBinaryEventIsATextFrameOfTheSameBytes) {
    const auto body = payload::copy_of("bytes", payload::frame::binary);
    const auto one = make({body});
    EXPECT_EQ(one.frames(0, 1), std::string_view("\x81\x05"
                                                 "bytes",
                                                 7));
}

TEST(Batch, EventsOutliveTheBatch) {
    payload kept;
    {
        const auto several = make({payload::copy_of("first"), payload::copy_of("second")});
        kept = several.events()[1].body;
    }
    EXPECT_EQ(kept.bytes(), "second");
    EXPECT_EQ(kept.text_frame(), std::string_view("\x81\x06"
                                                  "second",
                                                  8));
}

}  // namespace
}  // namespace madang
