#include "actors/stream_desk.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <set>

namespace madang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A store of one shard that keeps what it is asked to in vectors, and answers when the test says so.
class desk_world : public stream_desk_host {
  public:
    desk_world() {
        EXPECT_TRUE(names.set("kept", R"({"history_size":3,"history_ttl":"1m","recovery":true})", "test"));
        EXPECT_TRUE(names.set("loose", R"({"history_size":3,"history_ttl":"1m","ordered":false})", "test"));
        EXPECT_TRUE(names.set(
            "synced", R"({"history_size":3,"history_ttl":"1m","history_durability":"synced"})", "test"));
        EXPECT_TRUE(names.set("room", R"({"presence":true,"join_leave":true})", "test"));
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
        if (what.offset != 0) line += "@" + std::to_string(what.offset);
        told.push_back(line);
    }
    void submit(std::shared_ptr<desk_batch> what, durability how) override {
        submitted.push_back({std::move(what), how});
    }
    void touched() override { ++touches; }
    std::int64_t now_ms() const override { return 1000; }
    std::string random_epoch() override { return "e" + std::to_string(++epochs); }
    void count_refused() override { ++refused; }

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
    namespace_table names;
    std::map<std::string, stream> streams;
    std::map<std::string, present_client> present;
    std::deque<std::pair<std::shared_ptr<desk_batch>, durability>> submitted;
    std::vector<std::string> told, positions;
    std::optional<error> failing;
    int touches = 0, epochs = 0, refused = 0;
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
    desk.stale("room:1", "old");
    desk.stale("room:1", "old");
    turn();
    answer();
    EXPECT_THAT(told, ElementsAre("room:1 -old"));
}

}  // namespace
}  // namespace madang
