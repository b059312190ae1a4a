// Hundreds of made-up lives of a cluster. One that breaks is named by its seed, and is run again, told step
// by step, with MADANG_CLUSTER_SEED=seed; MADANG_CLUSTER_SEEDS=first:count runs others than the usual ones:
// some 100,000 after a change of what nodes agree by.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/cluster/cluster_model.hpp"

namespace madang::test {
namespace {

using ms = cluster_model::ms;

class life {
  public:
    life(std::uint64_t seed, bool trace) : model_(settings_of(seed, trace), seed) {}

    std::string run() {
        for (std::size_t i = 0; i < model_.size(); ++i) {
            model_.start(i, i != 0 || random(2) == 0);
            model_.run(ms(random(1500)));
        }
        settled();
        for (int round = 0; round < 3 && good(); ++round) {
            faults();
            if (!good()) break;
            model_.heal();
            settled();
            if (good()) calm();
        }
        return model_.broken;
    }
    std::uint64_t views() const { return model_.views(); }

  private:
    static cluster_model::settings settings_of(std::uint64_t seed, bool trace) {
        const std::size_t nodes = 3 + seed % 5;
        return {nodes, seed / 5 % 4 == 0 ? 0 : static_cast<std::uint32_t>(nodes), seed % 16 == 0, trace};
    }
    std::uint64_t random(std::uint64_t below) { return model_.random(below); }
    std::size_t any() { return random(model_.size()); }
    bool good() const { return model_.broken.empty(); }
    void fail(const std::string& what) {
        model_.say("BROKEN " + what);
        if (good()) model_.broken = what;
    }
    // Some node that runs, or none.
    std::optional<std::size_t> running() {
        const auto first = any();
        for (std::size_t i = 0; i < model_.size(); ++i)
            if (const auto node = (first + i) % model_.size(); model_.runs(node)) return node;
        return {};
    }
    std::size_t count_running() const {
        std::size_t count = 0;
        for (std::size_t i = 0; i < model_.size(); ++i) count += model_.runs(i);
        return count;
    }

    void settled() {
        model_.run(ms(4900));
        if (model_.agreed().empty()) return;
        model_.run(ms(100));  // a view without one that left long ago may have been under way
        if (const auto what = model_.agreed(); !what.empty()) fail("5 s after healing: " + what);
    }

    void faults() {
        for (auto left = 2 + random(12); left > 0 && good(); --left) {
            fault();
            model_.run(ms(random(random(3) == 0 ? 5000 : 800)));
        }
    }
    void fault() {
        const auto a = any(), b = any();
        switch (random(12)) {
            case 0:
            case 1:
                model_.say("cut " + std::to_string(a) + " and " + std::to_string(b));
                model_.cut(a, b, true);
                return model_.cut(b, a, true);
            case 2:
                model_.say("cut " + std::to_string(a) + " to " + std::to_string(b));
                return model_.cut(a, b, true);
            case 3:
                model_.say("mend " + std::to_string(a) + " and " + std::to_string(b));
                model_.cut(a, b, false);
                return model_.cut(b, a, false);
            case 4: {
                const auto sides = random(1u << model_.size());
                model_.say("part by " + std::to_string(sides));
                for (std::size_t i = 0; i < model_.size(); ++i)
                    for (std::size_t j = 0; j < model_.size(); ++j)
                        model_.cut(i, j, ((sides >> i) ^ (sides >> j)) & 1);
                return;
            }
            case 5:
                return model_.kill(a);
            case 6:
            case 7:
                if (!model_.of(a) || random(4) == 0) model_.start(a, random(4) != 0);
                return;
            case 8:
                if (model_.runs(a)) model_.pause(a);
                return;
            case 9:
                if (model_.paused(a)) model_.resume(a);
                return;
            case 10:
                model_.lose(static_cast<unsigned>(random(3) == 0 ? random(60) : 0));
                return model_.delay(ms(random(5)), ms(5 + random(random(2) == 0 ? 50 : 1500)));
            default:
                if (const auto by = running(); by && *by != a && random(2) == 0)
                    return model_.remove(*by, a, random(4) == 0);
                if (!model_.runs(a) || random(2) == 0) return;
                if (model_.drains(a) && random(2) == 0) return model_.undrain(a);
                return random(2) == 0 ? model_.drain(a) : model_.leave(a);
        }
    }

    // All is well, and all agree.
    void calm() {
        const auto node = running();
        if (!node) return;
        const auto other = [&]() -> const membership* {
            for (std::size_t i = 0; i < model_.size(); ++i)
                if (i != *node && model_.runs(i)) return model_.of(i);
            return nullptr;
        };
        const auto views = model_.views();
        switch (random(5)) {
            case 0:  // nobody dies while beats come within the timeout
                model_.delay(ms(0), ms(2200));
                model_.run(ms(20'000));
                if (model_.views() != views) fail("a view changed while all beats came in time");
                model_.delay(ms(1), ms(30));
                return model_.run(ms(3000));
            case 1: {
                const auto who = model_.id(*node);
                model_.kill(*node);
                model_.run(ms(3500));
                for (std::size_t i = 0; i < model_.size(); ++i)
                    if (model_.runs(i) && model_.of(i)->view().has_living(who))
                        fail("the death of " + who.name + " is not known after 3.5 s");
                if (other() && model_.views() != views + count_running())
                    fail("more than one view for one death");
                return;
            }
            case 2:
                if (model_.drains(*node)) return;
                model_.drain(*node);
                model_.run(ms(500));
                if (const auto what = model_.agreed(); !what.empty()) fail("after a drain: " + what);
                if (random(2) == 0) return;
                model_.undrain(*node);
                model_.run(ms(500));
                if (const auto what = model_.agreed(); !what.empty())
                    fail("after a drain was undone: " + what);
                return;
            case 3: {  // whom an operator removes is out everywhere, and in again when it starts anew
                const auto who = model_.id(*node);
                const bool alive = random(2) == 0;
                if (!alive) {
                    model_.kill(*node);
                    model_.run(ms(3500));
                }
                const auto by = running();
                if (!by || *by == *node) return;
                model_.remove(*by, *node, alive);
                model_.run(ms(500));
                for (std::size_t i = 0; i < model_.size(); ++i)
                    if (model_.runs(i) && model_.of(i)->view().find(who.name))
                        fail(who.name + " is listed though it was removed");
                if (alive && !model_.of(*node)->is_cast_out()) fail(who.name + " does not know of it");
                model_.start(*node, true);
                return settled();
            }
            default: {
                const auto who = model_.id(*node);
                model_.leave(*node);
                model_.run(ms(500));
                if (other() && other()->view().find(who.name)->state != node_state::left)
                    fail(who.name + " did not leave in order");
                if (const auto what = model_.agreed(); !what.empty()) fail("after leaving: " + what);
            }
        }
    }

    cluster_model model_;
};

TEST(MembershipModel, HoldsThroughEverySeed) {
#ifdef MADANG_SANITIZED
    std::uint64_t first = 1, count = 40;
#else
    std::uint64_t first = 1, count = 300;
#endif
    const char* one = std::getenv("MADANG_CLUSTER_SEED");
    if (one) {
        first = std::strtoull(one, nullptr, 10);
        count = 1;
    } else if (const char* some = std::getenv("MADANG_CLUSTER_SEEDS")) {
        char* end = nullptr;
        first = std::strtoull(some, &end, 10);
        count = *end ? std::strtoull(end + 1, nullptr, 10) : count;
    }
    std::uint64_t views = 0;
    int broken = 0;
    for (auto seed = first; seed < first + count && broken < 10; ++seed) {
        life each(seed, one != nullptr);
        const auto what = each.run();
        views += each.views();
        if (!what.empty()) {
            ++broken;
            ADD_FAILURE() << "MADANG_CLUSTER_SEED=" << seed << ": " << what;
        }
    }
    EXPECT_GE(views, 20 * count) << "little happened";
}

}  // namespace
}  // namespace madang::test
