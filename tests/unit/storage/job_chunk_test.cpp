// What goes from one node's book to another's, byte by byte.
#include "storage/job_chunk.hpp"

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

job_chunk small_chunk() {
    job_chunk what;
    what.head = {1, 2, 3, 4, {5, 6}};
    what.paused = {"p"};
    schedule_record schedule;
    schedule.json = "{}";
    schedule.last_fire_ms = 7;
    what.schedules.emplace_back("s", schedule);
    what.answers.emplace_back("i", kept_answer{8, {{"a", false, {}}}});
    what.uniques.emplace_back("u", term_record{9, "a", 0});
    what.news.emplace_back("g", "n");
    auto& workflow = what.workflows.emplace_back();
    auto job = std::make_shared<job_spec>();
    job->id = "a";
    job->queue = "q";
    job->unique = "k";
    job->part_of = {"b", 0};
    auto& moved = workflow.jobs.emplace_back();
    moved.spec = job;
    moved.status.state = job_state::ready;
    moved.status.sequence = 4;
    moved.status.has_checkpoint = true;
    moved.lease = job_lease_record{10, 11, 12, "w"};
    moved.checkpoint = "c";
    moved.holds_unique = true;
    auto& barrier = workflow.barriers.emplace_back();
    barrier.what.spec.id = "b";
    barrier.what.spec.expected = 2;
    barrier.what.ended = 1;
    barrier.results.emplace_back(1, "r");
    return what;
}

TEST(JobChunk, HasTheBytesThatAreDocumented) {
    EXPECT_EQ(hex(encode(small_chunk())),
              "4d4a4301000000000000000100000000000000020000000000000003000000000000000400000000"
              "0000000500000000000000065000017053000173000000160000000000000005000000027b7d0000"
              "00000000000749000169000000160000000000000008000000010000000161000000000055000175"
              "000000150000000000000009000000000000000100000001614e0000000167000000016e4a000000"
              "01000000010001610000003500000000000000000000000000002011020000000000000004010000"
              "0008000040020000000171000000016b0000000162000000000700000025000000000000000f0000"
              "00000000000a000000000000000b000000000000000c000000017700000001630001620000001000"
              "00000000000009000000020000000100000001000000010000000172");
}

TEST(JobChunk, IsReadAsItWasWritten) {
    const auto bytes = encode(small_chunk());
    const auto read = decode_chunk(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->head, small_chunk().head);
    EXPECT_EQ(read->jobs(), 1U);
    ASSERT_EQ(read->workflows.size(), 1U);
    const auto& job = read->workflows[0].jobs.at(0);
    EXPECT_EQ(*job.spec, *small_chunk().workflows[0].jobs[0].spec);
    EXPECT_EQ(job.status, small_chunk().workflows[0].jobs[0].status);
    EXPECT_EQ(job.lease, small_chunk().workflows[0].jobs[0].lease);
    EXPECT_EQ(job.checkpoint, "c");
    EXPECT_TRUE(job.holds_unique);
    EXPECT_EQ(encode(*read), bytes);
}

TEST(JobChunk, ThatIsCutOffAnywhereIsNone) {
    const auto bytes = encode(small_chunk());
    // Behind a whole part there is less in it, and it is a chunk.
    std::size_t chunks = 0;
    for (std::size_t size = 0; size < bytes.size(); ++size)
        chunks += decode_chunk(std::string_view(bytes).substr(0, size)).has_value();
    EXPECT_EQ(chunks, 6U);
    EXPECT_FALSE(decode_chunk(bytes + "x"));
}

template <class Change>
bool reads_after(Change change) {
    auto what = small_chunk();
    change(what);
    return decode_chunk(encode(what)).has_value();
}
void set_spec(job_chunk& in, void (*change)(job_spec&)) {
    auto& job = in.workflows[0].jobs[0];
    auto spec = std::make_shared<job_spec>(*job.spec);
    change(*spec);
    job.spec = spec;
}

TEST(JobChunk, ThatNoBookCanHoldIsNone) {
    EXPECT_TRUE(reads_after([](job_chunk&) {}));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.head.book = 0; }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.head.number = 0; }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.head.sequence = std::uint64_t{1} << 62; }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.paused = {""}; }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.uniques[0].second.ends_ms = 0; }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.schedules[0].second.unfinished = 1; }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.workflows[0].jobs.clear(); }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.workflows[0].barriers[0].what.ended = 2; }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { c.workflows[0].barriers[0].what.spec.id = "a"; }));
    const auto job = [](auto change) {
        return reads_after([&](job_chunk& c) { change(c.workflows[0].jobs[0]); });
    };
    EXPECT_FALSE(job([](moved_job& j) { j.status.sequence = 5; }));
    EXPECT_FALSE(job([](moved_job& j) { j.status.left = 10; }));
    EXPECT_FALSE(job([](moved_job& j) { j.lease->token = most_token; }));
    EXPECT_FALSE(job([](moved_job& j) { j.status.state = job_state::waiting; }));
    EXPECT_FALSE(job([](moved_job& j) { j.status.state = job_state::success; }));
    EXPECT_FALSE(job([](moved_job& j) { j.checkpoint.reset(); }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { set_spec(c, [](job_spec& s) { s.id = "a b"; }); }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { set_spec(c, [](job_spec& s) { s.priority = 10; }); }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { set_spec(c, [](job_spec& s) { s.queue = ""; }); }));
    EXPECT_FALSE(reads_after([](job_chunk& c) { set_spec(c, [](job_spec& s) { s.unique_ms = 1; }); }));
    EXPECT_FALSE(
        reads_after([](job_chunk& c) { c.workflows[0].jobs.push_back(moved_job(c.workflows[0].jobs[0])); }));
}

TEST(JobChunk, OfAnotherVersionIsNone) {
    auto bytes = encode(small_chunk());
    bytes[3] = 2;
    EXPECT_FALSE(decode_chunk(bytes));
    EXPECT_FALSE(decode_chunk_head(bytes));
}

}  // namespace
}  // namespace madang::test
