// A disk that is filled up, by the store itself and by others, and freed again: refused plainly, nothing
// acknowledged lost, healed, no abort. On a small tmpfs of its own, for which it has to be root (or may make
// a user namespace).
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "broker/core/log.hpp"
#include "tests/torture/store_torture.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

namespace fs = std::filesystem;
constexpr std::uint32_t size = 100'000;  // nothing goes by size
constexpr int exit_skipped = 77;

// That cannot be compressed.
std::string padded(const std::string& group, std::uint64_t offset) {
    auto text = text_of(group, offset);
    std::mt19937 noise(static_cast<std::uint32_t>(std::hash<std::string>{}(text)));
    std::string more(4096, ' ');
    for (char& each : more) each = static_cast<char>('0' + noise() % 64);
    return text.insert(text.size() - 1, more);
}

void check(store& of, const tops& acknowledged) {
    for (const auto& [group, top] : acknowledged) {
        std::uint64_t next = 1;
        while (next <= top) {
            const auto got = page(of, history(group, 500, position{"fresh", next - 1}));
            require(
                got.top == position{"fresh", top},
                group + ": the top is " + std::to_string(got.top.offset) + ", not " + std::to_string(top));
            require(!got.publications.empty(), group + ": nothing from " + std::to_string(next) + " on");
            for (const auto& each : got.publications)
                require(each.offset == next && each.data.bytes() == padded(group, next++),
                        group + ": other content");
        }
    }
}

// As copy_as_killed, of a store that may be at work: all of this process stands still meanwhile.
void copy_as_killed_now(const fs::path& from, const fs::path& to) {
    const auto script =
        "kill -STOP $PPID; while [ -n \"$(grep -L '^State:.T' /proc/$PPID/task/*/status)\" ]; do :; done; "
        "cp -r '" +
        from.string() + "' '" + to.string() + "'; code=$?; kill -CONT $PPID; exit $code";
    require(std::system(script.c_str()) == 0, "cannot copy " + from.string());
}

bool put(store& of, tops& acknowledged, const std::string& group, durability how) {
    auto what = publish(group, padded(group, acknowledged[group] + 1), size);
    auto got = ask(of, store_request(std::move(what)), how);
    if (got) {
        const auto at = as<published>(std::move(got)).at;
        require(at == position{"fresh", ++acknowledged[group]},
                group + ": another position: " + std::to_string(at.offset));
        return true;
    }
    require(got.error().code == errc::storage_full, "refused as " + got.error().text());
    return false;
}

// Jobs that were acknowledged, and those of them that a worker has.
struct job_ledger {
    std::set<std::string> kept;
    std::vector<job_lease> running;
    std::uint64_t last = 0;
};

bool put_job(store& of, job_ledger& jobs, durability how) {
    auto what = spec("j" + std::to_string(++jobs.last));
    what.args = "[" + padded(what.id, 1) + "]";
    const auto id = what.id;
    const auto got = ask_job(of, enqueue({std::move(what)}), how);
    if (got) return jobs.kept.insert(id).second;
    require(got.error().code == errc::storage_full, "a job is refused as " + got.error().text());
    return false;
}

void begin_jobs(store& of, job_ledger& jobs, std::uint32_t count) {
    const auto heard = std::make_shared<job_listener>();
    of.watch_jobs([heard](job_effects&& what) { heard->take(std::move(what)); });
    ask_job(of, offer(1, count)).value();
    for (const auto& each : heard->taken().assigned) jobs.running.push_back({each.spec->id, each.token});
    require(jobs.running.size() == count, "not all jobs were begun");
}

// Those whose end the store took.
std::size_t end_jobs(store& of, job_ledger& jobs) {
    return std::erase_if(jobs.running, [&](const job_lease& each) {
        const auto got = ask_job(of, succeed(each));
        require(got || got.error().code == errc::storage_full, "an end is refused as " + got.error().text());
        return got.has_value();
    });
}

void check(store& of, const job_ledger& jobs) {
    for (const auto& id : jobs.kept) {
        const auto got = ask_job(of, jq::find{id});
        require(got.has_value(), "job " + id + " was acknowledged and is not there");
        const auto& view = *std::get<std::shared_ptr<job_view>>(*got);
        const bool runs = std::any_of(jobs.running.begin(), jobs.running.end(),
                                      [&](const job_lease& each) { return each.job == id; });
        require(runs == (view.state == job_state::leased), "job " + id + " is in another state");
        require(view.spec.args == "[" + padded(id, 1) + "]", "job " + id + ": other arguments");
    }
    const auto unknown = ask_job(of, jq::find{"j" + std::to_string(jobs.last + 1)});
    require(!unknown && unknown.error().code == errc::not_found, "there is a job that nobody enqueued");
}

void cycles(const fs::path& disk, dice_box& dice, int count) {
    disk_world world(disk / "data");
    world.settings.ballast_bytes = 4 << 20;
    tops acknowledged;
    std::string group;
    for (int cycle = 0; cycle < count; ++cycle) {
        // Now and then with a mark, and now and then filled by others.
        world.settings.free_bytes = cycle % 2 ? 0 : 8 << 20;
        world.open();
        // What was kept is removed, so that each cycle has its room.
        std::vector<store_request> removed;
        for (const auto& [each, top] : acknowledged) removed.push_back(commands::remove_history{each, noon});
        if (!removed.empty()) ask(*world.it, std::move(removed));
        acknowledged.clear();
        group = "c" + std::to_string(cycle) + "-";
        job_ledger jobs;
        for (int i = 0; i < 20; ++i) require(put_job(*world.it, jobs, durability::synced), "no room at all");
        begin_jobs(*world.it, jobs, 20);
        if (cycle % 3 == 2) {
            std::ofstream other(disk / "other", std::ios::binary);
            const std::string block(1 << 20, 'x');
            for (auto n = dice() % 40; n > 0; --n) other << block;
        }
        std::uint64_t accepted = 0;
        for (bool room = true; room; require(++accepted < 100'000, "it never gets full")) {
            const auto how = dice() % 16 ? durability::buffered : durability::synced;
            room = dice() % 2 ? put(*world.it, acknowledged, group + std::to_string(dice() % 4), how)
                              : put_job(*world.it, jobs, how);
        }
        int refused = 1;
        for (int i = 0; i < 50; ++i)
            refused += !put(*world.it, acknowledged, group + "0", durability::buffered) +
                       !put_job(*world.it, jobs, durability::buffered);
        require(!world.it->health() || refused < 101, "full, and says that it is well");
        tops kept;
        for (const auto& [each, top] : acknowledged)
            if (top != 0) kept.emplace(each, top);
        acknowledged = kept;
        check(*world.it, acknowledged);
        end_jobs(*world.it, jobs);  // as many as there is room for
        check(*world.it, jobs);
        if (cycle % 4 == 3) {  // killed while full
            const auto copy = fs::temp_directory_path() / ("madang-full-" + std::to_string(getpid()));
            copy_as_killed_now(disk / "data", copy);
            {
                disk_world killed(copy);
                killed.open();
                check(*killed.it, acknowledged);
                check(*killed.it, jobs);
            }
            fs::remove_all(copy);
        }
        // Room again.
        fs::remove(disk / "other");
        fs::remove(disk / "filler");
        world.settings.free_bytes = 0;
        require(mount("none", disk.c_str(), nullptr, MS_REMOUNT, "size=192m") == 0, "cannot give more room");
        const bool healed =
            eventually([&] { return put(*world.it, acknowledged, group + "0", durability::synced); }, 60s);
        require(healed, "it does not heal: " +
                            (world.it->health() ? "says it is well" : world.it->health().error().text()));
        require(put_job(*world.it, jobs, durability::synced), "healed, and takes no jobs");
        end_jobs(*world.it, jobs);
        require(jobs.running.empty(), "healed, and does not take the ends of jobs");
        check(*world.it, acknowledged);
        check(*world.it, jobs);
        world.open();
        check(*world.it, acknowledged);
        check(*world.it, jobs);
        std::printf("cycle %d: %llu accepted, %d refused, healed\n", cycle,
                    static_cast<unsigned long long>(accepted), refused);
        std::fflush(stdout);
        world.close();
        fs::remove_all(disk / "data");
        require(mount("none", disk.c_str(), nullptr, MS_REMOUNT, "size=96m") == 0, "cannot take room");
        acknowledged.clear();
    }
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang;
    using namespace madang::test;
    start_logging(log_format::text, log_level::off);
    temporary_folder folder;
    // Mounts of a namespace of its own go with the process.
    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.path().c_str(), "tmpfs", 0, "size=96m") != 0) {
        std::printf("SKIPPED: this process may not mount a tmpfs (%s); run it as root\n",
                    std::strerror(errno));
        return exit_skipped;
    }
    return torture(argc, argv, [&](std::uint64_t seed, bool brief) {
        dice_box dice(seed);
        cycles(folder.path(), dice, brief ? 2 : 20);
    });
}
