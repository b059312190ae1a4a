#include "chat.hpp"

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

MADANG_PLUGIN(.id = "chat", .version = "1.0.0", .summary = "Chat rooms") {
    plugin.websocket<chat::ChatConsumer>("/ws/chat/<str:room>/", {}, rules_of(plugin));
}
