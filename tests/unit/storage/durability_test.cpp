// What is there after a stop, a kill and a power cut.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <set>

#include "storage/store_tools.hpp"
#include "tests/support/faulty_file_system.hpp"
#include "tests/support/store_world.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

class Durability : public testing::Test {
  protected:
    position put(const std::string& group, const std::string& text, durability how = durability::buffered) {
        return as<published>(ask(*world_.it, store_request(publish(group, text)), how)).at;
    }
    // The folder as it is at this moment; nothing more of this process gets there.
    void kill() {
        copy_as_killed(folder_.path() / "live", folder_.path() / "killed");
        world_.close();
        fs::remove_all(folder_.path() / "live");
        fs::rename(folder_.path() / "killed", folder_.path() / "live");
    }
    fs::path newest_log() const {
        fs::path newest;
        for (const auto& each : fs::directory_iterator(folder_.path() / "live/db"))
            if (each.path().extension() == ".log" && each.path().filename() > newest.filename())
                newest = each;
        return newest;
    }
    void restart_machine() { world_.settings.boot_id = "boot" + std::to_string(++boots_); }

    temporary_folder folder_;
    disk_world world_{folder_.path() / "live"};
    int boots_ = 0;
};

TEST_F(Durability, JobsTimeGoesOnFromWhatWasKept) {
    ask_job(world_.open(), enqueue({spec("a")}, at(5000))).value();
    EXPECT_EQ(world_.open().jobs_elapsed_ms(), at(5000).elapsed_ms);  // before anybody asks it for anything
}

TEST_F(Durability, ABackupThatCannotBeMadeLeavesACleanStop) {
    world_.open();
    put("a", "1");
    world_.close();
    fs::create_directory(folder_.path() / "there");
    EXPECT_FALSE(back_up_store(folder_.path() / "live", folder_.path() / "there"));
    restart_machine();
    world_.open();
    EXPECT_EQ(put("a", "2"), (position{"fresh", 2}));
}

TEST_F(Durability, ACleanStopKeepsAll) {
    world_.open();
    put("a", "1");
    ask(*world_.it, store_request(enter("a", "c", "u")));
    ask(*world_.it, store_request(leave("a", "c")));
    restart_machine();
    world_.open();
    EXPECT_THAT(texts(page(*world_.it, history("a"))), ElementsAre("1"));
    EXPECT_EQ(put("a", "2"), (position{"fresh", 2}));
    EXPECT_TRUE(world_.it->stale_presence().empty());
    EXPECT_EQ(
        as<std::vector<last_seen_entry>>(ask(*world_.it, store_request(queries::last_seen{"a", 1}))).size(),
        1u);
}

// RocksDB writes no row to its tables that was removed before, and does not count what it left out.
TEST_F(Durability, AStopBehindTheRemovalOfWhatWasNewLosesNothing) {
    for (const bool apart : {true, false}) {
        auto bytes = open_rocks_kv(world_.settings).value();
        const auto changes = bytes->new_batch();
        changes->put(column::job_rows, "Na", "1");
        changes->put(column::job_rows, "Nb", "2");
        if (apart) {
            bytes->commit(*changes).value();
            changes->clear();
        }
        changes->remove_once(column::job_rows, "Nb");
        bytes->commit(*changes).value();
        bytes->close().value();
        bytes.reset();
        const auto again = open_rocks_kv(world_.settings);
        ASSERT_TRUE(again) << again.error();
        EXPECT_EQ((*again)->get(column::job_rows, "Na").value(), "1");
        EXPECT_EQ((*again)->get(column::job_rows, "Nb").value(), std::nullopt);
    }
}

TEST_F(Durability, AKilledProcessLosesNothingThatWasAcknowledged) {
    world_.open();
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 20; ++i) put("a", "x", i % 5 ? durability::buffered : durability::synced);
        kill();
        world_.open();
        EXPECT_EQ(page(*world_.it, history("a")).top,
                  (position{"fresh", 20u * (static_cast<unsigned>(round) + 1)}));
    }
}

TEST_F(Durability, IdempotencyKeysOutliveTheProcess) {
    world_.open();
    auto what = publish("a", "x");
    what.idempotency_key = "k";
    ask(*world_.it, store_request(what));
    kill();
    world_.open();
    EXPECT_TRUE(as<published>(ask(*world_.it, store_request(what))).repeated);
}

TEST_F(Durability, ARenewedEpochOutlivesTheProcess) {
    world_.open();
    ask(*world_.it, {publish("a", "1"), commands::renew{"a", "again", noon}});
    kill();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a", 0)).top, (position{"again", 1}));
}

TEST_F(Durability, WhoDidNotLeaveIsStaleUntilSaidToHaveLeft) {
    world_.open();
    ask(*world_.it, store_request(enter("a", "c1", "u1")));
    ask(*world_.it, store_request(enter("b", "c2", "u2")));
    kill();
    world_.open();
    auto stale = world_.it->stale_presence();
    EXPECT_THAT(stale, UnorderedElementsAre(stale_entry{"a", "c1", "one"}, stale_entry{"b", "c2", "one"}));
    EXPECT_EQ(as<presence_counts>(ask(*world_.it, store_request(queries::presence_stats{"a"}))).clients, 1u);
    EXPECT_TRUE(as<presence_change>(ask(*world_.it, store_request(leave("a", "c1")))).changed);
    kill();
    world_.open();
    EXPECT_EQ(world_.it->stale_presence().size(), 1u);
}

TEST_F(Durability, WhoEnteredAgainIsNotStaleAnyMore) {
    world_.open();
    for (const auto client : {"c1", "c2", "c3"}) ask(*world_.it, store_request(enter("a", client, "u")));
    kill();
    world_.open();
    const auto leave_as = [](const char* client, const char* incarnation) {
        auto what = leave("a", client);
        what.stale_of = incarnation;
        return what;
    };
    auto got = ask(*world_.it, {enter("a", "c1", "u", "two"), leave_as("c1", "one"), leave_as("c2", "zero"),
                                leave_as("c2", "one"), leave_as("c2", "one"), leave("a", "c3")});
    EXPECT_FALSE(as<presence_change>(got[1]).changed);
    EXPECT_FALSE(as<presence_change>(got[2]).changed);
    EXPECT_TRUE(as<presence_change>(got[3]).changed);
    EXPECT_FALSE(as<presence_change>(got[4]).changed);
    EXPECT_TRUE(as<presence_change>(got[5]).changed);
    EXPECT_EQ(as<presence_counts>(ask(*world_.it, store_request(queries::presence_stats{"a"}))).clients, 1u);
}

TEST_F(Durability, ABackupOfTheRunningStoreHoldsWhatWasCommittedBefore) {
    world_.open();
    for (int i = 1; i <= 50; ++i)
        put("a", std::to_string(i), i % 5 ? durability::buffered : durability::synced);
    ask(*world_.it, store_request(enter("a", "c", "u")));
    const auto back_up = [&](const fs::path& to) {
        auto made = std::make_shared<std::promise<result<void>>>();
        world_.it->back_up(to, [made](result<void> done) { made->set_value(done); });
        return made->get_future();
    };
    auto first = back_up(folder_.path() / "one");
    for (int i = 51; i <= 100; ++i) put("a", std::to_string(i));
    EXPECT_TRUE(first.get());
    EXPECT_EQ(back_up(folder_.path() / "one").get().error().code, errc::invalid_option) << "it exists";
    EXPECT_EQ(world_.counts->total(labelled_counter::store_backups, "ok"), 1u);
    EXPECT_EQ(world_.counts->total(labelled_counter::store_backups, "invalid_option"), 1u);
    put("a", "101");
    world_.close();
    ASSERT_TRUE(restore_store(folder_.path() / "one", folder_.path() / "restored"));
    disk_world other(folder_.path() / "restored");
    other.open();
    const auto all = page(*other.it, history("a", 1000));
    EXPECT_EQ(all.top.epoch, "remade") << "nobody knows what followed";
    EXPECT_GE(all.top.offset, 50u);
    EXPECT_LE(all.top.offset, 100u);
    EXPECT_EQ(other.it->stale_presence().size(), 1u);
    EXPECT_EQ(as<published>(ask(*other.it, store_request(publish("a", "next")))).at.offset,
              all.top.offset + 1);
}

TEST_F(Durability, APowerCutGivesBufferedStreamsANewEpochAndSyncedOnesNone) {
    restart_machine();
    world_.open();
    put("buffered", "1");
    put("synced", "1", durability::synced);
    put("was-buffered", "1");
    put("was-buffered", "2", durability::synced);
    put("silent", "1");
    kill();
    restart_machine();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("buffered")).top, (position{"remade", 1}));
    EXPECT_EQ(page(*world_.it, history("synced")).top, (position{"fresh", 1}));
    EXPECT_EQ(page(*world_.it, history("was-buffered")).top, (position{"fresh", 2}));
    EXPECT_EQ(put("buffered", "2"), (position{"remade", 2}));
    // Once more: each power cut has an epoch of its own, also for a stream that nobody asked for meanwhile.
    world_.settings.new_epoch = [] { return std::string("again"); };
    kill();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("buffered")).top.epoch, "remade");
    kill();
    restart_machine();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("buffered")).top.epoch, "again");
    EXPECT_EQ(page(*world_.it, history("silent")).top.epoch, "again");
    EXPECT_EQ(page(*world_.it, history("synced")).top.epoch, "fresh");
}

TEST_F(Durability, APowerCutThatTakesTheUnsyncedTailLosesNothingThatWasSynced) {
    restart_machine();
    world_.open();
    put("synced", "1", durability::synced);
    const auto synced = fs::file_size(newest_log());
    for (int i = 0; i < 50; ++i) put("buffered", std::to_string(i));
    const auto all = fs::file_size(newest_log());
    ASSERT_GT(all, synced);
    kill();
    fs::resize_file(newest_log(), (synced + all) / 2);
    restart_machine();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("synced")).top, (position{"fresh", 1}));
    const auto left = page(*world_.it, history("buffered"));
    EXPECT_EQ(left.top.epoch, "remade");
    EXPECT_LT(left.top.offset, 50u);
    EXPECT_GT(left.top.offset, 1u);
}

TEST_F(Durability, NoPowerCutLetsALeasesTokenBeGivenTwice) {
    std::set<std::uint64_t> tokens;
    for (int i = 0; i < 4; ++i) {
        restart_machine();
        world_.open();
        job_listener heard;
        world_.it->watch_jobs([&](job_effects&& what) { heard.take(std::move(what)); });
        const auto synced = fs::file_size(newest_log());
        const auto id = "j" + std::to_string(i);
        ask_job(*world_.it, enqueue({spec(id)})).value();
        ask_job(*world_.it, offer(1, 10)).value();
        for (const auto& each : heard.taken().assigned)
            EXPECT_TRUE(tokens.insert(each.token).second) << each.token << " again";
        kill();
        fs::resize_file(newest_log(), synced);  // all that no sync made sure of
    }
    EXPECT_EQ(tokens.size(), 4u);
}

TEST_F(Durability, AStartThatWasKilledBeforeItsNewEpochsGivesThemTheNextTime) {
    restart_machine();
    world_.open();
    put("a", "1");
    kill();
    restart_machine();
    // No epoch, no start.
    world_.settings.new_epoch = []() -> std::string { throw std::runtime_error("killed here"); };
    EXPECT_THROW(world_.try_open().value(), std::runtime_error);
    world_.settings.new_epoch = [] { return std::string("late"); };
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top.epoch, "late");
}

TEST_F(Durability, AStreamThatTurnsBufferedIsKnownToBeBeforeItIsAnswered) {
    restart_machine();
    world_.open();
    put("a", "1", durability::synced);
    put("a", "2");  // the turn
    const auto turned = fs::file_size(newest_log());
    put("a", "3");
    kill();
    fs::resize_file(newest_log(), turned);
    restart_machine();
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top, (position{"remade", 2}));
}

TEST_F(Durability, ALogThatLostWhatWasSyncedIsRefusedAfterAPowerCut) {
    restart_machine();
    world_.open();
    const auto before = fs::file_size(newest_log());
    put("a", "1", durability::synced);
    kill();
    fs::resize_file(newest_log(), before);
    restart_machine();
    const auto opened = world_.try_open();
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().detail, HasSubstr("the log has lost its end"));
    EXPECT_THAT(opened.error().detail, HasSubstr("madang store restore"));
}

TEST_F(Durability, ALogThatLostAnythingIsRefusedAfterAKill) {
    world_.open();
    put("a", "1");
    const auto before = fs::file_size(newest_log());
    put("a", "2");
    kill();
    fs::resize_file(newest_log(), before);
    EXPECT_FALSE(world_.try_open());
}

TEST_F(Durability, WithoutItsProgressFileEveryStreamBeginsANewEpoch) {
    world_.open();
    put("a", "1", durability::synced);
    world_.close();
    fs::remove(world_.settings.path / "progress");
    world_.open();
    EXPECT_EQ(page(*world_.it, history("a")).top, (position{"remade", 1}));
}

TEST_F(Durability, ABackUpHoldsAllAndBeginsNewEpochsWhenRestored) {
    world_.open();
    put("a", "1", durability::synced);
    world_.close();
    {
        auto settings = world_.settings;
        auto bytes = open_rocks_kv(settings).value();
        bytes->back_up(folder_.path() / "saved").value();
        EXPECT_FALSE(bytes->back_up(folder_.path() / "saved"));
        bytes->close().value();
    }
    disk_world restored(folder_.path() / "saved");
    restored.open();
    EXPECT_EQ(page(*restored.it, history("a")).top, (position{"remade", 1}));
    EXPECT_THAT(texts(page(*restored.it, history("a"))), ElementsAre("1"));
}

TEST_F(Durability, BufferedPublishesDoNotWaitForAnotherOnesSync) {
    const auto files = std::make_shared<faulty_file_system>();
    world_.settings.file_system = files;
    world_.open();
    put("a", "1");
    files->stall_syncs(true);
    std::promise<void> synced;
    auto done = synced.get_future();
    std::atomic<bool> answered{false};
    world_.it->submit({publish("s", "1")}, durability::synced, [&](auto) {
        answered = true;
        synced.set_value();
    });
    files->wait_for_a_stalled_sync();
    for (int i = 0; i < 100; ++i) put("b", "x");
    EXPECT_THAT(offsets(page(*world_.it, history("b"))).size(), 10u);
    EXPECT_FALSE(answered);
    files->stall_syncs(false);
    done.wait();
}

TEST_F(Durability, AReaderIsToldOfASyncedStreamOnlyWhatIsSynced) {
    const auto files = std::make_shared<faulty_file_system>();
    world_.settings.file_system = files;
    world_.open();
    files->stall_syncs(true);
    std::vector<int> order;
    std::promise<void> both;
    world_.it->submit({publish("s", "1")}, durability::synced, [&](auto) { order.push_back(1); });
    files->wait_for_a_stalled_sync();
    world_.it->submit({history("s")}, durability::buffered, [&](std::vector<store_answer> got) {
        order.push_back(static_cast<int>(1 + as<history_page>(got.at(0)).publications.size()));
        both.set_value();
    });
    put("other", "x");  // goes by
    EXPECT_TRUE(order.empty());
    files->stall_syncs(false);
    both.get_future().wait();
    EXPECT_THAT(order, ElementsAre(1, 2));
}

}  // namespace
}  // namespace madang::test
