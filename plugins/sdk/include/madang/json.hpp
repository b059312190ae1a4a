// JSON by nlohmann/json: JsonConsumer, and JSON for events, views and the configuration.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "madang/plugin.hpp"

namespace madang {

using json = nlohmann::json;  // of the nlohmann/json that the plugin is built with

// Text that is not JSON, or is nested deeper than max_json_depth.
class JsonError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// nlohmann/json writes and compares values recursively: a client that sends a megabyte of '[' must not
// overflow the stack.
inline constexpr std::size_t max_json_depth = 256;

namespace detail {

inline bool nested_deeper_than(std::string_view text, std::size_t limit) noexcept {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > limit) return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return false;
}

// @cond The names of this version of nlohmann/json.
#define MADANG_TEXT_OF(x) #x
#define MADANG_TEXT_OF_VALUE(x) MADANG_TEXT_OF(x)
// nlohmann's inline namespace names its version and the macros that change its layout. The parsed form is
// shared by all plugins that have the same one.
#ifdef NLOHMANN_JSON_NAMESPACE
#define MADANG_JSON_LAYOUT MADANG_TEXT_OF_VALUE(NLOHMANN_JSON_NAMESPACE)
#else
#define MADANG_JSON_LAYOUT                                                                  \
    "nlohmann " MADANG_TEXT_OF_VALUE(NLOHMANN_JSON_VERSION_MAJOR) "." MADANG_TEXT_OF_VALUE( \
        NLOHMANN_JSON_VERSION_MINOR) "." MADANG_TEXT_OF_VALUE(NLOHMANN_JSON_VERSION_PATCH)
#endif
#ifdef _GLIBCXX_DEBUG
inline constexpr char json_key[] = MADANG_JSON_LAYOUT "::json/debug";
#else
inline constexpr char json_key[] = MADANG_JSON_LAYOUT "::json";
#endif
#undef MADANG_JSON_LAYOUT
#undef MADANG_TEXT_OF_VALUE
#undef MADANG_TEXT_OF
// @endcond

}  // namespace detail

// Throws JsonError.
inline json parse_json(std::string_view text) {
    if (detail::nested_deeper_than(text, max_json_depth)) throw JsonError("JSON nested too deeply");
    json value = json::parse(text, nullptr, false);
    if (value.is_discarded()) throw JsonError("not JSON");
    return value;
}

// The payload's parsed form: parsed once in this process however many ask, valid as long as the payload.
// Throws JsonError.
inline const json& json_of(PayloadRef payload) {
    const void* parsed = payload.parsed(
        detail::json_key,
        [](madang_str bytes) -> void* {
            json* made = nullptr;
            detail::contained([&] { made = new json(parse_json(detail::from_abi(bytes))); }, [](auto) {});
            return made;
        },
        [](void* value) { delete static_cast<json*>(value); });
    if (parsed == nullptr) throw JsonError("not JSON");
    return *static_cast<const json*>(parsed);
}
// An event's payload: see json_of(PayloadRef).
inline const json& json_of(const Event& event) { return json_of(event.payload()); }
// A publication's data: see json_of(PayloadRef).
inline const json& json_of(const Publication& what) { return json_of(what.payload()); }

// A view's body. Not JSON: 400.
inline json json_of(const Request& request) {
    try {
        return parse_json(request.body());
    } catch (const JsonError& error) {
        throw HttpError(400, error.what());
    }
}

// An rpc call's data; null without any. Not JSON: 107.
inline json json_of(const RpcCall& call) {
    if (call.data().empty()) return nullptr;
    try {
        return parse_json(call.data());
    } catch (const JsonError& error) {
        throw RpcError(107, error.what());
    }
}
// An rpc call's answer.
inline RpcResult rpc_result(const json& value) { return {value.dump()}; }

// What the user's token or the session says; an empty object without one.
inline json claims_of(const Scope& scope) {
    const std::string_view text = scope.user().claims;
    return text.empty() ? json::object() : parse_json(text);
}
// The session, as Django has it; an empty object without one.
inline json session_of(const Scope& scope) {
    return scope.session().empty() ? json::object() : parse_json(scope.session());
}

// application/json.
inline Response json_response(const json& value, std::uint16_t status = 200) {
    return {status, {{"content-type", "application/json"}}, value.dump()};
}

// The event's payload, parsed once in this process however many handlers take it. Throws JsonError.
template <>
struct EventArgument<json> {
    static const json& get(const Event& event) { return json_of(event); }  // borrowed for the call
};

namespace detail {
inline std::string_view type_of(const json& event) {
    const auto type = event.is_object() ? event.find("type") : event.end();
    if (type == event.end() || !type->is_string())
        throw std::invalid_argument("an event is an object with a \"type\"");
    return type->get_ref<const std::string&>();
}
}  // namespace detail
// An event as Channels has it: an object whose "type" names the handler; the whole object is the payload.
// False: a queue is full. Throws std::invalid_argument without a type, Error for a malformed name.
inline bool group_send(const Layer& layer, std::string_view group, const json& event) {
    return layer.group_send(group, detail::type_of(event), event.dump());
}
// Likewise, to the consumer of that channel. False: there is none, too.
inline bool channel_send(const Layer& layer, std::string_view channel, const json& event) {
    return layer.send(channel, detail::type_of(event), event.dump());
}

// A consumer whose messages are JSON texts. Base: Consumer or SyncConsumer.
template <class Base>
class BasicJsonConsumer : public Base {
  public:
    // A message, parsed. On the consumer's thread.
    virtual void receive_json(const json&) {}
    // A binary message, or text that is not JSON. As in Channels, where decoding raises, the connection is
    // closed with 1011; override it to answer instead. It is the client's fault, so it is not logged as the
    // plugin's error.
    virtual void receive_invalid(const Message&, std::string_view why) { this->close(1011, why); }

    // As one text message. False: the connection is closed.
    bool send_json(const json& value) { return this->send(std::string_view(value.dump())); }
    // madang::group_send by this consumer's layer.
    bool group_send(std::string_view group, const json& event) {
        return madang::group_send(this->layer(), group, event);
    }
    // madang::channel_send by this consumer's layer.
    bool channel_send(std::string_view channel, const json& event) {
        return madang::channel_send(this->layer(), channel, event);
    }

    // Calls receive_json or receive_invalid.
    void receive(const Message& message) override {
        if (!message.is_text()) return receive_invalid(message, "a binary message where JSON is expected");
        json content;
        try {
            content = parse_json(message.bytes());
        } catch (const JsonError& error) {
            return receive_invalid(message, error.what());
        }
        receive_content(content);
    }

  protected:
    // Where a schema stands between.
    virtual void receive_content(const json& content) { receive_json(content); }
};

using JsonConsumer = BasicJsonConsumer<Consumer>;          // on the connection's loop: must not block
using SyncJsonConsumer = BasicJsonConsumer<SyncConsumer>;  // on a thread of the pool: may block

// Reads the plugin's section of the configuration; throws with the key's name when a value has the wrong
// type, and in finish() when the section has a key that nobody asked for.
class Config {
  public:
    // Of MADANG_PLUGIN's block; copies what it reads.
    explicit Config(const Plugin& plugin) : values_(parse_json(plugin.config_text())) {}

    // The key's value, or fallback when the section has none. Throws std::invalid_argument: a value of
    // another type, or a negative one for an unsigned Value.
    template <class Value>
    Value get(const std::string& key, Value fallback) {
        known_.insert(key);
        const auto found = values_.find(key);
        if (found == values_.end()) return fallback;
        if constexpr (std::is_unsigned_v<Value> && !std::is_same_v<Value, bool>) {
            if (found->is_number() && *found < 0) throw std::invalid_argument(key + ": must not be negative");
        }
        try {
            return found->template get<Value>();
        } catch (const json::exception& error) {
            throw std::invalid_argument(key + ": " + error.what());
        }
    }
    // After the last get. Throws std::invalid_argument, naming it, for a key that nobody asked for.
    void finish() const {
        for (const auto& item : values_.items()) {
            if (known_.contains(item.key())) continue;
            std::string what = "unknown key '" + item.key() + "'; known are:";
            for (const std::string& key : known_) what += " " + key;
            throw std::invalid_argument(what);
        }
    }

  private:
    json values_;
    std::set<std::string> known_;
};

}  // namespace madang
