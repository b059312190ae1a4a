// The bodies of link::call and link::answer, by verb:
//
//     group_send, channel_send   sent                    -> nothing; not answered
//     publish                    publish_request         -> position
//     history                    history_request         -> history_page
//     presence                   presence_request        -> presence_page
//     presence_stats             std::string (group)     -> presence_counts
//     last_seen                  last_seen_call          -> std::vector<last_seen_entry>
//     enqueue                    enqueue_request         -> enqueued
//     cancel                     cancel_call             -> std::uint64_t
//     find                       find_call               -> job_view
//
// and, between nodes (actors/job_mail.hpp), the rest of job_port, but for tasks, which each node answers
// itself:
//
//     list                       job_filter              -> job_page
//     requeue, discard           std::vector<std::string> -> std::uint64_t
//     queues                     nothing                 -> std::vector<queue_view>
//     pause                      pause_call              -> bool
//     purge                      std::string (queue)     -> std::uint64_t
//     workers                    nothing                 -> std::vector<worker_view>
//     schedules                  nothing                 -> std::vector<schedule_view>
//     put_schedule               put_schedule_call       -> schedule_view
//     remove_schedule            std::string (name)      -> bool
//     next_fires                 next_fires_call         -> std::vector<std::int64_t>
//
// wire.hpp has the forms. An answer with a code other than 0 has the error's wire code and its detail.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/jobs.hpp"
#include "broker/core/streams.hpp"
#include "broker/jobs/worker_link.hpp"

namespace madang::link {

struct sent {
    std::string to;  // group or channel
    std::string type;
    payload event;
};
struct last_seen_call {
    std::string group;
    std::size_t limit = 0;
};
struct cancel_call {
    std::vector<std::string> ids;
    std::string reason;
};
struct find_call {
    std::string id;
    std::chrono::milliseconds wait{0};
};
struct nothing {};
struct pause_call {
    std::string queue;
    bool paused = true;
};
struct put_schedule_call {
    std::string name, json;
};
struct next_fires_call {
    std::string name, json;
    std::size_t count = 0;
};

// Value: one of those above.
template <class Value>
std::string to_body(const Value& what);
// Errors: protocol_error.
template <class Value>
result<Value> from_body(std::string_view body);

answer failed(std::uint64_t number, const error& why);
// Of an answer whose code is not 0; an unknown code is `internal`.
error error_of(const answer& what);

}  // namespace madang::link
