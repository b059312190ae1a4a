#pragma once

#include <madang/group_name.hpp>
#include <madang/json.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "backlog.hpp"
#include "rules.hpp"

namespace chat {

inline constexpr std::uint64_t history_shown = 50;
inline constexpr std::uint64_t listed = 100;  // at most so many in an answer to "who"
inline constexpr std::chrono::milliseconds typing_pause{1000};

// What a publication of a room is, told once per payload however many are shown it.
struct Kind {
    bool message = false;  // {"message": "…"} and nothing else
    std::string typing;    // who types, or ""

    static const Kind& of(madang::PayloadRef payload) {
        static const Kind unknown;
        const void* found = payload.parsed(
            "madang.chat.Kind/1",
            [](madang_str bytes) -> void* {
                Kind* made = nullptr;
                madang::detail::contained(
                    [&] {
                        made = new Kind(parse({bytes.data, bytes.size}));
                    },
                    [](auto) {});
                return made;
            },
            [](void* kind) { delete static_cast<Kind*>(kind); });
        return found == nullptr ? unknown : *static_cast<const Kind*>(found);
    }
    static Kind parse(std::string_view text) {
        const auto content = madang::parse_json(text);
        if (!content.is_object() || content.size() != 1) return {};
        const auto& value = content.begin().value();
        if (!value.is_string()) return {};
        if (content.begin().key() == "typing") return {false, value.get<std::string>()};
        return {content.begin().key() == "message", {}};
    }
};
inline bool flag_in(const madang::json& content, const char* name) {
    const auto found = content.is_object() ? content.find(name) : content.end();
    return found != content.end() && *found == true;
}
inline madang::json here_of(const madang::Presence& there) {
    auto list = madang::json::array();
    for (const auto& each : there.clients)
        list.push_back({{"user", each.who.user}, {"client", each.who.client}, {"since", each.since_ms}});
    return list;
}
inline madang::json seen_of(const madang::LastSeen& users) {
    auto list = madang::json::array();
    for (const auto& each : users.users) list.push_back({{"user", each.user}, {"time", each.time_ms}});
    return list;
}

// One member of one room. Kept small: every idle connection has one.
class ChatConsumer : public madang::JsonConsumer {
  public:
    explicit ChatConsumer(const Rules& rules) : rules_(rules) {}

    static void setup(madang::Class<ChatConsumer>& c) { describe(c); }

    // The permission hook. A subclass overrides it to ask something else than the configuration, e.g.
    // scope().user(), and calls describe(c) in its own setup.
    virtual bool may_enter(std::string_view room) const { return room_allowed(rules_, room); }

    // Joins first and asks for history then, so that nothing falls between them; what comes meanwhile waits.
    void connect() override {
        accept();
        const std::string_view room = scope().arg("room");
        const auto group = madang::group_name("room", room);
        if (!group) return turn_away("the room's name is too long");
        if (!may_enter(room)) return turn_away("you may not enter this room");
        joining_ = std::make_unique<Backlog>();
        waiting_ = true;
        group_add(*group);
        joined_ = true;
        const bool asked = layer().history(*group, {.limit = history_shown, .reverse = true},
                                           [this](const madang::History& past) { show(past); });
        if (!asked) show({});
        announce(*group, " joined");
    }

    void receive_json(const madang::json& content) override {
        if (!joined_) return;
        if (flag_in(content, "who")) return tell_who();
        if (flag_in(content, "typing")) return tell_typing();
        const auto message = content.is_object() ? content.find("message") : content.end();
        if (message == content.end() || !message->is_string()) return refuse("expected {\"message\": \"…\"}");
        const auto& text = message->get_ref<const std::string&>();
        if (const auto why = refusal(rules_, text)) return refuse(*why);
        const auto time = now();
        if (time < next_message_) {
            return refuse("too fast: wait " + std::to_string((next_message_ - time).count()) + " ms");
        }
        next_message_ = time + rules_.cooldown;
        next_typing_ = {};
        // Written once; every member sends on this very payload. Other keys of the client's object stay
        // behind.
        const bool taken =
            layer().publish(group(), madang::json{{"message", text}}, {.info = myself()},
                            [this](const madang::Published& done) {
                                if (!done) refuse("the message was not sent: " + std::string(done.message));
                            });
        if (!taken) refuse("the server is busy: the message was not sent");
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
        c.template on<&ChatConsumer::published>("publication")
            .template on<&ChatConsumer::forward>("chat.message")
            .template on<&ChatConsumer::forward>("chat.system")
            .template on<&ChatConsumer::taken>("presence.leave");
    }

  private:
    void forward(const madang::Event& event) { pass(event.payload(), 0); }
    // A member of an earlier run of the server, which had no time to say so.
    void taken(const madang::Event& event) {
        const auto who = madang::parse_json(event.payload().bytes());
        if (who.is_object() && who.contains("client") && who["client"].is_string())
            send_json({{"system", who["client"].get<std::string>() + " left"}});
    }
    void published(const madang::Event& event) {
        std::uint64_t offset = 0;
        if (joining_) {
            offset = event.offset();
            if (joining_->shown(offset, now())) return;
            if (offset != 0 && !waiting_) joining_.reset();
        }
        if (wanted(event)) pass(event.payload(), offset);
    }
    // {"message":"…"} as chat writes it, but for texts with an escape before their last quote. Looking up the
    // kind, per member and message, would be a fifth of a fan-out's cost.
    static bool is_plain(std::string_view bytes) noexcept {
        constexpr std::string_view begin = R"({"message":")", end = R"("})";
        return bytes.size() >= begin.size() + end.size() && bytes.starts_with(begin) &&
               bytes.ends_with(end) && bytes.find('"', begin.size()) == bytes.size() - end.size() &&
               bytes[bytes.size() - 3] != '\\';
    }
    // Whoever may publish to the group may publish anything: shown is what this protocol knows.
    bool wanted(const madang::Event& event) const {
        if (is_plain(event.bytes())) return true;
        const Kind& kind = Kind::of(event.payload());
        return kind.message || (!kind.typing.empty() && kind.typing != channel_name());
    }
    void pass(madang::PayloadRef payload, std::uint64_t offset) {
        if (waiting_) {
            if (joining_->hold(payload, offset)) return;
            show({});
        }
        send(payload);
    }
    void show(const madang::History& past) {
        if (!waiting_) return;  // too much was live meanwhile
        waiting_ = false;
        const auto& list = past.publications;  // newest first
        for (auto each = list.rbegin(); each != list.rend(); ++each)
            if (Kind::of(each->payload()).message) send(each->payload());
        for (const auto& each : joining_->release(list.empty() ? 0 : list.front().offset(), now()))
            send(each.payload);
    }

    void tell_who() {
        const bool asked =
            layer().presence(group(), {.limit = listed}, [this](const madang::Presence& there) {
                layer().last_seen(
                    group(), listed, [this, here = here_of(there)](const madang::LastSeen& seen) {
                        send_json({{"here", here}, {"seen", seen_of(seen)}, {"you", channel_name()}});
                    });
            });
        if (!asked) refuse("the server is busy");
    }
    void tell_typing() {
        if (now() < next_typing_) return;
        next_typing_ = now() + typing_pause;
        layer().publish(group(), madang::json{{"typing", channel_name()}},
                        {.skip_history = true, .info = myself()});
    }

    madang::ClientInfo myself() const { return {channel_name(), scope().user().id}; }
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
    std::chrono::milliseconds next_message_{0};  // both on the host's clock
    std::chrono::milliseconds next_typing_{0};
    std::unique_ptr<Backlog> joining_;  // until the first publication after history
    bool joined_ = false;
    bool waiting_ = false;  // for history; here, so that a delivery looks at no other memory
};

}  // namespace chat
