#include "notify.hpp"

MADANG_PLUGIN(.id = "notify", .version = "1.0.0", .summary = "Delivers to a user what is sent to user:<id>") {
    plugin.websocket<notify::NotifyConsumer>("/ws/notify/");
}
