#include "broker/bench/compare.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "broker/bench/proc.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

struct per_round {
    std::vector<double> per_second, client_cores, p999;
};

double microseconds(const histogram& latency, double q) {
    return static_cast<double>(latency.quantile(q)) / 1e3;
}

// With what its memory grew by, in bytes, over what was resident when all had joined.
std::pair<load_result, double> one_round(const side& one) {
    load generator(*one.server, one.spec);
    generator.connect();
    generator.join();
    reset_peak_memory(one.server->pid());
    const auto before = resident_memory(one.server->pid());
    auto result = one.run ? one.run(generator) : generator.run();
    const auto peak = peak_memory(one.server->pid());
    return {std::move(result), static_cast<double>(peak - std::min(peak, before))};
}

}  // namespace

void wait_until_quiet(pid_t pid) {
    constexpr std::int64_t look = 50'000'000, quiet = look / 10, patience = 20'000'000'000;
    const auto give_up = now_ns() + patience;
    for (auto before = cpu_time(pid); now_ns() < give_up;) {
        check_interrupted();
        poll(nullptr, 0, look / 1'000'000);
        const auto now = cpu_time(pid);
        if (now - before < quiet) return;
        before = now;
    }
}

std::vector<side_runs> take_turns(const std::vector<side>& sides, std::uint32_t rounds) {
    std::vector<side_runs> out(sides.size());
    std::vector<per_round> notes(sides.size());
    for (std::uint32_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < sides.size(); ++i) {
            const auto [result, growth] = one_round(sides[i]);
            wait_until_quiet(sides[i].server->pid());
            if (const auto* other = sides[i].spec.publishers_at) wait_until_quiet(other->pid());

            auto& runs = out[i];
            runs.per_cpu_second.push_back(result.per_cpu_second());
            runs.p50_us.push_back(microseconds(result.latency, 0.5));
            runs.p99_us.push_back(microseconds(result.latency, 0.99));
            runs.memory_growth.push_back(growth);
            runs.figures.count += result.deliveries;
            runs.figures.lost += result.lost;
            runs.figures.reordered += result.reordered;
            runs.figures.other += result.other;
            notes[i].per_second.push_back(result.per_second());
            notes[i].client_cores.push_back(result.client_cpu / result.seconds);
            notes[i].p999.push_back(microseconds(result.latency, 0.999));
        }
    }
    for (std::size_t i = 0; i < sides.size(); ++i) {
        auto& figures = out[i].figures;
        figures.name = sides[i].name;
        figures.per_cpu_second = median(out[i].per_cpu_second);
        figures.per_second = median(notes[i].per_second);
        figures.client_cores = median(notes[i].client_cores);
        figures.p50_us = median(out[i].p50_us);
        figures.p99_us = median(out[i].p99_us);
        figures.p999_us = median(notes[i].p999);
    }
    return out;
}

double median_ratio(const std::vector<double>& one, const std::vector<double>& other) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i)
        if (other[i] > 0) ratios.push_back(one[i] / other[i]);
    return median(ratios);
}

finding share(std::string what, std::string command, const side_runs& one, const side_runs& of,
              std::optional<double> at_least, std::string unit) {
    finding out{.what = std::move(what), .command = std::move(command), .unit = std::move(unit)};
    out.value = median_ratio(one.per_cpu_second, of.per_cpu_second);
    out.at_least = at_least;
    out.sides = {of.figures, one.figures};
    return out;
}

}  // namespace madang::bench
