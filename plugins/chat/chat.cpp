#include "chat.hpp"

#include "calls.hpp"

namespace {

chat::Rules rules_of(const madang::Plugin& plugin) {
    madang::Config config(plugin);
    chat::Rules rules;
    rules.cooldown = std::chrono::milliseconds(config.get<std::uint32_t>("cooldown_ms", 0));
    rules.max_characters = config.get<std::size_t>("max_characters", rules.max_characters);
    rules.banned_words = config.get<std::vector<std::string>>("banned_words", {});
    rules.allowed_rooms = config.get<std::vector<std::string>>("allowed_rooms", {});
    rules.forbidden_rooms = config.get<std::vector<std::string>>("forbidden_rooms", {});
    config.finish();
    return rules;
}

}  // namespace

MADANG_PLUGIN(.id = "chat", .version = "1.1.0", .summary = "Chat rooms") {
    const chat::Rules rules = rules_of(plugin);
    // Nobody publishes past the rules: clients of the client protocol call chat.say. Where rooms are
    // restricted, they need a token to subscribe.
    const bool open = rules.allowed_rooms.empty() && rules.forbidden_rooms.empty();
    plugin.declare_namespace("room", madang::json{{"history_size", 100},
                                                  {"history_ttl", "24h"},
                                                  {"recovery", true},
                                                  {"presence", true},
                                                  {"join_leave", true},
                                                  {"crash_leaves", true},
                                                  {"allow_subscribe", open ? "everyone" : "nobody"},
                                                  {"allow_presence", "subscribers"},
                                                  {"allow_history", "subscribers"},
                                                  {"allow_publish", "nobody"}});
    plugin.websocket<chat::ChatConsumer>("/ws/chat/<str:room>/", {}, rules);

    const auto calls = std::make_shared<chat::Calls>(rules);
    plugin.on_rpc("chat.say", [calls](const madang::RpcCall& call) { return calls->say(call); });
    plugin.on_rpc("chat.typing", [calls](const madang::RpcCall& call) { return calls->typing(call); });
    plugin.on_rpc("chat.who",
                  [calls](const madang::RpcCall& call, madang::RpcReply reply) { calls->who(call, reply); });
}
