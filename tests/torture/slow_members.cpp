// A tenth of the members stops reading under fan-out: memory stays bounded, the others miss nothing, and each
// outbox policy does what its name says.
#include "broker/bench/proc.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {
namespace {

constexpr std::size_t payload = 2048;
constexpr std::size_t outbox = 64 * 1024;     // of the plugin's routes
constexpr std::uint64_t slack = 48ull << 20;  // beside the outboxes themselves

std::string publication(std::uint64_t number) {
    auto text = std::to_string(number) + " ";
    return text.append(payload - text.size(), '.');
}

void stall(const std::string& path, const std::string& policy, std::size_t members,
           std::uint64_t publications) {
    server node({"--plugin", MADANG_TORTURE_PLUGIN, "--log-level", "error"});
    const auto stalled_count = members / 10;
    std::vector<std::unique_ptr<peer>> owned;
    std::vector<peer*> reading, stalled, all;
    for (std::size_t i = 0; i < members; ++i) {
        const bool stalls = i % 10 == 5;
        auto* each =
            owned.emplace_back(std::make_unique<peer>(node.port(), "127.0.0.1", stalls ? 4096 : 0)).get();
        each->upgrade(path);
        all.push_back(each);
        (stalls ? stalled : reading).push_back(each);
    }
    require(
        drive(all, [&] { return std::all_of(all.begin(), all.end(), [](peer* p) { return p->open(); }); }),
        "not all get in");
    require(
        eventually([&] { return node.metrics()["madang_group_members"] == static_cast<double>(members); }),
        "not all are members");
    for (peer* each : stalled) each->reading = false;
    const auto memory = bench::resident_memory(node.pid());
    std::uint64_t peak = 0;

    // At most 24 publications on their way: the outbox of one who reads has room for all of them.
    constexpr std::uint64_t window = 24;
    static_assert(window * (payload + 14) < outbox);
    std::uint64_t published = 0;
    std::vector<std::uint64_t> next(reading.size(), 0);
    const bool complete = drive(
        all,
        [&] {
            auto slowest = publications;
            for (std::size_t i = 0; i < reading.size(); ++i) {
                for (auto& got : reading[i]->messages)
                    require_equal(static_cast<double>(std::strtoull(got.payload.c_str(), nullptr, 10)),
                                  static_cast<double>(next[i]++),
                                  policy + ": the next publication of a reading member");
                reading[i]->messages.clear();
                slowest = std::min(slowest, next[i]);
            }
            while (published < publications && published < slowest + window)
                reading[0]->text(publication(published++));
            peak = std::max(peak, bench::resident_memory(node.pid()));
            return slowest == publications;
        },
        120s);
    require(complete, policy + ": the reading members did not get everything");
    require(peak < memory + stalled_count * 2 * outbox + slack, policy + ": memory rose from " +
                                                                    std::to_string(memory >> 20) + " to " +
                                                                    std::to_string(peak >> 20) + " MiB");
    const auto after = node.metrics();
    require(after["madang_outbox_bytes"] <= static_cast<double>(stalled_count * 2 * outbox),
            policy + ": outboxes hold " + std::to_string(after["madang_outbox_bytes"]));
    require(after["madang_outbox_drops_total{policy=\"" + policy + "\"}"] > 0,
            policy + ": nothing was dropped");
    for (const std::string other : {"disconnect", "drop_oldest", "latest_only"})
        if (other != policy)
            require_equal(after["madang_outbox_drops_total{policy=\"" + other + "\"}"], 0,
                          "drops by " + other);

    // They read again: what comes are whole frames in order, and (unless disconnected) the last publication
    // is among them.
    for (peer* each : stalled) each->reading = true;
    for (peer* each : stalled) {
        require(drive(all,
                      [&] {
                          if (policy == "disconnect") return each->ended;
                          return !each->messages.empty() &&
                                 each->messages.back().payload == publication(publications - 1);
                      }),
                policy + ": a stalled member does not come to its end");
        require(!each->malformed, policy + ": a broken frame");
        std::uint64_t least = 0;
        for (auto& got : each->messages) {
            const auto number = std::strtoull(got.payload.c_str(), nullptr, 10);
            require(got.payload == publication(number) && number >= least,
                    policy + ": half a message, or out of order");
            least = number + 1;
        }
        require(least > 0 && each->received < publications,
                policy + ": nothing was lost, so nothing was tried");
        if (policy == "disconnect")
            require(!each->closed || *each->closed == 3008, "closed with another code");
    }
    if (policy == "disconnect")
        require(eventually([&] {
                    return node.metrics()["madang_closes_total{code=\"3008\"}"] ==
                           static_cast<double>(stalled_count);
                }),
                "not every close had 3008");
    std::printf("%s: memory %llu -> %llu MiB\n", policy.c_str(),
                static_cast<unsigned long long>(memory >> 20), static_cast<unsigned long long>(peak >> 20));
    owned.clear();
    require_empty(node);
    require_clean_end(node);
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang::test;
    return torture(argc, argv, [](std::uint64_t, bool brief) {
        const std::size_t members = brief ? 100 : 1000;
        const std::uint64_t publications = brief ? 5'000 : 4'000;
        stall("/fan1/", "disconnect", members, publications);
        stall("/fan2/", "drop_oldest", members, publications);
        stall("/fan3/", "latest_only", members, publications);
    });
}
