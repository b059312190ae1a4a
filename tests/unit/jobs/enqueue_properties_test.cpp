// Random workflows, and what holds of every plan.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "tests/unit/jobs/tasks.hpp"

namespace madang {
namespace {

class workflows {
  public:
    explicit workflows(std::uint32_t seed) : dice_(seed) {}

    std::string any(int depth) {
        const auto kind = depth == 0 ? 0u : dice_() % 5;
        if (kind == 1) return R"({"chain":[)" + list(depth) + "]}";
        if (kind == 2) return R"({"group":[)" + list(depth) + "]}";
        if (kind == 3) {
            const auto header = list(depth);
            return R"({"chord":{"header":[)" + header + R"(],"body":)" + any(depth - 1) + "}}";
        }
        return signature(depth);
    }
    std::size_t jobs = 0;

  private:
    std::string list(int depth) {
        std::string text;
        for (auto i = dice_() % 4 + 1; i-- > 0;) text.append(text.empty() ? "" : ",").append(any(depth - 1));
        return text;
    }
    std::string signature(int depth) {
        ++jobs;
        std::string text = R"({"task":"a")";
        if (dice_() % 3 == 0) text += R"(,"immutable":true)";
        if (dice_() % 4 == 0) text += R"(,"args":[1,{"chain":[]}])";
        if (depth > 0 && dice_() % 4 == 0) text += R"(,"link":[)" + list(1) + "]";
        if (depth > 0 && dice_() % 4 == 0) text += R"(,"link_error":)" + any(depth - 1);
        return text + "}";
    }
    std::mt19937 dice_;
};

struct EnqueueProperties : ::testing::TestWithParam<int> {
    testing::some_tasks tasks{{{"a", ""}}};
    testing::counted_planning ids{tasks};
};

TEST_P(EnqueueProperties, HoldForEveryPlan) {
    for (int round = 0; round < 50; ++round) {
        workflows flows(static_cast<std::uint32_t>(GetParam() * 1000 + round));
        const auto json = flows.any(4);
        SCOPED_TRACE(json);
        const auto made = plan_enqueue(testing::asking({json}), 1'000'000, ids.with);
        ASSERT_TRUE(made) << made.error();
        // As many jobs as signatures, each with an id of its own, in the order of writing.
        ASSERT_EQ(made->jobs.size(), flows.jobs);
        std::map<std::string, const job_spec*> jobs;
        for (const auto& job : made->jobs) ASSERT_TRUE(jobs.emplace(job->id, job.get()).second);
        std::map<std::string, const barrier_spec*> barriers;
        for (const auto& barrier : made->barriers) {
            ASSERT_FALSE(jobs.contains(barrier.id));
            ASSERT_TRUE(barriers.emplace(barrier.id, &barrier).second);
            ASSERT_TRUE(barrier.bodies.empty() || barrier.part_of.barrier.empty());
        }
        // Who is begun by something is begun once, exists, and waits; the others begin by themselves.
        std::set<std::string> begun;
        const auto begins = [&](const std::vector<std::string>& who) {
            for (const auto& id : who) {
                ASSERT_TRUE(jobs.contains(id)) << id;
                ASSERT_TRUE(begun.insert(id).second) << id;
            }
        };
        for (const auto& job : made->jobs) {
            begins(job->next);
            begins(job->on_error);
        }
        for (const auto& barrier : made->barriers) begins(barrier.bodies);
        std::size_t starts = 0;
        for (const auto& job : made->jobs) {
            ASSERT_EQ(job->waits, begun.contains(job->id)) << job->id;
            starts += !job->waits;
        }
        ASSERT_GE(starts, 1u);
        // A barrier is told by as many as it expects, each at a place of its own.
        std::map<std::string, std::set<std::uint32_t>> told;
        const auto tells = [&](const barrier_place& where) {
            if (where.barrier.empty()) return;
            ASSERT_TRUE(barriers.contains(where.barrier));
            ASSERT_TRUE(told[where.barrier].insert(where.index).second);
        };
        for (const auto& job : made->jobs) tells(job->part_of);
        for (const auto& barrier : made->barriers) tells(barrier.part_of);
        for (const auto& [id, barrier] : barriers) {
            ASSERT_EQ(told[id].size(), barrier->expected) << id;
            ASSERT_EQ(*told[id].rbegin(), barrier->expected - 1) << id;
        }
        // Everything is reached from what begins by itself: nothing hangs, and there is no cycle.
        std::set<std::string> reached;
        std::vector<std::string> now;
        std::map<std::string, std::uint32_t> left;
        for (const auto& [id, barrier] : barriers) left[id] = barrier->expected;
        for (const auto& job : made->jobs)
            if (!job->waits) now.push_back(job->id);
        const auto count = [&](const barrier_place& where, const auto& self) -> void {
            if (where.barrier.empty() || --left[where.barrier] != 0) return;
            const auto& barrier = *barriers[where.barrier];
            now.insert(now.end(), barrier.bodies.begin(), barrier.bodies.end());
            self(barrier.part_of, self);
        };
        while (!now.empty()) {
            const auto id = now.back();
            now.pop_back();
            ASSERT_TRUE(reached.insert(id).second);
            const auto& job = *jobs[id];
            now.insert(now.end(), job.next.begin(), job.next.end());
            now.insert(now.end(), job.on_error.begin(), job.on_error.end());
            count(job.part_of, count);
        }
        ASSERT_EQ(reached.size(), jobs.size());
        // The answer names something that is there, and all jobs.
        const auto& answer = made->answers.at(0);
        ASSERT_TRUE(jobs.contains(answer.id) || barriers.contains(answer.id));
        ASSERT_EQ(answer.children.size(), jobs.size() == 1 && made->barriers.empty() &&
                                                  jobs.contains(answer.id) && json.starts_with(R"({"task")")
                                              ? 0
                                              : jobs.size());
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, EnqueueProperties, ::testing::Range(1, 21));

}  // namespace
}  // namespace madang
