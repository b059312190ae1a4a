// What of leases is stored, and what of it holds after a start.
#include "storage/job_leases.hpp"

#include <gmock/gmock.h>

#include "storage/job_book.hpp"
#include "storage/job_tools.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using verdict = jc::fail::verdict;

class JobLeases : public testing::Test {
  protected:
    JobLeases() { start(); }

    void start() {  // killed before, perhaps
        book_ = std::make_unique<job_book>(bytes_, job_book::limits{});
        book_->start().value();
        book_->tell_all();
        held_.clear();
        for (const auto& each : round({}).held) held_[each.which.job] = each.which.token;
    }
    job_effects round(std::vector<job_request> commands) {
        const auto batch = bytes_.new_batch();
        for (const auto& each : commands) EXPECT_TRUE(book_->apply(each, {}).answer);
        book_->seal_round(*batch, {});
        bytes_.commit(*batch).value();
        auto effects = book_->end_round().value_or(job_effects{});
        for (const auto& each : effects.assigned) given_[each.spec->id] = each.token;
        check_jobs(bytes_, [](auto name, auto what) { ADD_FAILURE() << name << ": " << what; }).value();
        return effects;
    }
    job_lease lease(const std::string& job) { return {job, given_.at(job)}; }
    job_state state(const std::string& job) {
        return job_as<job_view>(book_->apply(jq::find{job}, {}).answer).state;
    }
    std::size_t rows(column in, const std::string& prefix = "") {
        std::size_t count = 0;
        bytes_
            .scan(in, prefix, prefix.empty() ? std::string(9, '\xff') : prefix + std::string(9, '\xff'),
                  direction::ascending, [&](auto, auto) { return ++count != 0; })
            .value();
        return count;
    }
    std::size_t sheets() { return rows(column::job_rows, keys::job_row(keys::row::leases)); }

    memory_kv bytes_;
    std::unique_ptr<job_book> book_;
    std::map<std::string, std::uint64_t> given_, held_;
};

TEST_F(JobLeases, OfOneRoundAreOneRowUntilTheLastIsOver) {
    round({enqueue({spec("a"), spec("b"), spec("c")}), offer(1, 3)});
    EXPECT_EQ(sheets(), 1u);
    EXPECT_EQ(rows(column::job_ready), 3u);  // where they stand again when nothing comes of it
    round({succeed(lease("a")), succeed(lease("c"))});
    EXPECT_EQ(sheets(), 1u);
    EXPECT_EQ(rows(column::job_ready), 1u);
    start();
    EXPECT_EQ(held_, (decltype(held_){{"b", given_["b"]}}));
    round({succeed(lease("b"))});
    EXPECT_EQ(sheets(), 0u);
    EXPECT_EQ(rows(column::job_ready), 0u);
    start();
    EXPECT_THAT(held_, IsEmpty());
}

TEST_F(JobLeases, ManyOfOneRoundAreSeveralRows) {
    std::vector<job_spec> many;
    for (int i = 0; i < 300; ++i) many.push_back(spec("j" + std::to_string(i)));
    round({enqueue(many), offer(1, 300)});
    EXPECT_EQ(sheets(), 3u);
    start();
    EXPECT_EQ(held_, given_);
}

TEST_F(JobLeases, HoldNoMoreOnceTheirJobWasHandedBackOrRetried) {
    round({enqueue({spec("a"), spec("b"), spec("c"), spec("d")}), offer(1, 4)});
    round({failed(lease("a"), verdict::handed_back), failed(lease("b"), verdict::retry),
           failed(lease("c"), verdict::retry, 1000)});
    start();
    EXPECT_EQ(held_, (decltype(held_){{"d", given_["d"]}}));
    EXPECT_EQ(state("a"), job_state::ready);
    EXPECT_EQ(state("b"), job_state::ready);
    EXPECT_EQ(state("c"), job_state::scheduled);
    round({offer(2, 4)});
    start();
    EXPECT_EQ(held_, given_ = (decltype(held_){{"a", given_["a"]}, {"b", given_["b"]}, {"d", given_["d"]}}));
}

TEST_F(JobLeases, HoldNoMoreWhenTheirJobWasADeadLetterAndIsRequeued) {
    round({enqueue({spec("a"), spec("b")}), offer(1, 2)});
    round({failed(lease("a"), verdict::dead)});
    round({jc::requeue{{"a"}, at(1)}});
    start();
    EXPECT_EQ(held_, (decltype(held_){{"b", given_["b"]}}));
    EXPECT_EQ(state("a"), job_state::ready);
}

TEST_F(JobLeases, HoldNoMoreWhenTheirJobIsForgottenAndTheIdComesAgain) {
    auto a = spec("a");
    a.result_ms = 10;
    round({enqueue({a, spec("b")}), offer(1, 2)});
    round({succeed(lease("a"))});
    round({enqueue({spec("a")}, at(1000))});
    start();
    EXPECT_EQ(held_, (decltype(held_){{"b", given_["b"]}}));
    EXPECT_EQ(state("a"), job_state::ready);
}

TEST_F(JobLeases, AnIdThatSaysWhenItCameNeedsNoRowOfIt) {
    auto made = spec(made_id(noon));
    made.id_made = true;
    round({enqueue({made}), offer(1, 1)});
    EXPECT_EQ(rows(column::job_order), 0u);
    round({enqueue({spec("a")})});
    EXPECT_EQ(rows(column::job_order), 1u);
}

// As a server of format 2 left them: a row per lease, no place of what is leased, all in the order's column.
TEST_F(JobLeases, OfFormat2HoldAsWell) {
    const std::vector<std::string> ids{made_id(noon), made_id(noon + 1), "a", "b"};
    const auto batch = bytes_.new_batch();
    std::string value;
    for (std::uint64_t i = 0; i < ids.size(); ++i) {
        auto each = spec(ids[i]);
        job_status status;
        status.state = job_state::ready;
        status.number = status.sequence = i + 1;
        status.since = at(0);
        encode(each, status, value);
        batch->put(column::jobs, ids[i], value);
        batch->put(column::job_order, keys::number(i + 1), std::string(8, '\0') + ids[i]);
        encode(job_lease_record{5 + i, 1, noon, "w1"}, value);
        batch->put(column::job_rows, keys::job_row(keys::row::lease, ids[i]), value);
    }
    queue_counts counts;
    counts.leased = ids.size();
    encode(counts, value);
    batch->put(column::job_rows, keys::job_row(keys::row::counts, "q"), value);
    encode(book_meta{ids.size(), ids.size(), 0, 1000}, value);
    batch->put(column::job_rows, keys::job_row(keys::row::meta), value);
    bytes_.commit(*batch).value();

    start();
    EXPECT_EQ(held_, (decltype(held_){{ids[0], 5}, {ids[1], 6}, {"a", 7}, {"b", 8}}));
    given_ = held_;
    round({succeed(lease(ids[0])), jc::cancel{{ids[1]}, "no more", at(1)},
           failed(lease("a"), verdict::handed_back), failed(lease("b"), verdict::retry, 1000)});
    start();
    EXPECT_EQ(held_, (decltype(held_){{ids[1], 6}}));
    round({failed(lease(ids[1]), verdict::retry)});
    EXPECT_EQ(rows(column::job_rows, keys::job_row(keys::row::lease)), 0u);
    round({offer(2, 4, {}, at(2)), enqueue({spec("c")}, at(2))});
    start();
    EXPECT_THAT(held_, UnorderedElementsAre(std::pair("a", given_["a"]), std::pair("c", given_["c"])));
    std::vector<std::string> listed;
    for (const auto& each : job_as<job_page>(madang::run(job_list_read{job_filter{}, at(3)}, bytes_)).jobs)
        listed.push_back(each.spec.id);
    EXPECT_THAT(listed, ElementsAre("c", ids[1], ids[0], "b", "a"));
}

}  // namespace
}  // namespace madang::test
