#include "broker/app/consumer_routes.hpp"

namespace madang {

namespace {

consumer_route route_of(const hosted_class& what, std::uint32_t handler_budget_ms, const options& settings) {
    consumer_route result;
    result.consumer = &what.consumer;
    result.plugin = what.owner->id;
    result.name = what.name;
    result.label = what.owner->id + "/" + what.name;
    result.handler = what.handler;
    result.handler_budget =
        handler_budget_ms != 0 ? std::chrono::milliseconds{handler_budget_ms} : settings.handler_budget;
    result.max_groups = settings.max_groups_per_connection;
    return result;
}

}  // namespace

consumer_route resolve(const websocket_route& route, const options& settings) {
    const auto& own = route.settings;
    auto result = route_of(route, own.handler_budget_ms, settings);
    result.outbox_limits.bytes = own.outbox_bytes != 0 ? own.outbox_bytes : settings.ws_outbox_bytes;
    result.outbox_limits.policy = own.outbox_policy != MADANG_OUTBOX_DEFAULT
                                      ? static_cast<outbox_policy>(own.outbox_policy)
                                      : settings.ws_outbox_policy;
    result.message_bytes = own.max_message_bytes != 0 ? own.max_message_bytes : settings.ws_message_bytes;
    result.messages_per_second = own.messages_per_second == UINT32_MAX ? 0
                                 : own.messages_per_second != 0        ? own.messages_per_second
                                                                       : settings.ws_messages_per_second;
    // The server's burst goes with the server's rate.
    result.message_burst = own.messages_per_second != 0 || own.message_burst != 0 ? own.message_burst
                                                                                  : settings.ws_message_burst;
    result.handshake_timeout = settings.ws_handshake_timeout;
    result.ping_interval = settings.ws_ping_interval;
    result.pong_timeout = settings.ws_pong_timeout;
    result.sync_queue = settings.sync_queue;
    return result;
}

consumer_route resolve(const background_route& route, const options& settings) {
    auto result = route_of(route, route.handler_budget_ms, settings);
    result.channel = route.channel;
    result.sync_queue = route.queue_events != 0 ? route.queue_events : settings.background_queue;
    return result;
}

consumer_route client_route(const madang_consumer_class& type, const options& settings) {
    consumer_route result;
    result.consumer = &type;
    result.plugin = result.name = "client";
    result.label = "client/session";
    result.outbox_limits = {settings.ws_outbox_bytes, outbox_policy::disconnect};
    result.message_bytes = settings.client_message_bytes;
    result.messages_per_second = settings.ws_messages_per_second;
    result.message_burst = settings.ws_message_burst;
    result.handler_budget = settings.handler_budget;
    result.handshake_timeout = settings.ws_handshake_timeout;
    result.max_groups = UINT32_MAX;  // the session counts them
    result.sync_queue = settings.sync_queue;
    return result;
}

session_limits client_limits(const options& settings, const std::string& node) {
    return {.connect_timeout = settings.client_connect_timeout,
            .ping_interval = settings.client_ping_interval,
            .pong_timeout = settings.client_pong_timeout,
            .expired_grace = settings.client_expired_grace,
            .groups = settings.client_group_limit,
            .history = settings.client_history_limit,
            .recovery = settings.client_recovery_limit,
            .commands_waiting = settings.client_commands_waiting,
            .waiting_bytes = settings.client_waiting_bytes,
            .presence = settings.client_presence_limit,
            .news_held = settings.client_news_held,
            .node = node,
            .version = "Madang " MADANG_VERSION};
}

}  // namespace madang
