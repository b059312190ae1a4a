#include "actors/stream_desk.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <set>

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// A store of one shard that keeps what it is asked to in vectors, and answers when the test says so.
class desk_world : public stream_desk_host {
  public:
    desk_world() {
        namespace_table rules;
        EXPECT_TRUE(rules.set("kept", R"({"history_size":3,"history_ttl":"1m","recovery":true})", "test"));
        EXPECT_TRUE(rules.set("loose", R"({"history_size":3,"history_ttl":"1m","ordered":false})", "test"));
        EXPECT_TRUE(rules.set(
            "synced", R"({"history_size":3,"history_ttl":"1m","history_durability":"synced"})", "test"));
        EXPECT_TRUE(rules.set("room", R"({"presence":true,"join_leave":true})", "test"));
        EXPECT_TRUE(rules.set("hall", R"({"presence":true,"crash_leaves":true})", "test"));
        names.replace(std::move(rules));
    }

    // -- stream_desk_host
    void hand_to_group(const std::string& group, event&& what) override {
        std::string line = group + " ";
        if (what.what == event::kind::join)
            line += "+" + what.who->client;
        else if (what.what == event::kind::leave)
            line += "-" + what.who->client;
        else
            line += std::string(what.body.bytes());
        if (!what.for_consumers()) resident.push_back(what.resident);
        if (what.offset != 0) line += "@" + std::to_string(what.offset);
        told.push_back(line);
    }
    void submit(std::shared_ptr<desk_batch> what, durability how) override {
        submitted.push_back({std::move(what), how});
    }
    void touched() override { ++touches; }
    void answer(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) override {
        whom->done(std::move(what));
    }
    std::int64_t now_ms() const override { return 1000; }
    std::uint64_t tenure_of(const std::string&) const override { return tenure; }
    std::string random_epoch() override { return "e" + std::to_string(++epochs); }
    void count_refused() override { ++refused; }
    void stream_began(const std::string& group) override { told.push_back(group + " began"); }
    void presence_unwritten(std::size_t count) override { unwritten = count; }
    void count_repaired() override { ++repaired; }

    void turn() { desk.flush(); }
    // Answers the oldest submission.
    void answer() {
        auto [batch, how] = std::move(submitted.front());
        submitted.pop_front();
        std::vector<store_answer> answers;
        for (auto& each : batch->requests) answers.push_back(failing ? store_answer(*failing) : apply(each));
        desk.complete(*batch, std::move(answers));
    }
    store_answer apply(store_request& request) {
        if (auto* p = std::get_if<commands::publish>(&request)) {
            auto& stream = streams[p->group];
            if (stream.epoch.empty()) stream.epoch = p->new_epoch;
            if (!p->idempotency_key.empty()) {
                const auto [known, fresh] = stream.keys.emplace(p->idempotency_key, stream.top + 1);
                if (!fresh) return store_value(published{{stream.epoch, known->second}, true});
            }
            if (p->key_only) return store_value(published{});
            asked_size = p->history_size;
            p->what.offset = ++stream.top;
            stream.kept.push_back(p->what);
            if (stream.kept.size() > p->history_size) stream.kept.erase(stream.kept.begin());
            return store_value(published{{stream.epoch, stream.top}, false});
        }
        if (auto* q = std::get_if<queries::history>(&request)) {
            auto& stream = streams[q->what.group];
            if (stream.epoch.empty()) stream.epoch = q->new_epoch;
            history_page page;
            page.top = {stream.epoch, stream.top};
            if (q->what.since && !q->what.since->epoch.empty() && q->what.since->epoch != stream.epoch)
                return fail(errc::unrecoverable_position);
            for (const auto& each : stream.kept)
                if (!q->what.since || each.offset > q->what.since->offset) page.publications.push_back(each);
            if (q->what.reverse) std::reverse(page.publications.begin(), page.publications.end());
            if (page.publications.size() > q->what.limit) page.publications.resize(q->what.limit);
            return store_value(std::move(page));
        }
        if (auto* r = std::get_if<commands::renew>(&request)) {
            if (renewals_fail) return fail(errc::storage_full);
            const auto found = streams.find(r->group);
            if (found == streams.end()) return store_value(position{});
            found->second.epoch = r->new_epoch;
            return store_value(position{r->new_epoch, found->second.top});
        }
        if (auto* e = std::get_if<commands::enter>(&request)) {
            const bool changed = present.emplace(e->group + "/" + e->who.who.client, e->who).second;
            return store_value(presence_change{changed, e->who, {}});
        }
        auto& l = std::get<commands::leave>(request);
        const auto found = present.find(l.group + "/" + l.client);
        if (found == present.end()) return store_value(presence_change{});
        presence_change change{true, found->second, {}};
        present.erase(found);
        return store_value(std::move(change));
    }

    void publish(const std::string& group, const std::string& body,
                 std::shared_ptr<publish_ticket> ticket = nullptr) {
        event made{std::string(event::publication_type), payload::copy_of(body)};
        made.what = event::kind::publication;
        desk.send(group, std::move(made), std::move(ticket));
    }
    void send(const std::string& group, const std::string& body) {
        desk.send(group, event{"said", payload::copy_of(body)}, nullptr);
    }
    std::shared_ptr<publish_ticket> ticket(std::string key = "") {
        auto made = std::make_shared<publish_ticket>();
        made->key = std::move(key);
        made->done = [this](result<position> at) {
            positions.push_back(at ? std::to_string(at->offset)
                                   : std::string(describe(at.error().code).name));
        };
        return made;
    }
    // "recovered [1 2] top 2", "lost top 2", "no stream" or an error's name.
    std::string subscribe(const std::string& group, std::optional<position> since, bool cache = false,
                          std::size_t limit = 10) {
        auto ask = std::make_shared<subscribe_ticket>();
        ask->how.positioned = true;
        ask->how.recover_since = std::move(since);
        ask->how.cache = cache;
        ask->how.recover_limit = limit;
        std::string text;
        ask->done = [&](result<subscribed> got) {
            if (!got) {
                text = describe(got.error().code).name;
                return;
            }
            text = got->recovered ? "recovered [" : "[";
            for (const auto& each : got->missed)
                text += (text.back() == '[' ? "" : " ") + std::to_string(each.offset);
            text += got->top ? "] top " + std::to_string(got->top->offset) : "] no stream";
        };
        desk.joined(group, 1, nullptr, std::move(ask));
        turn();
        while (!submitted.empty()) {
            answer();
            turn();
        }
        return text;
    }
    std::shared_ptr<const member_info> member(const std::string& client) {
        auto made = std::make_shared<member_info>();
        made->who.client = client;
        made->presence = made->join_leave = true;
        return made;
    }

    struct stream {
        std::string epoch;
        std::uint64_t top = 0;
        std::vector<publication> kept;
        std::map<std::string, std::uint64_t> keys;
    };
    reloadable<namespace_table> names;
    std::uint32_t asked_size = 0;  // of the last publication
    std::map<std::string, stream> streams;
    std::map<std::string, present_client> present;
    std::deque<std::pair<std::shared_ptr<desk_batch>, durability>> submitted;
    std::vector<std::string> told, positions;
    std::vector<bool> resident;  // of the joins and leaves among them
    std::optional<error> failing;
    int touches = 0, epochs = 0, refused = 0, repaired = 0;
    std::size_t unwritten = 0;
    std::uint64_t tenure = 0;
    bool renewals_fail = false;
    stream_desk desk{*this, names, "me"};
};

struct StreamDesk : testing::Test, desk_world {};

TEST_F(StreamDesk, EventsOfGroupsThatKeepNothingGoStraightOn) {
    send("lobby", "a");
    publish("room:1", "b", ticket());
    EXPECT_THAT(told, ElementsAre("lobby a", "room:1 b"));
    EXPECT_THAT(positions, ElementsAre("0"));
    EXPECT_TRUE(submitted.empty());
    EXPECT_FALSE(desk.keeps("lobby"));
    EXPECT_TRUE(desk.keeps("kept:1"));
}

TEST_F(StreamDesk, APublicationIsSeenOnlyWhenItIsKept) {
    publish("kept:1", "a", ticket());
    publish("kept:1", "b", ticket());
    turn();
    EXPECT_THAT(told, IsEmpty());
    ASSERT_EQ(submitted.size(), 1u);
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1", "kept:1 b@2"));
    EXPECT_THAT(positions, ElementsAre("1", "2"));
}

TEST_F(StreamDesk, ATurnIsOneSubmissionPerDurability) {
    publish("kept:1", "a");
    publish("synced:1", "b");
    publish("kept:2", "c");
    turn();
    ASSERT_EQ(submitted.size(), 2u);
    EXPECT_EQ(submitted[0].second, durability::buffered);
    EXPECT_EQ(submitted[0].first->requests.size(), 2u);
    EXPECT_EQ(submitted[1].second, durability::synced);
    EXPECT_EQ(touches, 2);
}

TEST_F(StreamDesk, EventsWaitBehindPublicationsOfTheirGroup) {
    publish("kept:1", "a");
    send("kept:1", "x");
    send("kept:2", "free");
    turn();
    publish("kept:1", "b");
    send("kept:1", "y");
    turn();
    EXPECT_THAT(told, ElementsAre("kept:2 free"));
    answer();
    EXPECT_THAT(told, ElementsAre("kept:2 free", "kept:1 a@1", "kept:1 x"));
    answer();
    EXPECT_THAT(told, ElementsAre("kept:2 free", "kept:1 a@1", "kept:1 x", "kept:1 b@2", "kept:1 y"));
    send("kept:1", "z");
    EXPECT_EQ(told.back(), "kept:1 z");
}

TEST_F(StreamDesk, UnlessTheNamespaceSaysOtherwise) {
    publish("loose:1", "a");
    send("loose:1", "x");
    EXPECT_THAT(told, ElementsAre("loose:1 x"));
}

TEST_F(StreamDesk, HistoryThatIsTurnedOnBeginsWithTheNextPublicationInOrder) {
    publish("later:1", "a");
    EXPECT_THAT(told, ElementsAre("later:1 a"));
    publish("later:1", "b", ticket("k"));  // on its way, for its key
    auto rules = names.now();
    EXPECT_TRUE(rules.set("later", R"({"history_size":3,"history_ttl":"1m","history_durability":"synced"})",
                          "reload"));
    names.replace(std::move(rules));
    EXPECT_TRUE(desk.concerns("later:1"));
    publish("later:1", "c", ticket());
    send("later:1", "x");
    turn();
    answer();
    answer();
    EXPECT_THAT(told, ElementsAre("later:1 a", "later:1 b", "later:1 c@1", "later:1 x"));
    EXPECT_THAT(positions, ElementsAre("0", "1"));
    EXPECT_EQ(subscribe("later:1", std::nullopt), "[] top 1");
}

TEST_F(StreamDesk, EachPublicationIsKeptByTheRulesOfItsTime) {
    for (const auto* each : {"1", "2", "3"}) publish("kept:1", each);
    auto rules = names.now();
    EXPECT_TRUE(rules.set("kept", R"({"history_size":1})", "reload"));
    names.replace(std::move(rules));
    turn();
    answer();
    EXPECT_EQ(streams["kept:1"].kept.size(), 3u);
    publish("kept:1", "4");
    turn();
    answer();
    EXPECT_EQ(asked_size, 1u);
}

TEST_F(StreamDesk, ASecondPublishWithTheSameKeyIsAnsweredAndNotSent) {
    publish("kept:1", "a", ticket("k"));
    publish("kept:1", "a", ticket("k"));
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1"));
    EXPECT_THAT(positions, ElementsAre("1", "1"));
}

TEST_F(StreamDesk, WhatTheStoreRefusesIsToldToItsSenderAndToNobodyElse) {
    publish("kept:1", "a", ticket());
    send("kept:1", "x");
    turn();
    failing = fail(errc::storage_full);
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 x")) << "live events go on";
    EXPECT_THAT(positions, ElementsAre("storage_full"));
    EXPECT_EQ(refused, 1);
}

TEST_F(StreamDesk, SkippedHistoryIsLiveOnlyButInOrder) {
    auto live = ticket();
    live->skip_history = true;
    publish("kept:1", "a");
    publish("kept:1", "b", live);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1", "kept:1 b"));
    EXPECT_THAT(positions, ElementsAre("0"));
}

struct StreamDeskRecovery : StreamDesk {
    StreamDeskRecovery() {
        for (const auto* body : {"a", "b", "c", "d", "e"}) publish("kept:1", body);
        turn();
        answer();  // 3, 4 and 5 are kept
    }
    position at(std::uint64_t offset) { return {streams["kept:1"].epoch, offset}; }
};
TEST_F(StreamDeskRecovery, GivesAllThatWasMissed) {
    EXPECT_EQ(subscribe("kept:1", at(2)), "recovered [3 4 5] top 5");
    EXPECT_EQ(subscribe("kept:1", at(4)), "recovered [5] top 5");
    EXPECT_EQ(subscribe("kept:1", at(5)), "recovered [] top 5");
}
TEST_F(StreamDeskRecovery, OrSaysThatItCannot) {
    EXPECT_EQ(subscribe("kept:1", at(1)), "[] top 5") << "2 is not kept any more";
    EXPECT_EQ(subscribe("kept:1", at(6)), "[] top 5") << "a position that never was";
    EXPECT_EQ(subscribe("kept:1", position{"other", 4}), "[] top 5");
    EXPECT_EQ(subscribe("kept:1", at(2), false, 2), "[] top 5") << "more than the limit";
}
TEST_F(StreamDeskRecovery, AnEmptyEpochMatchesAny) {
    EXPECT_EQ(subscribe("kept:1", position{"", 3}), "recovered [4 5] top 5");
}
TEST_F(StreamDeskRecovery, WithoutAPositionGivesThePosition) {
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 5");
    EXPECT_EQ(subscribe("room:1", std::nullopt), "[] no stream");
}
TEST_F(StreamDeskRecovery, OfACacheIsTheLatest) {
    EXPECT_EQ(subscribe("kept:1", position{"other", 1}, true), "recovered [5] top 5");
    EXPECT_EQ(subscribe("kept:1", at(5), true), "recovered [] top 5");
    EXPECT_EQ(subscribe("kept:2", position{"", 0}, true), "[] top 0");
}
TEST_F(StreamDeskRecovery, AStoreThatFailsIsToldAsItIs) {
    failing = fail(errc::storage_failed);
    EXPECT_EQ(subscribe("kept:1", at(3)), "storage_failed");
}

TEST_F(StreamDesk, MembersEnterAndLeavePresenceAndTheOthersAreTold) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann"));
    desk.left("room:1", 7);
    desk.left("room:1", 7);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann", "room:1 -ann"));
    EXPECT_TRUE(present.empty());
    EXPECT_EQ(desk.present(), 0u);
    EXPECT_TRUE(submitted.empty());
}

TEST_F(StreamDesk, ResidentsAreThisNodesMembersWhoseComingIsTold) {
    const auto silent = std::make_shared<member_info>(*member("cid"));
    silent->join_leave = false;
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", stream_desk::member_of(2, 7), member("bob"), nullptr);
    desk.joined("room:1", 8, silent, nullptr);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann", "room:1 +bob"));
    EXPECT_THAT(resident, ElementsAre(true, false));
    const auto ours = desk.residents("room:1");
    ASSERT_EQ(ours.size(), 1u);
    EXPECT_EQ(ours[0].client, "ann");
    EXPECT_THAT(desk.residents("room:2"), IsEmpty());
}

TEST_F(StreamDesk, EnteringTwiceIsToldOnce) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", 7, member("ann"), nullptr);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann"));
    EXPECT_EQ(desk.present(), 1u);
}

TEST_F(StreamDesk, WhoDoesNotComeBackToARestartedGroupHasLeft) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", 8, member("bob"), nullptr);
    turn();
    answer();
    desk.doubt("room:1");
    desk.joined("room:1", 8, member("bob"), nullptr);
    desk.confirm("room:1");
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +ann", "room:1 +bob", "room:1 -ann"));
}

TEST_F(StreamDesk, EntriesOfACrashedProcessLeaveOnce) {
    present["room:1/old"].who.client = "old";
    desk.stale({"room:1", "old", "before"});
    desk.stale({"room:1", "old", "before"});
    turn();
    EXPECT_EQ(std::get<commands::leave>(submitted.front().first->requests.front()).stale_of, "before");
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 -old"));
}

TEST_F(StreamDesk, EntriesOfThisProcessAreNotStale) {
    present["room:1/c"].who.client = "c";
    desk.stale({"room:1", "c", "me"});
    turn();
    EXPECT_TRUE(submitted.empty());
}

TEST_F(StreamDesk, ConsumersAreToldOnceOfThoseWhomACrashTook) {
    present["hall:1/old"].who = {"old", "ann \"a\"", "", ""};
    desk.joined("hall:1", 7, member("bob"), nullptr);
    desk.stale({"hall:1", "old", "before"});
    desk.stale({"hall:1", "old", "before"});
    desk.left("hall:1", 7);
    turn();
    answer();
    EXPECT_THAT(told,
                ElementsAre("hall:1 +bob", R"(hall:1 {"client":"old","user":"ann \"a\""})", "hall:1 -bob"));
}

TEST_F(StreamDesk, PresenceThatCouldNotBeWrittenIsWrittenWhenItCan) {
    desk.joined("room:1", 7, member("ann"), nullptr);
    desk.joined("room:1", 8, member("bob"), nullptr);
    turn();
    answer();
    failing = fail(errc::storage_full);
    desk.joined("room:1", 9, member("eve"), nullptr);   // comes and stays
    desk.left("room:1", 8);                             // goes
    desk.joined("room:1", 10, member("joe"), nullptr);  // comes and goes
    desk.left("room:1", 10);
    turn();
    answer();
    EXPECT_EQ(unwritten, 3u);
    desk.repair_presence();  // and again in vain
    turn();
    answer();
    EXPECT_EQ(unwritten, 3u);
    told.clear();
    failing.reset();
    desk.repair_presence();
    EXPECT_EQ(unwritten, 0u);
    turn();
    answer();
    EXPECT_THAT(told, UnorderedElementsAre("room:1 +eve", "room:1 -bob"));
    EXPECT_EQ(repaired, 3);
    EXPECT_EQ(present.size(), 2u);
    EXPECT_TRUE(present.contains("room:1/ann"));
    EXPECT_TRUE(present.contains("room:1/eve"));
    desk.repair_presence();
    turn();
    EXPECT_TRUE(submitted.empty());
}

TEST_F(StreamDesk, WhoLeavesBeforeARepairWasWrittenIsGone) {
    failing = fail(errc::busy);
    desk.joined("room:1", 9, member("eve"), nullptr);
    turn();
    answer();
    failing.reset();
    desk.repair_presence();
    desk.left("room:1", 9);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 +eve", "room:1 -eve"));
    EXPECT_TRUE(present.empty());
}

TEST_F(StreamDesk, AKeyHoldsInGroupsThatKeepNothing) {
    publish("room:1", "a", ticket("k"));
    send("room:1", "b");
    turn();
    EXPECT_THAT(told, IsEmpty());
    EXPECT_TRUE(desk.concerns("room:1")) << "what comes waits behind it";
    answer();
    EXPECT_FALSE(desk.concerns("room:1"));
    publish("room:1", "a", ticket("k"));
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 a", "room:1 b"));
    EXPECT_THAT(positions, ElementsAre("0", "0"));
}

TEST_F(StreamDesk, AKeyHoldsForWhatSkipsHistory) {
    for (int i = 0; i < 2; ++i) {
        auto once = ticket("k");
        once->skip_history = true;
        publish("kept:1", "a", std::move(once));
        turn();
        answer();
    }
    EXPECT_THAT(told, ElementsAre("kept:1 a"));
    EXPECT_EQ(streams["kept:1"].top, 0u);
}

TEST_F(StreamDesk, AKeyThatCannotBeRememberedIsRefused) {
    failing = fail(errc::storage_full);
    publish("room:1", "a", ticket("k"));
    turn();
    answer();
    EXPECT_THAT(told, IsEmpty());
    EXPECT_THAT(positions, ElementsAre("storage_full"));
}

TEST_F(StreamDesk, AStreamThatBeginsAnewIsToldBeforeWhatComesOfIt) {
    publish("kept:1", "a");
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 a@1")) << "nobody knew it";
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 1");
    streams.clear();  // as after a long silence
    told.clear();
    for (const auto text : {"b", "c"}) publish("kept:1", text);
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("kept:1 began", "kept:1 b@1", "kept:1 c@2"));
}

TEST_F(StreamDesk, AStreamThatASubscriberFindsBegunAnewIsToldToTheOthers) {
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 0");
    streams.clear();
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 0");
    EXPECT_THAT(told, ElementsAre("kept:1 began"));
    streams.clear();
    desk.emptied("kept:1");
    EXPECT_EQ(subscribe("kept:1", std::nullopt), "[] top 0");
    EXPECT_EQ(told.size(), 1u) << "nobody was there";
}

// ------------------------------------------------------------------------------------------- other nodes

TEST_F(StreamDesk, WhoWasThereBeforeEntersAndNobodyIsTold) {
    desk.joined_before("room:1", stream_desk::member_of(2, 1), member("far"));
    turn();
    answer();
    EXPECT_EQ(present.count("room:1/far"), 1u);
    EXPECT_THAT(told, IsEmpty());
    desk.joined_before("room:1", stream_desk::member_of(2, 1), member("far"));
    turn();
    EXPECT_TRUE(submitted.empty()) << "it is known";
    desk.left("room:1", stream_desk::member_of(2, 1));
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 -far"));
}

TEST_F(StreamDesk, AGroupThatIsHandedOverIsLeftQuietlyAndOnlyThisNodesMembersAreGiven) {
    desk.joined("room:1", 7, member("near"), nullptr);
    desk.joined("room:1", stream_desk::member_of(1, 7), member("far"), nullptr);
    desk.joined("room:2", 7, member("near"), nullptr);
    turn();
    answer();
    told.clear();
    EXPECT_THAT(desk.groups_with_members(), UnorderedElementsAre("room:1", "room:2"));
    const auto given = desk.hand_over("room:1");
    ASSERT_EQ(given.size(), 1u);
    EXPECT_EQ(given[0].first, 7u);
    EXPECT_EQ(given[0].second->who.client, "near");
    turn();
    answer();
    EXPECT_THAT(told, IsEmpty());
    EXPECT_EQ(present.size(), 1u);
    EXPECT_THAT(desk.groups_with_members(), ElementsAre("room:2"));
    EXPECT_THAT(desk.hand_over("room:1"), IsEmpty());
    desk.left("room:1", 7);
    turn();
    EXPECT_TRUE(submitted.empty()) << "it is another node's business";
}

TEST_F(StreamDesk, WhenANodeIsGoneItsMembersLeaveOnce) {
    desk.joined("room:1", 7, member("near"), nullptr);
    for (const std::uint64_t node : {1, 2})
        for (const auto* group : {"room:1", "room:2"})
            desk.joined(group, stream_desk::member_of(node, 7), member("of " + std::to_string(node)),
                        nullptr);
    turn();
    answer();
    while (!submitted.empty()) answer();
    told.clear();
    desk.node_left(1);
    desk.node_left(1);
    desk.left("room:1", stream_desk::member_of(1, 7));
    turn();
    answer();
    EXPECT_TRUE(submitted.empty());
    EXPECT_THAT(told, UnorderedElementsAre("room:1 -of 1", "room:2 -of 1"));
    EXPECT_EQ(desk.present(), 3u);
}

TEST_F(StreamDesk, OfADoubtedNodeThoseStayWhoAreToldAgain) {
    desk.joined("room:1", stream_desk::member_of(1, 7), member("stays"), nullptr);
    desk.joined("room:1", stream_desk::member_of(1, 8), member("returns"), nullptr);
    desk.joined("room:1", stream_desk::member_of(1, 9), member("goes"), nullptr);
    desk.joined("room:1", stream_desk::member_of(2, 9), member("another node's"), nullptr);
    turn();
    answer();
    told.clear();
    desk.doubt_node(1);
    desk.joined_before("room:1", stream_desk::member_of(1, 7), member("stays"));
    desk.joined("room:1", stream_desk::member_of(1, 8), member("returns"), nullptr);
    desk.confirm_node(1);
    turn();
    while (!submitted.empty()) answer();
    EXPECT_THAT(told, ElementsAre("room:1 -goes"));
    EXPECT_EQ(desk.present(), 3u);
    desk.confirm_node(1);
    turn();
    EXPECT_TRUE(submitted.empty()) << "nobody is in doubt any more";
}

// ------------------------------------------------------------------------------------------- tenures

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
