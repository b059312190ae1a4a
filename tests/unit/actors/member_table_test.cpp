#include "actors/member_table.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "actors/group_core.hpp"

namespace madang {
namespace {

using change = member_table::change;
using pending = member_table::pending;

// Writes down the sequence numbers that it is given, per group.
class member final : public group_member {
  public:
    explicit member(std::uint64_t id) { member_id_ = id; }
    void deliver(const batch& what, std::size_t from, std::size_t to, delivery how) override {
        last_how = how;
        for (auto i = from; i < to; ++i) got[what.group()].push_back(what.first() + i);
        if (on_deliver) on_deliver();
    }
    std::map<std::string, std::vector<std::uint64_t>> got;
    delivery last_how = delivery::handler;
    std::function<void()> on_deliver;
};

using numbers = std::vector<std::uint64_t>;

batch events(std::uint64_t first, std::size_t count, const char* group = "room") {
    std::vector<event> all(count);
    for (auto& e : all) e = {"said", payload::copy_of("x")};
    return batch(group, first, std::move(all));
}

void ignore(std::string_view) {}

TEST(MemberTable, DeliversFromWhereTheHomeSaysOn) {
    member_table table;
    member a(1);
    EXPECT_EQ(table.add(a, "room", delivery::socket), change::tell_home);
    EXPECT_EQ(table.deliver(events(1, 2)), 0u) << "the home has not answered";
    table.joined(a, "room", 4);
    EXPECT_EQ(table.deliver(events(3, 3)), 1u);
    EXPECT_EQ(a.got["room"], (numbers{4, 5}));
    EXPECT_EQ(a.last_how, delivery::socket);
    table.remove_all(a, ignore);
}

TEST(MemberTable, AddingTwiceOnlyChangesTheDelivery) {
    member_table table;
    member a(1);
    table.add(a, "room", delivery::socket);
    EXPECT_EQ(table.add(a, "room", delivery::handler), change::none);
    EXPECT_EQ(a.membership_count(), 1u);
    table.joined(a, "room", 1);
    table.deliver(events(1, 1));
    EXPECT_EQ(a.last_how, delivery::handler);
    table.remove_all(a, ignore);
}

TEST(MemberTable, DeliversUntilTheHomeClosedTheRange) {
    member_table table;
    member a(1);
    table.add(a, "room", delivery::socket);
    table.joined(a, "room", 1);
    EXPECT_EQ(table.remove(a, "room"), change::tell_home);
    EXPECT_EQ(table.remove(a, "room"), change::none);
    EXPECT_EQ(table.remove(a, "hall"), change::none);
    table.deliver(events(1, 2));
    table.left(a, "room", 5, pending::yes);
    table.deliver(events(3, 4));
    EXPECT_EQ(a.got["room"], (numbers{1, 2, 3, 4}));
    EXPECT_EQ(table.groups(), 0u);
    EXPECT_EQ(a.membership_count(), 0u);
}

TEST(MemberTable, LeavingWithNothingPendingIsDoneAtOnce) {
    member_table table;
    member a(1), b(2);
    for (auto* each : {&a, &b}) {
        table.add(*each, "room", delivery::socket);
        table.joined(*each, "room", 1);
    }
    table.remove(a, "room");
    table.left(a, "room", 1, pending::no);
    EXPECT_EQ(table.deliver(events(1, 1)), 1u);
    EXPECT_EQ(b.got["room"], numbers{1});
    table.remove_all(b, ignore);
    EXPECT_EQ(table.groups(), 0u);
}

TEST(MemberTable, JoiningAgainBeforeLeavingTookEffectIsAsIfItHadStayed) {
    member_table table;
    member a(1);
    table.add(a, "room", delivery::socket);
    table.joined(a, "room", 1);
    table.remove(a, "room");
    EXPECT_EQ(table.add(a, "room", delivery::socket), change::tell_home);
    table.left(a, "room", 2, pending::yes);
    table.joined(a, "room", 3);
    table.deliver(events(1, 4));
    table.deliver(events(5, 1));
    EXPECT_EQ(a.got["room"], (numbers{1, 2, 3, 4, 5}));
    table.remove_all(a, ignore);
}

TEST(MemberTable, JoiningAgainBehindTheBatchOpensANewRange) {
    member_table table;
    member a(1);
    table.add(a, "room", delivery::socket);
    table.joined(a, "room", 1);
    table.remove(a, "room");
    table.add(a, "room", delivery::socket);
    table.left(a, "room", 2, pending::yes);
    table.deliver(events(1, 2));
    EXPECT_EQ(a.got["room"], numbers{1});
    table.deliver(events(3, 1));
    table.joined(a, "room", 5);
    table.deliver(events(4, 2));
    EXPECT_EQ(a.got["room"], (numbers{1, 5}));
    table.remove_all(a, ignore);
}

TEST(MemberTable, AnEmptyRangeIsClosedBehindItsBatch) {
    member_table table;
    member a(1);
    table.add(a, "room", delivery::socket);
    table.joined(a, "room", 3);
    table.remove(a, "room");
    table.left(a, "room", 3, pending::yes);
    EXPECT_EQ(table.deliver(events(1, 2)), 0u);
    EXPECT_EQ(table.groups(), 0u);
}

TEST(MemberTable, TheDeadAreOutOfEveryGroupAtOnce) {
    member_table table;
    member a(1), b(2);
    for (const auto* group : {"one", "two", "three"}) {
        table.add(a, group, delivery::socket);
        table.joined(a, group, 1);
    }
    table.add(b, "two", delivery::socket);
    table.joined(b, "two", 1);
    table.remove(a, "three");  // the home knows of that
    std::set<std::string> told;
    table.remove_all(a, [&](std::string_view group) { told.emplace(group); });
    EXPECT_EQ(told, (std::set<std::string>{"one", "two"}));
    EXPECT_EQ(a.membership_count(), 0u);
    EXPECT_EQ(table.groups(), 1u);
    EXPECT_EQ(table.deliver(events(1, 1, "two")), 1u);
    EXPECT_EQ(b.got["two"], numbers{1});
    table.remove_all(b, ignore);
}

TEST(MemberTable, MembersMayEndEachOtherDuringADelivery) {
    member_table table;
    std::deque<member> all;
    for (std::uint64_t id = 0; id < 5; ++id) {
        table.add(all.emplace_back(id), "room", delivery::socket);
        table.joined(all.back(), "room", 1);
    }
    all[1].on_deliver = [&] {
        for (auto victim : {0, 1, 3}) table.remove_all(all[static_cast<std::size_t>(victim)], ignore);
    };
    EXPECT_EQ(table.deliver(events(1, 1)), 4u);
    EXPECT_TRUE(all[3].got.empty());
    EXPECT_EQ(table.deliver(events(2, 1)), 2u);
    EXPECT_EQ(all[2].got["room"], (numbers{1, 2}));
    EXPECT_EQ(all[4].got["room"], (numbers{1, 2}));
    for (auto& each : all) table.remove_all(each, ignore);
    EXPECT_EQ(table.groups(), 0u);
}

TEST(MemberTable, TheLastMemberMayEndDuringADelivery) {
    member_table table;
    member a(1);
    table.add(a, "room", delivery::socket);
    table.joined(a, "room", 1);
    a.on_deliver = [&] { table.remove_all(a, ignore); };
    EXPECT_EQ(table.deliver(events(1, 1)), 1u);
    EXPECT_EQ(table.groups(), 0u);
}

TEST(MemberTable, WhoeverJoinsDuringADeliveryIsNotAmongThoseReached) {
    member_table table;
    member a(1);
    std::deque<member> more;
    table.add(a, "room", delivery::socket);
    table.joined(a, "room", 1);
    a.on_deliver = [&] {
        for (std::uint64_t id = 10; id < 110; ++id) {  // the list moves
            table.add(more.emplace_back(id), "room", delivery::socket);
            table.joined(more.back(), "room", 1);
        }
        a.on_deliver = nullptr;
    };
    EXPECT_EQ(table.deliver(events(1, 1)), 1u);
    EXPECT_EQ(table.deliver(events(2, 1)), 101u);
    for (auto& each : more) table.remove_all(each, ignore);
    table.remove_all(a, ignore);
}

TEST(MemberTable, StartsAnewWithAHomeThatForgotEverything) {
    member_table table;
    member stays(1), left(2), back(3);
    for (auto* each : {&stays, &left, &back}) {
        table.add(*each, "room", delivery::socket);
        table.joined(*each, "room", 1);
    }
    table.deliver(events(1, 9));
    // What these told the home died with it.
    table.remove(left, "room");
    table.remove(back, "room");
    table.add(back, "room", delivery::socket);
    table.left(back, "room", 12, pending::yes);  // the batch of which never came
    std::set<std::uint64_t> wanting;
    table.restarted("room", [&](group_member& who) { wanting.insert(who.member_id()); });
    EXPECT_EQ(wanting, (std::set<std::uint64_t>{1, 3}));
    EXPECT_EQ(left.membership_count(), 0u);
    for (auto* each : {&stays, &back}) {
        each->got.clear();
        table.joined(*each, "room", each == &stays ? 1 : 2);
    }
    table.deliver(events(1, 30));
    EXPECT_EQ(stays.got["room"].size(), 30u);
    EXPECT_EQ(back.got["room"].size(), 29u);
    EXPECT_EQ(left.got["room"].size(), 9u);
    table.remove(left, "room");
    for (auto* each : {&stays, &left, &back}) table.remove_all(*each, ignore);
    EXPECT_EQ(table.groups(), 0u);
}

// Two loops and the homes of three groups with queues between them, as hubs have them, delivered in random
// order; members join, leave and die at random, also in the middle of deliveries. Every member must see
// exactly what was published between its join and its leave at the home.
class world {
  public:
    explicit world(unsigned seed) : random_(seed) {}

    void run() {
        for (int step = 0; step < 3000 && !::testing::Test::HasFatalFailure(); ++step) {
            switch (random_() % 8) {
                case 0:
                case 1:
                    act();
                    break;
                case 2:
                    home_.at(pick_group()).handle_publish(*this);
                    break;
                case 3:
                case 4:
                    home_takes_one();
                    break;
                case 5:
                    end_turn(pick_group());
                    break;
                default:
                    loop_takes_one(random_() % 2);
            }
        }
        settle();
        for (auto& [id, who] : members_) {
            const bool dead = dead_.contains(id);
            for (auto& [name, home] : home_) {
                const auto& want = home.expected[id];
                const auto& got = who.got[name];
                if (dead) {  // what was on its way is lost
                    ASSERT_EQ(got, numbers(want.begin(), want.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                            got.size(), want.size()))));
                } else {
                    ASSERT_EQ(got, want) << "member " << id << " of " << name;
                }
            }
        }
        for (auto& [id, who] : members_)
            for (const auto* name : names) leave(who, name);
        settle();
        for (auto& table : tables_) ASSERT_EQ(table.groups(), 0u);
        for (auto& [name, home] : home_) ASSERT_EQ(home.core.members(), 0u);
    }

  private:
    static constexpr const char* names[] = {"one", "two", "three"};
    struct to_home {
        bool join;
        std::string group;
        std::uint64_t who;
    };
    struct home {
        group_core core;
        std::map<std::uint64_t, numbers> expected;
        std::set<std::uint64_t> active;
        std::map<std::uint64_t, numbers> gaps;  // left this turn behind a publication: what it would have got

        void handle_publish(world&) {
            const auto sequence = core.next_sequence();
            if (!core.publish({"said", payload::copy_of("x")})) return;
            for (auto id : active) expected[id].push_back(sequence);
            for (auto& [id, missed] : gaps) missed.push_back(sequence);
        }
    };
    using message = std::function<void()>;

    static std::size_t loop_of(std::uint64_t id) { return id % 2; }
    const char* pick_group() { return names[random_() % 3]; }

    void act() {
        if (members_.size() < 8 || random_() % 10 == 0) {
            const auto id = ++last_id_;
            auto& who = members_.try_emplace(id, id).first->second;
            who.on_deliver = [this] {
                if (random_() % 6 == 0) act_on_some();
            };
        }
        act_on_some();
    }
    void act_on_some() {
        auto at = std::next(members_.begin(), static_cast<int>(random_() % members_.size()));
        auto& who = at->second;
        if (dead_.contains(at->first)) return;
        switch (random_() % 12) {
            case 0:
                // Another loop's members are not ours to end within a delivery, but a table is one thread's:
                // harmless here.
                dead_.insert(at->first);
                tables_[loop_of(at->first)].remove_all(who, [&](std::string_view group) {
                    inbox_[loop_of(at->first)].push_back({false, std::string(group), at->first});
                });
                break;
            case 1:
            case 2:
            case 3:
            case 4:
                leave(who, pick_group());
                break;
            default: {
                const auto* group = pick_group();
                if (tables_[loop_of(at->first)].add(who, group, delivery::socket) == change::tell_home)
                    inbox_[loop_of(at->first)].push_back({true, group, at->first});
            }
        }
    }
    void leave(member& who, const char* group) {
        const auto id = who.member_id();
        if (tables_[loop_of(id)].remove(who, group) == change::tell_home)
            inbox_[loop_of(id)].push_back({false, group, id});
    }
    bool home_takes_one() {
        auto& from = inbox_[random_() % 2].empty() ? inbox_[inbox_[0].empty() ? 1 : 0]
                                                   : inbox_[inbox_[0].empty() ? 1 : 0];
        if (from.empty()) return false;
        const auto what = from.front();
        from.pop_front();
        auto& at = home_.at(what.group);
        if (what.join) {
            const auto first = at.core.next_sequence();
            at.core.join(what.who, loop_of(what.who));
            at.active.insert(what.who);
            if (auto gap = at.gaps.find(what.who); gap != at.gaps.end()) {
                auto& list = at.expected[what.who];
                list.insert(list.end(), gap->second.begin(), gap->second.end());
                at.gaps.erase(gap);
            }
            tell(what.who, [this, what, first](member& who) {
                tables_[loop_of(what.who)].joined(who, what.group, first);
            });
        } else if (at.core.leave(what.who)) {
            at.active.erase(what.who);
            const auto batches = at.core.has_pending() ? pending::yes : pending::no;
            if (batches == pending::yes) at.gaps[what.who];
            tell(what.who, [this, what, batches, until = at.core.next_sequence()](member& who) {
                tables_[loop_of(what.who)].left(who, what.group, until, batches);
            });
        }
        return true;
    }
    void tell(std::uint64_t id, std::function<void(member&)> what) {
        outbox_[loop_of(id)].push_back([this, id, what = std::move(what)] {
            if (!dead_.contains(id)) what(members_.at(id));
        });
    }
    void end_turn(const std::string& name) {
        auto& at = home_.at(name);
        if (auto made = at.core.take_batch()) {
            for (std::size_t loop = 0; loop < 2; ++loop)
                if (at.core.owes(loop))
                    outbox_[loop].push_back([this, loop, made] { tables_[loop].deliver(*made); });
            at.core.settle();
        }
        at.gaps.clear();
    }
    bool loop_takes_one(std::size_t loop) {
        if (outbox_[loop].empty()) return false;
        auto what = std::move(outbox_[loop].front());
        outbox_[loop].pop_front();
        what();
        return true;
    }
    void settle() {
        for (auto& [id, who] : members_) who.on_deliver = nullptr;
        for (bool more = true; more;) {
            more = home_takes_one();
            for (const auto* name : names) end_turn(name);
            for (std::size_t loop = 0; loop < 2; ++loop) more = loop_takes_one(loop) || more;
        }
    }

    std::mt19937 random_;
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, member> members_;
    std::set<std::uint64_t> dead_;
    member_table tables_[2];
    std::map<std::string, home> home_{{"one", {group_core("one", 2), {}, {}, {}}},
                                      {"two", {group_core("two", 2), {}, {}, {}}},
                                      {"three", {group_core("three", 2), {}, {}, {}}}};
    std::deque<to_home> inbox_[2];
    std::deque<message> outbox_[2];
};

TEST(MemberTable, GivesEveryMemberItsExactSliceWhateverTheOrder) {
    for (unsigned seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE(seed);
        world(seed).run();
        if (::testing::Test::HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace madang
