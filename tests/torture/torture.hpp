// What the programs here share: the seed, and a way to fail.
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {

using dice_box = std::mt19937_64;

inline void require(bool so, const std::string& otherwise) {
    if (!so) throw std::runtime_error(otherwise);
}

inline void require_equal(double got, double wanted, const std::string& what) {
    require(got == wanted, what + " is " + std::to_string(got) + ", not " + std::to_string(wanted));
}

// argv: a seed, and "short".
inline int torture(int argc, char** argv, const std::function<void(std::uint64_t seed, bool brief)>& body) {
    const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : std::random_device{}();
    const bool brief = argc > 2 && std::strcmp(argv[2], "short") == 0;
    std::printf("seed %llu%s\n", static_cast<unsigned long long>(seed), brief ? ", short" : "");
    std::fflush(stdout);
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    try {
        body(seed, brief);
    } catch (const std::exception& e) {
        std::printf("FAILED: %s\n", e.what());
        return 1;
    }
    std::printf("ok\n");
    return 0;
}

// Nobody is left behind: every gauge of clients and their groups is back at nothing.
inline void require_empty(const server& node) {
    const char* const gauges[] = {"madang_connections_open", "madang_http_connections_open",
                                  "madang_groups",           "madang_group_members",
                                  "madang_outbox_bytes",     "madang_connections_paused"};
    std::string left;
    const bool empty = eventually(
        [&] {
            left.clear();
            const auto now = node.metrics();
            for (const auto* each : gauges)
                if (now[each] != 0) left += std::string(" ") + each + "=" + std::to_string(now[each]);
            return left.empty();
        },
        20s);
    require(empty, "left behind:" + left);
}

inline void require_alive(const server& node) {
    peer client(node.port());
    client.upgrade("/ws/echo/");
    client.text("still there?");
    require(
        drive(client, [&] { return client.received == 1; }) && client.messages[0].payload == "still there?",
        "the server no longer echoes");
}

inline void require_clean_end(server& node) {
    const int code = node.stop(20s);
    require(code == 0, "the server ended with " + std::to_string(code) + ":\n" + node.log());
}

}  // namespace madang::test
