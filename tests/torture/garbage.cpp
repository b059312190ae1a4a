// Garbage from seeds, as requests, handshakes and frames: the server lives, answers afterwards, and keeps
// nothing of it.
#include "broker/bench/frames.hpp"
#include "broker/bench/proc.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {
namespace {

constexpr std::size_t at_a_time = 100;
constexpr std::uint64_t memory_bound = 64 << 20;  // growth of RSS; AddressSanitizer's quarantine is set aside

std::string noise(dice_box& dice, std::size_t most) {
    std::string bytes(dice() % (most + 1), '\0');
    for (auto& each : bytes) each = static_cast<char>(dice());
    return bytes;
}

// A good request or frame with some bytes changed, cut out, doubled.
std::string spoiled(dice_box& dice, std::string bytes) {
    for (auto n = 1 + dice() % 4; n > 0 && !bytes.empty(); --n) {
        const auto at = dice() % bytes.size();
        switch (dice() % 4) {
            case 0:
                bytes[at] = static_cast<char>(dice());
                break;
            case 1:
                bytes.erase(at, dice() % 8);
                break;
            case 2:
                bytes.insert(at, bytes.substr(at, dice() % 16));
                break;
            default:
                bytes.insert(at, 1, "\r\n\0: ,%/"[dice() % 8]);
        }
    }
    return bytes;
}

std::string request(dice_box& dice) {
    static const std::string heads[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /ws/chat/%EB%A7%88%EB%8B%B9/?token=a.b.c HTTP/1.1\r\nHost: a\r\nUpgrade: "
        "websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: "
        "http://a\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nCookie: a=b; c\r\n\r\n"};
    if (dice() % 5 == 0) return noise(dice, 300);
    return spoiled(dice, heads[dice() % std::size(heads)]);
}

std::string frame(dice_box& dice) {
    if (dice() % 5 == 0) return noise(dice, 300);
    std::string bytes;
    static const std::string texts[] = {
        "{\"message\":\"hello\"}", "{\"ping\":1}", "[[[[[[", "\xff\xfe", "", "{\"type\":\"chat.message\"}"};
    static constexpr std::uint8_t opcodes[] = {0, 1, 1, 1, 2, 3, 8, 9, 10, 15};
    bench::append_frame(bytes, bench::frame_from::client, opcodes[dice() % std::size(opcodes)],
                        texts[dice() % std::size(texts)]);
    if (dice() % 3 == 0) bytes[0] = static_cast<char>(bytes[0] ^ (0x80 >> dice() % 4));
    return dice() % 2 ? spoiled(dice, bytes) : bytes;
}

void garbage(std::uint64_t seed, bool brief) {
    dice_box dice(seed);
    const std::size_t wanted = brief ? 100'000 : 1'000'000;
    // No worker: its connection is an open file that comes when it comes.
    server node({"--no-worker-process", "--log-level", "off", "--ws-deflate", "--http-head-timeout", "1s",
                 "--http-body-timeout", "1s"});
    require_alive(node);
    require_empty(node);
    const auto files = node.metrics()["process_open_fds"];
    std::uint64_t memory = 0;
    std::size_t sent = 0;
    struct attacker {
        std::unique_ptr<peer> client;
        bool frames;
        steady::time_point until;
    };
    std::vector<attacker> attackers;
    static const std::string routes[] = {"/ws/echo/", "/ws/ping/", "/ws/chat/garbage/"};
    while (sent < wanted || !attackers.empty()) {
        while (sent < wanted && attackers.size() < at_a_time) {
            attackers.push_back(
                {std::make_unique<peer>(node.port()), dice() % 2 == 0, steady::now() + 500ms});
            auto& next = attackers.back();
            if (next.frames)
                next.client->upgrade(routes[dice() % std::size(routes)],
                                     dice() % 2 ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
            for (auto n = 1 + dice() % 10; n > 0; --n, ++sent)
                next.client->raw(next.frames ? frame(dice) : request(dice));
        }
        std::vector<peer*> all;
        for (auto& each : attackers) all.push_back(each.client.get());
        drive(all, [] { return true; });
        std::erase_if(attackers,
                      [](attacker& each) { return !each.client->alive() || steady::now() > each.until; });
        require(!node.process().wait(0ms), "the server died:\n" + node.log());
        if (memory == 0 && sent > wanted / 10) memory = bench::resident_memory(node.pid());
    }
    require_empty(node);
    require_alive(node);
    require_equal(fetch(node.port(), "/healthz").status, 200, "/healthz");
    require_empty(node);
    require_equal(node.metrics()["process_open_fds"], files, "open files");
    const auto after = bench::resident_memory(node.pid());
    std::printf("%zu pieces, resident memory %.1f MiB, then %.1f MiB\n", sent,
                static_cast<double>(memory) / 1048576.0, static_cast<double>(after) / 1048576.0);
#ifndef MADANG_SANITIZED
    require(after < memory + memory_bound, "the server's memory grew");
#endif
    require_clean_end(node);
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) { return madang::test::torture(argc, argv, madang::test::garbage); }
