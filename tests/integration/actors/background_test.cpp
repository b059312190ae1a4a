// Background consumers and their plugin's actor, on real loops.
#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include "tests/integration/actors/node_impl.hpp"

namespace madang {
namespace {

using testing::client;
using testing::gate;
using testing::node;

// Says line by line what its instances were told. "fail" fails, "block" waits for the gate; what else it is
// told goes on to the group "answers".
struct worker {
    explicit worker(madang_kind kind) {
        type.struct_size = sizeof type;
        type.kind = static_cast<std::uint32_t>(kind);
        type.context = this;
        type.create = [](void* context, madang_connection* c) -> madang_consumer* {
            auto& self = *static_cast<worker*>(context);
            if (self.creations_to_fail > 0 && self.creations_to_fail-- > 0) return nullptr;
            EXPECT_EQ(++self.alive, 1) << "one at a time";
            self.port = reinterpret_cast<connection_port*>(c);
            return reinterpret_cast<madang_consumer*>(context);
        };
        type.connect = [](madang_consumer* c) {
            of(c).note("start");
            EXPECT_EQ(of(c).port->send(MADANG_TEXT, payload::copy_of("x")), MADANG_INVALID);
            EXPECT_EQ(of(c).port->group_add("news", MADANG_TO_SOCKET), MADANG_INVALID);
            return of(c).port->group_add("news", MADANG_TO_HANDLER);
        };
        type.receive = [](madang_consumer*, madang_frame, madang_payload*) { return MADANG_FAILED; };
        type.event = [](madang_consumer* c, madang_str, madang_payload* p) {
            const std::string text(payload::share(reinterpret_cast<payload_block*>(p)).bytes());
            if (text == "block") of(c).blocker.pass();
            if (text == "tick") return of(c).port->timer_start(7, 10, 0);
            of(c).note(text);
            if (text == "fail") return MADANG_FAILED;
            return of(c).home->group_send("answers", "said", payload::copy_of(text));
        };
        type.timer = [](madang_consumer* c, std::uint64_t id) {
            of(c).note("timer " + std::to_string(id));
            return MADANG_OK;
        };
        type.disconnect = [](madang_consumer* c, std::uint16_t code) {
            of(c).note("stop " + std::to_string(code));
            return MADANG_OK;
        };
        type.destroy = [](madang_consumer* c) { --of(c).alive; };
        route.consumer = &type;
        route.plugin = "test";
        route.name = "Worker";
        route.label = "test/Worker";
        route.channel = "worker";
        route.handler_budget = std::chrono::milliseconds{60'000};
        route.max_groups = 100;
        route.sync_queue = 1000;
    }
    ~worker() { EXPECT_EQ(alive, 0); }
    static worker& of(madang_consumer* c) { return *reinterpret_cast<worker*>(c); }

    void note(const std::string& line) {
        const std::lock_guard lock(mutex);
        lines.push_back(line);
    }
    std::string all() {
        const std::lock_guard lock(mutex);
        std::string text;
        for (const auto& line : lines) text += (text.empty() ? "" : ", ") + line;
        return text;
    }
    std::size_t count(const std::string& line) {
        const std::lock_guard lock(mutex);
        return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), line));
    }

    madang_consumer_class type{};
    consumer_route route;
    yard* home = nullptr;
    connection_port* port = nullptr;
    gate blocker;
    std::atomic<int> alive{0};
    std::atomic<int> creations_to_fail{0};
    std::mutex mutex;
    std::vector<std::string> lines;
};

// Outlives what the worker points to; the node first of all that goes.
struct world {
    explicit world(std::uint32_t loops, madang_kind kind, std::size_t queue = 1000, int failing = 0)
        : works(kind) {
        works.route.sync_queue = static_cast<std::uint32_t>(queue);
        works.creations_to_fail = failing;
        n.emplace(loops, 8 << 20, MADANG_ASYNC, std::map<std::string, std::string>{}, [&](yard& all) {
            works.home = &all;
            all.add_plugin({&works.route});
        });
    }
    ~world() {
        works.blocker.open();
        n.reset();
    }
    madang_status send(const std::string& text) {
        return n->all->channel_send("worker", "said", payload::copy_of(text));
    }
    std::uint64_t restarts() const { return n->counts.total(labelled_counter::actor_restarts, "background"); }

    worker works;
    std::optional<node> n;
};

using parameters = std::tuple<std::uint32_t, madang_kind>;
class BackgroundActors : public ::testing::TestWithParam<parameters> {
  public:
    std::uint32_t loops() const { return std::get<0>(GetParam()); }
    madang_kind kind() const { return std::get<1>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Kinds, BackgroundActors,
                         ::testing::Combine(::testing::Values(1u, 2u),
                                            ::testing::Values(MADANG_ASYNC, MADANG_SYNC)));

TEST_P(BackgroundActors, IsToldInOrderWhateverThreadSends) {
    world w(loops(), kind());
    auto listener = w.n->join(loops() - 1, "answers");
    auto sender = w.n->join(loops() - 1);
    constexpr int many = 100;
    for (int i = 0; i < many; ++i)
        while (w.send("o " + std::to_string(i)) != MADANG_OK) std::this_thread::yield();
    for (int i = 0; i < many; ++i)
        EXPECT_EQ(sender.ask("chan worker l " + std::to_string(i)), "status " + std::to_string(MADANG_OK));
    int outside = 0, inside = 0;
    while (outside + inside < 2 * many) {
        const auto text = listener.next();
        ASSERT_EQ(text.substr(2), std::to_string(text[0] == 'o' ? outside++ : inside++)) << text;
    }
    EXPECT_EQ(sender.ask("chan nobody x"), "status " + std::to_string(MADANG_NOT_FOUND));
}

TEST_P(BackgroundActors, HasGroupsAndTimers) {
    world w(loops(), kind());
    w.n->until([&] { return w.n->counts.total(gauge::members) == 1; });
    w.n->all->group_send("news", "said", payload::copy_of("a"));
    w.n->until([&] { return w.works.count("a") == 1; });
    w.send("tick");
    w.n->until([&] { return w.works.count("timer 7") == 1; });
    EXPECT_EQ(w.works.all(), "start, a, timer 7");
    EXPECT_EQ(w.n->all->connections(), 0u) << "it is no client";
    EXPECT_EQ(w.n->all->backgrounds(), 1u);
}

TEST_P(BackgroundActors, IsMadeAnewWhenItFailsAndLosesNothingButThat) {
    world w(loops(), kind());
    std::string expected = "start";
    for (int round = 0; round < 3; ++round) {
        for (const auto* each : {"a", "fail", "b"}) EXPECT_EQ(w.send(each), MADANG_OK);
        w.n->until([&] { return w.works.count("b") == static_cast<std::size_t>(round) + 1; });
        expected += ", a, fail, stop 1011, start, b";
    }
    EXPECT_EQ(w.works.all(), expected);
    EXPECT_EQ(w.restarts(), 3u);
    // Its join is on its way: what was said before it is not for it.
    std::string heard;
    w.n->until([&, said = 0]() mutable {
        heard = "c" + std::to_string(said++);
        w.n->all->group_send("news", "said", payload::copy_of(heard));
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{100};
        while (w.works.count(heard) == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        return w.works.count(heard) != 0;
    });
    const auto all = w.works.all();
    EXPECT_TRUE(all.starts_with(expected + ", c")) << all;
    EXPECT_EQ(w.works.count(heard), 1u) << "the failed ones are out of the group";
}

TEST_P(BackgroundActors, IsTriedAgainUntilItCanBeMade) {
    world w(loops(), kind(), 1000, 3);
    w.send("a");
    w.n->until([&] { return w.works.count("a") == 1; });
    EXPECT_EQ(w.works.all(), "start, a");
    EXPECT_EQ(w.restarts(), 3u);
}

TEST_P(BackgroundActors, IsStoppedBehindTheLastClientAndWhatItWasToldBefore) {
    world w(loops(), kind());
    auto stays = w.n->join(0);
    if (kind() == MADANG_SYNC) {
        w.send("block");
        w.works.blocker.wait_for_somebody();
    }
    for (const auto* each : {"a", "b"}) w.send(each);
    w.n->all->drain(std::chrono::milliseconds{0});
    EXPECT_EQ(stays.next(), "close:1001");
    EXPECT_EQ(w.n->all->backgrounds(), 1u);
    stays.close();
    w.works.blocker.open();
    w.n->until([&] { return w.n->all->backgrounds() == 0; });
    EXPECT_EQ(w.works.all(),
              kind() == MADANG_SYNC ? "start, block, a, b, stop 1001" : "start, a, b, stop 1001");
    EXPECT_EQ(w.restarts(), 0u);
}

TEST(BackgroundQueue, LosesTheNewestWhenTooManyWait) {
    world w(2, MADANG_SYNC, 2);
    w.send("block");
    w.works.blocker.wait_for_somebody();
    for (const auto* each : {"a", "b", "c", "d"}) w.send(each);
    w.n->until([&] { return w.n->counts.total(counter::background_drops) == 2; });
    w.works.blocker.open();
    w.n->until([&] { return w.works.count("b") == 1; });
    EXPECT_EQ(w.works.all(), "start, block, a, b");
}

}  // namespace
}  // namespace madang
