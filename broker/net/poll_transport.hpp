// The transport of a long poll's session. There is no socket: what the session writes is collected, and
// becomes the answer to the HTTP request, which waits meanwhile.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "actors/transport.hpp"
#include "broker/net/http_message.hpp"
#include "broker/net/poll.hpp"

namespace madang {

class loop;

struct poll_times {
    std::chrono::milliseconds setup;  // for the session to be subscribed; 504 afterwards
    std::chrono::milliseconds wait;   // from then on, for a publication
};

// `reply` is called exactly once: with publications as soon as there are some, with none when the time is
// over, with the session's refusal, or (503) when the session ends before. Then the session's connection
// reads a close frame. The session's commands are the caller's to hand over.
std::unique_ptr<transport> make_poll_transport(loop& on, poll_collector collector, poll_times times,
                                               std::string request_id,
                                               std::function<void(http_response)> reply);

}  // namespace madang
