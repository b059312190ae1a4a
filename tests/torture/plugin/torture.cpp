// What the torture tests serve: a consumer that throws from the hook it was asked to, and groups with each
// outbox policy.
#include <madang/plugin.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "jobs.hpp"

namespace {

[[noreturn]] void blow(std::string_view kind) {
    if (kind == "std") throw std::runtime_error("thrown on purpose");
    throw 42;
}

// /ws/throw/<hook>/<std|other>/: throws from that hook; `neighbour` throws nowhere and echoes.
template <class Base>
class Throwing : public Base {
  public:
    static void setup(madang::Class<Throwing>& c) {
        c.template on<&Throwing::throw_event>("throw.event").template on<&Throwing::hello>("hello.event");
    }
    void connect() override {
        maybe("connect");
        this->accept();
        this->group_add("throwers");
        if (hook() == "timer") this->after(std::chrono::milliseconds(10), [this] { maybe("timer"); });
        if (hook() == "event") this->layer().send(this->channel_name(), "throw.event", "now");
        if (hook() == "unknown") this->layer().send(this->channel_name(), "unknown.event", "now");
    }
    void receive(const madang::Message& message) override {
        maybe("receive");
        if (message.bytes() == "group")
            this->layer().group_send("throwers", "hello.event", message.payload());
        else if (message.bytes() == "background")
            this->layer().send("torture-background", "throw.event", "now");
        else
            this->send(message.payload());
    }
    void disconnect(std::uint16_t) override { maybe("disconnect"); }

  private:
    std::string_view hook() const { return this->scope().arg("hook"); }
    void maybe(std::string_view here) const {
        if (hook() == here) blow(this->scope().arg("kind"));
    }
    void throw_event(const madang::Event&) { maybe("event"); }
    void hello(const madang::Event& event) { this->send(event.payload()); }
};

struct FailsAtEveryEvent : madang::Background {
    static void setup(madang::Class<FailsAtEveryEvent>& c) { c.on<&FailsAtEveryEvent::fail>("throw.event"); }
    void fail(const madang::Event&) { blow("std"); }
};

// What no view should: keeps its thread, a loop's or the pool's, for so long.
madang::Response slow(const madang::Request& request) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::stoi(std::string(request.arg("ms")))));
    return madang::Response::text("slept");
}

struct CreateStd : madang::Consumer {
    CreateStd() { blow("std"); }
};
struct CreateOther : madang::Consumer {
    CreateOther() { blow("other"); }
};

// Whatever a member sends goes to everybody's socket.
class Fan : public madang::Consumer {
  public:
    void connect() override {
        accept();
        group_add("fan:" + std::string(scope().path().substr(1, 4)), madang::Delivery::to_socket);
    }
    void receive(const madang::Message& message) override {
        layer().group_send("fan:" + std::string(scope().path().substr(1, 4)), "fan.out", message.payload());
    }
};

}  // namespace

MADANG_PLUGIN(.id = "torture", .version = "1.0.0") {
    plugin.websocket<CreateStd>("/ws/throw/create/std/");
    plugin.websocket<CreateOther>("/ws/throw/create/other/");
    plugin.websocket<Throwing<madang::Consumer>>("/ws/throw/<str:hook>/<str:kind>/");
    plugin.websocket<Throwing<madang::SyncConsumer>>("/ws/sync/<str:hook>/<str:kind>/");
    for (const auto kind : {madang::ViewKind::async, madang::ViewKind::sync}) {
        const std::string base = kind == madang::ViewKind::async ? "/view" : "/sync";
        const auto direct = [](const madang::Request& request) -> madang::Response {
            blow(request.arg("kind"));
        };
        plugin.view("GET", base + "/<str:kind>", direct, kind);
    }
    plugin.view("GET", "/slow/loop/<int:ms>", slow, madang::ViewKind::async);
    plugin.view("GET", "/slow/pool/<int:ms>", slow, madang::ViewKind::sync);
    plugin.background<FailsAtEveryEvent>("torture-background");
    // The reply's right dies with its thread's work, without an answer.
    plugin.get("/later/<str:kind>", [](const madang::Request& request, madang::Reply reply) {
        std::thread([kind = std::string(request.arg("kind")), reply = std::move(reply)]() mutable {
            try {
                const madang::Reply mine = std::move(reply);
                blow(kind);
            } catch (...) {
            }
        }).detach();
    });
    madang::RouteOptions small{.outbox_bytes = 64 * 1024, .messages_per_second = madang::unlimited};
    small.outbox_policy = madang::OutboxPolicy::disconnect;
    plugin.websocket<Fan>("/fan1/", small);
    small.outbox_policy = madang::OutboxPolicy::drop_oldest;
    plugin.websocket<Fan>("/fan2/", small);
    small.outbox_policy = madang::OutboxPolicy::latest_only;
    plugin.websocket<Fan>("/fan3/", small);
    add_torture_tasks(plugin);
}
