// The room for clients of the client protocol: they subscribe to room:<room>, and do the rest by rpc, under
// the same rules as everybody.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "chat.hpp"

namespace chat {

// When who may do something again. Any thread.
class Pauses {
  public:
    using Time = std::chrono::milliseconds;
    // How long `who` has to wait; none: it does it now, and then has to pause.
    Time ask(std::string_view who, Time now, Time pause) {
        if (pause.count() == 0) return Time{0};
        const std::lock_guard lock(mutex_);
        if (until_.size() >= most_) {
            std::erase_if(until_, [&](const auto& each) { return each.second <= now; });
            most_ = std::max<std::size_t>(1024, until_.size() * 2);
        }
        auto& until = until_[std::string(who)];
        if (until > now) return until - now;
        until = now + pause;
        return Time{0};
    }

  private:
    std::mutex mutex_;
    std::unordered_map<std::string, Time> until_;
    std::size_t most_ = 1024;
};

class Calls {
  public:
    static constexpr std::uint32_t refused = 400;  // the error code of everything that the room refuses

    explicit Calls(Rules rules) : rules_(std::move(rules)) {}

    madang::RpcResult say(const madang::RpcCall& call) {
        const auto data = madang::json_of(call);
        const auto group = group_of(data);
        const std::string text = text_in(data, "message");
        if (const auto why = refusal(rules_, text)) throw madang::RpcError(refused, *why);
        if (const auto wait = messages_.ask(call.client(), call.host().now(), rules_.cooldown);
            wait.count() != 0)
            throw madang::RpcError(refused, "too fast: wait " + std::to_string(wait.count()) + " ms");
        if (!call.layer().publish(group, madang::json{{"message", text}}, {.info = call.info()}))
            throw madang::RpcError(refused, "the server is busy: the message was not sent");
        return madang::rpc_result(madang::json::object());
    }
    madang::RpcResult typing(const madang::RpcCall& call) {
        const auto group = group_of(madang::json_of(call));
        if (typing_.ask(call.client(), call.host().now(), typing_pause).count() == 0)
            call.layer().publish(group, madang::json{{"typing", call.client()}},
                                 {.skip_history = true, .info = call.info()});
        return madang::rpc_result(madang::json::object());
    }
    void who(const madang::RpcCall& call, madang::RpcReply reply) {
        const auto group = group_of(madang::json_of(call));
        const auto layer = call.layer();
        const std::string you(call.client());
        layer.presence(group, {.limit = listed}, [=](const madang::Presence& there) {
            layer.last_seen(group, listed, [reply, you, here = here_of(there)](const madang::LastSeen& seen) {
                reply(madang::rpc_result({{"here", here}, {"seen", seen_of(seen)}, {"you", you}}));
            });
        });
    }

  private:
    static std::string text_in(const madang::json& data, const char* key) {
        const auto found = data.is_object() ? data.find(key) : data.end();
        if (found == data.end() || !found->is_string())
            throw madang::RpcError(refused, std::string("expected {\"") + key + "\": \"…\"}");
        return found->get<std::string>();
    }
    std::string group_of(const madang::json& data) const {
        const std::string room = text_in(data, "room");
        if (!room_allowed(rules_, room)) throw madang::RpcError(refused, "you may not enter this room");
        const auto group = madang::group_name("room", room);
        if (!group) throw madang::RpcError(refused, "the room's name is too long");
        return *group;
    }

    const Rules rules_;
    Pauses messages_;
    Pauses typing_;
};

}  // namespace chat
