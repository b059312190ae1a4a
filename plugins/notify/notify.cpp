#include "notify.hpp"

MADANG_PLUGIN(.id = "notify", .version = "1.1.0",
              .summary = "Delivers to a user what is pushed to user:<id>") {
    plugin.declare_namespace("user", R"({"presence": true})");
    plugin.websocket<notify::NotifyConsumer>("/ws/notify/");
}
