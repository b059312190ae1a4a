// What connections are given by their route: its own options over the server's. No I/O.
#pragma once

#include <string>

#include "actors/connection.hpp"
#include "broker/core/options.hpp"
#include "broker/protocol/client_session.hpp"
#include "plugins/host/plugin.hpp"

namespace madang {

consumer_route resolve(const websocket_route& route, const options& settings);
consumer_route resolve(const background_route& route, const options& settings);

// The client protocol's sessions: their limits are options of their own, and they ping by themselves. What a
// slow client does not read is never dropped: it would be a gap in a stream.
consumer_route client_route(const madang_consumer_class& type, const options& settings);
session_limits client_limits(const options& settings, const std::string& node);

}  // namespace madang
