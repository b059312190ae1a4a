#include "hello.hpp"

MADANG_PLUGIN(.id = "hello", .version = "0.1.0", .summary = "Greets") {
    plugin.websocket<hello::HelloConsumer>("/ws/hello/<str:name>/");
    plugin.post("/hello/<str:name>", hello::greet);
    plugin.post("/hello/", hello::greet_later);
    plugin.task("hello.greet_all", hello::greet_all, {.max_retries = 5});
}
