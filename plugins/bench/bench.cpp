#include "bench.hpp"

#include <madang/jobs.hpp>

MADANG_PLUGIN(.id = "bench", .version = "1.0.0", .summary = "What `madang bench` measures with") {
    const madang::RouteOptions unthrottled{.messages_per_second = madang::unlimited};
    plugin.websocket<bench::FanoutConsumer>("/ws/bench/fanout/<str:group>/", unthrottled);
    plugin.websocket<bench::HandlerConsumer>("/ws/bench/handler/<str:group>/", unthrottled);

    // The same but for what is kept.
    plugin.declare_namespace("bench-live", R"({"allow_subscribe": "everyone"})");
    plugin.declare_namespace("bench-kept", R"({"allow_subscribe": "everyone", "recovery": true,
        "history_size": 100, "history_ttl": "10m", "history_durability": "buffered"})");
    plugin.declare_namespace("bench-here", R"({"presence": true})");
    plugin.websocket<bench::StreamConsumer>("/ws/bench/live/<str:group>/", unthrottled, "bench-live");
    plugin.websocket<bench::StreamConsumer>("/ws/bench/kept/<str:group>/", unthrottled, "bench-kept");
    plugin.websocket<bench::PresenceConsumer>("/ws/bench/here/<str:group>/", unthrottled, "bench-here");

    const auto nothing = [](madang::Job&) {};
    plugin.task("bench.nothing", nothing);
    plugin.task("bench.inline", nothing, {.in_process = true});
}
