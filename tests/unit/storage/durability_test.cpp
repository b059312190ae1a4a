// What is there after a stop, a kill and a power cut.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "tests/support/faulty_file_system.hpp"
#include "tests/support/store_world.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
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

TEST_F(Durability, WhoDidNotLeaveIsStaleUntilSaidToHaveLeft) {
    world_.open();
    ask(*world_.it, store_request(enter("a", "c1", "u1")));
    ask(*world_.it, store_request(enter("b", "c2", "u2")));
    kill();
    world_.open();
    auto stale = world_.it->stale_presence();
    std::sort(stale.begin(), stale.end());
    EXPECT_THAT(stale, ElementsAre(std::pair<std::string, std::string>("a", "c1"),
                                   std::pair<std::string, std::string>("b", "c2")));
    EXPECT_EQ(as<presence_counts>(ask(*world_.it, store_request(queries::presence_stats{"a"}))).clients, 1u);
    EXPECT_TRUE(as<presence_change>(ask(*world_.it, store_request(leave("a", "c1")))).changed);
    kill();
    world_.open();
    EXPECT_EQ(world_.it->stale_presence().size(), 1u);
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
