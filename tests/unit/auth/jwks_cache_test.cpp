#include "broker/auth/jwks_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/auth/jwt.hpp"
#include "broker/core/log.hpp"
#include "tests/support/fake_fetcher.hpp"
#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using state = jwks_cache::state;

struct JwksCache : ::testing::Test {
    std::string set(std::initializer_list<const char*> ids) const {
        std::string out = R"({"keys":[)";
        for (const auto* id : ids) out.append(out.ends_with('[') ? "" : ",").append(key.jwk(id));
        return out + "]}";
    }
    state look(const char* id) { return cache.find(id, jwt_algorithm::eddsa).how; }
    std::string token(std::string_view id) const {
        return key.sign(R"({"alg":"EdDSA","kid":")" + std::string(id) + "\"}", R"({"sub":"u"})", nullptr);
    }

    const test::signing_key key = test::signing_key::ed25519();
    manual_clock clock;
    fake_fetcher fetcher;
    metrics_shard counts;
    // Other than the defaults: what is asked for is what holds.
    jwks_limits limits{
        .age = 1h, .pause = 4s, .timeout = 3s, .waiting = 200, .keys = {.bytes = 9000, .keys = 3}};
    jwks_cache cache{"https://keys.example/jwks", limits, fetcher, clock, counts};
    jwt_verifier verifier{jwt_settings{}, clock, &cache};
};

TEST_F(JwksCache, AsksOnceForAllWhoWait) {
    cache.prefetch();
    EXPECT_EQ(fetcher.last.method, "GET");
    EXPECT_EQ(fetcher.last.url, "https://keys.example/jwks");
    EXPECT_EQ(fetcher.last.timeout, 3s);
    EXPECT_EQ(fetcher.last.answer_bytes, limits.keys.bytes);
    std::string verdicts;
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(look("a"), state::fetching);
        verifier.verify_claims(token("a"), [&](result<user> who) { verdicts += who ? who->id : "no"; });
    }
    EXPECT_EQ(fetcher.asked, 1u);
    EXPECT_EQ(verdicts, "");
    fetcher.answer(set({"a"}));
    EXPECT_EQ(verdicts, "uuu");
    EXPECT_EQ(look("a"), state::found);
    EXPECT_EQ(fetcher.asked, 1u);
    EXPECT_EQ(counts.value(labelled_counter::jwks_fetches, "ok"), 1u);
    EXPECT_EQ(counts.value(gauge::jwks_keys), 1);
}

TEST_F(JwksCache, WhoCannotWaitIsToldToComeAgain) {
    const auto early = verifier.verify(token("a"));
    EXPECT_EQ(early.error().code, errc::busy);
    EXPECT_EQ(early.error().detail, token_fault::keys);
    fetcher.answer(set({"a"}));
    EXPECT_TRUE(verifier.verify(token("a")));
}

TEST_F(JwksCache, AnUnknownIdMayBeAFreshKey) {
    cache.prefetch();
    fetcher.answer(set({"a"}));
    clock.advance(limits.pause);
    std::string verdict;
    verifier.verify_claims(token("b"),
                           [&](result<user> who) { verdict = who ? who->id : who.error().detail; });
    EXPECT_EQ(fetcher.asked, 2u);
    EXPECT_EQ(look("a"), state::found) << "known keys go on meanwhile";
    fetcher.answer(set({"a", "b"}));
    EXPECT_EQ(verdict, "u");
    EXPECT_EQ(counts.value(gauge::jwks_keys), 2);
}

TEST_F(JwksCache, AFreshIdWithinThePauseIsToComeAgain) {
    cache.prefetch();
    fetcher.answer(set({"a"}));
    EXPECT_EQ(look("b"), state::unavailable) << "it may have been made since";
    const auto early = verifier.verify(token("b"));
    EXPECT_EQ(early.error().code, errc::busy);
    EXPECT_EQ(early.error().detail, token_fault::keys);
    EXPECT_EQ(fetcher.asked, 1u);
    clock.advance(limits.pause);
    EXPECT_EQ(look("b"), state::fetching);
    EXPECT_EQ(look("c"), state::fetching);
    fetcher.answer(set({"a", "b"}));
    EXPECT_TRUE(verifier.verify(token("b")));
    EXPECT_EQ(look("c"), state::unavailable) << "it was asked for when the fetch was under way";
}

TEST_F(JwksCache, AnIdThatWasLookedForIsUnknown) {
    cache.prefetch();
    fetcher.answer(set({"a"}));
    look("b");
    clock.advance(limits.pause);
    look("c");
    fetcher.answer(set({"a"}));
    for (const auto* id : {"b", "c"}) {
        EXPECT_EQ(look(id), state::unknown);
        EXPECT_EQ(verifier.verify(token(id)).error().detail, token_fault::key);
    }
    clock.advance(limits.pause);
    EXPECT_EQ(look("b"), state::fetching) << "it may be there by now";
    fetcher.fail_with(errc::request_timeout);
    EXPECT_EQ(look("b"), state::unavailable) << "nobody knows";
    clock.advance(limits.pause);
    EXPECT_EQ(look("a"), state::found);
    look("b");
    fetcher.answer(set({"a", "b"}));
    EXPECT_EQ(look("b"), state::found);
}

TEST_F(JwksCache, AStormOfUnknownIdsCostsOneFetchPerPause) {
    cache.prefetch();
    fetcher.answer(set({"a"}));
    std::size_t refused = 0, told_to_come_again = 0;
    for (int i = 0; i < 10'000; ++i) {  // 10 s
        verifier.verify_claims(token("no" + std::to_string(i % 7)), [&](result<user> who) {
            refused += !who && who.error().detail == token_fault::key;
            told_to_come_again += !who && who.error().code == errc::busy;
        });
        clock.advance(1ms);
        if (i % 100 == 99 && !fetcher.waiting.empty()) fetcher.answer(set({"a"}));
    }
    EXPECT_EQ(refused + told_to_come_again, 10'000u);
    EXPECT_GT(refused, 5'500u) << "all but those of the first pause, and of the fetches";
    EXPECT_LE(fetcher.asked, 3u);
    EXPECT_EQ(look("a"), state::found);
}

TEST_F(JwksCache, RemembersNoMoreIdsThanTheLimit) {
    cache.prefetch();
    fetcher.answer(set({"a"}));
    for (std::size_t i = 0; i < limits.waiting; ++i) look(("no" + std::to_string(i)).c_str());
    look("b");
    clock.advance(limits.pause);
    EXPECT_EQ(look("no0"), state::fetching);
    fetcher.answer(set({"a"}));
    EXPECT_EQ(look("no0"), state::unknown);
    EXPECT_EQ(look("b"), state::unavailable) << "one too many";
}

TEST_F(JwksCache, TheLogNamesTheUrlWithoutSecretsAndTheError) {
    std::string line;
    const log_capture capture(log_format::text, log_level::warn, [&](std::string_view each) { line = each; });
    const auto told = [&](const char* url, auto&& ends) {
        jwks_cache one(url, limits, fetcher, clock, counts);
        one.prefetch();
        ends();
        return line;
    };
    auto said = told("https://me:secret@keys.example:8443/a/jwks?key=secret#secret",
                     [&] { fetcher.fail_with(errc::system_failure, "Could not connect to server"); });
    EXPECT_THAT(said, ::testing::HasSubstr("https://keys.example:8443/a/jwks"));
    EXPECT_THAT(said, ::testing::HasSubstr("Could not connect to server"));
    EXPECT_THAT(said, ::testing::Not(::testing::HasSubstr("secret")));
    said = told("http://keys.example", [&] { fetcher.answer("", 502); });
    EXPECT_THAT(said, ::testing::HasSubstr("http://keys.example"));
    EXPECT_THAT(said, ::testing::HasSubstr("502"));
}

TEST_F(JwksCache, NoMoreThanTheLimitWait) {
    cache.prefetch();
    std::size_t busy = 0, called = 0;
    for (std::size_t i = 0; i < limits.waiting + 10; ++i)
        verifier.verify_claims(token("a"), [&](result<user> who) {
            ++called;
            busy += !who && who.error().code == errc::busy;
        });
    EXPECT_EQ(called, 10u);
    EXPECT_EQ(busy, 10u);
    fetcher.answer(set({"a"}));
    EXPECT_EQ(called, limits.waiting + 10);
    EXPECT_EQ(busy, 10u);
}

TEST_F(JwksCache, IsFetchedAheadOfItsEnd) {
    cache.prefetch();
    fetcher.answer(set({"a"}));
    clock.advance(45min - 1s);
    EXPECT_EQ(look("a"), state::found);
    EXPECT_EQ(fetcher.asked, 1u);
    clock.advance(1s);
    EXPECT_EQ(look("a"), state::found) << "nobody waits for it";
    EXPECT_EQ(fetcher.asked, 2u);
    fetcher.answer(set({"b"}));
    EXPECT_EQ(look("b"), state::found);
    EXPECT_EQ(look("a"), state::unavailable)
        << "a key that is gone is gone; nobody asked whether it was to stay";
}

TEST_F(JwksCache, ABadAnswerLeavesTheOldKeysUntilTheirTimeIsOver) {
    cache.prefetch();
    fetcher.answer(set({"a"}));
    clock.advance(50min);
    for (const auto bad : {0, 1, 2, 3}) {
        EXPECT_EQ(look("a"), state::found);
        if (bad == 0) fetcher.fail_with(errc::request_timeout);
        if (bad == 1) fetcher.answer(set({"b"}), 500);
        if (bad == 2) fetcher.answer("nonsense");
        if (bad == 3) fetcher.answer(R"({"keys":[)" + std::string(limits.keys.bytes, ' ') + "]}");
        clock.advance(limits.pause);
    }
    EXPECT_EQ(look("a"), state::found);
    for (const auto reason : {"request_timeout", "status", "bad_request", "too_large"})
        EXPECT_EQ(counts.value(labelled_counter::jwks_fetches, reason), 1u) << reason;
    fetcher.fail_with(errc::system_failure);
    clock.advance(10min - 4 * limits.pause);
    EXPECT_EQ(look("a"), state::fetching) << "an hour old: not believed any more";
    fetcher.fail_with(errc::system_failure);
    EXPECT_EQ(look("a"), state::unavailable);
    EXPECT_EQ(verifier.verify(token("a")).error().code, errc::busy);
    clock.advance(limits.pause);
    EXPECT_EQ(look("a"), state::fetching);
    fetcher.answer(set({"a"}));
    EXPECT_EQ(look("a"), state::found);
}

TEST_F(JwksCache, AFetcherThatRefusesAtOnceIsAnAnswerToo) {
    fetcher.refuse = errc::busy;
    std::string verdict;
    verifier.verify_claims(token("a"),
                           [&](result<user> who) { verdict = who ? who->id : who.error().detail; });
    EXPECT_EQ(verdict, token_fault::keys);
    EXPECT_EQ(look("a"), state::unavailable);
}

TEST_F(JwksCache, ATokenIsCheckedWithTheKeyThatItNamesAndNoOther) {
    const auto other = test::signing_key::ed25519();
    jwt_settings settings;
    settings.key = *public_key::from_pem(other.pem());
    const jwt_verifier both(settings, clock, &cache);
    cache.prefetch();
    fetcher.answer(set({"a"}));
    const auto claims = R"({"sub":"u"})";
    EXPECT_TRUE(both.verify(token("a")));
    EXPECT_TRUE(both.verify(other.sign(R"({"alg":"EdDSA"})", claims, nullptr))) << "names none: the PEM's";
    EXPECT_EQ(both.verify(other.sign(R"({"alg":"EdDSA","kid":"a"})", claims, nullptr)).error().detail,
              token_fault::signature);
    EXPECT_EQ(both.verify(key.sign(R"({"alg":"EdDSA"})", claims, nullptr)).error().detail,
              token_fault::signature);
    EXPECT_EQ(verifier.verify(key.sign(R"({"alg":"EdDSA"})", claims, nullptr)).error().detail,
              token_fault::key);
    EXPECT_EQ(both.verify(key.sign(R"({"alg":"RS256","kid":"a"})", claims, nullptr)).error().detail,
              token_fault::key);
    EXPECT_EQ(both.verify(key.sign(R"({"alg":"EdDSA","kid":7})", claims, nullptr)).error().detail,
              token_fault::malformed);
}

}  // namespace
}  // namespace madang
