// Jobs from one store to another, in memory or on disk.
#include <gmock/gmock.h>

#include "storage/job_book.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using outcome = taken_chunk::outcome;
using verdict = jc::fail::verdict;

enum class kind { memory, disk, disk_without_memory };

class JobMoves : public testing::TestWithParam<kind> {
  protected:
    struct side {
        explicit side(kind how) : how(how) { open(); }
        void open() {
            made.reset();
            store_limits limits{4, 64 << 20, 8 << 20, 1000, 4 << 20};
            if (how == kind::disk_without_memory) limits.job_cache_bytes = 0;
            made = make_store_of(how == kind::memory, folder.path(), limits, clock, counts);
            made->watch_jobs([this](job_effects&& what) { heard.take(std::move(what)); });
        }
        job_answer ask(job_request what) { return ask_job(*made, std::move(what), durability::synced); }
        void put(std::vector<job_spec> specs, job_time now = at(0)) {
            ask(enqueue(std::move(specs), now)).value();
        }
        std::vector<job_lease> take(std::uint32_t count, job_time now = at(0)) {
            heard.taken();
            ask(offer(1, count, {}, now)).value();
            std::vector<job_lease> got;
            for (const auto& each : heard.taken().assigned) got.push_back({each.spec->id, each.token});
            ask(jc::withdraw{1}).value();
            return got;
        }
        std::vector<std::string> taken_ids(std::uint32_t count, job_time now = at(0)) {
            std::vector<std::string> ids;
            for (const auto& each : take(count, now)) ids.push_back(each.job);
            return ids;
        }
        job_view find(const std::string& id) { return job_as<job_view>(ask(jq::find{id})); }
        bool has(const std::string& id) { return ask(jq::find{id}).has_value(); }
        queue_view queue(const std::string& name = "q") {
            for (auto& each : job_as<std::vector<queue_view>>(ask(jq::queues{})))
                if (each.name == name) return each;
            return {};
        }
        void look(job_time now = at(0)) {
            while (!job_as<bool>(ask(jc::look{now}))) {
            }
        }
        given_chunk give(job_time now = at(0), std::size_t most = 1000, const std::string& to = "b") {
            look(now);
            return *job_as<std::shared_ptr<given_chunk>>(
                ask(jc::give{to, 77, ++transfer, most, 1 << 20, now}));
        }
        taken_chunk take(const kept_chunk& what, job_time now = at(0)) {
            return job_as<taken_chunk>(ask(jc::take{what.bytes, now}));
        }

        const kind how;
        temporary_folder folder;
        system_clock_source clock;
        metrics counts;
        job_listener heard;
        std::uint64_t transfer = 0;
        std::unique_ptr<store> made;
    };

    // What was taken, all together.
    taken_chunk move(side& from, side& to, job_time given = at(0), job_time taken = at(0),
                     std::size_t most = 1000) {
        taken_chunk all;
        for (;;) {
            const auto next = from.give(given, most);
            if (!next.cut) return all;
            const auto got = to.take(*next.cut, taken);
            EXPECT_EQ(got.what, outcome::taken);
            all.jobs += got.jobs;
            all.skipped += got.skipped;
            all.schedules += got.schedules;
            EXPECT_TRUE(job_as<bool>(from.ask(jc::given{next.cut->number})));
        }
    }

    side a_{GetParam()}, b_{GetParam()};
};

job_spec waiting(std::string id) {
    auto what = spec(std::move(id));
    what.waits = true;
    return what;
}

TEST_P(JobMoves, EachJobIsThereAsItWas) {
    auto later = spec("later");
    later.countdown_ms = 500;
    auto on_time = spec("on-time");
    on_time.eta_ms = at(700).wall_ms;
    auto first = spec("first");
    first.next = {"second"};
    a_.put({spec("done"), spec("dead"), spec("runs")});
    const auto leases = a_.take(3);
    a_.ask(succeed(leases.at(0), "42")).value();
    a_.ask(failed(leases.at(1), verdict::dead)).value();
    a_.ask(jc::checkpoint{leases.at(2), "half"}).value();
    a_.put({spec("ready"), later, on_time, first, waiting("second")});

    EXPECT_EQ(move(a_, b_).jobs, 8U);
    for (const auto* each : {"done", "dead", "runs", "ready", "later", "on-time", "first", "second"})
        EXPECT_FALSE(a_.has(each)) << each;
    EXPECT_EQ(a_.queue().ready + a_.queue().leased + a_.queue().scheduled + a_.queue().dead, 0U);
    EXPECT_EQ(b_.find("done").result, "42");
    EXPECT_EQ(b_.find("dead").state, job_state::failure);
    EXPECT_EQ(b_.find("second").state, job_state::waiting);
    const auto counts = b_.queue();
    EXPECT_EQ(counts.ready, 2U);
    EXPECT_EQ(counts.leased, 1U);
    EXPECT_EQ(counts.scheduled, 2U);
    EXPECT_EQ(counts.dead, 1U);

    // Who runs it ends it where it is now.
    EXPECT_EQ(a_.ask(succeed(leases.at(2))).error().code, errc::stale_lease);
    const auto held = b_.heard.taken().held;
    ASSERT_EQ(held.size(), 1U);
    EXPECT_EQ(held[0].which.job, "runs");
    EXPECT_EQ(held[0].which.token, leases.at(2).token);
    EXPECT_EQ(held[0].worker_id, 1U);
    b_.ask(failed(leases.at(2), verdict::retry)).value();

    b_.ask(offer(1, 9)).value();
    std::map<std::string, job_lease> begun;
    for (const auto& each : b_.heard.taken().assigned) {
        begun[each.spec->id] = {each.spec->id, each.token};
        if (each.spec->id == "runs") {
            EXPECT_EQ(each.checkpoint, "half");
        }
    }
    EXPECT_EQ(begun.size(), 3U);
    b_.ask(succeed(begun.at("first"), "7")).value();
    const auto next = b_.heard.taken().assigned;
    ASSERT_EQ(next.size(), 1U);
    EXPECT_EQ(next[0].args, "[7]");
    EXPECT_EQ(job_as<std::uint64_t>(b_.ask(jc::requeue{{"dead"}, at(0)})), 1U);
}

TEST_P(JobMoves, AWorkflowEndsWhereItWent) {
    std::vector<job_spec> specs;
    for (std::uint32_t i = 0; i < 3; ++i) {
        specs.push_back(spec("h" + std::to_string(i)));
        specs.back().part_of = {"b", i};
    }
    specs.push_back(waiting("body"));
    auto what = enqueue(specs);
    what.barriers.push_back({"b", 3, {"body"}, {}});
    a_.ask(what).value();
    a_.ask(succeed(a_.take(1).at(0), "10")).value();
    EXPECT_EQ(move(a_, b_, at(0), at(0), 1).jobs, 4U);
    for (const auto& each : b_.take(9)) b_.ask(succeed(each, "11")).value();
    b_.heard.taken();
    b_.ask(offer(1, 1)).value();
    const auto body = b_.heard.taken().assigned;
    ASSERT_EQ(body.size(), 1U);
    EXPECT_EQ(body[0].args, "[[10,11,11]]");
}

TEST_P(JobMoves, AWorkflowIsCancelledWhereItWent) {
    auto one = spec("one"), two = spec("two");
    one.part_of = {"g", 0}, two.part_of = {"g", 1};
    auto what = enqueue({one, two});
    what.barriers.push_back({"g", 2, {}, {}, {"one", "two"}});
    a_.ask(what).value();
    auto first = spec("first");
    first.next = {"last"};
    auto last = waiting("last");
    last.children = {"first", "last"};
    a_.put({first, last});
    EXPECT_EQ(move(a_, b_).jobs, 4U);
    EXPECT_EQ(job_as<std::uint64_t>(b_.ask(jc::cancel{{"g", "last"}, "", at(1)})), 4U);
}

TEST_P(JobMoves, AChunkHasSoManyJobsAndWholeWorkflows) {
    std::vector<job_spec> chain;
    for (int i = 0; i < 5; ++i) {
        chain.push_back(i == 0 ? spec("c0") : waiting("c" + std::to_string(i)));
        if (i < 4) chain.back().next = {"c" + std::to_string(i + 1)};
    }
    a_.put(chain);
    a_.put({spec("a"), spec("b"), spec("d"), spec("e"), spec("f")});
    std::vector<std::uint64_t> sizes, left;
    for (;;) {
        const auto next = a_.give(at(0), 2);
        if (!next.cut) break;
        sizes.push_back(next.cut->jobs);
        left.push_back(next.left);
    }
    EXPECT_THAT(sizes, ElementsAre(2, 5, 2, 1));
    EXPECT_THAT(left, ElementsAre(8, 3, 1, 0));
}

TEST_P(JobMoves, TakingTwiceIsTakingOnce) {
    a_.put({spec("a")});
    const auto cut = *a_.give().cut;
    EXPECT_EQ(b_.take(cut).what, outcome::taken);
    b_.ask(succeed(b_.take(1).at(0))).value();
    EXPECT_EQ(b_.take(cut).what, outcome::repeated);
    EXPECT_EQ(b_.find("a").state, job_state::success);
    EXPECT_TRUE(job_as<bool>(b_.ask(jc::forgo{cut.book, cut.number, cut.transfer})));
}

TEST_P(JobMoves, WhatWasForgoneIsNeverTakenByThatName) {
    a_.put({spec("a")});
    const auto cut = *a_.give().cut;
    EXPECT_FALSE(job_as<bool>(b_.ask(jc::forgo{cut.book, cut.number, cut.transfer})));
    EXPECT_EQ(b_.take(cut).what, outcome::refused);
    EXPECT_FALSE(b_.has("a"));
    EXPECT_FALSE(job_as<bool>(b_.ask(jc::forgo{cut.book, cut.number, cut.transfer})));
    const auto again = *job_as<std::shared_ptr<kept_chunk>>(a_.ask(jc::give_again{cut.number, "b", 99, 0}));
    EXPECT_EQ(again.book, cut.book);
    EXPECT_GT(again.number, cut.number);
    EXPECT_EQ(b_.take(again).what, outcome::taken);
    EXPECT_TRUE(b_.has("a"));
    EXPECT_FALSE(a_.ask(jc::give_again{cut.number, "b", 99, 0}));
}

TEST_P(JobMoves, AnOldCopyOfABookGivesByAnotherName) {
    a_.put({spec("a"), spec("b")});
    const auto first = *a_.give(at(0), 1).cut, second = *a_.give(at(0), 1).cut;
    b_.take(first);
    b_.take(second);
    // As if `a` were a copy from before its second chunk, and cut another one.
    auto other = first;
    auto head = *decode_chunk_head(*first.bytes);
    head.number = second.number;
    head.transfer = 1234;
    std::string bytes;
    encode(head, bytes);
    other.bytes = std::make_shared<const std::string>(bytes + first.bytes->substr(job_chunk_head_bytes));
    EXPECT_EQ(b_.take(other).what, outcome::refused);
    const auto renamed =
        *job_as<std::shared_ptr<kept_chunk>>(a_.ask(jc::give_again{second.number, "b", 5, 4321}));
    EXPECT_EQ(renamed.book, 4321U);
    EXPECT_EQ(b_.take(renamed).what, outcome::taken);
    a_.put({spec("c")});
    EXPECT_EQ(a_.give().cut->book, 4321U);
}

TEST_P(JobMoves, WhatIsTakenBackIsInItsPlace) {
    a_.put({spec("a"), spec("b")});
    const auto cut = *a_.give().cut;
    EXPECT_FALSE(a_.has("a"));
    a_.put({spec("c")});
    EXPECT_EQ(job_as<taken_chunk>(a_.ask(jc::take_back{cut.number, at(0)})).jobs, 2U);
    EXPECT_FALSE(a_.ask(jc::take_back{cut.number, at(0)}));
    EXPECT_THAT(a_.taken_ids(9), ElementsAre("a", "b", "c"));
}

TEST_P(JobMoves, WhoCameBeforeGoesBefore) {
    a_.put({spec("z"), spec("y"), spec("x"), spec("w")});
    b_.put({spec("here")});
    const auto first = *a_.give(at(0), 2).cut;
    b_.take(first);
    b_.put({spec("later")});
    b_.take(*a_.give(at(0), 2).cut);
    EXPECT_THAT(b_.taken_ids(9), ElementsAre("here", "z", "y", "x", "w", "later"));
}

TEST_P(JobMoves, DelaysGoOnWhereTheyWere) {
    auto later = spec("later");
    later.countdown_ms = 500;
    a_.put({later}, at(0));
    const job_time there{at(300).wall_ms, 9'000'000};  // another machine's clock
    move(a_, b_, at(300), there);
    b_.ask(jc::tick{{there.wall_ms + 199, there.elapsed_ms + 199}}).value();
    EXPECT_EQ(b_.find("later").state, job_state::scheduled);
    b_.ask(jc::tick{{there.wall_ms + 200, there.elapsed_ms + 200}}).value();
    EXPECT_EQ(b_.find("later").state, job_state::ready);
}

TEST_P(JobMoves, AParkedJobWaitsForTheLimitThere) {
    auto one = spec("one"), two = spec("two");
    one.limit = two.limit = {"l", 0, 0, 1};
    a_.put({one, two});
    const auto lease = a_.take(2).at(0);
    EXPECT_EQ(a_.find("two").state, job_state::parked);
    move(a_, b_);
    EXPECT_THAT(b_.taken_ids(2), IsEmpty());
    b_.ask(succeed(lease)).value();
    EXPECT_THAT(b_.taken_ids(2), ElementsAre("two"));
}

TEST_P(JobMoves, AUniqueKeyStaysWithWhoHasItThere) {
    auto mine = spec("mine"), theirs = spec("theirs"), free = spec("free");
    mine.unique = theirs.unique = "k";
    free.unique = "f";
    a_.put({mine, free});
    b_.put({theirs});
    move(a_, b_);
    EXPECT_EQ(b_.find("mine").state, job_state::ready);
    auto again = spec("again");
    again.unique = "f";
    EXPECT_EQ(job_as<enqueued>(b_.ask(enqueue({again}))).jobs.at(0).id, "free");
    b_.ask(jc::cancel{{"mine"}, "", at(0)}).value();
    again.unique = "k";
    EXPECT_EQ(job_as<enqueued>(b_.ask(enqueue({again}))).jobs.at(0).id, "theirs");
}

TEST_P(JobMoves, AUniqueKeyGoesWithItsJobAndEndsWithIt) {
    auto mine = spec("mine"), again = spec("again");
    mine.unique = again.unique = "k";
    a_.put({mine});
    move(a_, b_);
    EXPECT_EQ(job_as<enqueued>(a_.ask(enqueue({again}))).jobs.at(0).id, "again");
    b_.ask(jc::cancel{{"mine"}, "", at(0)}).value();
    EXPECT_EQ(job_as<enqueued>(b_.ask(enqueue({again}))).jobs.at(0).id, "again");
}

TEST_P(JobMoves, AKnownIdIsSkippedWithItsWholeWorkflow) {
    auto first = spec("first");
    first.next = {"second"};
    a_.put({first, waiting("second"), spec("alone")});
    b_.put({spec("second")});
    const auto got = move(a_, b_);
    EXPECT_EQ(got.jobs, 1U);
    EXPECT_EQ(got.skipped, 2U);
    EXPECT_THAT(b_.taken_ids(9), UnorderedElementsAre("second", "alone"));
}

TEST_P(JobMoves, WhatIsOfNoJobGoesFirst) {
    auto what = enqueue({spec("a")});
    what.idempotency_key = "key";
    a_.ask(what).value();
    a_.ask(jc::pause{"q", true}).value();
    a_.ask(jc::put_schedule{"mine", "{}", "api", at(100).wall_ms}).value();
    a_.ask(jc::put_schedule{"ours", "{\"a\":1}", "config", at(300).wall_ms}).value();
    b_.ask(jc::put_schedule{"ours", "{\"b\":1}", "config", at(200).wall_ms}).value();
    b_.take(*a_.give().cut);
    EXPECT_TRUE(a_.has("a"));
    EXPECT_TRUE(b_.queue().paused);
    EXPECT_FALSE(a_.queue().paused);
    auto again = enqueue({spec("other")});
    again.idempotency_key = "key";
    EXPECT_TRUE(job_as<enqueued>(b_.ask(again)).repeated);
    const auto all = job_as<std::vector<stored_schedule>>(b_.ask(jq::schedules{}));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].last_fire_ms, at(100).wall_ms);
    EXPECT_EQ(all[1].json, "{\"b\":1}");
    EXPECT_EQ(all[1].last_fire_ms, at(300).wall_ms);
    EXPECT_THAT(job_as<std::vector<stored_schedule>>(a_.ask(jq::schedules{})), IsEmpty());
}

TEST_P(JobMoves, ASchedulesUnfinishedJobsAreThoseThatCame) {
    a_.ask(jc::put_schedule{"s", "{}", "api", noon}).value();
    auto what = enqueue({spec("a"), spec("b")});
    what.schedule = "s";
    what.fire_ms = noon + 1;
    a_.ask(what).value();
    move(a_, b_);
    const auto unfinished = [&] {
        return job_as<std::vector<stored_schedule>>(b_.ask(jq::schedules{})).at(0).unfinished;
    };
    EXPECT_EQ(unfinished(), 2U);
    b_.ask(jc::cancel{{"a", "b"}, "", at(0)}).value();
    EXPECT_EQ(unfinished(), 0U);
    EXPECT_TRUE(job_as<enqueued>(b_.ask(what)).repeated);
}

TEST_P(JobMoves, NewsThatWereNotToldAreToldThere) {
    auto told = spec("told");
    told.notify_group = "g";
    a_.put({told});
    a_.ask(succeed(a_.take(1).at(0))).value();
    const auto before = a_.heard.taken().news;
    ASSERT_EQ(before.size(), 1U);
    move(a_, b_);
    const auto news = b_.heard.taken().news;
    ASSERT_EQ(news.size(), 1U);
    EXPECT_EQ(news[0].group, "g");
    EXPECT_EQ(news[0].data, before[0].data);
}

TEST_P(JobMoves, JobsAreListedWhereTheyAre) {
    a_.put({spec("mine")});
    b_.put({spec("theirs")});
    move(a_, b_);
    std::vector<std::string> ids;
    for (const auto& each : job_as<job_page>(b_.ask(jq::list{{}})).jobs) ids.push_back(each.spec.id);
    EXPECT_THAT(ids, UnorderedElementsAre("mine", "theirs"));
    EXPECT_THAT(job_as<job_page>(a_.ask(jq::list{{}})).jobs, IsEmpty());
}

TEST_P(JobMoves, ThereAndBackAgain) {
    for (int i = 0; i < 5; ++i) {
        a_.put({spec("j" + std::to_string(i))});
        a_.take(1);
        move(a_, b_);
        move(b_, a_);
    }
    EXPECT_EQ(a_.queue().leased, 5U);
    std::vector<job_lease> held;
    for (const auto& each : a_.heard.taken().held) held.push_back(each.which);
    EXPECT_EQ(job_as<std::uint64_t>(a_.ask(jc::lose{held, {"W", "", ""}, 9, false, at(0)})), 5U);
    EXPECT_EQ(a_.take(9).size(), 5U);
}

TEST_P(JobMoves, ATokenIsNeverGivenTwice) {
    a_.put({spec("a")});
    auto lease = a_.take(1).at(0);
    for (int i = 0; i < 3; ++i) {
        auto& from = i % 2 == 0 ? a_ : b_;
        auto& to = i % 2 == 0 ? b_ : a_;
        move(from, to);
        if (GetParam() != kind::memory) to.open();
        EXPECT_EQ(job_as<std::uint64_t>(to.ask(jc::lose{{lease}, {"W", "", ""}, 9, false, at(0)})), 1U);
        const auto next = to.take(1).at(0);
        EXPECT_GT(next.token, lease.token);
        EXPECT_EQ(to.ask(succeed(lease)).error().code, errc::stale_lease);
        lease = next;
    }
}

TEST_P(JobMoves, AChunkThatWasCutOutlivesTheProcess) {
    if (GetParam() == kind::memory) GTEST_SKIP() << "nothing does";
    a_.put({spec("a")});
    const auto cut = *a_.give().cut;
    a_.open();
    const auto all = job_as<std::vector<kept_chunk>>(a_.ask(jq::chunks{}));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].to, "b");
    EXPECT_EQ(all[0].transfer, cut.transfer);
    const auto same = *job_as<std::shared_ptr<kept_chunk>>(a_.ask(jq::chunk{all[0].number}));
    EXPECT_EQ(*same.bytes, *cut.bytes);
    b_.take(same);
    b_.open();
    EXPECT_EQ(b_.take(same).what, outcome::repeated);
    EXPECT_TRUE(b_.has("a"));
}

TEST_P(JobMoves, GarbageIsNoChunk) {
    EXPECT_EQ(b_.ask(jc::take{std::make_shared<const std::string>("MJC\1 and so on"), at(0)}).error().code,
              errc::bad_request);
    EXPECT_EQ(b_.ask(jc::take{nullptr, at(0)}).error().code, errc::bad_request);
}

TEST_P(JobMoves, AnIdIsFreeInTheRoundInWhichItsJobIsRemoved) {
    a_.put({spec("a")});
    a_.ask(failed(a_.take(1).at(0), verdict::dead)).value();
    auto got = ask_jobs(*a_.made, {jc::discard{{"a"}, at(0)}, enqueue({spec("a")})});
    EXPECT_EQ(job_as<std::uint64_t>(got.at(0)), 1U);
    ASSERT_TRUE(got.at(1));
    EXPECT_THAT(a_.taken_ids(9), ElementsAre("a"));
    EXPECT_EQ(a_.queue().dead, 0U);
}

INSTANTIATE_TEST_SUITE_P(Stores, JobMoves,
                         testing::Values(kind::memory, kind::disk, kind::disk_without_memory),
                         [](const auto& each) {
                             return each.param == kind::memory ? "memory"
                                    : each.param == kind::disk ? "disk"
                                                               : "disk_without_memory";
                         });

}  // namespace
}  // namespace madang::test
