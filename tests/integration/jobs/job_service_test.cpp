#include "actors/job_service.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "actors/yard.hpp"
#include "broker/jobs/call_codec.hpp"
#include "broker/jobs/worker_codec.hpp"
#include "monitoring/metrics.hpp"
#include "plugins/host/plugin_host.hpp"
#include "storage/store.hpp"
#include "tests/integration/jobs/end_with.hpp"
#include "tests/integration/jobs/played_worker.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using outcome = link::ended::outcome;

// What the tasks of this test do, and see.
struct bench {
    std::atomic<int> runs{0};
    std::promise<void> began;
    std::promise<madang_job_stop> stopped;
};

madang_status run_noop(void* context, madang_job* job) {
    static_cast<bench*>(context)->runs.fetch_add(1);
    return end_with(job, "null");
}
madang_status run_until_stopped(void* context, madang_job* job) {
    auto& with = *static_cast<bench*>(context);
    with.began.set_value();
    with.stopped.set_value(plugin_host::jobs_api().job_wait_stop(job, 60'000));
    return end_with(job, "null");
}
madang_status run_checkpoint(void* context, madang_job* job) {
    static_cast<bench*>(context)->runs.fetch_add(1);
    const auto status = plugin_host::jobs_api().job_checkpoint(job, {"half", 4});
    return end_with(job, std::to_string(static_cast<int>(status)));
}

// One server's jobs, in a folder of the test's own.
class JobService : public testing::Test {
  protected:
    JobService() {
        folder_ = std::filesystem::temp_directory_path() / ("madang-jobs-" + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
        settings_.data_dir = "none";
        settings_.worker_socket = (folder_ / "w.sock").string();
        settings_.loops = 1;
        settings_.jobs_durability = durability::buffered;
        settings_.in_process_threads = 2;
        settings_.worker_timeout = 60s;  // a busy machine is no silent worker
        std::string error;
        EXPECT_EQ(tasks_.add(owner_, "noop", R"({"in_process":true})", run_noop, &bench_, error), MADANG_OK)
            << error;
        EXPECT_EQ(tasks_.add(owner_, "long", R"({"in_process":true})", run_until_stopped, &bench_, error),
                  MADANG_OK);
        EXPECT_EQ(tasks_.add(owner_, "saves", R"({"in_process":true})", run_checkpoint, &bench_, error),
                  MADANG_OK);
        EXPECT_EQ(tasks_.add(owner_, "far", "", run_noop, &bench_, error), MADANG_OK) << error;
        kept_ = std::move(open_store(settings_, clock_, counts_).value());
        yard_.emplace(settings_, counts_, names_);
        yard_->run(*kept_);
        begin();
    }
    ~JobService() override {
        jobs_.reset();
        yard_->stop(60s);
        kept_.reset();
        yard_.reset();
        std::filesystem::remove_all(folder_);
    }
    void begin() {
        jobs_.emplace(
            job_service::parts{settings_, clock_, counts_, *yard_, *yard_, yard_->system(), "node"});
        const auto done = jobs_->start(*kept_, tasks_, {});
        ASSERT_TRUE(done) << done.error().text();
    }

    template <class T, class Ask>
    result<T> await(Ask ask) {
        auto told = std::make_shared<std::promise<result<T>>>();
        auto later = told->get_future();
        ask([told](result<T> got) { told->set_value(std::move(got)); });
        if (later.wait_for(60s) != std::future_status::ready) throw std::runtime_error("no answer");
        return later.get();
    }
    result<enqueued> enqueue(std::vector<std::string> jobs) {
        enqueue_request what;
        what.jobs = std::move(jobs);
        return await<enqueued>([&](auto done) { jobs_->enqueue(what, done); });
    }
    std::string enqueue_one(const std::string& json) { return enqueue({json}).value().jobs.at(0).id; }
    job_view find(const std::string& id, std::chrono::milliseconds wait = 30s) {
        return await<job_view>([&](auto done) { jobs_->find(id, wait, done); }).value();
    }

    bench bench_;
    plugin owner_;
    task_table tasks_;
    std::filesystem::path folder_;
    options settings_;
    system_clock_source clock_;
    metrics counts_;
    reloadable<namespace_table> names_;
    std::unique_ptr<store> kept_;
    std::optional<yard> yard_;
    std::optional<job_service> jobs_;
};

TEST_F(JobService, RunsManyJobsOnTheServersThreadsOnceEach) {
    constexpr int count = 3000;
    std::vector<std::string> all(count, R"({"task":"noop"})");
    const auto taken = enqueue(std::move(all));
    ASSERT_TRUE(taken) << taken.error().text();
    ASSERT_EQ(taken->jobs.size(), static_cast<std::size_t>(count));
    for (const auto& each : taken->jobs) ASSERT_EQ(find(each.id).state, job_state::success);
    EXPECT_EQ(bench_.runs.load(), count);
    EXPECT_EQ(counts_.total(labelled_counter::jobs_ended, "SUCCESS"), static_cast<std::uint64_t>(count));
    EXPECT_EQ(counts_.total(gauge::jobs_running), 0);
}

TEST_F(JobService, TheLinksOfASingleJobBeginAtItsEnd) {
    const auto taken = enqueue({R"({"task":"noop","id":"first","link":[{"task":"noop","id":"then"},
        {"chain":[{"task":"noop","id":"also"},{"task":"noop","id":"last"}]}],
        "link_error":{"task":"noop","id":"never"}})"});
    ASSERT_TRUE(taken) << taken.error().text();
    EXPECT_EQ(taken->jobs.at(0).id, "first");
    for (const auto* id : {"first", "then", "also", "last"})
        EXPECT_EQ(find(id).state, job_state::success) << id;
    EXPECT_EQ(find("never").state, job_state::revoked);
    EXPECT_EQ(bench_.runs.load(), 4);

    // A job is begun by what is written around it, so that there are no rings but by an id twice.
    const auto ring = enqueue({R"({"task":"noop","id":"a","link":{"task":"noop","id":"a"}})"});
    ASSERT_FALSE(ring);
    EXPECT_EQ(ring.error().detail, "link.id: used twice");
}

TEST_F(JobService, ACancelReachesATaskOnAThread) {
    const auto id = enqueue_one(R"({"task":"long"})");
    bench_.began.get_future().wait();
    EXPECT_EQ(await<std::size_t>([&](auto done) { jobs_->cancel({id}, "why", done); }).value(), 1u);
    EXPECT_EQ(bench_.stopped.get_future().get(), MADANG_JOB_CANCELLED);
    EXPECT_EQ(find(id).state, job_state::revoked);
}

TEST_F(JobService, ACheckpointReturnsWhenItIsKept) {
    EXPECT_EQ(find(enqueue_one(R"({"task":"saves"})")).result, "0");
}

TEST_F(JobService, AScheduledJobBeginsSoonAfterItsTime) {
    const auto id = enqueue_one(R"({"task":"noop","countdown":0.05})");
    const auto view = find(id);
    EXPECT_EQ(view.state, job_state::success);
}

TEST_F(JobService, RefusesWhatIsWrongAtTheDoor) {
    EXPECT_EQ(enqueue({R"({"task":"nobody"})"}).error().code, errc::unknown_task);
    EXPECT_EQ(enqueue({"nonsense"}).error().code, errc::bad_request);
    EXPECT_EQ(counts_.total(labelled_counter::jobs_refused, "unknown_task"), 1u);
}

TEST_F(JobService, AWorkerIsGivenAJobAndItsEndIsKept) {
    played_worker worker(jobs_->worker_socket(), jobs_->cookie());
    EXPECT_EQ(worker.expect<link::welcome>().node, "node");
    const auto id = enqueue_one(R"({"task":"far","args":[1]})");
    const auto run = worker.expect<link::run>();
    EXPECT_EQ(run.id, id);
    EXPECT_EQ(run.args, "[1]");
    worker.say(link::began{run.token, 4711});
    link::ended how;
    how.token = run.token;
    how.result = "2";
    worker.say(how);
    const auto told = worker.expect<link::told>();
    EXPECT_EQ(told.token, run.token);
    EXPECT_FALSE(told.stale);
    EXPECT_EQ(find(id).result, "2");
}

TEST_F(JobService, AJobOfAWorkerThatDiesIsGivenToAnother) {
    const auto id = enqueue_one(R"({"task":"far"})");
    std::uint64_t token = 0;
    {
        played_worker first(jobs_->worker_socket(), jobs_->cookie());
        first.expect<link::welcome>();
        token = first.expect<link::run>().token;
        first.say(link::began{token, 4711});
    }
    played_worker second(jobs_->worker_socket(), jobs_->cookie());
    second.expect<link::welcome>();
    const auto run = second.expect<link::run>();
    EXPECT_EQ(run.id, id);
    EXPECT_EQ(run.losses, 1u);
    link::ended late;
    late.token = token;
    second.say(late);  // the first one's lease
    EXPECT_TRUE(second.expect<link::told>().stale);
    EXPECT_EQ(find(id, 0s).state, job_state::leased);
}

TEST_F(JobService, AChildThatEndsOfItselfTakesItsJobWithItAndIsCounted) {
    played_worker worker(jobs_->worker_socket(), jobs_->cookie());
    worker.expect<link::welcome>();
    enqueue_one(R"({"task":"far"})");
    const auto run = worker.expect<link::run>();
    worker.say(link::began{run.token, 4711});
    worker.say(link::child_ended{4711, "crash", false});
    const auto again = worker.expect<link::run>();  // in the same round of the store as the loss
    EXPECT_EQ(again.losses, 1u);
    EXPECT_FALSE(worker.expect<link::told>().stale);
    EXPECT_EQ(counts_.total(labelled_counter::actor_restarts, "job_child"), 1u);
    EXPECT_EQ(counts_.total(labelled_counter::job_child_restarts, "crash"), 1u);
}

TEST_F(JobService, AServerThatRestartsTakesBackTheWorkersLeases) {
    std::uint64_t token = 0;
    const auto id = enqueue_one(R"({"task":"far"})");
    {
        played_worker before(jobs_->worker_socket(), jobs_->cookie());
        before.expect<link::welcome>();
        token = before.expect<link::run>().token;
        before.say(link::began{token, 4711});
        // Its calls are answered in order: when this one is, the server has read what came before.
        before.say(link::call{link::call::verb::presence_stats, 1, token, link::to_body(std::string("g"))});
        before.expect<link::answer>();
        jobs_->stop(60s);
    }
    jobs_.reset();
    // The same store, as another process would find it.
    begin();
    played_worker after(jobs_->worker_socket(), jobs_->cookie(), link::version, {{id, token}});
    after.expect<link::welcome>();
    link::ended how;
    how.token = token;
    how.result = "3";
    after.say(how);
    EXPECT_FALSE(after.expect<link::told>().stale);
    EXPECT_EQ(find(id).result, "3");
}

TEST_F(JobService, AnswersCallsOfAChild) {
    played_worker worker(jobs_->worker_socket(), jobs_->cookie());
    worker.expect<link::welcome>();
    enqueue_one(R"({"task":"far","id":"parent"})");
    const auto run = worker.expect<link::run>();
    enqueue_request what;
    what.jobs = {R"({"task":"noop","id":"inner"})"};
    worker.say(link::call{link::call::verb::enqueue, 7, run.token, link::to_body(what)});
    const auto answer = worker.expect<link::answer>();
    EXPECT_EQ(answer.number, 7u);
    ASSERT_EQ(answer.code, 0u) << answer.body;
    EXPECT_EQ(link::from_body<enqueued>(answer.body).value().jobs.at(0).id, "inner");
    EXPECT_EQ(find("inner").spec.parent, "parent");
    worker.say(link::call{link::call::verb::find, 8, run.token, "nonsense"});
    EXPECT_NE(worker.expect<link::answer>().code, 0u);
}

TEST_F(JobService, RefusesAWorkerWithoutTheCookieOrOfAnotherVersion) {
    played_worker stranger(jobs_->worker_socket(), "guess");
    stranger.expect<link::refused>();
    EXPECT_FALSE(stranger.next().has_value());
    played_worker old(jobs_->worker_socket(), jobs_->cookie(), link::version + 1);
    old.expect<link::refused>();
    EXPECT_FALSE(old.next().has_value());
}

TEST_F(JobService, RefusesWorkersPastTheLimit) {
    jobs_.reset();
    settings_.worker_connections = 1;
    begin();
    played_worker first(jobs_->worker_socket(), jobs_->cookie());
    first.expect<link::welcome>();
    played_worker second(jobs_->worker_socket(), jobs_->cookie());
    second.expect<link::refused>();
}

TEST_F(JobService, SocketAndCookieAreTheOwnersOnlyAndGoWithTheServer) {
    const auto path = jobs_->worker_socket();
    for (const auto& each : {path, path + ".cookie"}) {
        struct stat seen {};
        ASSERT_EQ(::stat(each.c_str(), &seen), 0);
        EXPECT_EQ(seen.st_mode & 0777, 0600u);
    }
    std::ifstream file(path + ".cookie");
    std::string cookie;
    file >> cookie;
    EXPECT_EQ(cookie, jobs_->cookie());
    // Another server may not take it over while this one listens.
    job_service other({settings_, clock_, counts_, *yard_, *yard_, yard_->system(), "node"});
    EXPECT_EQ(other.start(*kept_, tasks_, {}).error().code, errc::invalid_option);
    jobs_.reset();
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_FALSE(std::filesystem::exists(path + ".cookie"));
}

TEST_F(JobService, TakesTheSocketOfAServerThatDied) {
    const auto path = jobs_->worker_socket();
    jobs_.reset();
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof(at.sun_path) - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    ::close(fd);
    begin();
    played_worker worker(path, jobs_->cookie());
    worker.expect<link::welcome>();
}

TEST_F(JobService, DrainingLetsWorkersFinish) {
    played_worker worker(jobs_->worker_socket(), jobs_->cookie());
    worker.expect<link::welcome>();
    enqueue_one(R"({"task":"far"})");
    const auto run = worker.expect<link::run>();
    jobs_->begin_drain();
    worker.expect<link::warm_stop>();
    EXPECT_FALSE(jobs_->drained());
    link::ended how;
    how.token = run.token;
    how.result = "1";
    worker.say(how);
    worker.expect<link::told>();
    while (!jobs_->drained()) std::this_thread::yield();
    EXPECT_TRUE(jobs_->stop(60s));
    EXPECT_EQ(enqueue({R"({"task":"far"})"}).error().code, errc::busy);
}

}  // namespace
}  // namespace madang
