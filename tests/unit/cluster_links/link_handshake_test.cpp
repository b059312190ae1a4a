#include "broker/cluster/link_handshake.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace madang {
namespace {

using names = std::optional<std::vector<std::string>>;

peer_hello hello_of(const std::string& name, std::uint64_t incarnation = 1) {
    peer_hello it;
    it.cluster = "yard";
    it.from = {name, incarnation};
    it.shards = 64;
    return it;
}

std::string nonce(char of) { return std::string(hello_nonce_bytes, of); }

// A dialer "alice" and a listener "bob" whose books are their own.
struct two {
    peer_hello alice = hello_of("alice"), bob = hello_of("bob");
    link_book alices{alice.from, 8}, bobs{bob.from, 8};
    names alice_certified, bob_certified;

    // The reason of whoever refused first; none: up on both sides.
    std::optional<link_refusal> dial(link_book::link_id id = 1) {
        link_handshake dialer(alice, nonce('a'), true, id), listener(bob, nonce('b'), false, id);
        auto at_bob = listener.heard(dialer.mine(), alice_certified, bobs);
        if (at_bob.refused) return at_bob.refused;
        auto at_alice = dialer.heard(*at_bob.say, bob_certified, alices);
        if (at_alice.refused) return at_alice.refused;
        at_bob = listener.heard(*at_alice.say, alice_certified, bobs);
        if (at_bob.refused) return at_bob.refused;
        EXPECT_TRUE(at_bob.welcome);
        at_alice = dialer.welcomed(alices);
        if (at_alice.refused) return at_alice.refused;
        EXPECT_TRUE(dialer.up());
        EXPECT_TRUE(listener.up());
        EXPECT_EQ(dialer.version(), 1);
        EXPECT_TRUE(alices.has("bob"));
        EXPECT_TRUE(bobs.has("alice"));
        return std::nullopt;
    }
};

TEST(LinkHandshake, LetsANodeOfTheClusterIn) { EXPECT_EQ(two().dial(), std::nullopt); }

TEST(LinkHandshake, RefusesAnotherCluster) {
    two it;
    it.alice.cluster = "field";
    EXPECT_EQ(it.dial(), link_refusal::cluster);
}

TEST(LinkHandshake, RefusesItsOwnName) {
    two it;
    it.alice.from = {"bob", 9};
    EXPECT_EQ(it.dial(), link_refusal::self);
}

TEST(LinkHandshake, WhoDialsItselfHearsSo) {
    link_book book({"bob", 1}, 8);
    link_handshake dialer(hello_of("bob"), nonce('a'), true, 1),
        listener(hello_of("bob"), nonce('b'), false, 2);
    const auto answer = listener.heard(dialer.mine(), {}, book);
    EXPECT_EQ(answer.refused, link_refusal::self);
    ASSERT_TRUE(answer.say);
    EXPECT_EQ(dialer.heard(*answer.say, {}, book).refused, link_refusal::self);
    EXPECT_EQ(dialer.peer()->from.name, "bob");
}

TEST(LinkHandshake, RefusesVersionsWithoutACommonOne) {
    two it;
    it.alice.least = 2;
    it.alice.most = 3;
    EXPECT_EQ(it.dial(), link_refusal::version);
}

TEST(LinkHandshake, SpeaksTheGreatestVersionThatBothKnow) {
    two it;
    it.alice.most = 5;
    EXPECT_EQ(it.dial(), std::nullopt);
}

TEST(LinkHandshake, RefusesAnotherNumberOfShards) {
    two it;
    it.alice.shards = 16;
    EXPECT_EQ(it.dial(), link_refusal::shards);
}

TEST(LinkHandshake, RefusesANameThatTheCertificateHasNot) {
    two it;
    it.alice_certified = {"carol", "alice.example"};
    EXPECT_EQ(it.dial(), link_refusal::name);
    it.alice_certified = {"carol", "alice"};
    it.bob_certified = std::vector<std::string>();
    EXPECT_EQ(it.dial(), link_refusal::name);
    it.bob_certified = {"bob"};
    EXPECT_EQ(it.dial(), std::nullopt);
}

TEST(LinkHandshake, RefusesAnOlderProcessOfAName) {
    two it;
    it.alice.from.incarnation = 5;
    EXPECT_EQ(it.dial(1), std::nullopt);
    it.bobs.release(1);
    it.alices.release(1);
    it.alice.from.incarnation = 4;
    EXPECT_EQ(it.dial(2), link_refusal::incarnation);
    it.alice.from.incarnation = 6;
    EXPECT_EQ(it.dial(3), std::nullopt);
}

TEST(LinkHandshake, ALaterProcessTakesItsPredecessorsPlace) {
    link_book book({"bob", 1}, 1);
    EXPECT_EQ(book.claim({"alice", 1}, 10).replaces, std::nullopt);
    EXPECT_EQ(book.claim({"alice", 2}, 11).replaces, 10U);
    EXPECT_EQ(book.size(), 1U);
    book.release(10);  // no longer the one
    EXPECT_TRUE(book.has("alice"));
    book.release(11);
    EXPECT_EQ(book.size(), 0U);
}

TEST(LinkHandshake, RefusesMoreNodesThanMayBe) {
    link_book book({"bob", 1}, 2);
    EXPECT_FALSE(book.claim({"x", 1}, 1).refused);
    EXPECT_FALSE(book.claim({"y", 1}, 2).refused);
    EXPECT_EQ(book.claim({"z", 1}, 3).refused, link_refusal::nodes);
    book.release(1);
    EXPECT_FALSE(book.claim({"z", 1}, 3).refused);
}

TEST(LinkHandshake, ARecordedSessionIsWorthNothing) {
    two it;
    link_handshake dialer(it.alice, nonce('a'), true, 1), listener(it.bob, nonce('b'), false, 1);
    const auto first = dialer.mine();
    const auto answer = *listener.heard(first, {}, it.bobs).say;
    const auto last = *dialer.heard(answer, {}, it.alices).say;
    // Both recorded messages to a listener whose nonce is another.
    link_handshake later(it.bob, nonce('c'), false, 2);
    EXPECT_FALSE(later.heard(first, {}, it.bobs).refused);
    EXPECT_EQ(later.heard(last, {}, it.bobs).refused, link_refusal::replay);
    // The second at once; the recorded answer to another dial.
    EXPECT_EQ(link_handshake(it.bob, nonce('d'), false, 3).heard(last, {}, it.bobs).refused,
              link_refusal::replay);
    EXPECT_EQ(link_handshake(it.alice, nonce('e'), true, 4).heard(answer, {}, it.alices).refused,
              link_refusal::replay);
    EXPECT_EQ(it.bobs.size(), 0U);
}

TEST(LinkHandshake, TheSecondHelloSaysWhatTheFirstDid) {
    two it;
    link_handshake dialer(it.alice, nonce('a'), true, 1), listener(it.bob, nonce('b'), false, 1);
    const auto answer = *listener.heard(dialer.mine(), {}, it.bobs).say;
    auto last = *dialer.heard(answer, {}, it.alices).say;
    last.from.name = "mallory";
    EXPECT_EQ(listener.heard(last, {}, it.bobs).refused, link_refusal::replay);
}

TEST(LinkHandshake, WelcomesAndHellosOutOfTurnBreakTheProtocol) {
    two it;
    link_handshake dialer(it.alice, nonce('a'), true, 1), listener(it.bob, nonce('b'), false, 1);
    EXPECT_EQ(dialer.welcomed(it.alices).refused, link_refusal::protocol);
    const auto answer = *listener.heard(dialer.mine(), {}, it.bobs).say;
    EXPECT_FALSE(dialer.heard(answer, {}, it.alices).refused);
    EXPECT_EQ(dialer.heard(answer, {}, it.alices).refused, link_refusal::protocol);
}

TEST(LinkHandshake, TheBookDoesNotGrowWithNamesThatWent) {
    link_book book({"bob", 1}, 4);
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        EXPECT_FALSE(book.claim({"n" + std::to_string(i), 1}, i).refused);
        book.release(i);
    }
    EXPECT_EQ(book.size(), 0U);
    EXPECT_LE(book.names(), 8U);
}

// Two nodes that dial each other at once, messages delivered in every order that a seed can think of: both
// keep the same link, one of it, and neither ever replaces a link that was up.
TEST(LinkHandshake, OfSimultaneousDialsBothKeepTheSame) {
    for (unsigned seed = 0; seed < 2'000; ++seed) {
        std::minstd_rand dice(seed);
        peer_hello who[2] = {hello_of("alice"), hello_of("bob")};
        link_book books[2] = {{who[0].from, 8}, {who[1].from, 8}};
        struct link_end {
            link_handshake shaker;
            std::deque<std::optional<peer_hello>> to;  // nothing: the welcome
            bool gone = false;
        };
        // links[i]: dialed by node i; ends[n]: node n's.
        struct link {
            link_end ends[2];
        };
        const auto make = [&](int dialer, link_book::link_id id) {
            return link{{{link_handshake(who[0], nonce(static_cast<char>('a' + id)), dialer == 0, id), {}},
                         {link_handshake(who[1], nonce(static_cast<char>('k' + id)), dialer == 1, id), {}}}};
        };
        link links[2] = {make(0, 0), make(1, 1)};
        links[0].ends[1].to.push_back(links[0].ends[0].shaker.mine());
        links[1].ends[0].to.push_back(links[1].ends[1].shaker.mine());
        for (;;) {
            std::vector<std::pair<int, int>> ready;
            for (int l = 0; l < 2; ++l)
                for (int n = 0; n < 2; ++n)
                    if (!links[l].ends[n].to.empty() && !links[l].ends[n].gone) ready.emplace_back(l, n);
            if (ready.empty()) break;
            const auto [l, n] = ready[dice() % ready.size()];
            auto& here = links[l].ends[n];
            auto& there = links[l].ends[1 - n];
            const auto message = here.to.front();
            here.to.pop_front();
            const auto next =
                message ? here.shaker.heard(*message, {}, books[n]) : here.shaker.welcomed(books[n]);
            ASSERT_FALSE(next.replaces) << seed;
            if (next.refused) {
                ASSERT_EQ(*next.refused, link_refusal::duplicate) << seed;
                ASSERT_FALSE(here.shaker.up());
                here.gone = there.gone = true;
                books[n].release(static_cast<link_book::link_id>(l));
                books[1 - n].release(static_cast<link_book::link_id>(l));
                continue;
            }
            if (next.say) there.to.push_back(next.say);
            if (next.welcome) there.to.push_back(std::nullopt);
        }
        int up = 0;
        for (const auto& each : links) {
            ASSERT_EQ(each.ends[0].shaker.up(), each.ends[1].shaker.up()) << seed;
            up += each.ends[0].shaker.up();
        }
        ASSERT_EQ(up, 1) << seed;
    }
}

TEST(LinkHandshake, EveryRefusalHasAWordAndASentence) {
    for (int i = 0; i <= static_cast<int>(link_refusal::closed); ++i) {
        EXPECT_FALSE(to_string(static_cast<link_refusal>(i)).empty());
        EXPECT_FALSE(describe(static_cast<link_refusal>(i)).empty());
    }
    EXPECT_EQ(to_string(link_refusal::closed), "closed");
    EXPECT_EQ(to_string(link_refusal::duplicate), "duplicate");
}

TEST(WorkerJudgement, IsByVersionClusterAndCertificate) {
    peer_hello self;
    self.cluster = "yard";
    const worker_hello good{.cluster = "yard", .name = "w"};
    using names = std::vector<std::string>;
    EXPECT_EQ(judge(good, self, {}), std::nullopt);
    EXPECT_EQ(judge(good, self, names{"other", "w"}), std::nullopt);
    EXPECT_EQ(judge(good, self, names{"other"}), link_refusal::name);
    EXPECT_EQ(judge(good, self, names{}), link_refusal::name);
    auto it = good;
    it.cluster = "field";
    EXPECT_EQ(judge(it, self, names{"w"}), link_refusal::cluster);
    it.least = it.most = 9;  // whatever the rest has become
    EXPECT_EQ(judge(it, self, names{"w"}), link_refusal::version);
    it = good;
    it.most = 9;
    EXPECT_EQ(judge(it, self, {}), std::nullopt);
}

}  // namespace
}  // namespace madang
