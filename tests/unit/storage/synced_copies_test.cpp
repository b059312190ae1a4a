// What a backup and a restore made is on the disk when they say that it is done.
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>
#include <set>

#include "storage/store_tools.hpp"
#include "tests/support/store_world.hpp"

namespace {

std::mutex mutex;
std::set<std::string>* synced = nullptr;  // null: nobody asks

}  // namespace

// In place of libc's, in this whole program; it does the same.
extern "C" int fsync(int file) {
    {
        const std::lock_guard lock(mutex);
        std::error_code none;
        if (synced != nullptr)
            synced->insert(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), none));
    }
    return static_cast<int>(::syscall(SYS_fsync, file));
}

namespace madang {
namespace {

namespace fs = std::filesystem;

// The paths that were synced while it ran.
template <class Run>
std::set<std::string> during(Run run) {
    std::set<std::string> all;
    {
        const std::lock_guard lock(mutex);
        synced = &all;
    }
    run();
    const std::lock_guard lock(mutex);
    synced = nullptr;
    return all;
}

std::set<std::string> all_in(const fs::path& folder) {
    std::set<std::string> all{folder, folder.parent_path()};
    for (const auto& each : fs::recursive_directory_iterator(folder)) all.insert(each.path());
    return all;
}

TEST(SyncedCopies, ABackupAndARestoreAreOnTheDisk) {
    const test::temporary_folder folder;
    const auto data = folder.path() / "data", copy = folder.path() / "copy", again = folder.path() / "again";
    {
        test::disk_world world(data);
        test::ask(world.open(), test::publish("news:a", "1"), durability::synced);
    }
    const auto backed_up = during([&] { back_up_store(data, copy).value(); });
    EXPECT_THAT(backed_up, ::testing::IsSupersetOf(all_in(copy)));
    EXPECT_GT(all_in(copy).size(), 5u);
    const auto in_copy = all_in(copy).size();
    std::set<std::string> there;
    const auto restored = during([&] {
        restore_store(copy, again).value();
        for (const auto& each : fs::directory_iterator(copy / "db"))
            there.insert(again / "db" / each.path().filename());
    });
    there.insert({again, again / "db", again / "format", folder.path()});
    EXPECT_EQ(there.size(), in_copy);
    EXPECT_THAT(restored, ::testing::IsSupersetOf(there));
}

}  // namespace
}  // namespace madang
