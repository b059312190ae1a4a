#include "bench.hpp"

MADANG_PLUGIN(.id = "bench", .version = "1.0.0", .summary = "What `madang bench` measures with") {
    const madang::RouteOptions unthrottled{.messages_per_second = madang::unlimited};
    plugin.websocket<bench::FanoutConsumer>("/ws/bench/fanout/<str:group>/", unthrottled);
    plugin.websocket<bench::HandlerConsumer>("/ws/bench/handler/<str:group>/", unthrottled);
}
