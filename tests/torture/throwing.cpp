// A plugin that throws from every hook in turn: each costs its own connection, and nobody else anything.
#include "tests/torture/torture.hpp"

namespace madang::test {
namespace {

struct hook {
    std::string name;
    int status;          // of the handshake
    int code;            // of the close; 0: the client closes itself
    std::string action;  // what the client sends
};

void strike(const server& node, peer& neighbour, const std::string& base, const hook& where,
            const std::string& kind) {
    const auto what = base + "/" + where.name + "/" + kind;
    const auto before = node.metrics()["madang_plugin_errors_total{plugin=\"torture\"}"];
    peer victim(node.port());
    victim.upgrade("/ws/" + base + "/" + where.name + "/" + kind + "/");
    if (!where.action.empty()) victim.text(where.action);
    require(drive(victim, [&] { return victim.answer.has_value(); }), what + ": no answer");
    require_equal(victim.answer->status, where.status, what + ": status");
    if (where.status == 101 && where.code == 0) victim.frame(8, std::string_view("\x03\xe8", 2));
    if (where.status == 101) {
        require(drive(victim, [&] { return victim.ended; }), what + ": not closed");
        require_equal(victim.closed.value_or(0), where.code ? where.code : 1000, what + ": close code");
    }
    require(eventually([&] {
                return node.metrics()["madang_plugin_errors_total{plugin=\"torture\"}"] >= before + 1;
            }),
            what + ": not counted");
    require_equal(node.metrics()["madang_plugin_errors_total{plugin=\"torture\"}"], before + 1,
                  what + ": errors counted");
    // The neighbour is still heard, by itself and through the group.
    const auto heard = neighbour.received;
    neighbour.text("echo");
    neighbour.text("group");
    require(drive(neighbour, [&] { return neighbour.received >= heard + 2; }),
            what + ": the neighbour is deaf");
}

void throwing(std::uint64_t seed, bool brief) {
    dice_box dice(seed);
    server node({"--plugin", MADANG_TORTURE_PLUGIN, "--log-level", "error"});
    std::vector<hook> hooks{{"connect", 500, 0, ""},  {"receive", 101, 1011, "hello"},
                            {"event", 101, 1011, ""}, {"unknown", 101, 1011, ""},
                            {"timer", 101, 1011, ""}, {"disconnect", 101, 0, ""}};
    peer neighbour(node.port());
    neighbour.upgrade("/ws/throw/nowhere/std/");
    require(drive(neighbour, [&] { return neighbour.open(); }), "the neighbour does not get in");
    for (int round = 0; round < (brief ? 2 : 50); ++round) {
        std::shuffle(hooks.begin(), hooks.end(), dice);
        for (const std::string kind : {"std", "other"}) {
            strike(node, neighbour, "throw", {"create", 500, 0, ""}, kind);
            for (const std::string base : {"throw", "sync"})
                for (const auto& each : hooks) strike(node, neighbour, base, each, kind);
            for (const std::string view : {"/view/", "/sync/"}) {
                const auto before = node.metrics().sum("madang_plugin_errors_total");
                require_equal(fetch(node.port(), view + kind).status, 500, view + kind);
                require(eventually(
                            [&] { return node.metrics().sum("madang_plugin_errors_total") >= before + 1; }),
                        view + kind + ": not counted");
            }
            require_equal(fetch(node.port(), "/later/" + kind).status, 500, "/later/" + kind);
        }
    }
    require(neighbour.alive() && !neighbour.closed, "the neighbour was closed");
    neighbour.hang_up();
    require_empty(node);
    require_alive(node);
    require_clean_end(node);
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) { return madang::test::torture(argc, argv, madang::test::throwing); }
