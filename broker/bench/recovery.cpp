#include "broker/bench/recovery.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/bench/client_words.hpp"
#include "broker/bench/compare.hpp"
#include "broker/bench/frames.hpp"
#include "broker/bench/proc.hpp"
#include "broker/bench/swarm.hpp"

namespace madang::bench {

namespace {

std::string name_of(std::size_t group, int run) {
    return "r" + std::to_string(getpid()) + "x" + std::to_string(run) + "x" + std::to_string(group);
}

}  // namespace

recovery_result run_recovery(const target& server, const recovery_spec& spec) {
    static int runs = 0;
    const int run = ++runs;
    if (spec.clients == 0 || spec.groups == 0 || spec.missed == 0)
        throw std::invalid_argument("clients, groups and publications must be at least 1");
    std::vector<std::optional<client_position>> left_at(spec.groups);
    const auto clients = [&] {
        std::vector<swarm_member> all;
        for (std::size_t i = 0; i < spec.clients; ++i)
            all.push_back(
                {std::string(client_route),
                 {client_hello("bench-kept:" + name_of(i % spec.groups, run), left_at[i % spec.groups])}});
        return all;
    };
    {
        std::vector<std::optional<client_position>> now(spec.groups);
        swarm first(server, clients(), [&](std::size_t index, std::string_view message) {
            const auto where = read_subscribed(message);
            if (where) now[index % spec.groups] = where;
            return where.has_value();
        });
        first.run();
        left_at = std::move(now);
    }
    wait_until_quiet(server.pid());
    {
        payload_template payload(envelope::chat, spec.payload);
        std::vector<std::string> says;
        for (std::uint32_t i = 0; i < spec.missed; ++i) says.emplace_back(payload.with_sequence(i));
        std::vector<swarm_member> publishers;
        for (std::size_t i = 0; i < spec.groups; ++i)
            publishers.push_back({"/ws/bench/kept/" + name_of(i, run) + "/", says});
        swarm publish(server, std::move(publishers), [&](std::size_t, std::string_view message) {
            return read_sequence(message) == spec.missed - 1;
        });
        publish.run();
    }
    wait_until_quiet(server.pid());

    swarm again(server, clients(),
                [&](std::size_t, std::string_view message) { return read_recovered(message, spec.missed); });
    recovery_result result;
    const auto server_cpu = cpu_time(server.pid()), client_cpu = cpu_time(0);
    again.run();
    result.server_cpu = static_cast<double>(cpu_time(server.pid()) - server_cpu) * 1e-9;
    result.client_cpu = static_cast<double>(cpu_time(0) - client_cpu) * 1e-9;
    const auto last = *std::max_element(again.done().begin(), again.done().end());
    result.seconds = static_cast<double>(last - again.began()) * 1e-9;
    for (const auto at : again.done()) result.latency.record(at - again.began());
    return result;
}

}  // namespace madang::bench
