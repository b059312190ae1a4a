// A consumer without a connection, which others reach by the name of its channel, as in Channels' workers:
//
//     class Thumbnails : public madang::SyncBackground {
//       public:
//         static void setup(madang::Class<Thumbnails>& c) { c.on<&Thumbnails::make>("make"); }
//       private:
//         void make(const madang::json& picture);
//     };
//     plugin.background<Thumbnails>("thumbnails");
//     layer().send("thumbnails", "make", R"({"id": 7})");
//
// There is one instance per server process. When one of its functions throws, it is ended and made anew: at
// once, then with back-off; what is sent to it meanwhile waits in a bounded queue. The event that it failed
// at is not told again.
#pragma once

#include <chrono>
#include <cstdint>

#include "madang/background.h"
#include "madang/consumer.hpp"

namespace madang {

// What one background consumer has otherwise than the server. 0: the server's option.
struct BackgroundOptions {
    std::chrono::milliseconds handler_budget{0};  // a handler that takes longer is logged and counted
    std::uint32_t queue_events = 0;  // that wait while it is made anew or busy; more: the newest are lost
};

// Base: Consumer or SyncConsumer. Everything of a consumer but its connection: events, groups, timers, layer.
template <class Base>
class BasicBackground : public Base {
  public:
    // Before the first event, and again in an instance that was made anew: groups are joined here.
    virtual void start() {}
    // The last call: the server drained, or a function failed.
    virtual void stop() {}

    // @cond A connection's, which it has none of.
    void connect() final { start(); }
    void receive(const Message&) final {}
    void disconnect(std::uint16_t) final { stop(); }
    void accept() = delete;
    void close() = delete;
    void send() = delete;
    void send_binary() = delete;
    // @endcond
};

using Background = BasicBackground<Consumer>;          // on one of the server's loops: must not block
using SyncBackground = BasicBackground<SyncConsumer>;  // on a thread of the pool: may block

namespace detail {
template <class Type>
concept IsBackground = std::is_base_of_v<Background, Type> || std::is_base_of_v<SyncBackground, Type>;
}

}  // namespace madang
