#pragma once

#include <madang/plugin.hpp>
#include <string>

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

}  // namespace bench
