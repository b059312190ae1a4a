// The desk at random, by seeds.
#include "tests/unit/actors/job_desk_fixture.hpp"

namespace madang {
namespace {

using outcome = link::ended::outcome;

// Workers die, fall silent and come back, the store refuses and answers out of order, servers are killed:
// each job ends once, and no token counts twice.
TEST(JobDeskAtRandom, EachJobEndsOnce) {
    for (unsigned seed = 0; seed < 150; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const auto dice = [&](unsigned sides) { return random() % sides; };
        test::job_desk_world world;
        world.settings.job_loss_limit = 1000;
        world.begin();
        struct held {
            std::string job;
            bool over;
        };
        std::map<std::uint64_t, std::map<std::uint64_t, held>> workers;  // what each has, by token
        std::size_t seen = 0;
        std::int64_t of_killed = 0;  // what a killed server counted as running
        const auto take = [&] {
            for (; seen < world.given.size(); ++seen) {
                auto& [who, what] = world.given[seen];
                if (workers.contains(who)) workers[who].emplace(what.token, held{what.spec->id, false});
            }
            for (const auto& [who, token] : world.confirmed)
                if (workers.contains(who)) workers[who].erase(token);
        };
        const auto holds = [](const std::map<std::uint64_t, held>& all) {
            std::vector<std::pair<std::string, std::uint64_t>> list;
            for (const auto& [token, each] : all) list.emplace_back(each.job, token);
            return list;
        };
        const auto come_back = [&](const std::map<std::uint64_t, held>& had) {
            const auto who = world.worker(2, 2, holds(had));
            workers[who] = had;
            take();
            for (const auto& [token, each] : had)
                if (each.over) world.end(who, token);
        };
        const auto end_one = [&] {
            for (auto& [who, had] : workers)
                for (auto& [token, each] : had) {
                    if (each.over || dice(3) == 0) continue;
                    if (dice(4) == 0) world.desk->said(who, link::began{token, 7});
                    each.over = true;
                    constexpr outcome ends[] = {outcome::success, outcome::success, outcome::retry,
                                                outcome::handed_back, outcome::lost};
                    world.end(who, token, ends[dice(5)]);
                    return;
                }
        };
        for (int step = 0; step < 300; ++step) {
            switch (dice(12)) {
                case 0:
                case 1: {
                    job_spec spec;
                    spec.retry = {.max_retries = -1, .delay_ms = 100};
                    spec.countdown_ms = dice(3) == 0 ? 200 : 0;
                    world.enqueue(spec);
                    break;
                }
                case 2:
                    if (workers.size() < 4) come_back({});
                    break;
                case 3:
                    if (dice(3) == 0 && !workers.empty()) {
                        auto node = workers.extract(std::next(workers.begin(), dice(workers.size())));
                        world.desk->gone(node.key());
                        if (dice(2) == 0) come_back(node.mapped());
                    }
                    break;
                case 4:
                    if (!world.jobs.empty() && dice(5) == 0)
                        world.desk->cancel({std::next(world.jobs.begin(), dice(world.jobs.size()))->first},
                                           "", nullptr);
                    break;
                case 5:
                    world.refusing = dice(4) == 0;
                    break;
                case 6:
                    world.time.elapsed_ms += 60;
                    world.time.wall_ms += 60;
                    world.desk->tick();
                    break;
                case 7:
                    if (dice(10) == 0) {  // kill -9 of the server: what was not answered is lost
                        world.submitted.clear();
                        of_killed = world.counts.value(gauge::jobs_running);
                        world.desk =
                            std::make_unique<job_desk>(world, world.settings, world.with, world.counts);
                        world.desk->start({});
                        world.restart();
                        auto all = std::exchange(workers, {});
                        for (const auto& [who, had] : all)
                            if (dice(2) == 0) come_back(had);
                    }
                    break;
                default:
                    end_one();
            }
            if (dice(2) == 0) world.turn();
            // Changes are answered in their order, questions whenever.
            if (!world.submitted.empty() && dice(3) != 0) world.answer(0);
            take();
        }
        // Then all goes well.
        world.refusing = false;
        come_back({});
        for (int i = 0; i < 2000; ++i) {
            world.time.elapsed_ms += 50;
            world.time.wall_ms += 50;
            for (auto& [who, had] : workers) world.desk->said(who, link::alive{});
            world.desk->tick();
            world.settle();
            take();
            for (auto& [who, had] : workers)
                for (auto& [token, each] : had)
                    if (!std::exchange(each.over, true)) world.end(who, token);
            world.settle();
            take();
            if (std::all_of(world.jobs.begin(), world.jobs.end(),
                            [](const auto& each) { return is_over(each.second.state); }))
                break;
        }
        for (const auto& [id, each] : world.jobs) {
            EXPECT_TRUE(is_over(each.state)) << id << " is " << static_cast<int>(each.state);
            EXPECT_EQ(each.ends, 1u) << id;
        }
        EXPECT_EQ(world.desk->running(), 0u);
        EXPECT_EQ(world.counts.value(gauge::jobs_running), of_killed);
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace madang
