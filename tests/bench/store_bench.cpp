// What the store costs: publishes in batches of 64 (CPU of the whole process per publish, and the rate),
// presence, and history from memory. On the disk that holds the temporary folder.
#include <benchmark/benchmark.h>

#include <ctime>

#include "broker/core/log.hpp"
#include "tests/support/store_world.hpp"

namespace madang::test {
namespace {

// Batches under way at a time, answered on the store's threads.
class pipeline {
  public:
    pipeline(store& of, durability how, int deep) : of_(of), how_(how), free_(deep) {}
    void submit(std::vector<store_request> batch) {
        {
            std::unique_lock lock(lock_);
            change_.wait(lock, [&] { return free_ > 0; });
            --free_;
        }
        of_.submit(std::move(batch), how_, [this](std::vector<store_answer> got) {
            for (const auto& each : got) failed_ += !each;
            const std::lock_guard lock(lock_);
            ++free_;
            change_.notify_one();
        });
    }
    int drain(int deep) {
        std::unique_lock lock(lock_);
        change_.wait(lock, [&] { return free_ == deep; });
        return failed_;
    }

  private:
    store& of_;
    const durability how_;
    std::mutex lock_;
    std::condition_variable change_;
    int free_;
    std::atomic<int> failed_{0};
};

template <class Make>
void run_batches(benchmark::State& state, store& of, durability how, std::size_t per_batch, Make make) {
    constexpr int deep = 8;
    pipeline line(of, how, deep);
    const auto cpu = std::clock();  // microseconds, of all threads
    std::size_t count = 0;
    for (auto _ : state) {
        std::vector<store_request> batch;
        batch.reserve(per_batch);
        for (std::size_t i = 0; i < per_batch; ++i) batch.push_back(make(count++));
        line.submit(std::move(batch));
    }
    if (line.drain(deep) != 0) state.SkipWithError("refused");
    state.SetItemsProcessed(static_cast<std::int64_t>(count));
    state.counters["cpu_us_each"] = static_cast<double>(std::clock() - cpu) / static_cast<double>(count);
}

struct world {
    explicit world(bool disk) : on_disk(folder.path() / "data") {
        on_disk.settings.memory_bytes = 64 << 20;
        on_disk.settings.shards = 16;
        on_disk.limits = {16, 64 << 20, 64 << 20, 100'000, 4 << 20};
        if (disk)
            it = &on_disk.open();
        else
            it = (in_memory = make_store(std::make_unique<memory_kv>(), generation{}, on_disk.limits,
                                         on_disk.clock, *on_disk.counts)
                                  .value())
                     .get();
    }
    temporary_folder folder;
    disk_world on_disk;
    std::unique_ptr<store> in_memory;
    store* it = nullptr;
};

// Arguments: on disk (1) or in memory (0); groups.
void Publish(benchmark::State& state, durability how) {
    world in(state.range(0) != 0);
    const auto groups = static_cast<std::size_t>(state.range(1));
    const std::string data(128, 'x');
    run_batches(state, *in.it, how, 64, [&](std::size_t i) {
        return publish("chat:room-" + std::to_string(i % groups), data, 100,
                       noon + static_cast<std::int64_t>(i / 1000));
    });
}
void PublishBuffered(benchmark::State& state) { Publish(state, durability::buffered); }
void PublishSynced(benchmark::State& state) { Publish(state, durability::synced); }

// An item is an enter and a leave.
void EnterAndLeave(benchmark::State& state) {
    world in(state.range(0) != 0);
    std::size_t pairs = 0;
    run_batches(state, *in.it, durability::buffered, 64, [&](std::size_t i) -> store_request {
        const auto n = i / 64 * 32 + i % 32;
        const auto group = "chat:room-" + std::to_string(n % 100), client = "client-" + std::to_string(n);
        if (i % 64 < 32) return enter(group, client, "user-" + std::to_string(n % 5000));
        ++pairs;
        return leave(group, client);
    });
    state.SetItemsProcessed(static_cast<std::int64_t>(pairs));
    state.counters["cpu_us_each"] = state.counters["cpu_us_each"] * 2;
}

void HistoryOf20(benchmark::State& state) {
    world in(state.range(0) != 0);
    for (int i = 0; i < 6400; ++i) {
        std::vector<store_request> batch;
        batch.push_back(publish("room-" + std::to_string(i % 64), std::string(128, 'x'), 100));
        ask(*in.it, std::move(batch));
    }
    run_batches(state, *in.it, durability::buffered, 64, [&](std::size_t i) -> store_request {
        return history("room-" + std::to_string(i % 64), 20, position{"fresh", 80});
    });
}

BENCHMARK(PublishBuffered)->Args({1, 100})->Args({1, 10'000})->Args({0, 100})->UseRealTime()->MinTime(2);
BENCHMARK(PublishSynced)->Args({1, 100})->UseRealTime();
BENCHMARK(EnterAndLeave)->Arg(1)->Arg(0)->UseRealTime();
BENCHMARK(HistoryOf20)->Arg(1)->UseRealTime();

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    madang::start_logging(madang::log_format::text, madang::log_level::off);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
