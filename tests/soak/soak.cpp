// soak MINUTES [SEED]: everyday life and mishaps together, at a moderate rate, for as long as one likes: the
// server's memory and its gauges stay where they are.
#include <cmath>

#include "broker/bench/proc.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {
namespace {

constexpr std::size_t residents = 50;
constexpr std::size_t guests = 30;
constexpr auto period = 20ms;  // between two rounds
constexpr std::uint64_t growth_bound = 16
                                       << 20;  // bytes of resident memory, beyond the first third's highest

using client = std::unique_ptr<peer>;

class day {
  public:
    day(const server& node, std::uint64_t seed) : node_(node), dice_(seed) {
        for (std::size_t i = 0; i < residents; ++i) {
            residents_.push_back(std::make_unique<peer>(node.port()));
            residents_.back()->upgrade("/ws/chat/room" + std::to_string(i % 10) + "/");
        }
        require(eventually([&] {
                    pump();
                    return node_.metrics()["madang_group_members"] == residents;
                }),
                "the residents do not get in");
    }

    void round() {
        for (auto& each : residents_) {
            require(each->alive() && !each->closed && !each->malformed, "a resident lost its connection");
            each->messages.clear();
        }
        residents_[dice_() % residents]->text("{\"message\":\"" + std::string(dice_() % 800, 'a') + "\"}");
        std::erase_if(guests_,
                      [](auto& guest) { return !guest.who->alive() || steady::now() > guest.until; });
        while (guests_.size() < guests)
            guests_.push_back({arrive(), steady::now() + milliseconds(dice_() % 1000)});
        // Some leave in the rudest way.
        if (dice_() % 3 == 0) guests_[dice_() % guests_.size()].who->reset();
        pump();
        ++rounds_;
    }

    void leave() {
        guests_.clear();
        residents_.clear();
    }
    std::uint64_t rounds() const { return rounds_; }
    void send_guests_home() { guests_.clear(); }

  private:
    struct guest {
        client who;
        steady::time_point until;
    };

    client arrive() {
        auto next = std::make_unique<peer>(node_.port());
        switch (dice_() % 8) {
            case 0:
                next->request("/healthz");
                break;
            case 1:
                next->raw("GET /\x01 HTTP/9.9\r\n\r\n");
                break;
            case 2:
                next->raw("GET /half HTTP/1.1\r\nHos");
                break;
            case 3:
                next->upgrade("/ws/throw/receive/std/");
                next->text("throw");
                break;
            case 4:
                next->upgrade("/fan2/");
                next->reading = false;
                for (int i = 0; i < 50; ++i) next->text(std::string(2000, 'x'));
                break;
            case 5:
                next->upgrade("/ws/echo/");
                next->frame(2, std::string(dice_() % 200'000, 'b'));
                break;
            case 6:
                next->upgrade("/ws/echo/");
                next->raw("\xff\xff nonsense");
                break;
            default:
                next->upgrade("/ws/chat/room" + std::to_string(dice_() % 10) + "/");
                next->text("{\"message\":\"passing by\"}");
        }
        return next;
    }

    void pump() {
        std::vector<peer*> all;
        for (auto& each : residents_) all.push_back(each.get());
        for (auto& each : guests_) all.push_back(each.who.get());
        drive(all, [end = steady::now() + period] { return steady::now() > end; });
    }

    const server& node_;
    dice_box dice_;
    std::vector<client> residents_;
    std::vector<guest> guests_;
    std::uint64_t rounds_ = 0;
};

void soak(double minutes, std::uint64_t seed) {
    server node({"--plugin", MADANG_TORTURE_PLUGIN, "--log-level", "off", "--http-head-timeout", "2s"});
    day today(node, seed);
    const auto whole = std::chrono::duration<double>(minutes * 60);
    const auto began = steady::now();
    const auto passed = [&] { return std::chrono::duration<double>(steady::now() - began) / whole; };
    std::uint64_t first = 0, highest = 0;
    double files = 0;
    auto report = began + 60s;
    while (passed() < 1) {
        today.round();
        if (today.rounds() % 10) continue;
        const auto memory = bench::resident_memory(node.pid());
        if (passed() < 1.0 / 3) first = std::max(first, memory);
        highest = std::max(highest, memory);
        const auto now = node.metrics();
        files = std::max(files, now["process_open_fds"]);
        require(now["madang_connections_open"] <= residents + 4 * guests, "more connections than clients");
        require(now["madang_outbox_bytes"] <= 2.0 * guests * (64 << 10), "outboxes beyond their bounds");
        if (steady::now() > report) {
            std::printf("%.0f %%: %.1f MiB, %.0f publications\n", passed() * 100,
                        static_cast<double>(memory) / 1048576.0, now["madang_publications_total"]);
            std::fflush(stdout);
            report += 60s;
        }
    }
    require(highest <= first + growth_bound, "resident memory rose from " + std::to_string(first >> 20) +
                                                 " to " + std::to_string(highest >> 20) + " MiB");
    today.send_guests_home();
    require(eventually([&] { return node.metrics()["madang_group_members"] == residents; }),
            "guests stayed in groups");
    require_equal(node.metrics()["madang_groups"], 10, "groups");
    const auto end = node.metrics();
    today.leave();
    require_empty(node);
    require_alive(node);
    require_clean_end(node);
    std::printf(
        "%llu rounds, %.0f publications, %.0f connections, %.0f plugin errors; resident memory at most %.1f "
        "MiB, then %.1f\n",
        static_cast<unsigned long long>(today.rounds()), end["madang_publications_total"],
        end["madang_http_connections_total"], end.sum("madang_plugin_errors_total"),
        static_cast<double>(first) / 1048576.0, static_cast<double>(highest) / 1048576.0);
}

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
    return torture(argc > 2 ? 2 : 1, words, [&](std::uint64_t seed, bool) { soak(minutes, seed); });
}
