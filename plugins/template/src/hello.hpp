#pragma once

#include <chrono>
#include <madang/jobs.hpp>
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

// A task: what takes longer than a handler may. It runs in a worker, again if that is killed.
inline madang::json greet_all(madang::Job& job, const std::string& text, int times) {
    for (int done = 0; done < times; ++done) {
        job.check();  // cancelled, or out of time: throws
        madang::group_send(job.layer(), "hello:everybody",
                           {{"type", "hello.greeting"}, {"from", "a worker"}, {"text", text}});
        job.progress({{"done", done + 1}, {"of", times}});
    }
    return {{"greeted", times}};
}

// POST /hello/ with {"greet": "…", "times": 3}: answers at once with the job's id.
inline void greet_later(const madang::Request& request, madang::Reply reply) {
    const auto body = madang::json::parse(request.body(), nullptr, false);
    if (!body.is_object()) return reply(madang::json_response({{"error", "takes an object"}}, 400));
    const auto held = std::make_shared<madang::Reply>(std::move(reply));
    const auto what =
        madang::signature("hello.greet_all", body.value("greet", "hello"), body.value("times", 1))
            .countdown(std::chrono::seconds(1));
    request.jobs().enqueue(what, [held](const madang::Enqueued& done) {
        (*held)(done ? madang::json_response({{"job", done.id()}}, 202)
                     : madang::json_response({{"error", done.message}}, 400));
    });
}

}  // namespace hello
