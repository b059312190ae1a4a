// What is said once per class of consumers: its event handlers and groups; and the functions that the server
// calls.
#pragma once

#include <algorithm>
#include <deque>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "madang/consumer.hpp"

namespace madang {

// How an event becomes a handler's argument; <madang/json.hpp> adds nlohmann::json.
template <class Argument>
struct EventArgument;
// The event as it is.
template <>
struct EventArgument<Event> {
    static const Event& get(const Event& event) noexcept { return event; }  // borrowed for the call
};
// For handlers of "publication" only: throws Error for any other event.
template <>
struct EventArgument<Publication> {
    static Publication get(const Event& event) { return event.publication(); }  // borrowed for the call
};

namespace detail {

using EventCall = void (*)(Consumer&, const Event&);

// Event types to handlers. Filled when the plugin is loaded; after that a lookup allocates and locks nothing.
class EventTable {
  public:
    void add(std::string_view type, EventCall call) {
        if (type.empty() || type.size() > 255 || type.front() == '_' || type.front() == '.')
            throw std::invalid_argument(
                "an event type is 1-255 bytes and begins with neither '_' nor '.': '" + std::string(type) +
                "'");
        for (const Entry& entry : entries_)
            if (same_handler(entry.type, type))
                throw std::invalid_argument("two handlers for event type '" + std::string(type) + "'");
        const std::string_view name = names_.emplace_back(type);
        entries_.push_back({Key(name), name, call});
    }
    EventCall find(std::string_view type) const noexcept {
        const Key key(type);
        for (const Entry& entry : entries_) {
            if (entry.key == key &&
                (type.size() <= 16 || std::memcmp(entry.type.data(), type.data(), type.size()) == 0))
                return entry.call;
        }
        return find_dotted(type);
    }

  private:
    // Size, first and last bytes: all there is up to 16 bytes, so that a lookup is a few comparisons of
    // registers.
    struct Key {
        explicit Key(std::string_view text) noexcept : size(text.size()) {
            const char* data = text.data();
            if (size >= 8) {
                std::memcpy(&head, data, 8);
                std::memcpy(&tail, data + size - 8, 8);
            } else if (size >= 4) {
                std::memcpy(&head, data, 4);
                std::memcpy(&tail, data + size - 4, 4);
            } else if (size > 0) {
                const char bytes[] = {data[0], data[size / 2], data[size - 1]};
                std::memcpy(&head, bytes, sizeof bytes);
            }
        }
        friend bool operator==(const Key&, const Key&) = default;
        std::size_t size;
        std::uint64_t head = 0;
        std::uint64_t tail = 0;
    };
    struct Entry {
        Key key;
        std::string_view type;
        EventCall call;
    };
    // Channels' rule: "chat.event" and "chat_event" name the same handler.
    static bool same_handler(std::string_view a, std::string_view b) noexcept {
        const auto plain = [](char c) { return c == '.' ? '_' : c; };
        return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                                  [&](char x, char y) { return plain(x) == plain(y); });
    }
    [[gnu::noinline]] EventCall find_dotted(std::string_view type) const noexcept {
        if (type.empty() || type.front() == '_' || type.front() == '.') return nullptr;
        for (const Entry& entry : entries_)
            if (same_handler(entry.type, type)) return entry.call;
        return nullptr;
    }

    std::vector<Entry> entries_;
    std::deque<std::string> names_;
};

template <class Type>
constexpr std::string_view type_name() noexcept {  // "ChatConsumer", without namespaces; static storage
    std::string_view name = __PRETTY_FUNCTION__;
    name.remove_prefix(name.find("Type = ") + 7);
    name = name.substr(0, name.find_first_of(";]"));
    const std::string_view head = name.substr(0, name.find('<'));
    const auto colon = head.rfind("::");
    return colon == std::string_view::npos ? name : name.substr(colon + 2);
}

template <auto Handler>
struct HandlerCall;
template <class Class, void (Class::*Handler)()>
struct HandlerCall<Handler> {
    static void call(Consumer& consumer, const Event&) { (static_cast<Class&>(consumer).*Handler)(); }
};
template <class Class, class Argument, void (Class::*Handler)(Argument)>
struct HandlerCall<Handler> {
    static void call(Consumer& consumer, const Event& event) {
        (static_cast<Class&>(consumer).*Handler)(EventArgument<std::remove_cvref_t<Argument>>::get(event));
    }
};

struct ClassBase {
    explicit ClassBase(const Host& host) : host(&host) {}
    ClassBase(const ClassBase&) = delete;
    ClassBase& operator=(const ClassBase&) = delete;
    virtual ~ClassBase() = default;

    const Host* host;
    EventTable events;
    std::deque<std::string> groups;
    std::vector<madang_str> group_views;  // of groups
};

// Runs body; an exception becomes `failed(what)`. Nothing throws across the ABI.
template <class Body, class Failed>
[[gnu::always_inline]] inline bool contained(Body&& body, Failed&& failed) noexcept {
    try {
        body();
        return true;
    } catch (const std::exception& error) {
        failed(std::string_view(error.what()));
    } catch (...) {
        failed(std::string_view("an exception that is not a std::exception"));
    }
    return false;
}

// The functions of madang_consumer_class. A madang_consumer* is a Consumer*.
struct ConsumerAccess {
    static Consumer& of(madang_consumer* consumer) noexcept { return *reinterpret_cast<Consumer*>(consumer); }

    template <class Body>
    [[gnu::always_inline]] static madang_status guarded(Consumer& consumer, std::string_view where,
                                                        Body&& body) noexcept {
        const bool done = contained(body, [&](std::string_view what) { report(consumer, where, what); });
        return done ? MADANG_OK : MADANG_FAILED;
    }
    static void report(const Consumer& consumer, std::string_view where, std::string_view what) noexcept {
        consumer.host_->api.report_error(consumer.connection_, to_abi(where), to_abi(what));
    }
    static void attach(Consumer& consumer, const ClassBase& its_class,
                       madang_connection* connection) noexcept {
        consumer.host_ = its_class.host;
        consumer.class_ = &its_class;
        consumer.connection_ = connection;
    }

    static madang_status connect(madang_consumer* self) {
        return guarded(of(self), "connect", [&] { of(self).connect(); });
    }
    static madang_status receive(madang_consumer* self, madang_frame frame, madang_payload* payload) {
        Consumer& consumer = of(self);
        return guarded(consumer, "receive", [&] {
            consumer.receive(Message(static_cast<Frame>(frame), PayloadRef(*consumer.host_, payload)));
        });
    }
    static EventCall handler(const Consumer& consumer, std::string_view type) noexcept {
        const EventCall call = consumer.class_->events.find(type);
        if (call == nullptr) [[unlikely]]
            report(consumer, "event",
                   type.empty() ? "an event without a type" : "no handler for the event's type");
        return call;
    }
    static madang_status event(madang_consumer* self, madang_str type, madang_payload* payload) {
        Consumer& consumer = of(self);
        const std::string_view name = from_abi(type);
        const EventCall call = handler(consumer, name);
        if (call == nullptr) return MADANG_FAILED;
        return guarded(consumer, name, [&] {
            call(consumer, Event(name, PayloadRef(*consumer.host_, payload), consumer.connection_));
        });
    }
    static madang_status events(madang_consumer* self, madang_events* run) {
        Consumer& consumer = of(self);
        madang_str type{};
        EventCall call = nullptr;
        bool known = true;
        const bool done = contained(
            [&] {
                for (run->at = 0; run->at < run->count; ++run->at) {
                    const madang_event& each = run->list[run->at];
                    if (call == nullptr || each.type.data != type.data || each.type.size != type.size) {
                        type = each.type;
                        call = handler(consumer, from_abi(type));
                        if (call == nullptr) {
                            known = false;
                            return;
                        }
                    }
                    call(consumer, Event(*consumer.host_, each, consumer.connection_));
                }
            },
            [&](std::string_view what) { report(consumer, from_abi(type), what); });
        return done && known ? MADANG_OK : MADANG_FAILED;
    }
    static madang_status timer(madang_consumer* self, std::uint64_t id) {
        Consumer& consumer = of(self);
        return guarded(consumer, "timer", [&] {
            if (!consumer.timers_) return;
            auto& running = consumer.timers_->running;
            const auto found = running.find(id);
            if (found == running.end()) return;
            const auto call = found->second.call;  // kept: the call may cancel its own timer
            if (!found->second.repeats) running.erase(found);
            call();
        });
    }
    static madang_status disconnect(madang_consumer* self, std::uint16_t code) {
        return guarded(of(self), "disconnect", [&] { of(self).disconnect(code); });
    }
    static void destroy(madang_consumer* self) { delete &of(self); }
};

// A class as one route has it: with the arguments that every instance is made with, as const references to
// these.
template <class Type, class... Arguments>
struct ClassOf final : ClassBase {
    template <class... Given>
    explicit ClassOf(const Host& host, Given&&... given)
        : ClassBase(host), arguments(std::forward<Given>(given)...) {}

    static madang_consumer* create(void* context, madang_connection* connection) {
        const auto& self = *static_cast<const ClassOf*>(static_cast<const ClassBase*>(context));
        madang_consumer* made = nullptr;
        contained(
            [&] {
                Consumer* consumer =
                    std::apply([](const auto&... each) { return new Type(each...); }, self.arguments);
                ConsumerAccess::attach(*consumer, self, connection);
                made = reinterpret_cast<madang_consumer*>(consumer);
            },
            [&](std::string_view what) {
                self.host->api.report_error(connection, to_abi("create"), to_abi(what));
            });
        return made;
    }

    std::tuple<Arguments...> arguments;
};

}  // namespace detail

// What a consumer's `static void setup(madang::Class<ChatConsumer>& c)` describes; called once per route, at
// load.
template <class Type>
class Class {
  public:
    // @cond By the SDK.
    explicit Class(detail::ClassBase& base) noexcept : base_(&base) {}
    // @endcond

    // The handler of an event type: a member function that takes nothing, const Event&, or, with
    // <madang/json.hpp>, const nlohmann::json&. '.' and '_' in a type are the same, as in Channels. The type
    // "publication" is what was published to a group; its handler may take const Publication&. Throws
    // std::invalid_argument: two handlers for one type, or no type (1-255 bytes, no '_' or '.' in front).
    template <auto Handler>
    Class& on(std::string_view type) {
        base_->events.add(type, &detail::HandlerCall<Handler>::call);
        return *this;
    }
    // A group that every instance is in before connect() and until after disconnect().
    Class& group(std::string_view name) {
        base_->groups.emplace_back(name);
        return *this;
    }

  private:
    detail::ClassBase* base_;
};

}  // namespace madang
