// A plugin that leaves everybody waiting: consumers that neither accept nor close, a view that keeps its
// replies, and a consumer that keeps its loop.
#include <unistd.h>

#include <madang/plugin.hpp>
#include <mutex>
#include <vector>

namespace {

template <class Base>
struct Silent : Base {
    void connect() override {}
};

struct Stuck : madang::Consumer {
    void connect() override {
        log(madang::Level::info, "loop_kept", "");
        for (;;) pause();
    }
};

}  // namespace

MADANG_PLUGIN(.id = "silent", .version = "1.0.0") {
    plugin.websocket<Silent<madang::Consumer>>("/ws/silent/async/");
    plugin.websocket<Silent<madang::SyncConsumer>>("/ws/silent/sync/");
    plugin.websocket<Stuck>("/ws/silent/stuck/");
    static std::mutex lock;
    static std::vector<madang::Reply> kept;
    plugin.get("/silent/view", [](const madang::Request&, madang::Reply reply) {
        const std::lock_guard guard(lock);
        kept.push_back(std::move(reply));
    });
    plugin.get("/silent/answer", [](const madang::Request&) {
        const std::lock_guard guard(lock);
        kept.clear();  // each answers 500, to nobody
        return madang::Response{};
    });
}
