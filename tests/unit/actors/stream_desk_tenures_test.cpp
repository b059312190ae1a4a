// Streams that the desk has for a tenure: renewed, adopted, begun anew.
#include "tests/unit/actors/stream_desk_world.hpp"

namespace madang {
namespace {

using testing::ElementsAre;

TEST_F(StreamDesk, AStreamIsRenewedOncePerTenureInFrontOfWhatIsAskedFirst) {
    publish("kept:1", "a", ticket());
    turn();
    answer();
    const auto first = streams["kept:1"].epoch;
    tenure = 1;
    publish("kept:1", "b", ticket());
    publish("kept:1", "c", ticket());
    turn();
    ASSERT_EQ(submitted.size(), 1u);
    ASSERT_EQ(submitted[0].first->requests.size(), 3u);
    EXPECT_TRUE(std::holds_alternative<commands::renew>(submitted[0].first->requests[0]));
    answer();
    const auto second = streams["kept:1"].epoch;
    EXPECT_NE(second, first);
    EXPECT_THAT(positions, ElementsAre("1", "2", "3"));
    publish("kept:1", "d", ticket());
    turn();
    EXPECT_EQ(submitted.at(0).first->requests.size(), 1u);
    answer();
    EXPECT_EQ(streams["kept:1"].epoch, second);
    tenure = 2;
    publish("kept:1", "e", ticket());
    turn();
    answer();
    EXPECT_NE(streams["kept:1"].epoch, second);
}

TEST_F(StreamDesk, WhoKnowsAPositionOfATenureBeforeIsNotRecovered) {
    publish("kept:1", "a");
    publish("kept:1", "b");
    turn();
    answer();
    const position since{streams["kept:1"].epoch, 1};
    EXPECT_EQ(subscribe("kept:1", since), "recovered [2] top 2");
    tenure = 1;
    EXPECT_EQ(subscribe("kept:1", since), "[] top 2");
    EXPECT_EQ(subscribe("kept:1", position{streams["kept:1"].epoch, 1}), "recovered [2] top 2");
}

TEST_F(StreamDesk, MembersAreToldBeforeThePublicationThatRenewedTheirStream) {
    publish("kept:1", "a");
    subscribe("kept:1", {});
    tenure = 1;
    publish("kept:1", "b");
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1", "kept:1 began", "kept:1 b@2"));
}

TEST_F(StreamDesk, ARenewalThatWasRefusedAnswersNobodyAndIsTriedAgain) {
    publish("kept:1", "a");
    turn();
    answer();
    const position since{streams["kept:1"].epoch, 0};
    tenure = 1;
    renewals_fail = true;
    EXPECT_EQ(subscribe("kept:1", since), describe(errc::busy).name);
    renewals_fail = false;
    EXPECT_EQ(subscribe("kept:1", since), "[] top 1");
}

TEST_F(StreamDesk, WhatIsAskedOfAStreamIsAnsweredInTheTenureInWhichItIsOrNotAtAll) {
    publish("kept:1", "a");
    turn();
    answer();
    tenure = 1;
    std::vector<std::string> answers;
    const auto ask = [&] {
        queries::history query;
        query.what.group = "kept:1";
        desk.ask("kept:1", std::move(query), [&](store_answer&& got) {
            answers.push_back(got ? std::get<history_page>(*got).top.epoch
                                  : std::string(describe(got.error().code).name));
        });
        turn();
    };
    ask();
    ask();
    answer();
    answer();
    EXPECT_THAT(answers, ElementsAre(streams["kept:1"].epoch, streams["kept:1"].epoch));
    ask();
    tenure = 0;  // another node's
    answer();
    EXPECT_EQ(answers.back(), describe(errc::busy).name);
}

TEST_F(StreamDesk, WhatItRemembersOfTenuresIsBounded) {
    tenure = 1;
    publish("kept:first", "a");
    for (int i = 0; i < 200'000; ++i) {
        publish("kept:" + std::to_string(i), "a");
        if (i % 10'000 != 0) continue;
        turn();
        while (!submitted.empty()) answer();
        told.clear();
    }
    turn();
    publish("kept:first", "b");
    publish("kept:199999", "b");
    turn();
    EXPECT_EQ(submitted.back().first->requests.size(), 3u) << "the first was forgotten, the last was not";
}

TEST_F(StreamDesk, AStreamOfATenureThatWasForgottenMayHaveBegun) {
    tenure = 1;
    EXPECT_FALSE(desk.has_begun("kept:first", 1));
    for (int i = 0; i <= 200'000; ++i) {
        desk.adopted(i == 0 ? "kept:first" : "kept:" + std::to_string(i), {"given", 7});
    }
    EXPECT_FALSE(desk.is_settled("kept:first", 1)) << "it was forgotten";
    EXPECT_TRUE(desk.has_begun("kept:first", 1)) << "a hand-over that comes late must not be written over it";
    EXPECT_FALSE(desk.has_begun("kept:first", 2));
    streams["kept:first"] = {"given", 7, {}, {}};
    desk.begin_anew("kept:first");
    turn();
    answer();
    EXPECT_NE(streams["kept:first"].epoch, "given") << "nobody knows that it has an epoch of the tenure";
}

TEST_F(StreamDesk, AStreamOfANamespaceThatOnlyOtherNodesKnowBeginsAnew) {
    tenure = 4;
    streams["nobody:1"] = {"given", 7, {}, {}};
    desk.begin_anew("nobody:1");
    turn();
    answer();
    EXPECT_NE(streams["nobody:1"].epoch, "given");
}

TEST_F(StreamDesk, AStreamThatWasAdoptedIsOfTheTenureAndIsNotRenewed) {
    tenure = 4;
    streams["kept:1"] = {"given", 7, {}, {}};
    EXPECT_FALSE(desk.has_begun("kept:1", 4));
    desk.adopted("kept:1", {"given", 7});
    EXPECT_TRUE(desk.is_settled("kept:1", 4));
    EXPECT_FALSE(desk.is_settled("kept:1", 5));
    publish("kept:1", "a", ticket());
    turn();
    ASSERT_EQ(submitted.back().first->requests.size(), 1u);
    answer();
    EXPECT_EQ(streams["kept:1"].epoch, "given");
    EXPECT_THAT(positions, ElementsAre("8"));
}

TEST_F(StreamDesk, AStreamBeginsAnewOncePerTenure) {
    tenure = 4;
    streams["kept:1"] = {"old", 7, {}, {}};
    desk.begin_anew("kept:1");
    EXPECT_TRUE(desk.has_begun("kept:1", 4));
    EXPECT_FALSE(desk.is_settled("kept:1", 4)) << "the store has not said so";
    desk.begin_anew("kept:1");
    turn();
    ASSERT_EQ(submitted.back().first->requests.size(), 1u);
    answer();
    EXPECT_TRUE(desk.is_settled("kept:1", 4));
    EXPECT_NE(streams["kept:1"].epoch, "old");
    tenure = 0;
    desk.begin_anew("kept:2");
    turn();
    EXPECT_TRUE(submitted.empty()) << "it is another node's";
}

}  // namespace
}  // namespace madang
