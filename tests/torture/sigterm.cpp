// SIGTERM while hundreds chat: every client is told, nothing follows the close, and the server ends in time.
#include "tests/torture/torture.hpp"

namespace madang::test {
namespace {

using crowd = std::vector<std::unique_ptr<peer>>;

crowd chatters(const server& node, std::size_t count, dice_box& dice) {
    crowd all;
    std::vector<peer*> plain;
    for (std::size_t i = 0; i < count; ++i) {
        plain.push_back(all.emplace_back(std::make_unique<peer>(node.port())).get());
        plain.back()->upgrade("/ws/chat/room" + std::to_string(dice() % 20) + "/");
    }
    require(
        drive(
            plain,
            [&] { return std::all_of(plain.begin(), plain.end(), [](peer* p) { return p->received > 0; }); },
            60s),
        "the chatters do not get in");
    return all;
}

// Each says the next thing as soon as it has heard something, until `done`.
bool chat(crowd& all, const std::function<bool()>& done, milliseconds longest) {
    std::vector<peer*> plain;
    for (auto& each : all) plain.push_back(each.get());
    return drive(
        plain,
        [&] {
            for (peer* each : plain) {
                if (each->messages.empty() || each->closed || each->unsent()) continue;
                each->messages.clear();
                each->text("{\"message\":\"the yard is full\"}");
            }
            return done();
        },
        longest);
}

void told_in_time(dice_box& dice, std::size_t count) {
    server node({"--drain-spread", "300ms", "--drain-timeout", "30s", "--log-level", "warn"});
    auto all = chatters(node, count, dice);
    // A moment of the seed's choosing under load.
    const auto heard = 500 + dice() % 5000;
    const auto total = [&] {
        std::uint64_t sum = 0;
        for (auto& each : all) sum += each->received;
        return sum;
    };
    const auto start = total();
    require(chat(
                all, [&] { return total() > start + heard; }, 60s),
            "nobody chats");
    // Somebody asks, over HTTP, just then.
    peer asking(node.port());
    asking.request("/healthz");
    drive(asking, [&] { return !asking.unsent(); });
    const auto began = steady::now();
    node.process().signal(SIGTERM);
    const bool all_ended = chat(
        all, [&] { return std::all_of(all.begin(), all.end(), [](auto& p) { return p->ended; }); }, 40s);
    std::size_t untold = 0, after = 0, broken = 0, wrong = 0;
    for (auto& each : all) {
        untold += !each->closed;
        wrong += each->closed.value_or(1001) != 1001;
        after += each->after_close > 0;
        broken += each->malformed;
    }
    require(all_ended, "some clients were never closed");
    require(untold + wrong + after + broken == 0,
            std::to_string(untold) + " untold, " + std::to_string(wrong) + " with another code, " +
                std::to_string(after) + " with bytes after their close, " + std::to_string(broken) +
                " broken, of " + std::to_string(all.size()));
    std::optional<http_answer> answer;
    require(
        drive(asking, [&] { return (answer = asking.next_answer()).has_value() || asking.ended; }) && answer,
        "the HTTP request was not answered");
    const auto code = node.process().wait(40s);
    require(code == 0, "exit code " + std::to_string(code.value_or(-1)) + "\n" + node.log());
    require(steady::now() - began < 31s, "it took too long");
    std::printf(
        "%zu clients, %lld ms\n", all.size(),
        static_cast<long long>(std::chrono::duration_cast<milliseconds>(steady::now() - began).count()));
}

// Clients that neither read nor answer hold a drain; being asked twice ends it at once.
void asked_twice(dice_box& dice) {
    server node({"--drain-spread", "1h", "--drain-timeout", "1h", "--log-level", "warn"});
    auto all = chatters(node, 20, dice);
    node.process().signal(SIGTERM);
    require(eventually([&] { return fetch(node.internal_port(), "/readyz").status == 503; }), "no drain");
    require(!node.process().wait(100ms), "it did not wait for its clients");
    node.process().signal(SIGTERM);
    const auto code = node.process().wait(30s);
    require(code == 0, "a second SIGTERM does not end it with 0 but " + std::to_string(code.value_or(-1)) +
                           "\n" + node.log());
}

// Nobody can hold it beyond its deadline.
void deadline_holds(dice_box& dice) {
    server node({"--drain-spread", "0", "--drain-timeout", "500ms", "--log-level", "warn"});
    auto all = chatters(node, 20, dice);
    peer half(node.port());
    half.raw("GET / HTTP/1.1\r\n");
    drive(half, [&] { return !half.unsent(); });
    for (auto& each : all) each->reading = false;
    node.process().signal(SIGTERM);
    require(node.process().wait(30s) == 0, "the deadline of 500 ms is not kept");
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang::test;
    return torture(argc, argv, [](std::uint64_t seed, bool brief) {
        dice_box dice(seed);
        for (int i = 0; i < (brief ? 3 : 20); ++i) told_in_time(dice, brief ? 200 : 400);
        asked_twice(dice);
        deadline_holds(dice);
    });
}
