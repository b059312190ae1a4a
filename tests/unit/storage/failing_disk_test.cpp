// Writes that fail: nothing of them is there, nothing acknowledged is lost, and it heals.
#include <gmock/gmock.h>

#include <filesystem>

#include "storage/job_book.hpp"
#include "tests/support/faulty_file_system.hpp"
#include "tests/support/store_world.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using fault = faulty_file_system::fault;
namespace fs = std::filesystem;

// Fails the commits that it is told to.
class faulty_kv final : public memory_kv {
  public:
    result<void> commit(kv_batch& what) override {
        if (++commits_ % every_ == 0) return fail(errc::storage_full, "as asked");
        return memory_kv::commit(what);
    }
    explicit faulty_kv(int every) : every_(every) {}

  private:
    int commits_ = 0;
    const int every_;
};

TEST(FailingDisk, AFailedCommitLeavesMemoryAsItWas) {
    metrics counts;
    system_clock_source clock;
    for (int every = 2; every < 6; ++every) {
        auto of = make_store(std::make_unique<faulty_kv>(every), generation{},
                             {4, 64 << 20, 8 << 20, 1000, 4 << 20}, clock, counts)
                      .value();
        std::vector<std::string> kept;
        std::uint64_t present = 0;
        std::set<std::string> seen;
        int refused = 0;
        for (int i = 0; i < 60; ++i) {
            const auto text = std::to_string(i);
            auto what = publish("g", text, 1000);
            what.idempotency_key = "k" + text;
            auto got =
                ask(*of, {what, enter("g", "c" + text, "u" + text), leave("g", "c" + std::to_string(i - 2)),
                          history("g"), queries::presence_stats{"g"}});
            if (got[0]) {
                kept.push_back(text);
                EXPECT_EQ(as<published>(got[0]).at.offset, kept.size());
                present = as<presence_change>(got[2]).counts.clients;
                if (as<presence_change>(got[2]).changed) seen.insert("u" + std::to_string(i - 2));
            } else {
                ++refused;
                for (int change = 0; change < 3; ++change)
                    EXPECT_EQ(got[static_cast<std::size_t>(change)].error().code, errc::storage_full);
            }
            if (kept.empty()) {
                EXPECT_EQ(got[3].error().code, errc::storage_full);  // no stream, and none can begin
                continue;
            }
            EXPECT_EQ(texts(as<history_page>(got[3])), kept);
            EXPECT_EQ(as<presence_counts>(got[4]).clients, present);
            EXPECT_EQ(as<std::vector<last_seen_entry>>(ask(*of, store_request(queries::last_seen{"g", 1000})))
                          .size(),
                      seen.size());
        }
        EXPECT_EQ(refused, 60 / every);
    }
}

// Answers no question while it is told not to.
class silent_kv final : public memory_kv {
  public:
    result<std::optional<std::string>> get(column from, std::string_view key) const override {
        if (silent) return fail(errc::storage_failed, "as asked");
        return memory_kv::get(from, key);
    }
    result<void> scan(column from, std::string_view begin, std::string_view end, direction order,
                      const visitor& see) const override {
        if (silent) return fail(errc::storage_failed, "as asked");
        return memory_kv::scan(from, begin, end, order, see);
    }
    bool silent = false;
};

TEST(FailingDisk, JobsThatCouldNotBeReadAgainAreNotWritten) {
    silent_kv bytes;
    job_book book(bytes, {});
    book.start().value();
    const auto batch = bytes.new_batch();
    const auto end_round = [&] {
        book.seal_round(*batch, {});
        bytes.commit(*batch).value();
        batch->clear();
        return book.end_round().value_or(job_effects{});
    };
    for (const job_request& each : {job_request(enqueue({spec("a"), spec("b")})), job_request(offer(1, 1))})
        ASSERT_TRUE(book.apply(each, {}).answer);
    const auto given = end_round().assigned;
    ASSERT_EQ(given.size(), 1u);
    ASSERT_TRUE(book.apply(succeed({"a", given[0].token}), {}).answer);
    bytes.silent = true;
    book.undo_round();  // its commit failed, and so does what reads it all again

    book.seal_round(*batch, {});  // of a round that others had something for
    EXPECT_EQ(batch->bytes(), 0u);
    EXPECT_FALSE(book.end_round());

    bytes.silent = false;
    const auto told = end_round();
    EXPECT_TRUE(told.restarted);
    ASSERT_EQ(told.held.size(), 1u);
    EXPECT_EQ(told.held[0].which.job, "a");
    for (const job_request& each : {job_request(enqueue({spec("c")})), job_request(offer(1, 2))})
        ASSERT_TRUE(book.apply(each, {}).answer);
    std::vector<std::string> ids;
    for (const auto& each : end_round().assigned) ids.push_back(each.spec->id);
    EXPECT_THAT(ids, ElementsAre("b", "c"));
}

class FailingFiles : public testing::Test {
  protected:
    FailingFiles() {
        world_.settings.file_system = files_;
        world_.open();
    }
    store_answer put(const std::string& group, durability how = durability::buffered) {
        return ask(*world_.it, store_request(publish(group, "x", 100'000)), how);
    }
    // Publishes until it is accepted again.
    position put_until_accepted(const std::string& group) {
        for (;;)
            if (auto got = put(group); got) return as<published>(std::move(got)).at;
    }
    // A log that has nothing yet: what a store writes when it starts stands in one that failed.
    void begin_log() {
        files_->appends = fault::full;
        EXPECT_FALSE(put("a"));
        files_->appends = fault::none;
        while (!world_.it->health()) std::this_thread::yield();
    }
    void kill() {
        copy_as_killed(folder_.path() / "live", folder_.path() / "killed");
        world_.close();
        fs::remove_all(folder_.path() / "live");
        fs::rename(folder_.path() / "killed", folder_.path() / "live");
    }

    temporary_folder folder_;
    std::shared_ptr<faulty_file_system> files_ = std::make_shared<faulty_file_system>();
    disk_world world_{folder_.path() / "live"};
};

TEST_F(FailingFiles, AFullDiskIsToldReadOnAndHealed) {
    EXPECT_EQ(as<published>(put("a")).at.offset, 1u);
    for (std::uint64_t round = 1; round < 4; ++round) {
        files_->appends = fault::full;
        EXPECT_EQ(put("a").error().code, errc::storage_full);
        EXPECT_EQ(put("b").error().code, errc::storage_full);
        // An attempt to heal may be under way: it is told again when that has failed.
        result<void> health = world_.it->health();
        for (; health; health = world_.it->health()) std::this_thread::yield();
        EXPECT_EQ(health.error().code, errc::storage_full);
        EXPECT_EQ(page(*world_.it, history("a")).top.offset, round);
        files_->appends = fault::none;
        EXPECT_EQ(put_until_accepted("a"), (position{"fresh", round + 1}));
        EXPECT_TRUE(world_.it->health());
    }
    kill();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top, (position{"fresh", 4}));
    EXPECT_EQ(page(*world_.it, history("b", 0)).top.offset, 0u);
}

TEST_F(FailingFiles, ALogThatCannotBeBegunForLackOfRoomIsBegunLater) {
    EXPECT_EQ(as<published>(put("a")).at.offset, 1u);
    files_->new_logs = files_->appends = fault::full;
    EXPECT_EQ(put("a").error().code, errc::storage_full);
    while (files_->logs_refused < 3) std::this_thread::yield();  // by healing
    EXPECT_EQ(world_.it->health().error().code, errc::storage_full);
    files_->new_logs = files_->appends = fault::none;
    EXPECT_EQ(put_until_accepted("a"), (position{"fresh", 2}));
    kill();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top, (position{"fresh", 2}));
}

TEST_F(FailingFiles, ABrokenDiskIsToldSo) {
    EXPECT_EQ(as<published>(put("a")).at.offset, 1u);
    files_->appends = fault::broken;
    EXPECT_EQ(put("a").error().code, errc::storage_failed);
    EXPECT_EQ(world_.it->health().error().code, errc::storage_failed);
    files_->appends = fault::none;
    EXPECT_EQ(put_until_accepted("a").offset, 2u);
}

// RocksDB would go on with such a log, and abort.
TEST_F(FailingFiles, ALogThatFailsWithItsFirstWriteIsLeftAndHealed) {
    for (const auto how : {fault::broken, fault::full, fault::full_after_writing}) {
        SCOPED_TRACE(static_cast<int>(how));
        for (int again = 0; again < 3; ++again) {
            files_->appends = how;
            EXPECT_FALSE(put("refused"));
            // Each time but once it was the first write after healing; that once it may be healed by now.
            if (again > 0) EXPECT_FALSE(world_.it->health());
            files_->appends = fault::none;
            while (!world_.it->health()) std::this_thread::yield();
        }
        const auto top = put_until_accepted("a").offset;
        kill();
        world_.open();
        EXPECT_EQ(page(*world_.it, history("a")).top.offset, top);
        EXPECT_EQ(page(*world_.it, history("refused", 0)).top.offset, 0u);
        ask(*world_.it, store_request(commands::remove_history{"refused", noon}));
        world_.open();  // as it should be stopped and started
    }
}

// A commit's failure is known twice: to RocksDB's listener, which sets off healing, and at the commit's end,
// where the log is marked as torn. Healing that began between them does not take that mark for its own.
TEST(Healing, DoesNotEndOverAFailureThatCameMeanwhile) {
    const temporary_folder folder;
    const auto files = std::make_shared<faulty_file_system>();
    auto settings = disk_world(folder.path() / "live").settings;
    settings.file_system = files;
    settings.ballast_bytes = 4096;
    const auto bytes = open_rocks_kv(settings).value();
    const auto commit = [&] {
        const auto batch = bytes->new_batch();
        batch->put(column::publications, "key", "value");
        return bytes->commit(*batch);
    };
    ASSERT_TRUE(commit());
    bool met = false;
    for (int round = 0; round < 1'000 && !met; ++round) {
        const auto committing = std::this_thread::get_id();
        int told = 0;
        std::thread healer;
        std::atomic<bool> over = false;
        result<void> healed;
        bytes->on_trouble([&] {
            if (std::this_thread::get_id() != committing) return;
            if (++told == 1) {
                healer = std::thread([&] {
                    healed = bytes->heal();
                    over = true;
                });
                while (fs::exists(folder.path() / "live" / "ballast") && !over) std::this_thread::yield();
            } else {
                // What RocksDB does of the one while the other ends is its own: it may refuse at once.
                while (!over && !files->has_a_stalled_sync()) std::this_thread::yield();
                met = !over;
            }
        });
        files->stall_syncs(true);
        files->appends = fault::full_after_writing;
        EXPECT_FALSE(commit());
        files->appends = fault::none;
        files->stall_syncs(false);
        healer.join();
        EXPECT_FALSE(healed);
        EXPECT_FALSE(bytes->ready());
        while (!bytes->heal()) bytes->mend();
        EXPECT_TRUE(bytes->ready());
        EXPECT_TRUE(commit());
    }
    EXPECT_TRUE(met);
    bytes->on_trouble({});
    EXPECT_TRUE(bytes->close());
}

TEST_F(FailingFiles, AKillRightAfterHealingAFirstWriteLeavesAWholeLog) {
    for (int round = 0; round < 4; ++round) {
        begin_log();
        files_->appends = fault::full_after_writing;
        EXPECT_FALSE(put("refused"));
        files_->appends = fault::none;
        while (!world_.it->health()) std::this_thread::yield();
        kill();
        world_.open();
        EXPECT_EQ(world_.it->health(), result<void>());
        EXPECT_TRUE(page(*world_.it, history("refused")).publications.empty());
        world_.open();
    }
    EXPECT_EQ(as<published>(put("a")).at.offset, 1u);
}

TEST_F(FailingFiles, WhatIsOnDiskIsReadWhileALogThatFailedAtOnceCannotBeLeft) {
    for (int i = 0; i < 50; ++i) put("a");
    world_.open();
    begin_log();
    files_->appends = fault::broken;
    EXPECT_FALSE(put("a"));
    // Heads and pages that no tail has in memory; some of them while it is tried to mend.
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(page(*world_.it, history("a", 5, position{"fresh", 10})).publications.size(), 5u);
    EXPECT_EQ(put("a").error().code, errc::storage_failed);
    files_->appends = fault::none;
    while (!world_.it->health())  // the database is opened anew beside these
        ASSERT_EQ(page(*world_.it, history("a", 5, position{"fresh", 10})).publications.size(), 5u);
    EXPECT_EQ(put_until_accepted("a").offset, 51u);
}

// The database may be closed by then, and cannot be opened.
TEST_F(FailingFiles, ALogThatCannotBeBegunAnewIsBegunLater) {
    put("a");
    world_.open();
    begin_log();
    files_->appends = fault::broken;
    EXPECT_FALSE(put("a"));
    files_->new_logs = fault::broken;
    files_->appends = fault::none;
    while (files_->logs_refused < 3) std::this_thread::yield();
    EXPECT_EQ(world_.it->health().error().code, errc::storage_failed);
    EXPECT_EQ(put("a").error().code, errc::storage_failed);
    files_->new_logs = fault::none;
    EXPECT_EQ(put_until_accepted("a").offset, 2u);
    kill();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top.offset, 2u);
}

// The log has the whole record, and yet the write failed: it must never come back.
TEST_F(FailingFiles, WhatWasRefusedIsNotThereAfterAKill) {
    put("a");
    files_->appends = fault::full_after_writing;
    files_->everything = true;  // and so nothing heals
    ASSERT_FALSE(put("a"));
    kill();
    files_->appends = fault::none;
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top.offset, 1u);
    EXPECT_EQ(as<published>(put("a")).at.offset, 2u);
    kill();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top.offset, 2u);
}

TEST_F(FailingFiles, WhatWasRefusedIsNotThereAfterHealingAndAKill) {
    for (std::uint64_t round = 2; round < 8; round += 2) {
        put("a");
        files_->appends = fault::full_after_writing;
        ASSERT_FALSE(put("refused"));
        files_->appends = fault::none;
        EXPECT_EQ(put_until_accepted("a").offset, round);
        kill();
        world_.open();
        EXPECT_EQ(page(*world_.it, history("a")).top.offset, round);
        EXPECT_EQ(page(*world_.it, history("refused", 0)).top.offset, 0u);  // and a stream begins
    }
}

TEST_F(FailingFiles, ASyncThatFailsIsAnsweredOnceItIsTrue) {
    files_->syncs = fault::broken;
    std::promise<store_answer> answered;
    world_.it->submit({publish("a", "x")}, durability::synced,
                      [&](std::vector<store_answer> got) { answered.set_value(std::move(got.at(0))); });
    auto future = answered.get_future();
    while (world_.it->health()) std::this_thread::yield();
    EXPECT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    files_->syncs = fault::none;
    EXPECT_EQ(as<published>(future.get()).at.offset, 1u);
}

TEST_F(FailingFiles, BelowTheFreeSpaceMarkOnlyWhatFreesSpaceIsAccepted) {
    put("a");
    ask(*world_.it, store_request(enter("a", "c", "u")));
    world_.close();
    world_.settings.free_bytes = std::uint64_t{1} << 60;
    world_.open();
    EXPECT_EQ(put("a").error().code, errc::storage_full);
    EXPECT_EQ(world_.it->health().error().code, errc::storage_full);
    EXPECT_EQ(ask(*world_.it, store_request(enter("a", "d", "u"))).error().code, errc::storage_full);
    EXPECT_EQ(ask(*world_.it, store_request(history("new", 0))).error().code, errc::storage_full);
    EXPECT_TRUE(as<presence_change>(ask(*world_.it, store_request(leave("a", "c")))).changed);
    EXPECT_EQ(as<position>(ask(*world_.it, store_request(commands::remove_history{"a", noon}))).offset, 1u);
    auto mixed = ask(*world_.it, {commands::remove_history{"a", noon}, publish("a", "x"), history("a")});
    EXPECT_EQ(mixed[0].error().code, errc::storage_full);
    EXPECT_EQ(mixed[1].error().code, errc::storage_full);
    EXPECT_TRUE(mixed[2]);
}

TEST_F(FailingFiles, MoreThanTheQueueHoldsIsBusy) {
    world_.close();
    world_.limits.queue_bytes = 4096;
    world_.open();
    EXPECT_EQ(ask(*world_.it, store_request(publish("a", std::string(8192, 'x')))).error().code, errc::busy);
    EXPECT_EQ(as<published>(put("a")).at.offset, 1u);
    EXPECT_EQ(world_.counts->total(labelled_counter::store_refused, "busy"), 1u);
}

}  // namespace
}  // namespace madang::test
