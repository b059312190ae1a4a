#pragma once

#include <cstddef>
#include <madang/plugin.hpp>
#include <string>
#include <string_view>

namespace bench {

// Whatever a member sends goes to everybody in the group, straight to their sockets.
class FanoutConsumer : public madang::Consumer {
  public:
    void connect() override {
        accept();
        group_add(scope().arg("group"), madang::Delivery::to_socket);
    }
    void receive(const madang::Message& message) override {
        if (message.is_text()) layer().group_send(scope().arg("group"), "bench.message", message.payload());
    }
};

// The same through an event handler per member.
class HandlerConsumer : public madang::Consumer {
  public:
    static void setup(madang::Class<HandlerConsumer>& c) {
        c.on<&HandlerConsumer::bench_message>("bench.message");
    }

    void connect() override {
        accept();
        group_add(scope().arg("group"));
    }
    void receive(const madang::Message& message) override {
        if (message.is_text()) layer().group_send(scope().arg("group"), "bench.message", message.payload());
    }

  private:
    void bench_message(const madang::Event& event) { send(event.payload()); }
};

// What a member sends, which is JSON, is published to the group, in a namespace that keeps it or does not.
class StreamConsumer : public madang::Consumer {
  public:
    explicit StreamConsumer(std::string_view space) : space_(space) {}

    void connect() override {
        accept();
        group_ = std::string(space_) + ":" + std::string(scope().arg("group"));
        group_add(group_, madang::Delivery::to_socket);
    }
    void receive(const madang::Message& message) override {
        if (message.is_text()) layer().publish(group_, message.payload());
    }

  private:
    const std::string_view space_;
    std::string group_;
};

// Every other message: into ten rooms with presence; the next: out of them again. What was sent comes back
// when the store has worked off what came before.
class PresenceConsumer : public madang::Consumer {
  public:
    static constexpr std::size_t rooms = 10;

    explicit PresenceConsumer(std::string_view space) : space_(space) {}

    void connect() override { accept(); }
    void receive(const madang::Message& message) override {
        there_ = !there_;
        for (std::size_t i = 0; i < rooms; ++i) {
            if (there_)
                group_add(room(i));
            else
                group_discard(room(i));
        }
        layer().presence_stats(
            room(0), [this, kept = madang::Payload(message.payload())](const madang::PresenceStats&) {
                send(madang::PayloadRef(kept));
            });
    }

  private:
    std::string room(std::size_t i) const { return std::string(space_) + ":room" + std::to_string(i); }

    const std::string_view space_;
    bool there_ = false;
};

}  // namespace bench
