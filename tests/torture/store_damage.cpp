// Truncation and flipped bits in every kind of file of a store: what is read afterwards is right, or it is
// refused, at the start or at the read; never something else.
#include <fstream>

#include "broker/core/log.hpp"
#include "tests/torture/store_torture.hpp"

namespace madang::test {
namespace {

namespace fs = std::filesystem;
constexpr std::uint32_t size = 200;

std::string kind_of(const fs::path& file) {
    const auto name = file.filename().string();
    if (file.has_extension()) return file.extension().string();
    return name.substr(0, name.find('-'));
}

// Some streams in tables, some in the log, some in both.
tops fill(disk_world& in, dice_box& dice, bool clean) {
    tops acknowledged;
    in.open();
    for (int part = 0; part < 3; ++part) {
        for (int i = 0; i < 40; ++i) {
            const auto group = "g" + std::to_string(dice() % 12);
            std::vector<store_request> batch;
            for (std::uint64_t n = 1 + dice() % 20; n > 0; --n)
                batch.push_back(publish(group, text_of(group, ++acknowledged[group]), size));
            batch.push_back(enter(group, "c" + std::to_string(i), "u" + std::to_string(i)));
            for (auto& each :
                 ask(*in.it, std::move(batch), dice() % 4 ? durability::buffered : durability::synced))
                require(each.has_value(), "filling failed");
        }
        if (part < 2) in.open();  // what was in the log goes into tables
    }
    if (clean) in.close();
    return acknowledged;
}

struct tally {
    int right = 0, refused_at_open = 0, refused_at_read = 0;
};

void damage_one(const fs::path& whole, const fs::path& work, const tops& acknowledged, dice_box& dice,
                tally& count, std::map<std::string, int>& kinds) {
    fs::remove_all(work);
    fs::copy(whole, work, fs::copy_options::recursive);
    std::map<std::string, std::vector<fs::path>> files;
    for (const auto& each : fs::recursive_directory_iterator(work))
        if (each.is_regular_file() && each.file_size() > 0 && each.path().filename() != "ballast")
            files[kind_of(each.path())].push_back(each.path());
    auto kind = files.begin();
    std::advance(kind, static_cast<std::ptrdiff_t>(dice() % files.size()));
    const auto file = kind->second[dice() % kind->second.size()];
    const auto bytes = fs::file_size(file);
    const auto at = dice() % bytes;
    std::string what;
    if (dice() % 2) {
        fs::resize_file(file, at);
        what = "cut at ";
    } else {
        std::fstream change(file, std::ios::in | std::ios::out | std::ios::binary);
        change.seekg(static_cast<std::streamoff>(at));
        const auto byte = static_cast<char>(change.get() ^ (1 << dice() % 8));
        change.seekp(static_cast<std::streamoff>(at));
        change.put(byte);
        what = "a bit flipped at ";
    }
    what =
        fs::relative(file, work).string() + " " + what + std::to_string(at) + " of " + std::to_string(bytes);
    ++kinds[kind->first];

    disk_world damaged(work);
    const auto opened = damaged.try_open();
    if (!opened) {
        require(opened.error().code == errc::invalid_option || opened.error().code == errc::storage_failed,
                what + ": refused as " + opened.error().text());
        require(opened.error().detail.find('\n') == std::string::npos, what + ": more than a line");
        ++count.refused_at_open;
        return;
    }
    try {
        // Twice: what was refused once is not served the next time.
        const bool refused = check_groups(*damaged.it, acknowledged, size, true);
        check_groups(*damaged.it, acknowledged, size, true);
        ++(refused ? count.refused_at_read : count.right);
    } catch (const std::exception& e) {
        throw std::runtime_error(what + ": " + e.what());
    }
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang;
    using namespace madang::test;
    start_logging(log_format::text, log_level::off);
    return torture(argc, argv, [](std::uint64_t seed, bool brief) {
        dice_box dice(seed);
        tally count;
        std::map<std::string, int> kinds;
        for (const bool clean : {false, true}) {
            temporary_folder folder;
            const auto whole = folder.path() / "whole";
            disk_world world(folder.path() / "live");
            const auto acknowledged = fill(world, dice, clean);
            copy_as_killed(folder.path() / "live", whole);
            world.close();
            {
                copy_as_killed(whole, folder.path() / "work");
                disk_world undamaged(folder.path() / "work");
                undamaged.open();
                check_groups(*undamaged.it, acknowledged, size, false);
            }
            for (int i = 0; i < (brief ? 20 : 100); ++i)
                damage_one(whole, folder.path() / "work", acknowledged, dice, count, kinds);
        }
        std::printf("right %d, refused at start %d, refused at read %d;", count.right, count.refused_at_open,
                    count.refused_at_read);
        for (const auto& [kind, times] : kinds) std::printf(" %s %d", kind.c_str(), times);
        std::printf("\n");
        require(count.refused_at_open > 0 && count.right > 0, "nothing was tried");
    });
}
