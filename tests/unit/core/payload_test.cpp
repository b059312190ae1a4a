#include "broker/core/payload.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace madang {
namespace {

std::string header_of(const payload& from) {
    return std::string(from.text_frame().substr(0, from.text_frame().size() - from.bytes().size()));
}

TEST(Payload, HeaderIsThatOfAFinalUnmaskedTextFrame) {
    const std::pair<std::size_t, std::string_view> golden[] = {
        {0, {"\x81\x00", 2}},
        {1, {"\x81\x01", 2}},
        {125, {"\x81\x7d", 2}},
        {126, {"\x81\x7e\x00\x7e", 4}},
        {65535, {"\x81\x7e\xff\xff", 4}},
        {65536, {"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10}},
        {0x123456, {"\x81\x7f\x00\x00\x00\x00\x00\x12\x34\x56", 10}},
    };
    for (const auto& [size, header] : golden) {
        const auto made = payload::copy_of(std::string(size, 'x'));
        EXPECT_EQ(made.bytes(), std::string(size, 'x')) << size;
        EXPECT_EQ(header_of(made), header) << size;
        EXPECT_TRUE(made.text_frame().ends_with(made.bytes())) << size;
    }
}

TEST(Payload, EmptyPayloadIsAnEmptyMessage) {
    const payload none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.bytes(), "");
    EXPECT_EQ(none.text_frame(), std::string_view("\x81\0", 2));
    EXPECT_EQ(none.derived(
                  "k", [](void*, std::string_view) -> void* { throw std::logic_error("called"); }, nullptr,
                  nullptr),
              nullptr);
    EXPECT_TRUE(payload::copy_of(""));
    EXPECT_EQ(payload::copy_of("").text_frame(), none.text_frame());
}

TEST(Payload, CopiesShareOneBlock) {
    auto first = payload::copy_of("hello");
    const payload second = first;
    EXPECT_EQ(first, second);
    EXPECT_EQ(first.bytes().data(), second.bytes().data());
    const payload third = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(third, second);
    first = second;
    EXPECT_EQ(first, third);
    EXPECT_NE(first, payload::copy_of("hello"));
}

TEST(Payload, SizeThatCannotBeAllocatedThrows) {
    char* data = nullptr;
    EXPECT_THROW(payload::uninitialised(SIZE_MAX, &data), std::bad_alloc);
}

TEST(Payload, BarePointersCarryReferences) {
    char* data = nullptr;
    auto owned = payload::uninitialised(3, &data);
    std::copy_n("abc", 3, data);
    payload_block* bare = owned.detach();
    EXPECT_FALSE(owned);
    const auto shared = payload::share(bare);
    const auto adopted = payload::adopt(bare);
    EXPECT_EQ(shared, adopted);
    EXPECT_EQ(shared.bytes(), "abc");
    payload::retain(nullptr);
    payload::release(nullptr);
}

struct tally {
    int made = 0;
    int destroyed = 0;
};
struct tallied {
    tally* counts;
    std::string text;
};

void* make_tallied(void* context, std::string_view bytes) {
    auto* counts = static_cast<tally*>(context);
    ++counts->made;
    return new tallied{counts, std::string(bytes)};
}
void destroy_tallied(void* value) {
    auto* form = static_cast<tallied*>(value);
    ++form->counts->destroyed;
    delete form;
}

TEST(Payload, DerivedFormIsMadeOnceAndDiesWithTheLastReference) {
    tally counts;
    {
        auto one = payload::copy_of("text");
        const std::string key = "form/1";
        const void* first = one.derived(key, make_tallied, &counts, destroy_tallied);
        EXPECT_EQ(static_cast<const tallied*>(first)->text, "text");
        const payload two = one;
        EXPECT_EQ(two.derived("form/1", make_tallied, &counts, destroy_tallied), first);
        EXPECT_NE(two.derived("form/2", make_tallied, &counts, destroy_tallied), first);
        EXPECT_EQ(two.derived(key, make_tallied, &counts, destroy_tallied), first);
        EXPECT_EQ(counts.made, 2);
        one = payload();
        EXPECT_EQ(counts.destroyed, 0);
    }
    EXPECT_EQ(counts.destroyed, 2);
}

TEST(Payload, DerivedNullIsRememberedAndNotDestroyed) {
    int calls = 0;
    const auto one = payload::copy_of("not json");
    const auto fail = [](void* context, std::string_view) -> void* {
        ++*static_cast<int*>(context);
        return nullptr;
    };
    const auto never = [](void*) { ADD_FAILURE(); };
    EXPECT_EQ(one.derived("json", fail, &calls, never), nullptr);
    EXPECT_EQ(one.derived("json", fail, &calls, never), nullptr);
    EXPECT_EQ(calls, 1);
}

TEST(Payload, DerivedIsTriedAgainAfterAnException) {
    tally counts;
    const auto one = payload::copy_of("x");
    const auto fail = [](void*, std::string_view) -> void* { throw std::runtime_error("no memory"); };
    EXPECT_THROW(one.derived("k", fail, nullptr, nullptr), std::runtime_error);
    EXPECT_NE(one.derived("k", make_tallied, &counts, destroy_tallied), nullptr);
    EXPECT_EQ(counts.made, 1);
}

TEST(Payload, ConcurrentUsersSeeOneFormAndNobodyLeaks) {
    constexpr int threads = 4;
    for (int round = 0; round < 200; ++round) {
        tally counts;  // written under the payload's lock, read after join
        {
            const auto shared = payload::copy_of("shared");
            std::barrier start(threads);
            std::vector<const void*> seen(threads);
            std::vector<std::thread> running;
            for (int i = 0; i < threads; ++i) {
                running.emplace_back([&, i, mine = shared] {
                    start.arrive_and_wait();
                    seen[i] = mine.derived("k", make_tallied, &counts, destroy_tallied);
                    const payload copy = mine;
                    EXPECT_EQ(copy.bytes(), "shared");
                });
            }
            for (auto& each : running) each.join();
            EXPECT_EQ(std::count(seen.begin(), seen.end(), seen[0]), threads);
            EXPECT_EQ(counts.made, 1);
        }
        EXPECT_EQ(counts.destroyed, 1);
    }
}

TEST(Payload, APartLiesInItsRootAndKeepsIt) {
    const auto one = payload::copy_of("one"), two = payload::copy_of("second");
    char* data = nullptr;
    auto root = payload::uninitialised(one.text_frame().size() + two.text_frame().size(), &data);
    const std::string frames = std::string(one.text_frame()) + std::string(two.text_frame());
    std::copy(frames.begin(), frames.end(), data);
    auto part = payload::part_of(root, root.bytes().substr(frames.size() - 6));
    EXPECT_EQ(part.root(), root);
    EXPECT_EQ(root.root(), root);
    EXPECT_EQ(payload().root(), payload());
    const char* where = root.bytes().data();
    root = {};
    EXPECT_EQ(part.bytes(), "second");
    EXPECT_EQ(part.text_frame(), std::string_view("\x81\x06"
                                                  "second",
                                                  8));
    EXPECT_EQ(part.text_frame().data(), where + one.text_frame().size()) << "in place, not copied";
    EXPECT_EQ(part.binary_frame(), std::string_view("\x82\x06"
                                                    "second",
                                                    8));
    EXPECT_EQ(part.binary_frame().data(), part.binary_frame().data()) << "made once";
}

TEST(Payload, OneBuiltForBinaryGivesBothFrames) {
    const auto built = payload::copy_of("bytes", payload::frame::binary);
    EXPECT_EQ(built.binary_frame(), std::string_view("\x82\x05"
                                                     "bytes",
                                                     7));
    EXPECT_EQ(built.binary_frame().data() + 2, built.bytes().data());
    EXPECT_EQ(built.text_frame(), std::string_view("\x81\x05"
                                                   "bytes",
                                                   7));
    EXPECT_EQ(payload().binary_frame(), std::string_view("\x82\x00", 2));
}

}  // namespace
}  // namespace madang
