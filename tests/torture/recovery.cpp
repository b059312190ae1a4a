// A server killed with SIGKILL at random moments, and connections cut, stalled and half-opened, while
// hundreds of subscribers recover and somebody publishes: nobody's sequence has a gap, a repetition or
// another order, unless he was told that he could not recover; and what was acknowledged is there.
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/torture/api.hpp"
#include "tests/torture/recovery/publisher.hpp"
#include "tests/torture/recovery/subscriber.hpp"
#include "tests/torture/rude_proxy.hpp"

namespace madang::test {
namespace {

struct plan {
    std::size_t clients;
    std::size_t groups;
    double per_second;
    int kills;
    milliseconds shortest, longest;  // between two of them
    double peace = 0;                // seconds between a proxy's pranks with one connection; 0: no proxy
};

class scene {
  public:
    scene(const plan& how, std::uint64_t seed)
        : how_(how), dice_(seed), folder_(make_folder()), ledger_(how.groups) {
        std::ofstream(folder_ / "madang.toml") << api_key_option() << "[namespace.synced]\n"
                                               << rules << "history_durability = \"synced\"\n"
                                               << "[namespace.buffered]\n"
                                               << rules;
        for (std::size_t i = 0; i < how.groups; ++i)
            groups_.push_back((i % 2 ? "buffered:" : "synced:") + std::to_string(i));
        start({});
        if (how.peace > 0) proxy_ = std::make_unique<rude_proxy>(listens_.listen, how.peace, dice_());
        publisher_ = std::make_unique<publisher>(groups_, how.per_second, ledger_);
        publisher_->aim(listens_.internal);
        for (std::size_t i = 0; i < how.clients; ++i) {
            const auto group = i % how.groups;
            everybody_.push_back(std::make_unique<subscriber>(
                group, groups_[group], "127.0.0." + std::to_string(10 + i % 200), ledger_, counts_, dice_()));
            everybody_.back()->aim(proxy_ ? proxy_->port() : listens_.listen);
        }
    }
    ~scene() {
        node_.reset();
        std::filesystem::remove_all(folder_);
    }

    void run() {
        publisher_->pause();
        until([this] { return everybody_subscribed_once(); }, 60s, "everybody is subscribed");
        publisher_->go_on(steady::now());
        for (int i = 0; i < how_.kills; ++i) {
            const auto span = static_cast<std::uint64_t>((how_.longest - how_.shortest).count());
            pass_time(how_.shortest + milliseconds(dice_() % span));
            node_.reset();  // SIGKILL
            start(listens_);
        }
        pass_time(how_.longest);
        if (proxy_) proxy_->be_kind();
        settle();
        check_history();
        require_clean_end(*node_);
        tell();
    }

  private:
    static constexpr auto rules =
        "history_size = 100000\nhistory_ttl = \"1h\"\nrecovery = true\nallow_subscribe = \"everyone\"\n";

    static std::filesystem::path make_folder() {
        auto name = (std::filesystem::temp_directory_path() / "madang-recovery-XXXXXX").string();
        require(mkdtemp(name.data()) != nullptr, "no folder in " + name);
        return name;
    }

    void start(ports on) {
        const auto began = steady::now();
        node_ = std::make_unique<server>(
            std::vector<std::string>{
                "--config", folder_ / "madang.toml", "--data-dir", folder_ / "data", "--client-ping-interval",
                "500ms", "--client-pong-timeout", "3s", "--client-connect-timeout", "20s", "--drain-spread",
                "0", "--drain-timeout", "1s", "--log-level", "warn", "--no-bundled", "--allowed-origin", "*"},
            command{}, on);
        listens_ = {node_->port(), node_->internal_port()};
        slowest_start_ = std::max(slowest_start_, steady::now() - began);
    }

    // One step for everybody.
    void step() {
        auto now = steady::now();
        waiting_.clear();
        owners_.clear();
        for (auto& each : everybody_) {
            each->tick(now);
            if (auto* connection = each->connection(); connection && connection->fd() >= 0) {
                waiting_.push_back(
                    {connection->fd(), static_cast<short>(POLLIN | (connection->unsent() ? POLLOUT : 0)), 0});
                owners_.push_back(each.get());
            }
        }
        for (auto* each : publisher_->connections()) waiting_.push_back({each->fd(), POLLIN, 0});
        poll(waiting_.data(), waiting_.size(), 2);
        now = steady::now();
        for (std::size_t i = 0; i < owners_.size(); ++i)
            if (waiting_[i].revents) owners_[i]->pump(now);
        publisher_->run(now);
    }

    void pass_time(milliseconds how_long) {
        const auto end = steady::now() + how_long;
        while (steady::now() < end) step();
    }

    void until(const std::function<bool()>& so, milliseconds longest, const std::string& what) {
        const auto end = steady::now() + longest;
        while (!so()) {
            if (steady::now() > end) {
                const auto live = std::count_if(everybody_.begin(), everybody_.end(),
                                                [](const auto& each) { return each->live(); });
                throw std::runtime_error("it does not come that " + what + "; " + std::to_string(live) +
                                         " of " + std::to_string(everybody_.size()) + " are live\n" +
                                         node_->log());
            }
            step();
        }
    }

    // Not at one time: a proxy may be at it already.
    bool everybody_subscribed_once() const {
        return std::all_of(everybody_.begin(), everybody_.end(),
                           [](const auto& each) { return !each->epoch().empty(); });
    }

    // Nothing more is published; everybody arrives at the top of his group.
    void settle() {
        publisher_->pause();
        until([this] { return publisher_->idle(); }, 60s, "all answers are there");
        std::vector<std::pair<std::string, std::uint64_t>> tops;
        for (const auto& group : groups_) {
            const auto top = api(listens_.internal, "history", {{"channel", group}, {"limit", 0}});
            tops.emplace_back(top.at("epoch"), top.at("offset"));
        }
        until(
            [&] {
                return std::all_of(everybody_.begin(), everybody_.end(), [&](const auto& each) {
                    const auto& [epoch, offset] = tops[each->group()];
                    return each->live() && each->epoch() == epoch && each->offset() == offset;
                });
            },
            60s, "everybody has everything");
    }

    void check_history() {
        for (std::size_t i = 0; i < groups_.size(); ++i) {
            const auto all = whole_history(listens_.internal, groups_[i]);
            ledger_.compare(i, all.epoch, all.publications);
            kept_ += all.publications.size();
            require(groups_[i].starts_with("buffered") || ledger_.epochs(i) == 1,
                    groups_[i] + " began anew although all of it was on the disk");
        }
        const auto recoveries = counts_.recovered + counts_.unrecovered;
        require(recoveries > everybody_.size() / 2, "hardly anybody had to recover");
        require(counts_.from_recovery > 0, "no recovery brought anything");
        // Who is told that he cannot recover is not wronged, but all of it was kept: few are away for so
        // long.
        require(counts_.unrecovered * 10 < recoveries, std::to_string(counts_.unrecovered) + " of " +
                                                           std::to_string(recoveries) + " recoveries failed");
        require(publisher_->refused() * 100 < publisher_->published(),
                std::to_string(publisher_->refused()) +
                    " publications were refused: " + publisher_->last_refusal());
    }

    void tell() const {
        std::printf(
            "%d kills, %zu clients: %llu publications, %llu acknowledged, %llu unanswered, %zu kept; %llu "
            "deliveries, %llu connections, %llu recoveries with %llu publications, %llu that could not, "
            "%llu silent connections given up; slowest start %lld ms\n",
            how_.kills, everybody_.size(), static_cast<unsigned long long>(publisher_->published()),
            static_cast<unsigned long long>(ledger_.acknowledged()),
            static_cast<unsigned long long>(publisher_->unanswered()), kept_,
            static_cast<unsigned long long>(counts_.publications),
            static_cast<unsigned long long>(counts_.connections),
            static_cast<unsigned long long>(counts_.recovered),
            static_cast<unsigned long long>(counts_.from_recovery),
            static_cast<unsigned long long>(counts_.unrecovered),
            static_cast<unsigned long long>(counts_.given_up),
            static_cast<long long>(std::chrono::duration_cast<milliseconds>(slowest_start_).count()));
        if (proxy_)
            std::printf("the proxy: %llu connections, %llu cut, %llu stalled, %llu half-opened\n",
                        static_cast<unsigned long long>(proxy_->counts().connections),
                        static_cast<unsigned long long>(proxy_->counts().cut),
                        static_cast<unsigned long long>(proxy_->counts().stalled),
                        static_cast<unsigned long long>(proxy_->counts().half_open));
    }

    const plan how_;
    dice_box dice_;
    const std::filesystem::path folder_;
    ledger ledger_;
    subscriber_figures counts_;
    std::vector<std::string> groups_;
    std::unique_ptr<server> node_;
    ports listens_;
    std::unique_ptr<rude_proxy> proxy_;
    std::unique_ptr<publisher> publisher_;
    std::vector<std::unique_ptr<subscriber>> everybody_;
    std::vector<pollfd> waiting_;
    std::vector<subscriber*> owners_;
    steady::duration slowest_start_{};
    std::size_t kept_ = 0;
};

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang::test;
    return torture(argc, argv, [](std::uint64_t seed, bool brief) {
        const plan killed = brief ? plan{50, 5, 200, 3, 300ms, 1200ms} : plan{1000, 20, 500, 20, 500ms, 4s};
        const plan bothered =
            brief ? plan{50, 5, 200, 1, 500ms, 1500ms, 1.0} : plan{1000, 20, 500, 5, 2s, 6s, 5.0};
        scene(killed, seed).run();
        scene(bothered, seed + 1).run();
    });
}
