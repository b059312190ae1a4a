// The rows about jobs. The tasks are plugins/bench's and do nothing.
#include <algorithm>
#include <ctime>
#include <stdexcept>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "broker/bench/compare.hpp"
#include "broker/bench/job_load.hpp"
#include "broker/bench/proc.hpp"
#include "broker/bench/runs.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

constexpr std::uint32_t bulk = 1000;  // jobs of one request

double over(const endpoint& internal) {
    return metrics_of(internal)["madang_jobs_ended_total{state=\"SUCCESS\"}"];
}

void rest(std::int64_t ns) {
    check_interrupted();
    const timespec pause{0, ns};
    nanosleep(&pause, nullptr);
}

// Until so many have succeeded; when that was.
std::int64_t wait_for(const endpoint& internal, double count) {
    const auto give_up = now_ns() + 300'000'000'000;
    while (over(internal) < count) {
        if (now_ns() > give_up) throw std::runtime_error("the jobs do not end");
        rest(5'000'000);
    }
    return now_ns();
}

// Of a histogram between two readings, in the unit of its bounds.
double quantile(const std::map<std::string, double>& before, const std::map<std::string, double>& after,
                const std::string& name, double share) {
    std::vector<std::pair<double, double>> buckets;  // bound, how many are not above it
    const auto prefix = name + "_bucket{le=\"";
    for (const auto& [key, value] : after) {
        if (!key.starts_with(prefix)) continue;
        const auto bound = key.substr(prefix.size(), key.rfind('"') - prefix.size());
        const auto found = before.find(key);
        buckets.emplace_back(bound == "+Inf" ? 1e9 : std::stod(bound),
                             value - (found == before.end() ? 0 : found->second));
    }
    std::sort(buckets.begin(), buckets.end());
    const auto wanted = buckets.empty() ? 0 : share * buckets.back().second;
    for (const auto& [bound, count] : buckets)
        if (count >= wanted) return bound;
    return 0;
}

std::string job(const char* task, const char* queue = nullptr) {
    return queue ? fmt::format(R"({{"task":"{}","queue":"{}"}})", task, queue)
                 : fmt::format(R"({{"task":"{}"}})", task);
}

}  // namespace

std::vector<finding> runs::jobs() {
    const auto fresh = new_server(options_.loops.value_or(0));
    const auto& internal = fresh.internal();
    const auto jobs_of_round = [&](std::uint32_t usual) { return options_.quick ? usual / 100 : usual; };

    // From the first request to the last job's end, the median over the rounds.
    const auto rate = [&](const char* name, const char* task, std::uint32_t count, std::uint32_t each,
                          std::uint32_t connections, double at_least, const char* how) {
        std::vector<double> per_second, per_cpu;
        for (std::uint32_t round = 0; round < rounds(); ++round) {
            wait_until_quiet(fresh.pid());
            const auto before = over(internal);
            const auto cpu = cpu_time(fresh.pid());
            std::uint32_t left = count / each;
            const auto text = each == 1 ? job(task) : repeated(job(task), each);
            const auto began = now_ns();
            post_jobs(internal, connections, [&] { return left == 0 ? std::string() : (--left, text); });
            const auto seconds = static_cast<double>(wait_for(internal, before + count) - began) * 1e-9;
            per_second.push_back(count / seconds);
            per_cpu.push_back(count / (static_cast<double>(cpu_time(fresh.pid()) - cpu) * 1e-9));
        }
        finding row{.what = fmt::format("no-op jobs, {}: {}", name, how),
                    .command = command("jobs"),
                    .unit = "jobs per second, from the first request to the last end",
                    .value = median(per_second),
                    .at_least = at_least};
        side_figures figures{.name = "server (without its children)"};
        figures.per_second = row.value;
        figures.per_cpu_second = median(per_cpu);
        figures.count = static_cast<std::uint64_t>(count) * rounds();
        row.sides = {figures};
        return row;
    };
    std::vector<finding> all;
    all.push_back(rate("child processes", "bench.nothing", jobs_of_round(200'000), bulk, 2, 30'000,
                       "enqueued 1,000 a request, synced enqueue and end"));
    all.push_back(rate("child processes", "bench.nothing", jobs_of_round(50'000), 1, 16, 10'000,
                       "enqueued one by one by 16 clients, synced enqueue and end"));
    all.push_back(rate("in the server's process", "bench.inline", jobs_of_round(300'000), bulk, 2, 100'000,
                       "enqueued 1,000 a request, synced enqueue and end"));

    // One at a time, with pauses: what a due job waits for.
    wait_until_quiet(fresh.pid());
    const auto before = metrics_of(internal);
    const std::uint32_t singles = jobs_of_round(1000);
    for (std::uint32_t i = 0; i < singles; ++i) {
        post_jobs(internal, 1, [done = false, text = job("bench.nothing")]() mutable {
            return std::exchange(done, true) ? std::string() : text;
        });
        rest(2'000'000);
    }
    const auto ended = before.count("madang_jobs_ended_total{state=\"SUCCESS\"}")
                           ? before.at("madang_jobs_ended_total{state=\"SUCCESS\"}")
                           : 0;
    wait_for(internal, ended + singles);
    all.push_back({.what = "a job that is due in an idle server, until it is handed to a worker",
                   .command = command("jobs"),
                   .unit = "ms, p99 (bound of the histogram's bucket)",
                   .value = quantile(before, metrics_of(internal), "madang_job_start_seconds", 0.99) * 1e3,
                   .at_most = 5});
    return all;
}

// A queue that is a million jobs long, beside the same queue when it is short.
std::vector<finding> runs::backlog() {
    const auto fresh = new_server(options_.loops.value_or(0));
    const auto& internal = fresh.internal();
    const std::uint32_t depth = options_.quick ? 20'000 : 1'000'000;
    const std::uint32_t sample = depth / 10;
    const auto text = repeated(job("bench.inline", "deep"), bulk);
    const auto fill = [&](std::uint32_t count) {
        std::uint32_t left = count / bulk;
        post_jobs(internal, 2, [&] { return left == 0 ? std::string() : (--left, text); });
    };
    const auto drain = [&](double until) {
        const auto began = now_ns();
        return static_cast<double>(wait_for(internal, until) - began) * 1e-9;
    };
    ask(internal, "POST", "/api/queues/deep/pause");
    fill(sample);
    wait_until_quiet(fresh.pid());
    auto done = over(internal);
    ask(internal, "POST", "/api/queues/deep/resume");
    const auto shallow = sample / drain(done + sample);

    ask(internal, "POST", "/api/queues/deep/pause");
    const auto memory_before = proportional_memory(fresh.pid());
    fill(depth);
    wait_until_quiet(fresh.pid());
    const auto memory = proportional_memory(fresh.pid());
    done = over(internal);
    ask(internal, "POST", "/api/queues/deep/resume");
    const auto deep = sample / drain(done + sample);
    wait_for(internal, done + depth);

    finding flat{.what = fmt::format("no-op jobs in the server's process from a queue of {}", depth),
                 .command = command("backlog"),
                 .unit = fmt::format("of the rate from a queue of {}", sample),
                 .value = deep / shallow};
    side_figures one{.name = fmt::format("queue of {}", sample)},
        other{.name = fmt::format("queue of {}", depth)};
    one.per_second = shallow;
    other.per_second = deep;
    one.count = other.count = sample;
    flat.sides = {one, other};
    finding grown{.what = fmt::format("memory that {} waiting jobs take", depth),
                  .command = flat.command,
                  .unit = "bytes (Pss) per job"};
    grown.value = static_cast<double>(memory - std::min(memory, memory_before)) / depth;
    return {flat, grown};
}

}  // namespace madang::bench
