#include "actors/outbox.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "actors/batch.hpp"

namespace madang {
namespace {

using admission = outbox::admission;
using role = outbox::role;

constexpr outbox::limits disconnect{100, outbox_policy::disconnect};
constexpr outbox::limits drop_oldest{100, outbox_policy::drop_oldest};
constexpr outbox::limits latest_only{100, outbox_policy::latest_only};

// A text frame of `size` bytes in all, header included, filled with `letter`.
payload frame_of(std::size_t size, char letter) {
    return payload::copy_of(std::string(size - (size <= 127 ? 2 : 4), letter));
}

admission push(outbox& box, const payload& what, role as, const outbox::limits& limit) {
    return box.push(what, what.text_frame(), as, limit);
}
admission publish(outbox& box, std::size_t size, char letter, const outbox::limits& limit) {
    return push(box, frame_of(size, letter), role::publication, limit);
}
admission answer(outbox& box, std::size_t size, char letter, const outbox::limits& limit) {
    return push(box, frame_of(size, letter), role::answer, limit);
}

// Everything that waits, without consuming.
std::string waiting(const outbox& box) {
    iovec parts[4096];
    const int count = box.gather(parts, 4096);
    std::string all;
    for (int i = 0; i < count; ++i) all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    return all;
}

// The letters of whole frames, "-" for an empty one; fails the test on anything that is no sequence of
// frames.
std::string letters(std::string_view wire) {
    std::string result;
    while (!wire.empty()) {
        if (wire.size() < 2 || wire.size() < frame_length(wire)) return result + "<cut>";
        const auto length = frame_length(wire);
        const auto body = wire.substr(length <= 127 ? 2 : 4, length - (length <= 127 ? 2 : 4));
        if (wire[0] != '\x81' ||
            body.find_first_not_of(body.empty() ? ' ' : body[0]) != std::string_view::npos)
            return result + "<broken>";
        result += body.empty() ? '-' : body[0];
        wire.remove_prefix(length);
    }
    return result;
}

// Takes `size` bytes out, as a write does.
std::string write(outbox& box, std::size_t size) {
    const auto all = waiting(box).substr(0, size);
    box.consume(all.size());
    return all;
}

TEST(FrameLength, ReadsEachFormOfTheHeader) {
    for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 100'000u}) {
        const auto made = payload::copy_of(std::string(size, 'x'));
        EXPECT_EQ(frame_length(made.text_frame()), made.text_frame().size()) << size;
    }
    EXPECT_EQ(count_frames(""), 0u);
}

TEST(Outbox, GivesBackWhatWasPushedInOrder) {
    outbox box;
    EXPECT_TRUE(box.empty());
    box.push_control("HTTP/1.1 101\r\n\r\n");
    EXPECT_EQ(publish(box, 10, 'a', disconnect), admission::queued);
    EXPECT_EQ(answer(box, 10, 'b', disconnect), admission::queued);
    EXPECT_EQ(box.bytes(), 16u + 20u);
    EXPECT_EQ(write(box, 16), "HTTP/1.1 101\r\n\r\n");
    EXPECT_EQ(letters(write(box, 100)), "ab");
    EXPECT_TRUE(box.empty());
    EXPECT_EQ(waiting(box), "");
}

TEST(Outbox, MergesFramesThatLieNextToEachOther) {
    std::vector<event> events;
    for (char c = 'a'; c < 'k'; ++c) events.push_back({"said", frame_of(5, c)});
    const batch ten("room", 1, std::move(events));
    outbox box;
    const outbox::limits plenty{10'000, outbox_policy::disconnect};
    for (std::size_t i = 0; i < 10; ++i) {
        const auto& body = ten.events()[i].body;
        EXPECT_EQ(box.push(body.root(), body.text_frame(), role::publication, plenty), admission::queued);
    }
    iovec parts[16];
    ASSERT_EQ(box.gather(parts, 16), 1);
    EXPECT_EQ(parts[0].iov_len, 50u);
    // Also behind a part that was written already, but not across a gap.
    box.consume(7);
    EXPECT_EQ(box.push(ten.block(), ten.frames(0, 1), role::publication, plenty), admission::queued);
    EXPECT_EQ(box.gather(parts, 16), 2);
    EXPECT_EQ(box.push(ten.block(), ten.frames(1, 3), role::publication, plenty), admission::queued);
    EXPECT_EQ(box.gather(parts, 16), 2);
    EXPECT_EQ(box.push(ten.block(), ten.frames(3, 4), role::answer, plenty), admission::queued);
    EXPECT_EQ(box.gather(parts, 16), 3) << "an answer is not dropped with the publications before it";
}

TEST(Outbox, GathersNoMoreThanAsked) {
    outbox box;
    for (char c = 'a'; c < 'f'; ++c) publish(box, 10, c, disconnect);
    iovec parts[2];
    EXPECT_EQ(box.gather(parts, 2), 2);
    EXPECT_EQ(letters({static_cast<const char*>(parts[0].iov_base), parts[0].iov_len}), "a");
}

TEST(Outbox, HoldsItsPayloadsUntilTheyAreWritten) {
    outbox box;
    std::string text;
    {
        const auto gone = frame_of(40, 'g');
        push(box, gone, role::answer, disconnect);
    }
    EXPECT_EQ(letters(write(box, 40)), "g");
}

TEST(Outbox, DisconnectsWhenTheLimitIsPassed) {
    outbox box;
    EXPECT_EQ(publish(box, 60, 'a', disconnect), admission::queued);
    EXPECT_EQ(publish(box, 40, 'b', disconnect), admission::queued);
    EXPECT_EQ(publish(box, 2, 'c', disconnect), admission::overflow);
    EXPECT_EQ(answer(box, 2, 'c', disconnect), admission::overflow);
    EXPECT_EQ(letters(waiting(box)), "ab");
}

TEST(Outbox, AdmitsAFrameLargerThanTheLimitWhenNothingWaits) {
    for (const auto& limit : {disconnect, drop_oldest, latest_only}) {
        outbox box;
        EXPECT_EQ(publish(box, 500, 'a', limit), admission::queued);
        EXPECT_EQ(box.bytes(), 500u);
        EXPECT_EQ(letters(write(box, 500)), "a");
        box.push_control("x");
        EXPECT_NE(publish(box, 500, 'b', limit), admission::queued) << "something waits";
    }
}

TEST(Outbox, DropsTheOldestPublicationsToMakeRoom) {
    outbox box;
    for (char c : {'a', 'b', 'c', 'd'}) publish(box, 25, c, drop_oldest);
    EXPECT_EQ(publish(box, 30, 'e', drop_oldest), admission::dropped);
    EXPECT_EQ(box.dropped(), 2u);
    EXPECT_EQ(letters(waiting(box)), "cde");
    EXPECT_EQ(box.bytes(), 80u);
}

TEST(Outbox, MakesRoomForAnswersToo) {
    outbox box;
    for (char c : {'a', 'b'}) publish(box, 50, c, drop_oldest);
    EXPECT_EQ(answer(box, 50, 'A', drop_oldest), admission::dropped);
    EXPECT_EQ(letters(waiting(box)), "bA");
}

TEST(Outbox, NeverDropsAnswersAndControl) {
    outbox box;
    answer(box, 40, 'A', drop_oldest);
    publish(box, 20, 'p', drop_oldest);
    const auto control = frame_of(20, 'C');
    box.push_control(control.text_frame());
    EXPECT_EQ(answer(box, 40, 'B', drop_oldest), admission::dropped);
    EXPECT_EQ(letters(waiting(box)), "ACB");
    EXPECT_EQ(publish(box, 20, 'q', drop_oldest), admission::dropped) << "only answers wait";
    EXPECT_EQ(box.dropped(), 1u);
    EXPECT_EQ(answer(box, 20, 'D', drop_oldest), admission::overflow);
    EXPECT_EQ(letters(waiting(box)), "ACB");
    box.push_control(control.text_frame());
    EXPECT_EQ(letters(waiting(box)), "ACBC") << "control frames know no limit";
}

TEST(Outbox, OfABatchKeepsTheNewestFrames) {
    std::vector<event> events;
    for (char c = 'a'; c < 'k'; ++c) events.push_back({"said", frame_of(30, c)});
    const batch ten("room", 1, std::move(events));
    outbox box;
    publish(box, 30, 'x', drop_oldest);
    EXPECT_EQ(box.push(ten.block(), ten.frames(0, 10), role::publication, drop_oldest), admission::dropped);
    EXPECT_EQ(letters(waiting(box)), "hij");
    EXPECT_EQ(box.dropped(), 8u);
}

TEST(Outbox, LatestOnlyKeepsTheNewestPublication) {
    outbox box;
    answer(box, 10, 'A', latest_only);
    publish(box, 10, 'a', latest_only);
    EXPECT_EQ(publish(box, 10, 'b', latest_only), admission::dropped);
    EXPECT_EQ(box.dropped(), 1u);
    EXPECT_EQ(answer(box, 10, 'B', latest_only), admission::queued);
    EXPECT_EQ(letters(waiting(box)), "AbB");
    std::vector<event> events;
    for (char c : {'c', 'd', 'e'}) events.push_back({"said", frame_of(10, c)});
    const batch three("room", 1, std::move(events));
    EXPECT_EQ(box.push(three.block(), three.frames(0, 3), role::publication, latest_only),
              admission::dropped);
    EXPECT_EQ(box.dropped(), 3u);
    EXPECT_EQ(letters(waiting(box)), "ABe");
}

// However much of the first frame went out, dropping leaves a stream of whole frames.
TEST(Outbox, NeverCutsAFrameThatIsPartlyOnTheWire) {
    for (const auto& limit : {drop_oldest, latest_only})
        for (std::size_t written = 0; written <= 90; ++written) {
            SCOPED_TRACE(written);
            std::vector<event> events;
            for (char c : {'a', 'b', 'c'}) events.push_back({"said", frame_of(30, c)});
            const batch three("room", 1, std::move(events));
            outbox box;
            ASSERT_EQ(box.push(three.block(), three.frames(0, 3), role::publication, limit),
                      admission::queued);
            auto wire = write(box, written);
            publish(box, 40, 'n', limit);
            const auto bytes = box.bytes();
            const auto rest = waiting(box);
            ASSERT_EQ(rest.size(), bytes);
            const auto seen = letters(wire + rest);
            ASSERT_TRUE(seen.ends_with('n')) << seen;
            ASSERT_EQ(seen.find('<'), std::string::npos) << seen;
            const std::size_t begun = (written + 29) / 30;
            ASSERT_EQ(seen.substr(0, begun), std::string("abc").substr(0, begun));
            if (limit.policy == outbox_policy::latest_only) {
                ASSERT_EQ(seen.size(), begun + 1);
            }
            // And the box goes on as if nothing had happened, byte by byte.
            while (!box.empty()) wire += write(box, 1);
            ASSERT_EQ(letters(wire), seen);
        }
}

TEST(Outbox, DropUnbegunFinishesTheFrameOnTheWire) {
    for (std::size_t written = 0; written <= 90; ++written) {
        SCOPED_TRACE(written);
        std::vector<event> events;
        for (char c : {'a', 'b', 'c'}) events.push_back({"said", frame_of(30, c)});
        const batch three("room", 1, std::move(events));
        outbox box;
        box.push(three.block(), three.frames(0, 3), role::publication, disconnect);
        const auto wire = write(box, written);
        box.drop_unbegun();
        const auto last = frame_of(20, 'Z');
        box.push_control(last.text_frame());
        EXPECT_EQ(letters(wire + waiting(box)), std::string("abc").substr(0, (written + 29) / 30) + "Z");
        EXPECT_EQ(waiting(box).size(), box.bytes());
    }
}

TEST(Outbox, DropUnbegunKeepsControlFramesWhole) {
    for (std::size_t written = 0; written <= 50; ++written) {
        SCOPED_TRACE(written);
        outbox box;
        const auto control = frame_of(20, 'C');
        box.push_control(control.text_frame());  // the handshake, say
        publish(box, 10, 'a', disconnect);
        box.push_control(control.text_frame());
        publish(box, 10, 'b', disconnect);
        const auto wire = write(box, written);
        box.drop_unbegun();
        EXPECT_EQ(letters(wire + waiting(box)), written <= 20 ? "CC" : "CaC");
        EXPECT_EQ(waiting(box).size(), box.bytes());
    }
}

TEST(Outbox, ClearForgetsEverything) {
    outbox box;
    publish(box, 30, 'a', disconnect);
    write(box, 3);
    box.clear();
    box.clear();
    EXPECT_TRUE(box.empty());
    publish(box, 30, 'b', drop_oldest);
    publish(box, 90, 'c', drop_oldest);
    EXPECT_EQ(letters(waiting(box)), "c") << "the begun frame is forgotten too";
}

// Random pushes, batches, writes of any length and every policy: what comes out is whole frames in the order
// pushed, control and answers are complete, and the bytes add up.
TEST(Outbox, IsAlwaysAStreamOfWholeFramesInOrder) {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random{seed};
        const outbox_policy policies[] = {outbox_policy::disconnect, outbox_policy::drop_oldest,
                                          outbox_policy::latest_only};
        const outbox::limits limit{50 + random() % 2000, policies[seed % 3]};
        outbox box;
        std::string wire;
        std::size_t next = 0;    // each frame's number stands in its body
        std::vector<bool> kept;  // by number: must come out
        std::vector<bool> may;   // may come out
        std::size_t bytes_in = 0, frames_dropped = 0;
        const auto body = [&](std::size_t number) {
            auto text = std::to_string(number) + ":";
            return payload::copy_of(text + std::string(random() % (random() % 8 == 0 ? 400 : 40), '.'));
        };
        for (int step = 0; step < 400; ++step) {
            switch (random() % 6) {
                case 0: {
                    const auto control = body(next++);
                    box.push_control(control.text_frame());
                    kept.push_back(true);
                    may.push_back(true);
                    break;
                }
                case 1:
                case 2:
                case 3: {
                    const auto what = random() % 4 == 0 ? role::answer : role::publication;
                    std::vector<event> events;
                    for (auto count = what == role::answer ? 1 : 1 + random() % 4; count != 0; --count)
                        events.push_back({"said", body(next++)});
                    const batch some("room", 1, std::move(events));
                    const auto before = box.bytes();
                    const auto outcome = box.push(some.block(), some.frames(0, some.size()), what, limit);
                    for (std::size_t i = 0; i < some.size(); ++i) {
                        kept.push_back(outcome != admission::overflow &&
                                       (what == role::answer || limit.policy == outbox_policy::disconnect));
                        may.push_back(outcome != admission::overflow);
                    }
                    if (outcome == admission::dropped) {
                        ASSERT_GT(box.dropped(), 0u);
                        frames_dropped += box.dropped();
                    }
                    if (outcome == admission::overflow && limit.policy == outbox_policy::disconnect) {
                        ASSERT_EQ(box.bytes(), before);
                    }
                    if (before != 0 && outcome == admission::queued) {
                        ASSERT_LE(box.bytes(), limit.bytes);
                    }
                    break;
                }
                default:
                    wire += write(box, random() % 300);
                    break;
            }
            ASSERT_EQ(waiting(box).size(), box.bytes());
            bytes_in = std::max(bytes_in, box.bytes());
        }
        while (!box.empty()) wire += write(box, 1 + random() % 50);
        std::vector<std::size_t> seen;
        for (std::string_view rest = wire; !rest.empty(); rest.remove_prefix(frame_length(rest))) {
            ASSERT_EQ(rest[0], '\x81');
            ASSERT_LE(frame_length(rest), rest.size());
            const auto text = rest.substr(frame_length(rest) <= 127 ? 2 : 4);
            seen.push_back(std::stoul(std::string(text.substr(0, text.find(':')))));
        }
        ASSERT_TRUE(std::is_sorted(seen.begin(), seen.end()));
        std::vector<bool> came(next, false);
        for (auto number : seen) {
            ASSERT_FALSE(came[number]);
            came[number] = true;
            ASSERT_TRUE(may[number]) << number;
        }
        std::size_t missing = 0;
        for (std::size_t i = 0; i < next; ++i) {
            if (kept[i]) {
                ASSERT_TRUE(came[i]) << i;
            }
            missing += may[i] && !came[i];
        }
        // An overflowing answer may have dropped publications without saying how many.
        if (limit.policy != outbox_policy::disconnect) {
            ASSERT_GE(missing, frames_dropped);
        }
    }
}

}  // namespace
}  // namespace madang
