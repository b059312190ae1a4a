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

// `reply` is called exactly once: with publications as soon as there are some, with none after `timeout`,
// with the session's refusal, or (503) when the session ends before. Then the session's connection reads a
// close frame. The session's commands are the caller's to hand over.
std::unique_ptr<transport> make_poll_transport(loop& on, poll_collector collector,
                                               std::chrono::milliseconds timeout, std::string request_id,
                                               std::function<void(http_response)> reply);

}  // namespace madang
