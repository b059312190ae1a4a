#pragma once

#include <madang/json.hpp>
#include <string>

namespace hello {

// One instance per connection: everybody who is connected hears every greeting.
class HelloConsumer : public madang::JsonConsumer {
  public:
    static void setup(madang::Class<HelloConsumer>& c) {
        c.group("hello:everybody").on<&HelloConsumer::greeting>("hello.greeting");
    }

    void connect() override {
        accept();
        send_json({{"welcome", scope().arg("name")}});
    }

    // {"greet": "…"} from a client.
    void receive_json(const madang::json& content) override {
        group_send("hello:everybody", {{"type", "hello.greeting"},
                                       {"from", scope().arg("name")},
                                       {"text", content.value("greet", "hello")}});
    }

  private:
    // The event that came of it, or of the view below. Every member forwards the payload it received.
    void greeting(const madang::Event& event) { send(event.payload()); }
};

// POST /hello/<name> with {"greet": "…"}: the same, from an HTTP client.
inline madang::Response greet(const madang::Request& request) {
    const madang::json body = madang::json_of(request);
    const bool sent = madang::group_send(
        madang::Layer(request.host()), "hello:everybody",
        {{"type", "hello.greeting"}, {"from", request.arg("name")}, {"text", body.value("greet", "hello")}});
    return madang::json_response({{"sent", sent}}, sent ? 202 : 503);
}

}  // namespace hello
