// What a worker process and its server say to each other over one stream socket: values. worker_codec.hpp has
// the bytes: frames of u32 length, u8 kind. The worker begins with `hello`; the server's answer is `welcome`
// or `refused`.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/core/jobs.hpp"

namespace madang::link {

inline constexpr std::uint32_t version = 2;

// ---- From the worker
struct hello {
    std::uint32_t version = link::version;
    std::string cookie;               // proves that it may: the server's, from the file beside the socket
    std::string name;                 // HOST:PID
    std::vector<std::string> queues;  // empty: all
    std::vector<std::string> tasks;   // that its plugins have
    std::uint32_t concurrency = 1, prefetch = 4;
    // Leases of an earlier connection that it still holds: they go on.
    std::vector<std::pair<std::string, std::uint64_t>> holds;
};
// Now: the server gives concurrency * prefetch jobs in all. What it had given above that may be handed back.
struct capacity {
    std::uint32_t concurrency = 1, prefetch = 1;
};
struct began {
    std::uint64_t token = 0;
    std::uint32_t child = 0;  // process id
};
struct ended {
    enum class outcome : std::uint8_t { success, failure, retry, reject, ignore, lost, handed_back };
    std::uint64_t token = 0;
    outcome what = outcome::success;
    std::string result;          // success: JSON
    job_error error;             // failure, retry, reject, lost
    std::int64_t after_ms = -1;  // retry, reject
    std::uint64_t cpu_us = 0, run_us = 0;
};
struct progress {
    std::uint64_t token = 0;
    std::string json;
};
struct checkpoint {
    std::uint64_t token = 0;
    std::uint64_t call = 0;  // answered with that number
    std::string data;
};
// Of plugin code in a child, to the server's layer, streams or jobs.
struct call {
    enum class verb : std::uint8_t {
        group_send,
        channel_send,
        publish,
        history,
        presence,
        presence_stats,
        last_seen,
        enqueue,
        cancel,
        find
    };
    verb what = verb::publish;
    std::uint64_t number = 0;  // 0: no answer is wanted
    std::uint64_t token = 0;   // of the job that calls; 0: none
    std::string body;          // call_codec.hpp's
};
struct child_ended {  // for metrics and the log
    std::uint32_t child = 0;
    std::string why;
    bool expected = false;
};
struct alive {};    // the server's at least every second; the worker answers it
struct leaving {};  // warm shutdown: no more jobs; what it has not begun comes back

// ---- From the server
struct welcome {
    std::uint64_t worker_id = 0;
    std::string node;
};
struct refused {
    std::string why;
};
struct run {
    std::uint64_t token = 0;
    std::string id, task, queue, args, kwargs, headers, correlation_id, parent, root, checkpoint;
    std::uint32_t retries = 0, losses = 0;
    std::int32_t max_retries = 0;
    std::uint32_t soft_limit_ms = 0, hard_limit_ms = 0;
};
struct stop {  // cancelled: token, then soft limit's signal, then kill; the server decides when each comes
    enum class how : std::uint8_t { ask, soft, kill };
    std::uint64_t token = 0;
    how what = how::ask;
};
struct answer {
    std::uint64_t number = 0;
    std::uint32_t code = 0;  // 0: well
    std::string body;        // or what is wrong
};
struct warm_stop {};  // the server drains: finish what runs, hand back the rest, go
struct told {         // the `ended` of this token is kept: the worker may forget it
    std::uint64_t token = 0;
    bool stale = false;  // the lease was another's by then
};

using from_worker =
    std::variant<hello, capacity, began, ended, progress, checkpoint, call, child_ended, alive, leaving>;
using from_server = std::variant<welcome, refused, run, stop, answer, warm_stop, told, alive>;

}  // namespace madang::link
