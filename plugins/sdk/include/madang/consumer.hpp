// A consumer: one object per connection, as in Channels. Derive from Consumer (its functions run on the
// connection's loop and must not block) or from SyncConsumer (they run on a thread of the pool and may). In
// both cases one call at a time, in order; an exception that escapes closes this connection with 1011 (before
// accept: 500) and nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "madang/layer.hpp"
#include "madang/payload.hpp"
#include "madang/scope.hpp"

namespace madang {

// A message's kind: RFC 6455 5.6's opcodes.
enum class Frame : std::uint8_t { text = MADANG_TEXT, binary = MADANG_BINARY };

// How a group's events reach a member.
enum class Delivery : std::uint8_t {
    to_handler = MADANG_TO_HANDLER,  // the handler of the event's type is called
    to_socket = MADANG_TO_SOCKET  // the payload goes to the client as a text frame, without a call: fastest
};

// What a client sent. Borrowed for the call.
class Message {
  public:
    // By the SDK, of what the ABI passed.
    Message(Frame frame, PayloadRef payload) noexcept : payload_(payload), frame_(frame) {}
    Frame frame() const noexcept { return frame_; }                  // as the client sent it
    bool is_text() const noexcept { return frame_ == Frame::text; }  // and then UTF-8: the server saw to it
    std::string_view bytes() const noexcept { return payload_.bytes(); }  // the whole message
    PayloadRef payload() const noexcept { return payload_; }  // to keep or to send on without a copy

  private:
    PayloadRef payload_;
    Frame frame_;
};

// What was sent to a group or channel. Borrowed for the call.
class Event {
  public:
    // @cond By the SDK, of what the ABI passed.
    Event(std::string_view type, PayloadRef payload, madang_connection* connection = nullptr) noexcept
        : type_(type), payload_(payload), connection_(connection) {}
    Event(const Host& host, const madang_event& known, madang_connection* connection) noexcept
        : type_(detail::from_abi(known.type)),
          payload_(host, known.payload),
          connection_(connection),
          known_(&known) {}
    // @endcond
    std::string_view type() const noexcept { return type_; }  // as it was sent
    // The payload's, without a copy.
    std::string_view bytes() const noexcept {
        return known_ != nullptr ? detail::from_abi(known_->bytes) : payload_.bytes();
    }
    PayloadRef payload() const noexcept { return payload_; }  // to keep or to send on without a copy
    // Of an event "publication": where in the group's stream; 0: not kept. Throws Error for any other.
    std::uint64_t offset() const { return known_ != nullptr ? known_->offset : publication().offset(); }
    // And all that is known of it, valid during the call. Throws Error likewise.
    Publication publication() const {
        madang_publication what{};
        what.struct_size = sizeof what;
        const Host& host = payload_.host();
        const auto status = connection_ == nullptr ? MADANG_INVALID
                                                   : detail::streams_of(host).publication(connection_, &what);
        if (status != MADANG_OK) detail::refuse(status, "publication", type_);
        return {host, what};
    }

  private:
    std::string_view type_;
    PayloadRef payload_;
    madang_connection* connection_;
    const madang_event* known_ = nullptr;
};

using Header = std::pair<std::string_view, std::string_view>;  // name, value
using TimerId = std::uint64_t;                                 // unique in its consumer; 0: none

namespace detail {
struct ClassBase;
struct ConsumerAccess;
}  // namespace detail

class Jobs;  // <madang/jobs.hpp>

// One connection, as its plugin sees it. Made before connect(), destroyed after disconnect(); on the
// connection's loop, so that no function may block. Whatever throws closes this connection with 1011.
class Consumer {
  public:
    static constexpr madang_kind kind = MADANG_ASYNC;  // where its functions run

    Consumer() = default;  // the connection is not there yet: use it from connect() on
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    virtual ~Consumer() = default;

    // -- What a subclass overrides

    // The handshake arrived. Call accept or close, here or later; a handshake left without either is answered
    // 403.
    virtual void connect() { accept(); }
    // A whole message. Override this, or one of the two below.
    virtual void receive(const Message& message) {
        message.is_text() ? receive_text(message.bytes()) : receive_binary(message.bytes());
    }
    virtual void receive_text(std::string_view) {}    // a whole text message: UTF-8, borrowed
    virtual void receive_binary(std::string_view) {}  // a whole binary message, borrowed
    // The connection is gone: 1005 when the client gave no code, 1006 when it was lost. The last call. Groups
    // are left by themselves; nothing can be sent any more.
    virtual void disconnect(std::uint16_t) {}

    // -- What it may call, on its own thread only

    // What is known of the connection; until disconnect() returned.
    Scope scope() const noexcept { return {*host_, host_->api.connection_scope(connection_)}; }
    // The address of this consumer, for layer().send from anywhere.
    std::string_view channel_name() const noexcept {
        return detail::from_abi(host_->api.connection_channel(connection_));
    }
    const Host& host() const noexcept { return *host_; }  // the server's functions
    // Groups, channels and streams. Answers come on this consumer's thread, and not after it is gone.
    Layer layer() const noexcept { return Layer(*host_, connection_); }
    // Needs <madang/jobs.hpp>. Its jobs carry this connection's request id; answers come as layer()'s do.
    template <class Type = Jobs>
    Type jobs() const {
        return Type(*host_, connection_);
    }
    // Steady, from an arbitrary start.
    std::chrono::milliseconds now() const noexcept { return host_->now(); }
    // event: a stable name for machines ("room_refused"); message: for people.
    void log(Level level, std::string_view event, std::string_view message) const noexcept {
        host_->log(level, event, message);
    }

    // -- Functions that return bool: false means that the connection is closed or a queue is full, and
    // nothing was done. What the caller did wrong (before accept, a malformed name, ...) is thrown as Error.

    // Answers the handshake: 101. Empty subprotocol: none, or the route's first that was offered; one that
    // was not offered is thrown as Error. headers: besides the handshake's own. False: the connection is
    // gone.
    bool accept(std::string_view subprotocol = {}, std::initializer_list<Header> headers = {}) {
        std::vector<madang_pair> pairs;
        for (const auto& [name, value] : headers)
            pairs.push_back({detail::to_abi(name), detail::to_abi(value)});
        return detail::done(
            host_->api.accept(connection_, detail::to_abi(subprotocol), pairs.data(), pairs.size()), "accept",
            subprotocol);
    }
    // code: 1000, 3000-4999, or 1001, 1003, 1007-1014 of RFC 6455 7.4; reason: at most 123 bytes of UTF-8,
    // cut at a character. Before accept: refuses the handshake with 403. False: it is closed already.
    bool close(std::uint16_t code = 1000, std::string_view reason = {}) {
        return detail::done(host_->api.close(connection_, code, detail::to_abi(reason)), "close", reason);
    }
    // Text, copied, which is UTF-8: clients close a connection over any other. False: the connection is
    // closed, or the client reads too slowly and this closed it.
    bool send(std::string_view text) { return send_bytes(Frame::text, text); }
    bool send_binary(std::string_view bytes) { return send_bytes(Frame::binary, bytes); }  // likewise
    // Adds a reference: no copy, and one encoding for all who send it.
    bool send(PayloadRef payload, Frame frame = Frame::text) {
        return detail::done(
            host_->api.send_payload(connection_, static_cast<madang_frame>(frame), payload.handle()), "send");
    }

    // Idempotent; the last delivery wins. Throws Error: a malformed name (1-255 bytes of printable ASCII
    // without space), or more groups than a connection may have. Silent when the connection is closed.
    void group_add(std::string_view group, Delivery delivery = Delivery::to_handler) {
        const auto status =
            host_->api.group_add(connection_, detail::to_abi(group), static_cast<madang_delivery>(delivery));
        if (status != MADANG_OK && status != MADANG_CLOSED) detail::refuse(status, "group_add", group);
    }
    // Silent when it is no member.
    bool group_discard(std::string_view group) {
        return detail::done(host_->api.group_discard(connection_, detail::to_abi(group)), "group_discard",
                            group);
    }

    // Calls once, after so long. At most 16 timers at a time (Error), with a resolution of 10 ms. `call` is a
    // lambda, or a member function as in after(500ms, &ChatConsumer::flush). 0: the connection is closed.
    template <class Call>
    TimerId after(std::chrono::milliseconds delay, Call call) {
        return start_timer(delay, {}, bound(std::move(call)));
    }
    // Likewise, again and again: first after one period. Throws std::invalid_argument for a period of 0 ms.
    template <class Call>
    TimerId every(std::chrono::milliseconds period, Call call) {
        if (period.count() <= 0) throw std::invalid_argument("every: the period must be longer than 0 ms");
        return start_timer(period, period, bound(std::move(call)));
    }
    // Silent when it has fired.
    void cancel(TimerId id) {
        if (timers_ && timers_->running.erase(id) != 0) host_->api.timer_cancel(connection_, id);
    }

  private:
    friend struct detail::ConsumerAccess;

    struct Timer {
        std::function<void()> call;
        bool repeats = false;
    };
    struct Timers {
        std::map<TimerId, Timer> running;
        TimerId last = 0;  // ids are never used again: a late call of a cancelled timer then finds nothing
    };

    bool send_bytes(Frame frame, std::string_view bytes) {
        return detail::done(
            host_->api.send(connection_, static_cast<madang_frame>(frame), detail::to_abi(bytes)), "send");
    }
    template <class Call>
    std::function<void()> bound(Call call) {
        if constexpr (std::is_member_function_pointer_v<Call>) {
            return [this, call] { bound_call(call); };
        } else {
            return call;
        }
    }
    template <class Class>
    void bound_call(void (Class::*call)()) {
        (static_cast<Class*>(this)->*call)();
    }
    TimerId start_timer(std::chrono::milliseconds delay, std::chrono::milliseconds repeat,
                        std::function<void()> call) {
        if (!timers_) timers_ = std::make_unique<Timers>();
        const TimerId id = ++timers_->last;
        const auto status = host_->api.timer_start(
            connection_, id, static_cast<std::uint64_t>(std::max<std::int64_t>(delay.count(), 0)),
            static_cast<std::uint64_t>(repeat.count()));
        if (status == MADANG_CLOSED) return 0;
        if (status != MADANG_OK) detail::refuse(status, "timer", {});
        timers_->running.emplace(id, Timer{std::move(call), repeat.count() > 0});
        return id;
    }

    // Small, because every idle connection has one: the timers' table is made with the first timer.
    const Host* host_ = nullptr;
    madang_connection* connection_ = nullptr;
    const detail::ClassBase* class_ = nullptr;
    std::unique_ptr<Timers> timers_;
};

// The kind whose functions may block: on a thread of the pool, one call at a time, not always the same
// thread.
class SyncConsumer : public Consumer {
  public:
    static constexpr madang_kind kind = MADANG_SYNC;  // where its functions run
};

}  // namespace madang
