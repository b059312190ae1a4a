// Chains, groups and chords in the store.
#include <set>

#include "tests/unit/storage/job_store_fixture.hpp"

namespace madang::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using verdict = jc::fail::verdict;

TEST_P(JobStore, AChainHandsResultsOn) {
    auto a = spec("a"), b = spec("b"), c = spec("c");
    a.next = {"b"};
    b.waits = true;
    b.args = "[2,3]";
    b.next = {"c"};
    c.waits = c.immutable = true;
    c.args = "[9]";
    put({a, b, c});
    EXPECT_EQ(state("b"), job_state::waiting);
    run("{\"r\":1}");
    const auto got = take(5);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].args, "[{\"r\":1},2,3]");
    ask(succeed({"b", got[0].token}, "7")).value();
    const auto last = take(5);
    ASSERT_EQ(last.size(), 1u);
    EXPECT_EQ(last[0].args, "");
    EXPECT_EQ(last[0].spec->args, "[9]");
}

TEST_P(JobStore, AFailureEndsTheRestOfAChainAndBeginsItsErrorJobOnce) {
    auto a = spec("a"), b = spec("b"), c = spec("c"), error = spec("error");
    a.next = {"b"};
    b.next = {"c"};
    a.on_error = b.on_error = c.on_error = {"error"};
    b.waits = c.waits = error.waits = true;
    put({a, b, c, error});
    run();
    ask(failed(take_one(), verdict::dead)).value();
    EXPECT_EQ(state("c"), job_state::revoked);
    EXPECT_EQ(find("c").error.type, "UpstreamFailed");
    const auto got = take(5);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].spec->id, "error");
    EXPECT_THAT(got[0].args, HasSubstr("\"id\":\"b\""));
    EXPECT_THAT(got[0].args, HasSubstr("\"type\":\"Oops\""));
    EXPECT_EQ(queue("q").dead, 1u);  // what was over for another's failure is no dead letter
}

TEST_P(JobStore, AnErrorJobThatNobodyNeedsIsOver) {
    auto a = spec("a"), error = spec("error");
    a.on_error = {"error"};
    error.waits = true;
    put({a, error});
    run();
    EXPECT_EQ(state("error"), job_state::revoked);
    EXPECT_EQ(find("error").error.type, "NotNeeded");
}

jc::enqueue chord(int headers, std::string prefix = "") {
    std::vector<job_spec> all;
    for (int i = 0; i < headers; ++i) {
        all.push_back(spec(prefix + "h" + std::to_string(i)));
        all.back().part_of = {prefix + "barrier", static_cast<std::uint32_t>(i)};
    }
    all.push_back(spec(prefix + "body"));
    all.back().waits = true;
    all.back().args = "[5]";
    auto what = enqueue(all);
    what.barriers.push_back({prefix + "barrier", static_cast<std::uint32_t>(headers), {prefix + "body"}, {}});
    return what;
}

TEST_P(JobStore, AChordsBodyBeginsWithAllResultsInOrder) {
    ask(chord(12)).value();
    auto headers = take(20);
    ASSERT_EQ(headers.size(), 12u);
    std::swap(headers[0], headers[7]);
    for (const auto& each : headers) {
        EXPECT_EQ(state("body"), job_state::waiting);
        ask(succeed({each.spec->id, each.token}, "\"" + each.spec->id + "\"")).value();
    }
    const auto body = take(5);
    ASSERT_EQ(body.size(), 1u);
    EXPECT_EQ(body[0].args,
              "[[\"h0\",\"h1\",\"h2\",\"h3\",\"h4\",\"h5\",\"h6\",\"h7\",\"h8\",\"h9\",\"h10\",\"h11\"],5]");
}

TEST_P(JobStore, AChordsBodyFailsNamingTheFirstFailedHeaderWhenAllAreOver) {
    auto what = chord(3);
    auto error = spec("error");
    error.waits = true;
    auto body = *what.jobs.back();
    body.on_error = {"error"};
    what.jobs.back() = std::make_shared<const job_spec>(body);
    what.jobs.push_back(std::make_shared<const job_spec>(error));
    ask(what).value();
    const auto headers = take(3);
    ask(failed({"h1", headers[1].token}, verdict::dead)).value();
    EXPECT_EQ(state("body"), job_state::waiting);
    ask(succeed({"h0", headers[0].token})).value();
    ask(failed({"h2", headers[2].token}, verdict::dead)).value();
    EXPECT_EQ(state("body"), job_state::failure);
    EXPECT_THAT(find("body").error.message, HasSubstr("job h1"));
    EXPECT_THAT(take(5).at(0).args, HasSubstr("\"id\":\"body\""));
    EXPECT_EQ(queue("q").dead, 2u);
}

TEST_P(JobStore, AGroupLeavesItsResultsUnderItsId) {
    auto a = spec("a"), b = spec("b");
    a.part_of = {"g", 0};
    b.part_of = {"g", 1};
    auto what = enqueue({a, b});
    what.barriers.push_back({"g", 2, {}, {}});
    ask(what).value();
    EXPECT_EQ(state("g"), job_state::waiting);
    run("1");
    heard_.taken();
    const auto lease = take_one();
    ask(succeed(lease, "2")).value();
    std::vector<std::string> ended;  // those who wait for it are told
    for (const auto& each : heard_.taken().ended) ended.push_back(each.spec->id);
    EXPECT_THAT(ended, ElementsAre("b", "g"));
    EXPECT_EQ(state("g"), job_state::success);
    EXPECT_EQ(find("g").result, "[1,2]");
}

TEST_P(JobStore, DeadAreThoseThatAreInTheDeadLetterQueueAndNoOthers) {
    auto member = spec("member"), first = spec("first"), rest = spec("rest"), giver = spec("giver"),
         taker = spec("taker");
    member.part_of = {"g", 0};
    first.next = {"rest"};
    giver.next = {"taker"};
    rest.waits = taker.waits = true;
    auto what = enqueue({giver, taker, member, first, rest});
    what.barriers.push_back({"g", 1, {}, {}});
    ask(what).value();
    run('"' + std::string(3000, 'x') + '"');  // more than a job's arguments may be
    ask(chord(2, "c-")).value();
    for (const auto& each : take(5)) ask(failed({each.spec->id, each.token}, verdict::dead)).value();

    const auto dead = [&] {
        job_filter all, letters;
        letters.dead = true;
        std::set<std::string> here, listed;
        for (const auto& each : job_as<job_page>(ask(jq::list{all})).jobs) {
            EXPECT_EQ(each.dead, find(each.spec.id).dead) << each.spec.id;
            if (each.dead) here.insert(each.spec.id);
        }
        for (const auto& each : job_as<job_page>(ask(jq::list{letters})).jobs) listed.insert(each.spec.id);
        EXPECT_EQ(here, listed);
        return here;
    };
    EXPECT_THAT(dead(), UnorderedElementsAre("member", "first", "c-h0", "c-h1"));
    for (const auto* each : {"g", "c-body", "taker"}) EXPECT_EQ(state(each), job_state::failure) << each;
    EXPECT_EQ(state("rest"), job_state::revoked);

    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::requeue{{"first", "g", "c-body", "taker"}, at(1)})), 1u);
    EXPECT_THAT(dead(), UnorderedElementsAre("member", "c-h0", "c-h1"));
    ask(failed(take_one(at(2)), verdict::rejected)).value();
    EXPECT_TRUE(find("first").dead);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::discard{{"member", "g", "c-body", "taker"}, at(3)})), 1u);
    EXPECT_THAT(dead(), UnorderedElementsAre("first", "c-h0", "c-h1"));
    EXPECT_EQ(refused(jq::find{"member"}), errc::not_found);
    EXPECT_EQ(state("g"), job_state::failure);
}

TEST_P(JobStore, ABarrierTellsTheOuterOne) {
    auto a = spec("a"), b = spec("b"), c = spec("c"), body = spec("body");
    a.part_of = {"inner", 0};
    b.part_of = {"inner", 1};
    c.part_of = {"outer", 1};
    body.waits = true;
    auto what = enqueue({a, b, c, body});
    what.barriers = {{"outer", 2, {"body"}, {}}, {"inner", 2, {}, {"outer", 0}}};
    ask(what).value();
    for (const auto* each : {"1", "2", "3"}) run(each);
    EXPECT_EQ(take(1).at(0).args, "[[[1,2],3]]");
}

TEST_P(JobStore, AWorkflowIsCancelledFromItsLastJobOn) {
    auto first = spec("first"), second = spec("second"), last = spec("last");
    first.next = {"second"}, second.next = {"last"};
    second.waits = last.waits = true;
    last.children = {"first", "second", "last"};
    ask(enqueue({first, second, last})).value();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"last"}, "enough", at(1)})), 3u);
    for (const auto* each : {"first", "second", "last"})  // none for what came before it
        EXPECT_EQ(find(each).error, (job_error{"Cancelled", "enough", {}})) << each;
    EXPECT_TRUE(find("last").spec.children.empty());
}

TEST_P(JobStore, AWorkflowIsCancelledWhateverStageItsJobsAreAt) {
    auto what = chord(7);
    std::vector<job_spec> all;
    for (const auto& each : what.jobs) all.push_back(*each);
    for (const auto& each : all) all.back().children.push_back(each.id);
    all[1].countdown_ms = 1000;
    all[2].priority = 9;
    all[3].priority = 8;
    all[4].priority = all[5].priority = 7;
    all[4].limit = all[5].limit = {"limit", 0, 0, 1};
    all[6].priority = 6;
    auto barriers = std::move(what.barriers);
    what = enqueue(all);
    what.barriers = std::move(barriers);
    ask(std::move(what)).value();
    ask(succeed(take_one())).value();                       // h2
    ask(failed(take_one(), verdict::retry, 5000)).value();  // h3
    const auto runs = take(2);                              // h4, h6; h5 is parked
    ASSERT_EQ(runs.size(), 2u);
    const std::map<std::string, job_state> before{{"h0", job_state::ready},   {"h1", job_state::scheduled},
                                                  {"h2", job_state::success}, {"h3", job_state::scheduled},
                                                  {"h4", job_state::leased},  {"h5", job_state::parked},
                                                  {"h6", job_state::leased},  {"body", job_state::waiting}};
    for (const auto& [id, wanted] : before) EXPECT_EQ(state(id), wanted) << id;
    heard_.taken();

    const auto cancel = [&] {
        return job_as<std::uint64_t>(ask(jc::cancel{{"body", "h6"}, "enough", at(1)}));
    };
    EXPECT_EQ(cancel(), 7u);
    EXPECT_EQ(heard_.taken().cancelled.size(), 2u);
    for (const auto* each : {"h0", "h1", "h3", "h5", "body"}) {
        EXPECT_EQ(state(each), job_state::revoked) << each;
        EXPECT_EQ(find(each).error, (job_error{"Cancelled", "enough", {}})) << each;
    }
    EXPECT_EQ(state("h2"), job_state::success);
    EXPECT_EQ(cancel(), 2u);  // that run still
    ask(jc::lose{{{"h4", runs[0].token}}, {"WorkerLostError", "", {}}, 3, false, at(2)}).value();
    ask(succeed({"h6", runs[1].token}, "1", at(2))).value();
    EXPECT_EQ(state("h4"), job_state::revoked);
    EXPECT_EQ(state("h6"), job_state::success);
    EXPECT_EQ(cancel(), 0u);
    tick(at(10'000));
    EXPECT_THAT(taken_ids(10, at(10'000)), IsEmpty());
    const auto left = queue("q");
    EXPECT_EQ(left.ready + left.scheduled + left.leased + left.parked + left.dead, 0u);
}

// Groups after one another: each end of the first is counted in a record that names all of the second.
TEST_P(JobStore, ALargeWorkflowIsCancelledInOneWrite) {
    constexpr std::uint32_t each_has = 4000;
    std::vector<job_spec> all;
    barrier_spec first{"first", each_has, {}, {}, {}}, second{"second", each_has, {}, {}, {}};
    for (std::uint32_t i = 0; i < 2 * each_has; ++i) {
        auto& one = all.emplace_back(spec("j" + std::to_string(i)));
        one.waits = i >= each_has;
        one.part_of = {one.waits ? "second" : "first", i % each_has};
        if (one.waits) first.bodies.push_back(one.id);
        second.children.push_back(one.id);
    }
    auto what = enqueue(std::move(all));
    what.barriers = {first, second};
    ask(std::move(what)).value();
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"second"}, "enough", at(1)})), 2 * each_has);
    EXPECT_EQ(state("second"), job_state::failure);
    EXPECT_EQ(job_as<std::uint64_t>(ask(jc::cancel{{"second"}, "enough", at(1)})), 0u);
    EXPECT_EQ(queue("q").ready, 0u);
}

TEST_P(JobStore, ACancelledHeaderDoesNotLeaveItsChordHanging) {
    ask(chord(2)).value();
    ask(jc::cancel{{"h0"}, "", at(1)}).value();
    run();
    EXPECT_EQ(state("body"), job_state::failure);
    ask(chord(2, "x")).value();
    ask(jc::cancel{{"xbody"}, "", at(1)}).value();
    run();
    run();
    EXPECT_EQ(state("xbody"), job_state::revoked);
}

TEST_P(JobStore, AChordWhoseHeaderWasIgnoredSaysSo) {
    ask(chord(1)).value();
    ask(failed(take_one(), verdict::ignored)).value();
    EXPECT_EQ(state("body"), job_state::failure);
    EXPECT_THAT(find("body").error.message,
                ::testing::EndsWith("failed: Ignored: it ended without a result"));
}

TEST_P(JobStore, SaysWhichIdIsThereAlready) {
    put({spec("a")});
    EXPECT_EQ(ask(enqueue({spec("a")})).error().detail, "id: job a is known already");
    EXPECT_EQ(ask(enqueue({spec("b"), spec("b")})).error().detail, "id: used twice");
}

TEST_P(JobStore, ArgumentsThatGrowTooLargeFailTheirJobAndNotTheServer) {
    auto a = spec("a"), b = spec("b");
    a.next = {"b"};
    b.waits = true;
    put({a, b});
    run("\"" + std::string(3000, 'x') + "\"");
    EXPECT_EQ(state("b"), job_state::failure);
    EXPECT_EQ(find("b").error.type, "ArgumentsTooLarge");
    ask(chord(5)).value();
    for (int i = 0; i < 5; ++i) run("\"" + std::string(700, 'x') + "\"");
    EXPECT_EQ(find("body").error.type, "ArgumentsTooLarge");
}

TEST_P(JobStore, ARequeuedLetterTellsItsFollowersNothingNew) {
    ask(chord(2)).value();
    const auto headers = take(2);
    ask(failed({"h0", headers[0].token}, verdict::dead)).value();
    ask(jc::requeue{{"h0"}, at(1)}).value();
    run();
    EXPECT_EQ(state("body"), job_state::waiting);
    ask(succeed({"h1", headers[1].token})).value();
    EXPECT_EQ(state("body"), job_state::failure);
}

TEST_P(JobStore, ALongWorkflowEndsWithoutDeepCalls) {
    std::vector<job_spec> all;
    const int length = 5000;
    for (int i = 0; i < length; ++i) {
        all.push_back(spec("j" + std::to_string(i)));
        all.back().waits = i != 0;
        if (i + 1 < length) all.back().next = {"j" + std::to_string(i + 1)};
    }
    put(all);
    ask(failed(take_one(), verdict::dead)).value();
    EXPECT_EQ(state("j4999"), job_state::revoked);
}

TEST_P(JobStore, WhatIsMissingInAWorkflowIsRefused) {
    auto a = spec("a"), lonely = spec("lonely");
    a.next = {"nobody"};
    lonely.waits = true;
    EXPECT_EQ(refused(enqueue({a})), errc::bad_request);
    EXPECT_EQ(refused(enqueue({lonely})), errc::bad_request);
}

}  // namespace
}  // namespace madang::test
