#include "ping.hpp"

MADANG_PLUGIN(.id = "ping", .version = "1.0.0", .summary = "Says hello and answers pings") {
    plugin.websocket<ping::PingConsumer>("/ws/ping/");
}
