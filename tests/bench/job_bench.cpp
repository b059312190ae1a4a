// What the jobs' shard costs: jobs through enqueue, lease and end in bulk, with little and with much waiting.
// On the disk that holds the temporary folder. Arguments: on disk (1) or in memory (0); jobs that wait
// behind.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <ctime>

#include "broker/core/log.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

double resident_mib() {
    long pages = 0, resident = 0;
    if (auto* file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
        std::fclose(file);
    }
    return static_cast<double>(resident) * 4096 / (1 << 20);
}

constexpr std::size_t per_batch = 500;

struct world {
    explicit world(bool disk) : on_disk(folder.path() / "data") {
        on_disk.settings.memory_bytes = 64 << 20;
        if (disk)
            it = &on_disk.open();
        else
            it = (in_memory = make_store(std::make_unique<memory_kv>(), generation{}, on_disk.limits,
                                         on_disk.clock, *on_disk.counts)
                                  .value())
                     .get();
        it->watch_jobs([this](job_effects&& what) { heard.take(std::move(what)); });
    }
    jc::enqueue batch(const std::string& queue) {
        jc::enqueue what;
        what.now = at(0);
        for (std::size_t i = 0; i < per_batch; ++i) {
            char id[40];
            const auto mixed = (made + 1) * 0x9e3779b97f4a7c15u;
            std::snprintf(id, sizeof id, "%08x-%04x-4000-8000-%012llx", static_cast<unsigned>(mixed >> 32),
                          static_cast<unsigned>(mixed >> 16 & 0xffff), static_cast<unsigned long long>(made));
            ++made;
            auto each = spec(id, queue);
            each.args = "[1,\"some arguments of a usual job\"]";
            what.jobs.push_back(std::make_shared<const job_spec>(std::move(each)));
        }
        return what;
    }
    temporary_folder folder;
    disk_world on_disk;
    std::unique_ptr<store> in_memory;
    store* it = nullptr;
    job_listener heard;
    std::size_t made = 0;
};

// An iteration: a batch is enqueued, given to a worker, and ended; three rounds.
void EnqueueLeaseEnd(benchmark::State& state) {
    world in(state.range(0) != 0);
    for (std::int64_t waiting = 0; waiting < state.range(1); waiting += per_batch)
        ask_job(*in.it, in.batch("q")).value();
    in.heard.taken();
    const auto before = resident_mib();
    const auto cpu = std::clock();  // microseconds, of all threads
    std::size_t count = 0;
    double assigning = 0;
    for (auto _ : state) {
        ask_job(*in.it, in.batch("q")).value();
        const auto began = std::chrono::steady_clock::now();
        ask_job(*in.it, offer(1, per_batch)).value();
        assigning += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        auto given = in.heard.taken().assigned;
        std::vector<job_request> ends;
        for (const auto& each : given)
            ends.push_back(succeed({each.spec->id, each.token}, "{\"done\":true}"));
        ask_jobs(*in.it, std::move(ends));
        count += given.size();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(count));
    state.counters["cpu_us_each"] = static_cast<double>(std::clock() - cpu) / static_cast<double>(count);
    state.counters["assign_us_each"] = assigning * 1e6 / static_cast<double>(count);
    state.counters["rss_mib_before"] = before;
    state.counters["rss_mib"] = resident_mib();
}

// The same when a worker waits already: enqueue and lease are one round, end and next lease another.
void WithAWorkerWaiting(benchmark::State& state) {
    world in(state.range(0) != 0);
    const auto cpu = std::clock();  // microseconds, of all threads
    std::size_t count = 0;
    for (auto _ : state) {
        ask_jobs(*in.it, {offer(1, per_batch), in.batch("q")});
        auto given = in.heard.taken().assigned;
        std::vector<job_request> ends;
        for (const auto& each : given)
            ends.push_back(succeed({each.spec->id, each.token}, "{\"done\":true}"));
        ask_jobs(*in.it, std::move(ends));
        count += given.size();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(count));
    state.counters["cpu_us_each"] = static_cast<double>(std::clock() - cpu) / static_cast<double>(count);
}

BENCHMARK(EnqueueLeaseEnd)->Args({1, 0})->Args({1, 1'000'000})->Args({0, 0})->UseRealTime()->MinTime(2);
BENCHMARK(WithAWorkerWaiting)->Arg(1)->UseRealTime()->MinTime(2);

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    madang::start_logging(madang::log_format::text, madang::log_level::off);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
