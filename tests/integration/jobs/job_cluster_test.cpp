// Several nodes in one process, linked by socket pairs: the jobs of all are one node's.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <thread>

#include "actors/job_service.hpp"
#include "actors/peers.hpp"
#include "actors/yard.hpp"
#include "broker/jobs/call_codec.hpp"
#include "monitoring/metrics.hpp"
#include "plugins/host/plugin_host.hpp"
#include "storage/store.hpp"
#include "tests/integration/jobs/end_with.hpp"
#include "tests/integration/jobs/played_worker.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t shards = 64;
constexpr auto for_ever = std::chrono::steady_clock::time_point::max();

madang_status run_noop(void* context, madang_job* job) {
    static_cast<std::atomic<int>*>(context)->fetch_add(1);
    return end_with(job, "null");
}

struct node {
    node(const node_id& id, const std::filesystem::path& folder, std::vector<standing_schedule> schedules)
        : id(id) {
        settings.data_dir = "none";
        settings.cluster_listen = "127.0.0.1:0";
        settings.worker_socket = (folder / (id.name + ".sock")).string();
        settings.loops = 1;
        settings.jobs_durability = durability::buffered;
        settings.in_process_threads = 1;
        settings.worker_timeout = 60s;  // a busy machine is no silent worker
        settings.job_result_bytes = 32 << 20;
        std::string error;
        EXPECT_EQ(tasks.add(owner, "noop", R"({"in_process":true})", run_noop, &runs, error), MADANG_OK);
        EXPECT_EQ(tasks.add(owner, "far", "", run_noop, &runs, error), MADANG_OK) << error;
        EXPECT_EQ(tasks.add(owner, "slow", R"({"rate_limit":"1/h"})", run_noop, &runs, error), MADANG_OK)
            << error;
        kept = std::move(open_store(settings, clock, counts).value());
        all.emplace(settings, counts, names);
        all->run(*kept);
        jobs.emplace(job_service::parts{settings, clock, counts, *all, *all, all->system(), id.name});
        const auto done = jobs->start(*kept, tasks, std::move(schedules));
        EXPECT_TRUE(done) << done.error().text();
        links = std::make_unique<peers>(
            *all, id, shards, 16 << 20,
            [](const node_id& who, const std::string& why) { ADD_FAILURE() << who.name << ": " << why; },
            &*jobs);
        jobs->quorum_until(for_ever);
    }
    ~node() {
        links.reset();
        jobs.reset();
        all->stop(60s);
        kept.reset();
        all.reset();
    }

    template <class T, class Ask>
    result<T> await(Ask ask) {
        auto told = std::make_shared<std::promise<result<T>>>();
        auto later = told->get_future();
        ask([told](result<T> got) { told->set_value(std::move(got)); });
        if (later.wait_for(60s) != std::future_status::ready) throw std::runtime_error("no answer");
        return later.get();
    }
    result<enqueued> enqueue(const std::string& json, const std::string& key = "") {
        enqueue_request what;
        what.jobs = {json};
        what.idempotency_key = key;
        return await<enqueued>([&](auto done) { jobs->enqueue(what, done); });
    }
    result<job_view> find(const std::string& id, std::chrono::milliseconds wait = 30s) {
        return await<job_view>([&](auto done) { jobs->find(id, wait, done); });
    }
    std::unique_ptr<played_worker> worker(const std::string& name,
                                          std::vector<std::pair<std::string, std::uint64_t>> holds = {}) {
        return std::make_unique<played_worker>(jobs->worker_socket(), jobs->cookie(), link::version,
                                               std::move(holds), name);
    }

    const node_id id;
    std::atomic<int> runs{0};
    plugin owner;
    task_table tasks;
    options settings;
    system_clock_source clock;
    metrics counts;
    reloadable<namespace_table> names;
    std::unique_ptr<store> kept;
    std::optional<yard> all;
    std::optional<job_service> jobs;
    std::unique_ptr<peers> links;
};

// Until it holds; the test's own time limit ends it otherwise.
template <class Holds>
void until(Holds holds) {
    while (!holds()) std::this_thread::sleep_for(1ms);
}

// Nodes a, b, c: a is the oldest, and keeps the jobs.
class JobCluster : public testing::Test {
  protected:
    JobCluster() {
        folder_ = std::filesystem::temp_directory_path() / ("madang-mesh-" + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
    }
    ~JobCluster() override {
        for (auto& each : all_) each->links.reset();  // before what they would tell goes
        all_.clear();
        std::filesystem::remove_all(folder_);
    }
    void make(std::size_t count, const std::vector<standing_schedule>& schedules = {}) {
        for (std::size_t i = 0; i < count; ++i)
            all_.push_back(std::make_unique<node>(
                node_id{std::string(1, static_cast<char>('a' + i)), 100 + i}, folder_, schedules));
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t j = 0; j < i; ++j) link(i, j);
        for (auto& each : all_) until([&] { return each->links->linked() == count - 1; });
        std::vector<node_state> up(count, node_state::up);
        view(up);
        until([&] { return all_[0]->jobs->serves(); });
        // Each has been told of the view, and of its links before that.
        for (auto& each : all_)
            until([&] { return each->find("nobody", 0ms).error().code == errc::not_found; });
    }
    node& operator[](std::size_t which) { return *all_[which]; }
    void link(std::size_t i, std::size_t j) {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        all_[i]->links->attach(all_[j]->id, pair[0], true);
        all_[j]->links->attach(all_[i]->id, pair[1], false);
    }
    void cut(std::size_t i, std::size_t j) {
        all_[i]->links->lost(all_[j]->id);
        all_[j]->links->lost(all_[i]->id);
    }
    void view(const std::vector<node_state>& states) {
        cluster_view now;
        now.number = ++number_;
        for (std::size_t i = 0; i < all_.size(); ++i) now.members.push_back({all_[i]->id, states[i], ""});
        for (std::size_t i = 0; i < all_.size(); ++i)
            if (states[i] != node_state::dead) all_[i]->links->view_changed(now);
    }
    // The worker does its next job.
    static std::string run_one(played_worker& by, const std::string& result) {
        const auto run = by.expect<link::run>();
        by.say(link::began{run.token, 4711});
        link::ended how;
        how.token = run.token;
        how.result = result;
        by.say(how);
        EXPECT_FALSE(by.expect<link::told>().stale);
        return run.id;
    }

    std::filesystem::path folder_;
    std::vector<std::unique_ptr<node>> all_;
    std::uint64_t number_ = 0;
};

TEST_F(JobCluster, AJobIsEnqueuedAnywhereAndRunByAWorkerAnywhere) {
    make(3);
    const auto worker = (*this)[2].worker("far:1");
    EXPECT_EQ(worker->expect<link::welcome>().node, "a");
    const auto taken = (*this)[1].enqueue(R"({"task":"far","args":[1]})");
    ASSERT_TRUE(taken) << taken.error().text();
    const auto id = taken->jobs.at(0).id;
    auto waits = std::async(std::launch::async, [&] { return (*this)[1].find(id); });
    EXPECT_EQ(run_one(*worker, "42"), id);
    const auto seen = waits.get();
    ASSERT_TRUE(seen) << seen.error().text();
    EXPECT_EQ(seen->state, job_state::success);
    EXPECT_EQ(seen->result, "42");
    EXPECT_EQ(seen->worker, "far:1");
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ((*this)[i].find(id, 0ms)->result, "42") << i;
    EXPECT_EQ((*this)[2].counts.total(gauge::job_workers_relayed), 1);
    EXPECT_GE((*this)[1].counts.total(counter::job_calls_forwarded), 2u);
}

TEST_F(JobCluster, AskingWorksFromEveryNode) {
    make(2);
    auto& far = (*this)[1];
    EXPECT_EQ(far.await<bool>([&](auto done) { far.jobs->pause("default", true, done); }).value(), false);
    ASSERT_TRUE(far.enqueue(R"({"task":"far","id":"one"})"));
    const auto page = far.await<job_page>([&](auto done) { far.jobs->list({}, done); });
    ASSERT_EQ(page->jobs.size(), 1u);
    EXPECT_EQ(page->jobs[0].spec.id, "one");
    const auto queues = far.await<std::vector<queue_view>>([&](auto done) { far.jobs->queues(done); });
    ASSERT_EQ(queues->size(), 1u);
    EXPECT_TRUE(queues->at(0).paused);
    EXPECT_EQ(queues->at(0).ready, 1u);
    const auto put = far.await<schedule_view>(
        [&](auto done) { far.jobs->put_schedule("s", R"({"task":"far","every":"1h"})", done); });
    ASSERT_TRUE(put) << put.error().text();
    EXPECT_EQ(far.await<std::vector<schedule_view>>([&](auto done) { far.jobs->schedules(done); })->size(),
              1u);
    EXPECT_EQ(far.await<std::vector<std::int64_t>>([&](auto done) { far.jobs->next_fires("s", "", 3, done); })
                  ->size(),
              3u);
    EXPECT_TRUE(far.await<bool>([&](auto done) { far.jobs->remove_schedule("s", done); }).value());
    EXPECT_EQ(far.await<std::size_t>([&](auto done) { far.jobs->cancel({"one"}, "why", done); }).value(), 1u);
    EXPECT_EQ(far.find("one", 0ms)->state, job_state::revoked);
    EXPECT_EQ(far.await<std::size_t>([&](auto done) { far.jobs->requeue({"*"}, done); }).value(), 0u);
    EXPECT_EQ(far.await<std::size_t>([&](auto done) { far.jobs->discard({"*"}, done); }).value(), 0u);
    EXPECT_EQ(far.await<std::size_t>([&](auto done) { far.jobs->purge("default", done); }).value(), 0u);
    EXPECT_EQ(far.await<std::vector<worker_view>>([&](auto done) { far.jobs->workers(done); })->size(), 1u)
        << "the threads of the node that keeps the jobs";
    EXPECT_EQ(far.enqueue(R"({"task":"nobody"})").error().code, errc::unknown_task);
    EXPECT_EQ(far.enqueue("nonsense").error().code, errc::bad_request);
}

TEST_F(JobCluster, UniqueKeysAndIdempotencyKeysHoldForAllNodes) {
    make(3);
    const auto first = (*this)[1].enqueue(R"({"task":"far","unique":{"key":"k"}})").value().jobs.at(0);
    const auto second = (*this)[2].enqueue(R"({"task":"far","unique":{"key":"k"}})").value().jobs.at(0);
    EXPECT_FALSE(first.duplicate);
    EXPECT_TRUE(second.duplicate);
    EXPECT_EQ(second.id, first.id);
    const auto once = (*this)[0].enqueue(R"({"task":"far"})", "key").value();
    const auto again = (*this)[2].enqueue(R"({"task":"far"})", "key").value();
    EXPECT_TRUE(again.repeated);
    EXPECT_EQ(again.jobs.at(0).id, once.jobs.at(0).id);
}

TEST_F(JobCluster, ARateLimitHoldsForAllNodesWorkers) {
    make(2);
    const auto here = (*this)[0].worker("a:1"), there = (*this)[1].worker("b:1");
    here->expect<link::welcome>();
    there->expect<link::welcome>();
    for (std::size_t i = 0; i < 2; ++i) ASSERT_TRUE((*this)[i].enqueue(R"({"task":"slow"})"));
    // One of the two an hour; a job without a limit goes past the other to whoever is free.
    ASSERT_TRUE((*this)[1].enqueue(R"({"task":"far","id":"free"})"));
    std::vector<std::string> ran{here->expect<link::run>().task, there->expect<link::run>().task};
    EXPECT_THAT(ran, testing::UnorderedElementsAre("slow", "far"));
}

TEST_F(JobCluster, AJobInTheServersProcessRunsWhereTheJobsAre) {
    make(2);
    const auto id = (*this)[1].enqueue(R"({"task":"noop"})").value().jobs.at(0).id;
    EXPECT_EQ((*this)[1].find(id)->state, job_state::success);
    EXPECT_EQ((*this)[0].runs, 1);
    EXPECT_EQ((*this)[1].runs, 0);
}

TEST_F(JobCluster, AScheduleFiresOnceForAllNodes) {
    make(3, {{"tick", R"({"task":"noop","every":"1s"})", "config"}});
    // A fire is counted when the store has it, its job may have run by then.
    until([&] { return (*this)[0].runs >= 2 && (*this)[0].counts.total(counter::schedule_fires) >= 2; });
    for (const std::size_t i : {1, 2}) {
        EXPECT_EQ((*this)[i].counts.total(counter::schedule_fires), 0u);
        EXPECT_EQ((*this)[i].runs, 0);
    }
}

TEST_F(JobCluster, WhenTheNodeThatKeepsTheJobsIsGoneWhoWaitsIsToldAndTheNextOneServes) {
    make(3);
    ASSERT_TRUE((*this)[1].enqueue(R"({"task":"far","id":"before"})"));
    const auto sent = (*this)[1].counts.total(counter::job_calls_forwarded);
    auto waits = std::async(std::launch::async, [&] { return (*this)[1].find("before"); });
    until([&] { return (*this)[1].counts.total(counter::job_calls_forwarded) > sent; });
    cut(0, 1);
    cut(0, 2);
    EXPECT_EQ(waits.get().error().code, errc::busy);
    EXPECT_EQ((*this)[2].enqueue(R"({"task":"far"})").error().code, errc::busy);
    view({node_state::dead, node_state::up, node_state::up});
    until([&] { return (*this)[1].jobs->serves(); });
    const auto worker = (*this)[2].worker("c:1");
    EXPECT_EQ(worker->expect<link::welcome>().node, "b");
    result<enqueued> taken = fail(errc::busy);
    until([&] { return (taken = (*this)[2].enqueue(R"({"task":"far"})")).has_value(); });
    const auto id = taken->jobs.at(0).id;
    EXPECT_EQ(run_one(*worker, "1"), id);
    EXPECT_EQ((*this)[1].find(id)->result, "1");
}

TEST_F(JobCluster, WhenTheJobsGoElsewhereWorkersAreDisconnectedAndKnowItAsARestart) {
    make(2);
    const auto near = (*this)[0].worker("a:1"), far = (*this)[1].worker("b:1");
    near->expect<link::welcome>();
    far->expect<link::welcome>();
    view({node_state::draining, node_state::up});
    EXPECT_FALSE(near->next());
    EXPECT_FALSE(far->next());
    until([&] { return (*this)[1].jobs->serves(); });
    const auto again = (*this)[0].worker("a:1");
    EXPECT_EQ(again->expect<link::welcome>().node, "b");
    const auto id = (*this)[0].enqueue(R"({"task":"far"})").value().jobs.at(0).id;
    EXPECT_EQ(run_one(*again, "1"), id);
}

TEST_F(JobCluster, WhatANodeHasGoesToTheOneThatKeepsTheJobsNow) {
    make(2);
    for (int i = 0; i < 30; ++i)
        ASSERT_TRUE((*this)[1].enqueue(R"({"task":"far","id":"j)" + std::to_string(i) + "\"}"));
    ASSERT_TRUE((*this)[0].enqueue(R"({"chain":[{"task":"far","id":"first"},{"task":"far","id":"last"}]})"));
    view({node_state::draining, node_state::up});
    until([&] { return (*this)[1].jobs->serves(); });
    until([&] { return (*this)[0].find("last", 0ms).has_value() && (*this)[0].find("j0", 0ms).has_value(); });
    const auto worker = (*this)[0].worker("a:1");
    worker->expect<link::welcome>();
    std::set<std::string> ran;
    while (ran.size() < 32) {  // the next may come before the word that an end is kept
        const auto word = worker->next();
        ASSERT_TRUE(word);
        const auto* run = std::get_if<link::run>(&*word);
        if (run == nullptr) continue;
        EXPECT_TRUE(ran.insert(run->id).second) << run->id << " twice";
        link::ended how;
        how.token = run->token;
        how.result = "1";
        worker->say(how);
    }
    EXPECT_EQ((*this)[1].find("last")->state, job_state::success);
    until([&] { return (*this)[0].counts.total(counter::jobs_moved) >= 32; });
}

TEST_F(JobCluster, AJobThatRunsGoesAlongAndItsWorkerClaimsIt) {
    make(2);
    auto worker = (*this)[1].worker("b:1");
    worker->expect<link::welcome>();
    ASSERT_TRUE((*this)[0].enqueue(R"({"task":"far","id":"j"})"));
    const auto token = worker->expect<link::run>().token;
    worker->say(link::began{token, 4711});
    worker->say(link::call{link::call::verb::presence_stats, 1, token, link::to_body(std::string("g"))});
    worker->expect<link::answer>();
    view({node_state::draining, node_state::up});
    EXPECT_FALSE(worker->next());
    until([&] { return (*this)[1].jobs->serves(); });
    worker = (*this)[1].worker("b:1", {{"j", token}});
    EXPECT_EQ(worker->expect<link::welcome>().node, "b");
    link::ended how;
    how.token = token;
    how.result = "7";
    worker->say(how);
    EXPECT_FALSE(worker->expect<link::told>().stale);
    EXPECT_EQ((*this)[0].find("j")->result, "7");
    EXPECT_EQ((*this)[0].find("j")->losses, 0u);
}

TEST_F(JobCluster, WithoutAQuorumNothingIsBegunAndAskersAreToldSo) {
    make(2);
    const auto worker = (*this)[1].worker("b:1");
    worker->expect<link::welcome>();
    ASSERT_TRUE((*this)[1].enqueue(R"({"task":"far","id":"runs"})"));
    const auto run = worker->expect<link::run>();
    ASSERT_TRUE((*this)[1].enqueue(R"({"task":"far","id":"waits"})"));
    (*this)[0].jobs->quorum_until({});
    until([&] { return !(*this)[0].jobs->serves(); });
    EXPECT_EQ((*this)[0].enqueue(R"({"task":"far"})").error().code, errc::no_quorum);
    EXPECT_EQ((*this)[1].enqueue(R"({"task":"far"})").error().code, errc::no_quorum);
    EXPECT_EQ((*this)[1].find("waits", 0ms)->state, job_state::ready) << "looking is allowed";
    link::ended how;  // what runs goes on to its end
    how.token = run.token;
    how.result = "1";
    worker->say(how);
    EXPECT_FALSE(worker->expect<link::told>().stale);
    EXPECT_EQ((*this)[1].find("runs")->result, "1");
    EXPECT_EQ((*this)[1].find("waits", 0ms)->state, job_state::ready);
    (*this)[0].jobs->quorum_until(for_ever);
    EXPECT_EQ(run_one(*worker, "2"), "waits");
}

TEST_F(JobCluster, AResultMuchLargerThanTheWindowComesOver) {
    make(2);
    const auto worker = (*this)[1].worker("b:1");
    worker->expect<link::welcome>();
    std::string args = R"({"task":"far","args":[")" + std::string(900'000, 'x') + R"("]})";
    const auto id = (*this)[1].enqueue(args).value().jobs.at(0).id;
    const std::string large = '"' + std::string(20 << 20, 'y') + '"';
    EXPECT_EQ(run_one(*worker, large), id);
    EXPECT_EQ((*this)[1].find(id)->result.size(), large.size());
}

TEST_F(JobCluster, AWorkerBehindALinkThatBrokeClaimsWhatItHas) {
    make(2);
    std::uint64_t token = 0;
    {
        const auto before = (*this)[1].worker("b:1");
        before->expect<link::welcome>();
        ASSERT_TRUE((*this)[0].enqueue(R"({"task":"far","id":"j"})"));
        token = before->expect<link::run>().token;
        before->say(link::began{token, 4711});
        before->say(link::call{link::call::verb::presence_stats, 1, token, link::to_body(std::string("g"))});
        before->expect<link::answer>();
        cut(0, 1);
        EXPECT_FALSE(before->next());
    }
    link(1, 0);
    until([&] { return (*this)[1].links->linked() == 1 && (*this)[0].links->linked() == 1; });
    until([&] { return (*this)[1].find("j", 0ms).has_value(); });
    const auto after = (*this)[1].worker("b:1", {{"j", token}});
    after->expect<link::welcome>();
    link::ended how;
    how.token = token;
    how.result = "3";
    after->say(how);
    EXPECT_FALSE(after->expect<link::told>().stale);
    EXPECT_EQ((*this)[0].find("j")->result, "3");
    EXPECT_EQ((*this)[0].find("j")->losses, 0u);
}

TEST_F(JobCluster, AWorkerWithAWrongCookieIsRefusedByItsOwnNode) {
    make(2);
    played_worker wrong((*this)[1].jobs->worker_socket(), "nonsense");
    EXPECT_THAT(wrong.expect<link::refused>().why, testing::HasSubstr("cookie"));
    EXPECT_FALSE(wrong.next());
    EXPECT_EQ((*this)[0].counts.total(gauge::job_workers), 0);
}

TEST_F(JobCluster, ANodeThatDrainsTellsItsWorkersWhereverTheJobsAre) {
    make(2);
    const auto far = (*this)[1].worker("b:1");
    far->expect<link::welcome>();
    (*this)[1].jobs->begin_drain();
    far->expect<link::warm_stop>();
    const auto late = (*this)[1].worker("b:2");
    late->expect<link::welcome>();
    late->expect<link::warm_stop>();
    EXPECT_FALSE((*this)[1].jobs->drained());
}

TEST_F(JobCluster, ANodesOwnWorkerIsKnownByItsNode) {
    make(2);
    const auto own = (*this)[1].worker("own");
    own->expect<link::welcome>();
    const auto all =
        (*this)[0].await<std::vector<worker_view>>([&](auto done) { (*this)[0].jobs->workers(done); });
    std::vector<std::string> names;
    for (const auto& each : all.value()) names.push_back(each.name);
    EXPECT_THAT(names, testing::UnorderedElementsAre("in-process", "own@b"));
}

}  // namespace
}  // namespace madang
