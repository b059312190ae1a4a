// Links between nodes of one process: coming up, what passes over them, going down.
#include <fcntl.h>

#include <random>
#include <thread>

#include "tests/integration/cluster_links/node.hpp"

namespace madang::test {
namespace {

// Sends what `seed` generates into a link's end, and reads what `expected` does from it, at once.
struct traffic {
    static constexpr std::size_t block = 256 * 1024;

    static std::string piece(std::mt19937_64& dice) {
        std::string bytes(block, '\0');
        for (std::size_t i = 0; i < block; i += 8) {
            const auto word = dice();
            std::memcpy(bytes.data() + i, &word, 8);
        }
        return bytes;
    }
    static void send(int fd, std::size_t blocks, std::uint64_t seed) {
        std::mt19937_64 dice(seed), sizes(seed);
        while (blocks-- > 0) {
            const auto bytes = piece(dice);
            for (std::size_t at = 0; at < bytes.size();) {
                // Of all sizes, as BASP's are.
                const auto size = std::min<std::size_t>(bytes.size() - at, 1 + (sizes() % 100'000));
                const auto n = ::send(fd, bytes.data() + at, size, MSG_NOSIGNAL);
                if (n <= 0) return;
                at += static_cast<std::size_t>(n);
            }
        }
    }
    // The block that differs; -1: none.
    static int receive(int fd, std::size_t blocks, std::uint64_t seed) {
        std::mt19937_64 dice(seed);
        std::string got(block, '\0');
        for (std::size_t i = 0; i < blocks; ++i) {
            const auto bytes = piece(dice);
            for (std::size_t at = 0; at < block;) {
                const auto n = ::recv(fd, got.data() + at, block - at, 0);
                if (n <= 0) return static_cast<int>(i);
                at += static_cast<std::size_t>(n);
            }
            if (got != bytes) return static_cast<int>(i);
        }
        return -1;
    }
};

struct ClusterLinks : ::testing::TestWithParam<bool> {
    ClusterLinks() {
        for (const auto* name : {"alice", "bob", "carol"}) ca.issue(name);
    }
    options how(const std::string& name) const { return GetParam() ? with_tls(quick(), ca, name) : quick(); }
    options joining(const std::string& name, const node& other) const {
        auto it = how(name);
        it.cluster_join = {other.links.address()};
        return it;
    }

    folder files;
    authority ca{files};
};

INSTANTIATE_TEST_SUITE_P(, ClusterLinks, ::testing::Bool(),
                         [](const auto& with) { return with.param ? "WithTls" : "Plain"; });

TEST_P(ClusterLinks, ComeUpOnBothSides) {
    node alice(how("alice"), "alice");
    ASSERT_EQ(alice.error, "");
    EXPECT_EQ(alice.links.address(), "127.0.0.1:" + std::to_string(alice.links.port()));
    node bob(joining("bob", alice), "bob", 7);
    ASSERT_EQ(bob.error, "");
    ASSERT_TRUE(bob.linked("alice"));
    ASSERT_TRUE(alice.linked("bob"));
    EXPECT_TRUE(bob.to("alice")->dialed);
    EXPECT_FALSE(alice.to("bob")->dialed);
    EXPECT_EQ(alice.to("bob")->who.from, (node_id{"bob", 7}));
    EXPECT_EQ(alice.to("bob")->who.address, bob.links.address());
    EXPECT_EQ(alice.counts.total(gauge::cluster_links), 1);
    // Pings are answered, and that counts as life.
    EXPECT_TRUE(alice.until([&] { return alice.passes["bob"] > 3; }));
    const auto links = alice.status();
    ASSERT_EQ(links.size(), 1U);
    EXPECT_EQ(links[0].who.name, "bob");
    EXPECT_GT(links[0].round_trip, 0us);
    EXPECT_GT(links[0].bytes_in, 0U);
    EXPECT_GT(links[0].bytes_out, 0U);
}

TEST_P(ClusterLinks, CarryBytesInBothDirectionsAtOnce) {
    constexpr std::size_t blocks = 120;  // 30 MiB
    node alice(how("alice"), "alice");
    node bob(joining("bob", alice), "bob");
    ASSERT_TRUE(bob.linked("alice"));
    ASSERT_TRUE(alice.linked("bob"));
    const auto a = alice.to("bob"), b = bob.to("alice");
    int wrong_at_a = 0, wrong_at_b = 0;
    std::thread threads[] = {std::thread([&] { traffic::send(a->end.get(), blocks, 1); }),
                             std::thread([&] { traffic::send(b->end.get(), blocks, 2); }),
                             std::thread([&] { wrong_at_a = traffic::receive(a->end.get(), blocks, 2); }),
                             std::thread([&] { wrong_at_b = traffic::receive(b->end.get(), blocks, 1); })};
    for (auto& each : threads) each.join();
    EXPECT_EQ(wrong_at_a, -1);
    EXPECT_EQ(wrong_at_b, -1);
    EXPECT_GE(alice.counts.total(counter::cluster_bytes_in), blocks * traffic::block);
    EXPECT_EQ(alice.now([&] { return alice.downs.size(); }), 0U);
}

TEST_P(ClusterLinks, OfSimultaneousDialsOneIsLeft) {
    for (std::uint64_t round = 1; round <= 10; ++round) {
        node alice(how("alice"), "alice", round), bob(how("bob"), "bob", round);
        alice.want({bob.links.address()});
        bob.want({alice.links.address()});
        ASSERT_TRUE(alice.linked("bob"));
        ASSERT_TRUE(bob.linked("alice"));
        // Whatever was under way is over when both have looked again and found nothing to dial.
        const auto dials = [](node& it) {
            return it.counts.total(labelled_counter::cluster_refused, "duplicate");
        };
        const int a = alice.now([&] { return alice.ticks; });
        ASSERT_TRUE(alice.until([&] { return alice.ticks > a + 2; }));
        EXPECT_EQ(alice.now([&] { return alice.ups; }), 1);
        EXPECT_EQ(bob.now([&] { return bob.ups; }), 1);
        EXPECT_EQ(alice.now([&] { return alice.downs.size(); }), 0U);
        EXPECT_EQ(bob.now([&] { return bob.downs.size(); }), 0U);
        EXPECT_LE(dials(alice) + dials(bob), 2U);
        EXPECT_NE(alice.to("bob")->dialed, bob.to("alice")->dialed);
        char byte = 0;
        ASSERT_EQ(::send(alice.to("bob")->end.get(), "x", 1, MSG_NOSIGNAL), 1);
        ASSERT_EQ(::recv(bob.to("alice")->end.get(), &byte, 1, 0), 1);
    }
}

TEST_P(ClusterLinks, ThreeNodesAreAMesh) {
    node alice(how("alice"), "alice"), bob(how("bob"), "bob"), carol(how("carol"), "carol");
    const std::vector<std::string> all{alice.links.address(), bob.links.address(), carol.links.address()};
    // As seeds are: the same list everywhere, oneself in it.
    for (auto* each : {&alice, &bob, &carol}) each->want(all);
    for (auto* each : {&alice, &bob, &carol}) EXPECT_TRUE(each->until([&] { return each->up.size() == 2; }));
    for (auto* each : {&alice, &bob, &carol}) {
        EXPECT_EQ(each->now([&] { return each->ups; }), 2);
        EXPECT_EQ(each->now([&] { return each->downs.size(); }), 0U);
    }
    alice.beat("to both");
    for (auto* each : {&bob, &carol})
        EXPECT_TRUE(each->until([&] { return each->last_beat["alice"] == "to both"; }));
}

TEST_P(ClusterLinks, AHostsNameIsLookedUp) {
    node alice(how("alice"), "alice");
    auto it = how("bob");
    it.cluster_join = {"localhost:" + std::to_string(alice.links.port()), "there.is.no.such.host.invalid:1"};
    node bob(it, "bob");
    EXPECT_TRUE(bob.linked("alice"));
}

TEST_P(ClusterLinks, WhoGoesInOrderSaysBye) {
    auto alice = std::make_unique<node>(how("alice"), "alice");
    node bob(joining("bob", *alice), "bob");
    ASSERT_TRUE(bob.linked("alice"));
    ASSERT_TRUE(alice->linked("bob"));
    ASSERT_EQ(::send(alice->to("bob")->end.get(), "last words", 10, MSG_NOSIGNAL), 10);
    const auto at_bob = bob.to("alice");
    alice->links.stop();
    EXPECT_EQ(alice->downs, std::vector<std::string>{"this node stops"});
    ASSERT_TRUE(bob.ended("bye"));
    char bytes[11] = {};
    EXPECT_EQ(::recv(at_bob->end.get(), bytes, 10, MSG_WAITALL), 10);
    EXPECT_STREQ(bytes, "last words");
    EXPECT_EQ(::recv(at_bob->end.get(), bytes, 1, 0), 0);
}

TEST_P(ClusterLinks, AreMadeAgainWhenTheOtherIsBack) {
    auto alice = std::make_unique<node>(how("alice"), "alice", 1);
    node bob(joining("bob", *alice), "bob");
    ASSERT_TRUE(bob.linked("alice"));
    const auto port = alice->links.port();
    alice.reset();
    ASSERT_TRUE(bob.until([&] { return bob.up.empty(); }));
    auto again = how("alice");
    again.cluster_listen = "127.0.0.1:" + std::to_string(port);
    node later(again, "alice", 2);
    ASSERT_EQ(later.error, "");
    ASSERT_TRUE(bob.linked("alice"));
    EXPECT_EQ(bob.to("alice")->who.from.incarnation, 2U);
}

TEST_P(ClusterLinks, ALaterProcessTakesTheLinkOfItsPredecessor) {
    node alice(how("alice"), "alice");
    node first(joining("bob", alice), "bob", 1);
    ASSERT_TRUE(alice.linked("bob"));
    node second(joining("bob", alice), "bob", 2);
    EXPECT_TRUE(alice.ended("replaced"));
    EXPECT_TRUE(alice.until([&] { return alice.ups >= 2 && alice.up.contains("bob"); }));
    EXPECT_EQ(alice.to("bob")->who.from.incarnation, 2U);
    // The first is told so when it comes back.
    EXPECT_TRUE(alice.refused("incarnation"));
}

TEST_P(ClusterLinks, EndWhenTheyAreDropped) {
    node alice(how("alice"), "alice"), bob(joining("bob", alice), "bob");
    ASSERT_TRUE(alice.linked("bob"));
    const auto at_alice = alice.to("bob");
    alice.links.post([&] { alice.links.drop({"bob", 1}, "by an operator"); });
    ASSERT_TRUE(alice.ended("dropped"));
    EXPECT_TRUE(alice.until([&] { return alice.downs == std::vector<std::string>{"by an operator"}; }));
    char byte;
    EXPECT_EQ(::recv(at_alice->end.get(), &byte, 1, 0), 0);
    EXPECT_TRUE(bob.until([&] { return !bob.downs.empty(); }));
}

TEST_P(ClusterLinks, EndWhenBaspClosesItsEnd) {
    node alice(how("alice"), "alice"), bob(joining("bob", alice), "bob");
    ASSERT_TRUE(alice.linked("bob"));
    ASSERT_TRUE(bob.linked("alice"));
    alice.to("bob")->end.reset();
    EXPECT_TRUE(alice.ended("local"));
    EXPECT_TRUE(bob.ended("closed"));
}

// Bob's BASP takes nothing: alice's waits, in bounds, and nothing else does.
TEST_P(ClusterLinks, BeatsPassDataThatWaits) {
    auto at_alice = how("alice"), at_bob = how("bob");
    at_alice.cluster_timeout = at_bob.cluster_timeout = 1'000ms;
    node alice(at_alice, "alice");
    at_bob.cluster_join = {alice.links.address()};
    node bob(at_bob, "bob");
    ASSERT_TRUE(alice.linked("bob"));
    ASSERT_TRUE(bob.linked("alice"));
    const auto a = alice.to("bob"), b = bob.to("alice");
    ::fcntl(a->end.get(), F_SETFL, O_NONBLOCK);
    std::string sent, bytes(50'000, '\0');
    std::minstd_rand dice(3);
    // Full when nothing could be written for as long as ten ticks.
    for (int idle = 0; idle < 10;) {
        for (auto& each : bytes) each = static_cast<char>(dice());
        const auto n = ::send(a->end.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n > 0) {
            sent.append(bytes, 0, static_cast<std::size_t>(n));
            idle = 0;
            continue;
        }
        const int before = alice.now([&] { return alice.ticks; });
        ASSERT_TRUE(alice.until([&] { return alice.ticks > before; }));
        ++idle;
    }
    EXPECT_GE(sent.size(), link_window);
    EXPECT_LE(sent.size(),
              link_window + 4 * 212'992);  // and what two socket pairs take (net.core.wmem_default)
    for (int i = 0; i < 30; ++i) {
        const auto text = "beat " + std::to_string(i);
        alice.beat(text);
        ASSERT_TRUE(bob.until([&] { return bob.last_beat["alice"] == text; }));
        bob.beat(text);
        ASSERT_TRUE(alice.until([&] { return alice.last_beat["bob"] == text; }));
        const int before = alice.now([&] { return alice.ticks; });
        ASSERT_TRUE(alice.until([&] { return alice.ticks > before; }));
    }
    EXPECT_EQ(alice.now([&] { return alice.downs.size(); }), 0U) << "three times the timeout";
    std::string got(sent.size(), '\0');
    ASSERT_EQ(::recv(b->end.get(), got.data(), got.size(), MSG_WAITALL), static_cast<ssize_t>(got.size()));
    EXPECT_TRUE(got == sent);
}

// A virtual machine that is moved, say, with both on it.
TEST_P(ClusterLinks, AMachineThatStoodStillLosesNoLink) {
    auto at_alice = how("alice"), at_bob = how("bob");
    at_alice.cluster_timeout = at_bob.cluster_timeout = 1'000ms;
    node alice(at_alice, "alice");
    at_bob.cluster_join = {alice.links.address()};
    node bob(at_bob, "bob");
    ASSERT_TRUE(alice.linked("bob"));
    ASSERT_TRUE(bob.linked("alice"));
    for (node* each : {&alice, &bob}) each->links.post([] { std::this_thread::sleep_for(1'500ms); });
    for (node* each : {&alice, &bob}) {
        const int before = each->now([&] { return each->ticks; });
        ASSERT_TRUE(each->until([&] { return each->ticks > before + 3; }));
        EXPECT_EQ(each->now([&] { return each->downs.size(); }), 0U);
    }
}

TEST_P(ClusterLinks, OfBeatsThatWaitTheLastIsSent) {
    node alice(how("alice"), "alice"), bob(joining("bob", alice), "bob");
    ASSERT_TRUE(alice.linked("bob"));
    ASSERT_TRUE(bob.linked("alice"));
    alice.links.post([&] {
        for (int i = 0; i < 1'000; ++i) alice.links.send_beat("beat " + std::to_string(i));
        alice.links.send_beat(std::string(beat_bytes_limit, 'x'));
    });
    ASSERT_TRUE(bob.until([&] { return bob.last_beat["alice"].size() == beat_bytes_limit; }));
    EXPECT_EQ(bob.now([&] { return bob.beats; }), 1);
}

}  // namespace
}  // namespace madang::test
