#include "echo.hpp"

MADANG_PLUGIN(.id = "echo", .version = "1.0.0", .summary = "Answers every message with itself") {
    constexpr std::uint64_t message_bytes = 16 * 1024 * 1024;
    plugin.websocket<echo::EchoConsumer>("/ws/echo/", {
                                                          .max_message_bytes = message_bytes,
                                                          .outbox_bytes = 4 * message_bytes,
                                                          .messages_per_second = madang::unlimited,
                                                      });
}
