// Who answers a request: at once, later, or by taking the connection over.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "actors/loop.hpp"
#include "actors/transport.hpp"
#include "broker/net/connection_limits.hpp"
#include "broker/net/http_message.hpp"

namespace madang {

// Answers a request whose dispatcher said awaiting_reply. Any thread, at any time; the first call counts,
// late and further ones are dropped.
using reply_function = std::function<void(http_response)>;

struct awaiting_reply {
    std::chrono::milliseconds timeout;    // 504 afterwards
    std::function<void()> given_up = {};  // called once, on the loop, should nobody wait any longer
};

// What is left of a connection when its HTTP is over.
struct taken_connection {
    std::unique_ptr<transport> io;
    std::string leftover;  // bytes that came behind the request
    connection_slot slot;
};
struct take_over {
    std::function<void(taken_connection&&)> by;  // called at once, on the loop
};

using http_answer = std::variant<http_response, awaiting_reply, take_over>;

// Called on any loop's thread, for several loops at once.
class http_dispatcher {
  public:
    // `request` lives until it was answered; its method, path, request_id and client stay as they are.
    virtual http_answer handle(loop& on, http_request& request, reply_function reply) = 0;

  protected:
    ~http_dispatcher() = default;
};

}  // namespace madang
