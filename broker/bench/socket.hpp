// Client sockets and time for the load generators.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "broker/bench/child.hpp"

namespace madang::bench {

std::int64_t now_ns();  // monotonic

// Starts a non-blocking connect. The i-th socket's source address is spread over 127.0.0.2 to .251, so that
// ports do not run out; receive_buffer 0 leaves the kernel's size. Throws std::system_error.
int start_connect(const endpoint& to, std::size_t i, int receive_buffer = 0);

void raise_open_files();  // the soft limit to the hard one

struct interrupted : std::runtime_error {
    interrupted() : std::runtime_error("interrupted") {}
};

// SIGINT and SIGTERM make the next check_interrupted() throw, so that every child is ended on the way out.
void catch_signals();
void check_interrupted();

}  // namespace madang::bench
