// No more open files: who is connected stays so, who comes is refused or waits, the server does not spin, and
// recovers.
#include "broker/bench/proc.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {
namespace {

void open_files(std::uint64_t, bool brief) {
    constexpr std::uint64_t limit = 200;
    server node({"--max-connections", "100000", "--log-level", "warn"}, {.open_files = limit});
    // Opened before files run out, and kept.
    peer watch(node.internal_port());
    const auto ask = [&] {
        watch.request("/metrics");
        std::optional<http_answer> answer;
        require(drive(watch, [&] { return (answer = watch.next_answer()).has_value(); }), "no metrics");
        return figures(answer->body);
    };
    std::vector<std::unique_ptr<peer>> owned;
    std::vector<peer*> sessions;
    for (int i = 0; i < 50; ++i) {
        sessions.push_back(owned.emplace_back(std::make_unique<peer>(node.port())).get());
        sessions.back()->upgrade("/ws/echo/");
    }
    const auto all_open = [&] {
        return std::all_of(sessions.begin(), sessions.end(), [](peer* p) { return p->open(); });
    };
    require(drive(sessions, all_open), "the sessions do not get in");
    require_equal(ask()["madang_connections_open"], 50, "connections");

    for (int round = 0; round < (brief ? 1 : 5); ++round) {
        std::vector<std::unique_ptr<peer>> crowd;
        for (std::uint64_t i = 0; i < 2 * limit; ++i) {
            crowd.push_back(std::make_unique<peer>(node.port()));
            crowd.back()->upgrade("/ws/echo/");
        }
        std::vector<peer*> all(sessions);
        for (auto& each : crowd) all.push_back(each.get());
        const auto exhausted = [&] {
            return std::any_of(crowd.begin(), crowd.end(),
                               [](auto& p) { return p->ended || (p->answer && p->answer->status == 503); });
        };
        require(drive(all, exhausted), "files never ran out");

        // Everyone who was there is still served, for a second and a half.
        const auto cpu = bench::cpu_time(node.pid());
        const auto until = steady::now() + 1500ms;
        std::uint64_t said = sessions[0]->received;
        while (steady::now() < until) {
            ++said;
            for (peer* each : sessions) each->text("still here");
            require(drive(all,
                          [&] {
                              return std::all_of(sessions.begin(), sessions.end(),
                                                 [&](peer* p) { return p->received >= said; });
                          }),
                    "a session is no longer served");
            // Then quiet, so that what the server does by itself can be told from what it is asked.
            drive(all, [end = std::min(until, steady::now() + 200ms)] { return steady::now() > end; });
        }
        for (peer* each : sessions) require(each->alive() && !each->closed, "a session was lost");
        const auto busy = static_cast<double>(bench::cpu_time(node.pid()) - cpu) / 1.5e9;
        std::printf("round %d: %.1f %% of a processor\n", round, busy * 100);
        require(busy < 0.25, "the server spins: it used " + std::to_string(busy * 100) + " % of a processor");

        crowd.clear();
        require(eventually([&] { return ask()["madang_connections_open"] == 50; }),
                "the crowd's connections are left");
        // And all is as before.
        require(eventually([&] { return fetch(node.port(), "/healthz").status == 200; }),
                "it does not recover");
        require_alive(node);
    }
    for (auto& each : owned) each->hang_up();
    require_empty(node);
    require_clean_end(node);
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) { return madang::test::torture(argc, argv, madang::test::open_files); }
