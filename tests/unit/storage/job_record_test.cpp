// The jobs' keys and values, byte by byte.
#include "storage/job_record.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <vector>

#include "tests/support/hex.hpp"

namespace madang {
namespace {

using test::hex;

template <class... Parts>
std::string encoded(const Parts&... parts) {
    std::string value;
    encode(parts..., value);
    return value;
}

// Nothing is as in a blank one.
job_spec full_spec() {
    job_spec what;
    what.id = "id";
    what.task = "t";
    what.queue = "q";
    what.priority = 7;
    what.args = "[1]";
    what.kwargs = R"({"a":1})";
    what.headers = R"({"h":2})";
    what.correlation_id = "c";
    what.parent = "p";
    what.root = "r";
    what.enqueued_ms = 1;
    what.waits = true;
    what.eta_ms = 2;
    what.countdown_ms = 3;
    what.expires_ms = 4;
    what.unique = "u";
    what.unique_ms = 5;
    what.retry = {-1, 6, 7, 8, false};
    what.soft_limit_ms = 9;
    what.hard_limit_ms = 10;
    what.late_ack = false;
    what.ignore_result = true;
    what.result_ms = 11;
    what.in_process = true;
    what.limit = {"l", 12, 13, 14};
    what.notify_group = "n";
    what.next = {"x", "y"};
    what.on_error = {"z"};
    what.immutable = true;
    what.part_of = {"b", 15};
    what.children = {"k", "l"};
    return what;
}
job_status full_status() {
    job_status what;
    what.ends_ms = 1;
    what.state = job_state::failure;
    what.by_wall = true;
    what.due_ms = 2;
    what.number = 3;
    what.sequence = 4;
    what.since = {5, 6};
    what.retries = 7;
    what.losses = 8;
    what.cancelled = what.granted = what.upstream = what.told = what.has_checkpoint = true;
    what.parents = 9;
    what.began_ms = 10;
    what.ended_ms = 11;
    what.worker = "w";
    what.args = "[2]";
    what.result = "3";
    what.error = {"E", "m", "t"};
    what.history = {{12, 13, "v", {"F", "n", "u"}}};
    what.schedule = "s";
    what.left = 14;
    return what;
}
job_spec blank_spec() {
    job_spec what;
    what.id = "id";
    return what;
}

struct kept {
    std::string name, bytes;
};
std::vector<kept> all() {
    using keys::row;
    barrier_record barrier;
    barrier.spec = {"b", 1, {"x"}, {"c", 2}};
    barrier.ended = 3;
    barrier.failed = "f";
    barrier.failed_task = "t";
    barrier.error = {"E", "m", ""};
    barrier.spec.children = {"k"};
    const job_lease_record lease{1, 2, 3, "w"};
    std::vector<kept> list{
        {"job", encoded(full_spec(), full_status())},
        {"job.blank", encoded(blank_spec(), job_status{})},
        {"lease", encoded(lease)},
        {"leases", encoded(std::vector<given_lease>{{"a", lease}, {"b", lease}})},
        {"barrier", encoded(barrier)},
        {"children", encoded(std::vector<std::string>{"k", "l"})},
        {"counts", encoded(queue_counts{1, 2, 3, 4, 5})},
        {"schedule", encoded(schedule_record{"{}", "api", 1, 2, 3, 4})},
        {"meta", encoded(book_meta{1, 2, 3, 4})},
        {"sweep", encoded(sweep_record{sweep_record::work::discard, "q", 1, 2})},
        {"answer", encoded(kept_answer{1, {{"a", true, {"b", "c"}}}})},
        {"term", encoded(term_record{1, "j", 2})},
        {"key.result", keys::barrier_result("b", 1)},
        {"key.number", keys::number(1)},
        {"key.news", keys::job_row(row::news, 1)},
        {"key.leases", keys::job_row(row::leases, 1)},
    };
    for (const auto each :
         {row::barrier, row::children, row::checkpoint, row::lease, row::meta, row::paused, row::counts,
          row::schedule, row::start, row::sweep, row::idempotency, row::unique, row::rate})
        list.push_back({std::string("key.") + static_cast<char>(each), keys::job_row(each, "n")});
    for (const auto each : {row::dead, row::due_elapsed, row::due_wall, row::expiry})
        list.push_back({std::string("key.") + static_cast<char>(each), keys::job_row(each, 1, "n")});
    auto status = full_status();
    for (const auto state : {job_state::ready, job_state::scheduled, job_state::parked, job_state::leased}) {
        status.state = state;
        job_row at;
        EXPECT_TRUE(row_of(full_spec(), status, at));
        const std::string name =
            "place." + std::string(name_of(state, 0, false)) + std::to_string(static_cast<int>(state));
        list.push_back({name + ".key", at.key});
        list.push_back({name + ".value", at.value});
    }
    return list;
}

// These bytes are what is on the disks of others: when they have to change, that is a new format version.
// For new members at the end: what is printed goes into the file.
TEST(JobRecord, KeysAndValuesAreTheirGoldenBytes) {
    std::ifstream in(MADANG_JOB_RECORDS);
    const std::string golden((std::istreambuf_iterator<char>(in)), {});
    std::string now;
    for (const auto& [name, bytes] : all()) now += name + " " + hex(bytes) + "\n";
    EXPECT_EQ(now, golden) << now;
}

template <class Decode>
void expect_whole(const std::string& value, Decode decode) {
    ASSERT_TRUE(decode(value));
    for (std::size_t size = 0; size < value.size(); ++size)
        EXPECT_FALSE(decode(std::string_view(value).substr(0, size))) << size << " bytes";
    EXPECT_FALSE(decode(value + "x"));
}

TEST(JobRecord, WhatIsReadIsWhatWasWrittenAndWhole) {
    const auto job = encoded(full_spec(), full_status());
    const auto read = decode_job("id", job);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->spec, full_spec());
    EXPECT_EQ(read->status, full_status());
    EXPECT_EQ(decode_job("id", encoded(blank_spec(), job_status{}))->spec, blank_spec());
    expect_whole(job, [](auto value) { return decode_job("id", value).has_value(); });
    for (const auto& [name, bytes] : all()) {
        SCOPED_TRACE(name);
        if (name == "lease") expect_whole(bytes, [](auto value) { return decode_lease(value).has_value(); });
        if (name == "leases") {
            EXPECT_EQ(decode_leases(bytes),
                      (std::vector<given_lease>{{"a", {1, 2, 3, "w"}}, {"b", {1, 2, 3, "w"}}}));
            for (std::size_t size = 0; size < bytes.size(); ++size)
                EXPECT_EQ(decode_leases(bytes.substr(0, size)).has_value(), size == bytes.size() / 2) << size;
        }
        if (name == "barrier")
            expect_whole(bytes, [](auto value) { return decode_barrier("b", value).has_value(); });
        if (name == "children") expect_whole(bytes, [](auto value) { return decode_ids(value).has_value(); });
        if (name == "counts")
            expect_whole(bytes, [](auto value) { return decode_counts(value).has_value(); });
        if (name == "schedule")
            expect_whole(bytes, [](auto value) { return decode_schedule(value).has_value(); });
        if (name == "meta") expect_whole(bytes, [](auto value) { return decode_meta(value).has_value(); });
        if (name == "sweep") expect_whole(bytes, [](auto value) { return decode_sweep(value).has_value(); });
        if (name == "answer")
            expect_whole(bytes, [](auto value) { return decode_answer(value).has_value(); });
        if (name == "term") expect_whole(bytes, [](auto value) { return decode_term(value).has_value(); });
    }
}

TEST(JobRecord, IdsThatSayWhenTheyCameAreInThatOrder) {
    EXPECT_EQ(keys::time_of_id("0199b2c3-d4e5-7678-9abc-def012345678"), 0x0199b2c3d4e5678u);
    EXPECT_EQ(keys::time_of_id("01000000-0000-7000-8000-000000000000"), std::uint64_t{1} << 52);
    for (const auto* other : {"", "a", "0199b2c3-d4e5-4678-9abc-def012345678",  // another version
                              "0199B2C3-d4e5-7678-9abc-def012345678", "0199b2c3-d4e5-7678-9abc-def01234567",
                              "0199b2c3+d4e5-7678-9abc-def012345678", "0199b2c3-d4e5-7678-9abc-def0123456789",
                              "0099b2c3-d4e5-7678-9abc-def012345678", "0499b2c3-d4e5-7678-9abc-def012345678"})
        EXPECT_FALSE(keys::time_of_id(other)) << other;
}

TEST(JobRecord, AMemberThatIsNotKnownIsRefused) {
    auto value = encoded(book_meta{1, 2, 3, 4});
    ASSERT_TRUE(decode_meta(value));
    value[0] = '\x80';
    EXPECT_FALSE(decode_meta(value));
}

}  // namespace
}  // namespace madang
