// What client sessions share, and the consumer class that they are to their connections.
#pragma once

#include <functional>
#include <string_view>

#include "broker/core/gatekeeper.hpp"
#include "broker/core/streams.hpp"
#include "broker/protocol/client_session.hpp"
#include "madang/abi.h"

namespace madang {

// Made by the composition root before the loops run; constant from then on. All that it refers to outlives
// the loops.
struct session_services {
    session_limits limits;
    gatekeeper& gate;
    stream_port& streams;
    // The client protocol's "send". Null: nobody listens. A loop's thread.
    std::function<void(const known_client& who, std::string_view data)> on_message;
};

// Its context refers to `services`.
madang_consumer_class client_consumer_class(const session_services& services) noexcept;

}  // namespace madang
