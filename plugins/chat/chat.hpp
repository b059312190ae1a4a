#pragma once

#include <madang/group_name.hpp>
#include <madang/json.hpp>
#include <string>
#include <string_view>

#include "rules.hpp"

namespace chat {

// One member of one room. Kept small: every idle connection has one.
class ChatConsumer : public madang::JsonConsumer {
  public:
    explicit ChatConsumer(const Rules& rules) : rules_(rules) {}

    static void setup(madang::Class<ChatConsumer>& c) { describe(c); }

    // The permission hook. A subclass overrides it to ask something else than the configuration, e.g.
    // scope().user(), and calls describe(c) in its own setup.
    virtual bool may_enter(std::string_view room) const { return room_allowed(rules_, room); }

    void connect() override {
        accept();
        const std::string_view room = scope().arg("room");
        const auto group = madang::group_name("room", room);
        if (!group) return turn_away("the room's name is too long");
        if (!may_enter(room)) return turn_away("you may not enter this room");
        group_add(*group);
        joined_ = true;
        announce(*group, " joined");
    }

    void receive_json(const madang::json& content) override {
        if (!joined_) return;
        const auto message = content.is_object() ? content.find("message") : content.end();
        if (message == content.end() || !message->is_string()) return refuse("expected {\"message\": \"…\"}");
        const auto& text = message->get_ref<const std::string&>();
        if (const auto why = refusal(rules_, text)) return refuse(*why);
        const auto time = now();
        if (time < next_message_) {
            return refuse("too fast: wait " + std::to_string((next_message_ - time).count()) + " ms");
        }
        next_message_ = time + rules_.cooldown;
        // Written once; every member sends on this very payload. Other keys of the client's object stay
        // behind.
        const std::string event = madang::json{{"message", text}}.dump();
        if (!layer().group_send(group(), "chat.message", event))
            refuse("the server is busy: the message was not sent");
    }

    void disconnect(std::uint16_t) override {
        if (!joined_) return;
        const std::string group = this->group();
        group_discard(group);
        announce(group, " left");
    }

  protected:
    template <class Type>
    static void describe(madang::Class<Type>& c) {
        c.template on<&ChatConsumer::forward>("chat.message")
            .template on<&ChatConsumer::forward>("chat.system");
    }

  private:
    void forward(const madang::Event& event) { send(event.payload()); }

    std::string group() const { return madang::group_name("room", scope().arg("room")).value(); }
    void announce(std::string_view group, std::string_view what) {
        layer().group_send(group, "chat.system",
                           madang::json{{"system", std::string(channel_name()).append(what)}}.dump());
    }
    void refuse(std::string_view why) { send_json({{"error", why}}); }
    void turn_away(std::string_view why) {
        refuse(why);
        close(1008, why);
    }

    const Rules& rules_;
    std::chrono::milliseconds next_message_{0};  // on the host's clock
    bool joined_ = false;
};

}  // namespace chat
