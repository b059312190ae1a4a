// A disk that fills up and is emptied again under a server: what needs no disk goes on, what needs it is
// refused by 530, readiness says so, nothing acknowledged is lost, and it heals without a new start. Who came
// and went meanwhile is told right within seconds.
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/torture/api.hpp"
#include "tests/torture/recovery/ledger.hpp"
#include "tests/torture/recovery/subscriber.hpp"

namespace madang::test {
namespace {

using nlohmann::json;

constexpr int skipped = 77;

// A disk of 96 MiB that only this process and its children see; it goes with them. Empty: it cannot be had
// here.
std::string private_disk() {
    const auto uid = getuid();
    const auto gid = getgid();
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return {};
        std::ofstream("/proc/self/setgroups") << "deny";
        std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
        std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
    }
    auto folder = (std::filesystem::temp_directory_path() / "madang-disk-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) return {};
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=96m") != 0) {
        rmdir(folder.c_str());
        return {};
    }
    return folder;
}

class scene {
  public:
    scene(std::string disk, std::uint64_t seed)
        : disk_(std::move(disk)), dice_(seed), ledger_(groups.size()) {
        std::filesystem::create_directories(disk_ / "data");
        std::ofstream(disk_ / "madang.toml")
            << api_key_option()
            << "[namespace.live]\nallow_subscribe = \"everyone\"\n"
               "[namespace.buffered]\nhistory_size = 500\nhistory_ttl = \"1h\"\nrecovery = true\n"
               "allow_subscribe = \"everyone\"\n"
               "[namespace.synced]\nhistory_size = 500\nhistory_ttl = \"1h\"\nrecovery = true\n"
               "allow_subscribe = \"everyone\"\nhistory_durability = \"synced\"\n"
               "[namespace.present]\npresence = true\nallow_subscribe = \"everyone\"\n";
        start({});
        for (std::size_t i = 0; i < 20; ++i) {
            const auto group = i % groups.size();
            keepers_.push_back(
                std::make_unique<subscriber>(group, groups[group], "127.0.0.3", ledger_, counts_, dice_()));
            keepers_.back()->aim(listens_.listen);
            listeners_.push_back(std::make_unique<peer>(listens_.listen, "127.0.0.4"));
            listeners_.back()->upgrade("/connection/websocket");
        }
        until(
            [this] {
                return std::all_of(keepers_.begin(), keepers_.end(), [](auto& each) { return each->live(); });
            },
            "subscriptions");
        for (auto& each : listeners_) {
            each->text(R"({"id":1,"connect":{}})"
                       "\n"
                       R"({"id":2,"subscribe":{"channel":"live:all"}})");
        }
        until([this] { return heard("\"id\":2,\"subscribe\""); }, "listeners");
    }

    void cycle() {
        publish_some(200);
        while (visitors_.size() < 10) enter();
        until([this] { return present() == visitors_.size(); }, "presence of all");
        // Sometimes to the last byte, sometimes only below the mark; again, as the store gives room back that
        // a compaction had.
        const auto leave = dice_() % 2 ? 0 : dice_() % (4u << 20);
        until(
            [&] {
                fill(leave);
                return publish_one() == 530;
            },
            "a refusal by 530");
        until([this] { return fetch(listens_.internal, "/readyz").status == 503; }, "readiness that says so");
        // What needs no disk goes on.
        const auto last = "live " + std::to_string(++live_);
        for (int i = 0; i < 50; ++i) live("live");
        live(last);
        until([&] { return heard(last); }, "live publications while the disk is full");
        for (int i = 0; i < 20; ++i) publish_one();
        for (int i = 0; i < 5; ++i) visitors_.pop_front();
        for (int i = 0; i < 3; ++i) enter();
        until(
            [this] {
                const auto unwritten = node_->metrics()["madang_presence_unwritten"];
                most_unwritten_ = std::max(most_unwritten_, unwritten);
                return unwritten >= 3;
            },
            "entries of presence that were refused");
        std::filesystem::remove(disk_ / "filler");
        until([this] { return fetch(listens_.internal, "/readyz").status == 200; }, "readiness again");
        const auto ready = steady::now();
        until([this] { return present() == visitors_.size(); }, "presence of those who are there");
        slowest_repair_ = std::max(slowest_repair_, steady::now() - ready);
        until([this] { return publish_one() == 0; }, "publications again");
        publish_some(20);
        require(!node_->process().wait(0ms), "the server ended:\n" + node_->log());
    }

    void finish() {
        node_.reset();  // SIGKILL
        visitors_.clear();
        start(listens_);
        require(eventually([this] { return present() == 0; }), "whom the kill took are still present");
        for (std::size_t i = 0; i < groups.size(); ++i) {
            const auto all = whole_history(listens_.internal, groups[i]);
            require(!all.publications.empty() && all.publications.size() <= 500,
                    groups[i] + " keeps " + std::to_string(all.publications.size()));
            for (const auto& [offset, n] : all.publications) {
                ledger_.note(i, all.epoch, offset, n);
                newest_.erase(n);
            }
        }
        std::string lost;
        for (const auto n : newest_) lost += " " + std::to_string(n);
        require(lost.empty(), "lost acknowledged publications:" + lost);
        for (auto& each : listeners_) require(!each->malformed, "a listener got what is no frame");
        require_clean_end(*node_);
        std::printf(
            "%llu acknowledged, %llu refused, %llu deliveries; presence: up to %.0f unwritten, right %.1f s "
            "after "
            "readiness at most\n",
            static_cast<unsigned long long>(ledger_.acknowledged()),
            static_cast<unsigned long long>(refused_), static_cast<unsigned long long>(counts_.publications),
            most_unwritten_, std::chrono::duration<double>(slowest_repair_).count());
    }

  private:
    static inline const std::string client_field = "\"connect\":{\"client\":\"";
    static inline const std::vector<std::string> groups{"buffered:a", "synced:a", "buffered:b", "synced:b"};

    void start(ports on) {
        node_ = std::make_unique<server>(std::vector<std::string>{"--config",
                                                                  disk_ / "madang.toml",
                                                                  "--data-dir",
                                                                  disk_ / "data",
                                                                  "--store-memory-bytes",
                                                                  "8M",
                                                                  "--store-free-bytes",
                                                                  "4M",
                                                                  "--store-ballast-bytes",
                                                                  "4M",
                                                                  "--client-ping-interval",
                                                                  "500ms",
                                                                  "--client-pong-timeout",
                                                                  "5s",
                                                                  "--drain-timeout",
                                                                  "1s",
                                                                  "--log-level",
                                                                  "warn",
                                                                  "--no-bundled",
                                                                  "--allowed-origin",
                                                                  "*"},
                                         command{}, on);
        listens_ = {node_->port(), node_->internal_port()};
    }

    void fill(std::uint64_t leave) {
        std::ofstream filler(disk_ / "filler", std::ios::binary | std::ios::app);
        const std::string piece(64 * 1024, '\0');
        struct statvfs now {};
        while (filler && statvfs(disk_.c_str(), &now) == 0 && now.f_bavail * now.f_frsize > leave)
            filler.write(piece.data(), static_cast<std::streamsize>(piece.size())).flush();
    }

    // 0, or the code by which it was refused.
    int publish_one() {
        const auto n = next_++;
        const auto group = n % groups.size();
        const auto answer =
            ask_api(listens_.internal, "publish",
                    {{"channel", groups[group]}, {"data", {{"n", n}, {"pad", std::string(4000, 'x')}}}});
        step();
        if (!answer.good()) {
            ++refused_;
            require(answer.error() == 530, "refused by " + answer.said.dump());
            return answer.error();
        }
        const auto& at = answer.said["result"];
        ledger_.acknowledged(group, at.at("epoch"), at.at("offset"), n);
        newest_.insert(n);
        while (newest_.size() > 1000) newest_.erase(newest_.begin());  // older ones need not be kept
        return 0;
    }
    void publish_some(int count) {
        for (int i = 0; i < count; ++i) until([this] { return publish_one() == 0; }, "a publication");
    }
    void live(const std::string& what) {
        api(listens_.internal, "publish", {{"channel", "live:all"}, {"data", what}});
        step();
    }

    void enter() {
        visitors_.emplace_back(listens_.listen, "127.0.0.5");
        auto& who = visitors_.back();
        who.upgrade("/connection/websocket");
        who.text(R"({"id":1,"connect":{}})"
                 "\n"
                 R"({"id":2,"subscribe":{"channel":"present:room"}})");
        until([&] { return said(who, "\"id\":2,\"subscribe\""); }, "a visitor's subscription");
    }
    // How many are, if they are those who are there.
    std::optional<std::size_t> present() {
        std::set<std::string> wanted, got;
        for (auto& each : visitors_)
            for (const auto& one : each.messages)
                if (auto at = one.payload.find(client_field); at != std::string::npos) {
                    at += client_field.size();
                    wanted.insert(one.payload.substr(at, one.payload.find('"', at) - at));
                }
        const auto now = api(listens_.internal, "presence", {{"channel", "present:room"}});
        for (const auto& [client, info] : now.at("presence").items()) got.insert(client);
        return got == wanted ? std::optional(got.size()) : std::nullopt;
    }

    static bool said(const peer& by, const std::string& what) {
        return std::any_of(by.messages.begin(), by.messages.end(),
                           [&](const message& one) { return one.payload.find(what) != std::string::npos; });
    }
    bool heard(const std::string& what) {
        return std::all_of(listeners_.begin(), listeners_.end(),
                           [&](auto& each) { return said(*each, what); });
    }

    void step() {
        const auto now = steady::now();
        for (auto& each : keepers_) {
            each->tick(now);
            each->pump(now);
        }
        for (auto& each : listeners_) {
            each->pump();
            answer_pings(*each);
            while (each->messages.size() > 200) each->messages.pop_front();
            require_open(*each, "a listener");
        }
        for (auto& each : visitors_) {
            each.pump();
            answer_pings(each);
            require_open(each, "a visitor");
        }
    }

    static void answer_pings(peer& from) {
        for (auto& one : from.messages)
            if (one.payload == "{}") from.text("{}");
        std::erase_if(from.messages, [](const message& one) { return one.payload == "{}"; });
    }

    static void require_open(const peer& one, const std::string& who) {
        require(!one.closed && !one.ended,
                who + " was cut off: " + std::to_string(one.closed.value_or(0)) + " " + one.reason);
    }

    void until(const std::function<bool()>& so, const std::string& what) {
        const bool came = eventually(
            [&] {
                step();
                return so();
            },
            60s);
        require(came, "it does not come: " + what + "\n" + node_->log());
    }

    const std::filesystem::path disk_;
    dice_box dice_;
    ledger ledger_;
    subscriber_figures counts_;
    std::unique_ptr<server> node_;
    ports listens_;
    std::vector<std::unique_ptr<subscriber>> keepers_;
    std::vector<std::unique_ptr<peer>> listeners_;
    std::deque<peer> visitors_;  // of present:room
    steady::duration slowest_repair_{0};
    double most_unwritten_ = 0;
    std::set<std::uint64_t> newest_;
    std::uint64_t next_ = 0;
    std::uint64_t refused_ = 0;
    int live_ = 0;
};

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang::test;
    const auto disk = private_disk();
    if (disk.empty()) {
        std::printf("SKIPPED: no tmpfs can be mounted here (%s)\n", std::strerror(errno));
        return skipped;
    }
    const int code = torture(argc, argv, [&](std::uint64_t seed, bool brief) {
        scene on(disk, seed);
        for (int i = 0; i < (brief ? 2 : 20); ++i) on.cycle();
        on.finish();
    });
    umount2(disk.c_str(), MNT_DETACH);
    rmdir(disk.c_str());
    return code;
}
