// soak MINUTES [SEED]: everyday life and mishaps together, at a moderate rate, for as long as one likes.
// People chat, come and go; clients follow streams and all lose their connection at once, now and then; jobs
// of every kind are done. All the time nobody misses or repeats anything, and in the end the memory of the
// server and its workers, their descriptors and the disk are where they were.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "broker/bench/proc.hpp"
#include "tests/soak/still.hpp"
#include "tests/soak/visitors.hpp"
#include "tests/soak/workflows.hpp"
#include "tests/support/children.hpp"
#include "tests/torture/api.hpp"
#include "tests/torture/recovery/publisher.hpp"
#include "tests/torture/recovery/subscriber.hpp"

namespace madang::test {
namespace {

constexpr std::size_t followers = 200;
constexpr std::size_t streams = 20;
constexpr double publications_per_second = 200;
constexpr double workflows_per_second = 30;
constexpr auto period = 20ms;  // between two rounds of the visitors
constexpr double mib = 1 << 20;

// Small memory, short histories and results: what is to stay flat is so within the first third of ten
// minutes.
const auto configuration = api_key_option() +
                           "job_result_ttl = \"20s\"\n"
                           "store_memory_bytes = \"8M\"\n"
                           "store_tail_bytes = \"4M\"\n"
                           "store_ballast_bytes = 0\n"
                           "[namespace.kept]\n"
                           "history_size = 1000\n"
                           "history_ttl = \"30s\"\n"
                           "recovery = true\n"
                           "presence = true\n"
                           "allow_subscribe = \"everyone\"\n";

// Of the process and all that it has started, the processes that they have started included.
template <class Visit>
void each_process(pid_t of, const Visit& visit) {
    visit(of);
    for (const auto child : children_of(of)) each_process(child, visit);
}

double resident_memory_of_all(pid_t of) {
    double sum = 0;
    each_process(of, [&](pid_t each) {
        try {
            sum += static_cast<double>(bench::resident_memory(each));
        } catch (const std::system_error&) {  // it has ended meanwhile
        }
    });
    return sum;
}

double size_of(const std::filesystem::path& folder) {
    double sum = 0;
    std::error_code gone;  // files come and go under our eyes
    for (std::filesystem::recursive_directory_iterator each(folder, gone), end; each != end;
         each.increment(gone))
        if (const auto size = each->file_size(gone); !gone) sum += static_cast<double>(size);
    return sum;
}

class day {
  public:
    day(double minutes, std::uint64_t seed)
        : whole_(minutes * 60),
          dice_(seed),
          folder_(make_folder()),
          node_(start()),
          visitors_(node_.port(), dice_()),
          ledger_(streams),
          workflows_(node_.internal_port(), workflows_per_second, dice_()) {
        std::vector<std::string> groups;
        for (std::size_t i = 0; i < streams; ++i) groups.push_back("kept:" + std::to_string(i));
        publisher_.emplace(groups, publications_per_second, ledger_);
        publisher_->aim(node_.internal_port());
        for (std::size_t i = 0; i < followers; ++i) {
            const auto group = i % streams;
            followers_.push_back(
                std::make_unique<subscriber>(group, groups[group], "127.0.0.4", ledger_, counts_, dice_()));
            followers_.back()->aim(node_.port());
        }
    }
    ~day() {
        node_.process().signal(SIGKILL);
        node_.process().wait(60s);
        std::filesystem::remove_all(folder_);
    }

    void pass() {
        until([this] { return node_.metrics()["madang_group_members"] >= visitors::residents; },
              "the residents are in");
        until([this] { return everybody_live(); }, "everybody follows");
        began_ = steady::now();
        auto report = began_ + 60s;
        auto storm = began_ + until_next_storm();
        while (passed() < 1) {
            visitors_.round();
            step();
            const auto now = steady::now();
            if (now > storm) {
                for (auto& each : followers_) each->lose(now);
                ++storms_;
                storm = now + until_next_storm();
            }
            if (++rounds_ % 10) continue;
            look();
            if (now > report) {
                tell();
                report += 60s;
            }
        }
        settle();
        check_still();
        require_clean_end(node_);
        tell();
    }

  private:
    static std::filesystem::path make_folder() {
        auto name = (std::filesystem::temp_directory_path() / "madang-soak-XXXXXX").string();
        require(mkdtemp(name.data()) != nullptr, "no folder in " + name);
        return name;
    }
    std::vector<std::string> start() {
        std::ofstream(folder_ / "madang.toml") << configuration;
        return {"--config",
                folder_ / "madang.toml",
                "--data-dir",
                folder_ / "data",
                "--plugin",
                MADANG_TORTURE_PLUGIN,
                "--workers",
                "4",
                "--worker-max-tasks",
                "1000",
                "--http-head-timeout",
                "2s",
                "--http-idle-timeout",
                "10m",
                "--client-ping-interval",
                "500ms",
                "--client-pong-timeout",
                "10s",
                "--allowed-origin",
                "*",
                "--log-level",
                "error"};
    }

    double passed() const { return std::chrono::duration<double>(steady::now() - began_) / whole_; }
    // Ten of them in ten minutes, and at least one in the shortest run.
    steady::duration until_next_storm() {
        const auto mean = std::min(30.0, whole_.count() / 3);
        return std::chrono::duration_cast<steady::duration>(
            std::chrono::duration<double>(mean * (0.5 + static_cast<double>(dice_() % 1000) / 1000)));
    }

    // Everybody's sockets, once.
    void step() {
        const auto end = steady::now() + period;
        do {
            auto now = steady::now();
            waiting_.clear();
            const auto wait_for = [&](const peer& each) {
                if (each.fd() < 0) return;
                const auto reads = each.reading ? POLLIN : 0;
                waiting_.push_back({each.fd(), static_cast<short>(reads | (each.unsent() ? POLLOUT : 0)), 0});
            };
            for (auto& each : followers_) {
                each->tick(now);
                if (auto* connection = each->connection()) wait_for(*connection);
            }
            const auto people = visitors_.connections();
            for (auto* each : people) wait_for(*each);
            for (auto* each : publisher_->connections()) wait_for(*each);
            for (auto* each : workflows_.connections()) wait_for(*each);
            poll(waiting_.data(), waiting_.size(), 5);
            now = steady::now();
            for (auto& each : followers_) each->pump(now);
            for (auto* each : people) each->pump();
            publisher_->run(now);
            workflows_.run(now);
        } while (steady::now() < end);
    }

    template <class Condition>
    void until(const Condition& so, const std::string& what) {
        const auto end = steady::now() + 60s;
        while (!so()) {
            require(steady::now() < end, "it does not come that " + what + "\n" + node_.log());
            step();
        }
    }
    bool everybody_live() const {
        return std::all_of(followers_.begin(), followers_.end(),
                           [](const auto& each) { return each->live(); });
    }

    void look() {
        const auto now = node_.metrics();
        // The counts of two moments: a guest may have gone of whom the server has not heard yet.
        const auto most = static_cast<double>(visitors::residents + 4 * visitors::guests + 2 * followers);
        require(now["madang_connections_open"] <= most, "more connections than clients");
        require(now["madang_outbox_bytes"] <= 2.0 * visitors::guests * (64 << 10) + mib,
                "outboxes beyond their bounds");
        require(counts_.unrecovered == 0, "somebody was told that he cannot recover");
        require(publisher_->refused() == 0, "a publication was refused: " + publisher_->last_refusal());
        const auto part = passed();
        memory_.note(resident_memory_of_all(node_.pid()) / mib, part);
        descriptors_.note(now["process_open_fds"], part);
        disk_.note(size_of(folder_) / mib, part);
    }

    // Nothing more is asked of it: all that was is done, and everybody has everything.
    void settle() {
        publisher_->pause();
        workflows_.pause();
        visitors_.send_guests_home();
        until([this] { return publisher_->idle() && workflows_.idle(); }, "all answers are there");
        for (std::size_t i = 0; i < streams; ++i) {
            const auto top = api(node_.internal_port(), "history",
                                 {{"channel", "kept:" + std::to_string(i)}, {"limit", 0}});
            until(
                [&] {
                    return std::all_of(followers_.begin(), followers_.end(), [&](const auto& each) {
                        return each->group() != i || (each->live() && each->offset() == top.at("offset"));
                    });
                },
                "everybody has everything");
        }
        until([this] { return node_.metrics()["madang_group_members"] == visitors::residents + followers; },
              "the guests have left their groups");
        require_equal(node_.metrics()["madang_groups"], visitors::rooms + streams, "groups");
        require(counts_.recovered >= followers * storms_, "not everybody recovered after each storm");
        require(storms_ > 0 && counts_.from_recovery > 0 && workflows_.ended() > 0 && visitors_.heard() > 0,
                "nothing happened");
    }
    void check_still() const {
        for (const auto* each : {&memory_, &descriptors_, &disk_})
            require(each->grown().empty(), each->grown());
    }

    void tell() const {
        std::printf("%.0f %%:", std::min(passed(), 1.0) * 100);
        for (const auto* each : {&memory_, &descriptors_, &disk_})
            std::printf(" %s %.1f (first third at most %.1f, last %.1f),", each->name().c_str(), each->now(),
                        each->first(), each->last());
        std::printf(
            " %llu chat messages heard, %llu publications acknowledged, %llu delivered, %zu storms, %llu "
            "recoveries with "
            "%llu publications, %llu workflows\n",
            static_cast<unsigned long long>(visitors_.heard()),
            static_cast<unsigned long long>(ledger_.acknowledged()),
            static_cast<unsigned long long>(counts_.publications), storms_,
            static_cast<unsigned long long>(counts_.recovered),
            static_cast<unsigned long long>(counts_.from_recovery),
            static_cast<unsigned long long>(workflows_.ended()));
        std::fflush(stdout);
    }

    const std::chrono::duration<double> whole_;
    dice_box dice_;
    const std::filesystem::path folder_;
    server node_;
    visitors visitors_;
    ledger ledger_;
    subscriber_figures counts_;
    workflows workflows_;
    std::optional<publisher> publisher_;
    std::vector<std::unique_ptr<subscriber>> followers_;
    std::vector<pollfd> waiting_;
    steady::time_point began_;
    std::size_t rounds_ = 0;
    std::size_t storms_ = 0;
    still memory_{"MiB of memory", 16};  // of all processes together
    still descriptors_{"descriptors", 64};
    still disk_{"MiB on the disk", 16};
};

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang::test;
    const double minutes = argc > 1 ? std::strtod(argv[1], nullptr) : 60;
    if (!(minutes > 0) || !std::isfinite(minutes)) {
        std::fprintf(stderr, "usage: soak MINUTES [SEED]\n");
        return 2;
    }
    // torture() reads a seed first.
    char* words[] = {argv[0], argc > 2 ? argv[2] : nullptr, nullptr};
    return torture(argc > 2 ? 2 : 1, words, [&](std::uint64_t seed, bool) { day(minutes, seed).pass(); });
}
