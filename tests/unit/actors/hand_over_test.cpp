// Streams that move between nodes, in the many orders of things that seeds make. MADANG_SEED=n replays one.
#include <cstdlib>

#include "tests/unit/actors/hand_over_world.hpp"

namespace madang::moving {
namespace {

std::vector<std::uint64_t> seeds(std::uint64_t count) {
    if (const char* one = std::getenv("MADANG_SEED")) return {std::strtoull(one, nullptr, 10)};
#ifdef MADANG_SANITIZED
    count /= 4;
#endif
    std::vector<std::uint64_t> all;
    for (std::uint64_t i = 1; i <= count; ++i) all.push_back(i);
    return all;
}

std::string replay(std::uint64_t seed) { return "MADANG_SEED=" + std::to_string(seed) + " replays it"; }

void begin(world& in, std::size_t first) {
    for (std::size_t i = 0; i < first; ++i) {
        in.start(i);
        in.in_view[i] = node_state::up;
    }
    in.propose(in.living());
    in.settle();
    for (const auto& group : in.groups)
        for (std::size_t i = 0; i < first; ++i)
            for (int n = 0; n < 5; ++n) in.publish(i, group);
    for (auto& each : in.members)
        for (std::size_t i = 0; i < first && each.is == subscriber::state::away; ++i) in.subscribe(each, i);
    in.settle();
}

// Everybody asks once more, of whoever owns the group in the end.
void finish(world& in) {
    in.settle();
    for (auto& each : in.members) {
        in.detach(each);
        for (std::size_t i = 0; i < in.nodes.size(); ++i)
            if (in.nodes[i] && in.nodes[i]->owns(each.group)) {
                in.subscribe(each, i);
                break;
            }
    }
    in.settle();
    for (const auto& each : in.members) EXPECT_EQ(each.is, subscriber::state::attached) << each.group;
}

TEST(HandOver, EpochsStayAndNothingIsMissingWhileNodesComeAndDrain) {
    int recovered = 0, taken = 0;
    for (const auto seed : seeds(300)) {
        SCOPED_TRACE(replay(seed));
        world in(seed, 4, {});
        begin(in, 2);
        std::map<std::string, std::set<std::string>> epochs = in.epochs;
        for (int round = 0; round < 6; ++round) {
            // One change after the other has come to its end: what is in the middle of another is begun anew.
            const auto which = in.pick(4);
            auto up = in.living();
            std::erase_if(up, [&](auto each) { return in.in_view[each] != node_state::up; });
            if (!in.nodes[which]) {
                in.start(which);
                if (in.chance(50)) {  // or in its first view already
                    in.in_view[which] = node_state::joining;
                    in.propose(in.living());
                    in.settle();
                }
                in.in_view[which] = node_state::up;
            } else if (in.in_view[which] == node_state::draining) {
                in.in_view[which] = node_state::left;
                in.propose(in.living());
                in.settle();
                in.kill(which);
                continue;
            } else if (up.size() > 1) {
                in.in_view[which] = node_state::draining;
            }
            in.propose(in.living());
            for (int i = 0; i < 300; ++i) in.step();
            in.settle();
        }
        finish(in);
        for (const auto& group : in.groups)
            EXPECT_EQ(in.epochs[group].size(), 1u) << group << " has its epoch all the time";
        EXPECT_EQ(in.told_lost, 0);
        for (const auto& each : in.members) recovered += each.recovered;
        for (const auto& each : in.nodes) taken += each ? each->taken : 0;
        if (HasFailure()) return;
    }
    if (std::getenv("MADANG_SEED") != nullptr) return;
    EXPECT_GT(recovered, 200);
    EXPECT_GT(taken, 20);
}

TEST(HandOver, WhateverHappensSequencesAreWholeOrItIsTold) {
    int recovered = 0, lost = 0, taken = 0, anew = 0;
    for (const auto seed : seeds(600)) {
        SCOPED_TRACE(replay(seed));
        world in(seed, 3, {.faults = true, .overload = true});
        begin(in, 3);
        for (int i = 0; i < 1'500; ++i) {
            in.step();
            if (!in.chance(3)) continue;
            const auto which = in.pick(3), other = in.pick(3);
            switch (in.pick(7)) {
                case 0:
                    if (in.nodes[which] && in.living().size() > 1) {
                        for (const auto& each : in.nodes) taken += each ? each->taken : 0;
                        in.kill(which);
                        in.propose(in.living());
                    }
                    break;
                case 1:
                    if (!in.nodes[which]) {
                        in.start(which);
                        in.in_view[which] = in.chance(50) ? node_state::up : node_state::joining;
                        in.propose(in.living());
                    }
                    break;
                case 2:
                    if (which != other && in.nodes[which] && in.nodes[other]) in.cut(which, other);
                    break;
                case 3:
                    if (which != other && in.nodes[which] && in.nodes[other]) in.connect(which, other);
                    break;
                case 4:  // two sides
                    if (in.nodes[which] && in.living().size() > 1) {
                        auto rest = in.living();
                        rest.erase(which);
                        in.propose({which});
                        if (in.chance(50)) --in.view_number;  // of one number
                        in.propose(rest);
                    }
                    break;
                default:
                    for (const auto each : in.living())
                        in.in_view[each] = in.chance(70) ? node_state::up : node_state::draining;
                    in.in_view[*in.living().begin()] = node_state::up;
                    in.propose(in.living());
            }
            if (in.chance(30)) in.settle();
        }
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t j = 0; j < i; ++j)
                if (in.nodes[i] && in.nodes[j]) in.connect(i, j);
        for (const auto each : in.living()) in.in_view[each] = node_state::up;
        in.propose(in.living());
        in.settle();
        finish(in);
        for (const auto& each : in.members) recovered += each.recovered;
        lost += in.told_lost;
        for (const auto& each : in.nodes) {
            if (!each) continue;
            taken += each->taken;
            for (const auto& [reason, count] : each->anew) anew += count;
        }
        if (HasFailure()) return;
    }
    if (std::getenv("MADANG_SEED") != nullptr) return;
    EXPECT_GT(recovered, 200);
    EXPECT_GT(lost, 20);
    EXPECT_GT(taken, 20);
    EXPECT_GT(anew, 20);
}

}  // namespace
}  // namespace madang::moving
