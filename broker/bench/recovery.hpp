// Everybody comes back at once: clients of the client protocol subscribe, go away, miss publications, and
// reconnect all at the same time to recover them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "broker/bench/child.hpp"
#include "broker/bench/histogram.hpp"

namespace madang::bench {

struct recovery_spec {
    std::uint32_t clients = 10'000;
    std::uint32_t groups = 100;  // the clients are spread over them
    std::uint32_t missed = 20;   // publications, of each group
    std::size_t payload = 128;   // bytes
};

struct recovery_result {
    double seconds = 0;  // from the first connect to the last client that has everything
    double server_cpu = 0;
    double client_cpu = 0;
    histogram latency;  // ns from the first connect, one value per client
};

// Throws std::runtime_error when the server refuses, or when a client does not recover just what it missed.
recovery_result run_recovery(const target& server, const recovery_spec& spec);

}  // namespace madang::bench
