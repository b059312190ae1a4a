// Several nodes in one process, linked by socket pairs: groups, channels, streams and presence across them.
#include <gmock/gmock.h>

#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "actors/peers.hpp"
#include "actors/stream_calls.hpp"
#include "tests/integration/actors/stream_node_impl.hpp"

namespace madang::testing {
namespace {

constexpr std::uint32_t shards = 64;

// Nodes "a", "b", … that all hear each other, until they are cut.
class mesh {
  public:
    // The last of them have links and own nothing yet.
    explicit mesh(std::size_t count, std::uint32_t loops = 2, std::size_t joining = 0,
                  std::chrono::milliseconds patience = std::chrono::seconds{20},
                  std::uint32_t turn_handlers = options{}.turn_handlers) {
        for (std::size_t i = 0; i < count; ++i) {
            auto& made = all_.emplace_back();
            made.id = {std::string(1, static_cast<char>('a' + i)), 1};
            made.on = std::make_unique<stream_node>(loops, clustered::yes, patience, turn_handlers);
            made.links = std::make_unique<peers>(
                *made.on->all, made.id, shards, 16 << 20,
                [](const node_id& who, const std::string& why) { ADD_FAILURE() << who.name << ": " << why; });
        }
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t j = 0; j < i; ++j) link(i, j);
        std::vector<node_state> states(count, node_state::up);
        std::fill(states.end() - static_cast<std::ptrdiff_t>(joining), states.end(), node_state::joining);
        go_by(states);
        for (std::size_t i = 0; i < count; ++i) wait_for_links(i, count - 1);
        settle();
    }
    ~mesh() {
        for (auto& each : all_) each.links.reset();
    }

    stream_node& operator[](std::size_t which) { return *all_[which].on; }
    void link(std::size_t i, std::size_t j) {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        all_[i].links->attach(all_[j].id, pair[0], true);
        all_[j].links->attach(all_[i].id, pair[1], false);
    }
    void wait_for_links(std::size_t which, std::size_t count) {
        all_[which].on->until([&] { return all_[which].links->linked() == count; });
    }
    std::size_t linked(std::size_t which) const { return all_[which].links->linked(); }
    void cut(std::size_t i, std::size_t j) {
        all_[i].links->lost(all_[j].id);
        all_[j].links->lost(all_[i].id);
        settle();
    }
    std::vector<std::size_t> everybody() const {
        std::vector<std::size_t> list;
        for (std::size_t i = 0; i < all_.size(); ++i) list.push_back(i);
        return list;
    }
    // These are up, the others dead; told to those that are up.
    void view(const std::vector<std::size_t>& up) {
        std::vector<node_state> states(all_.size(), node_state::dead);
        for (const auto each : up) states[each] = node_state::up;
        go_by(states);
    }
    // Told to those that live.
    void go_by(const std::vector<node_state>& states) {
        last_ = view_of(states);
        last_.number = ++number_;
        for (std::size_t i = 0; i < states.size(); ++i)
            if (is_living(states[i])) all_[i].links->view_changed(last_);
    }
    // That one is not listed; told to the others.
    void view_without(std::size_t which) {
        last_ = view_of(std::vector<node_state>(all_.size(), node_state::up));
        std::erase_if(last_.members, [&](const auto& each) { return each.who == all_[which].id; });
        last_.number = ++number_;
        for (std::size_t i = 0; i < all_.size(); ++i)
            if (i != which) all_[i].links->view_changed(last_);
    }
    cluster_view view_of(const std::vector<node_state>& states) const {
        cluster_view made;
        for (std::size_t i = 0; i < states.size(); ++i) made.members.push_back({all_[i].id, states[i], ""});
        return made;
    }
    void settle() {
        for (auto& each : all_)
            for (std::size_t loop = 0; loop < each.on->all->loops(); ++loop)
                each.on->on_loop(loop, [] { return 0; });
    }
    std::size_t owner_of(const std::string& group) const { return owner_in(last_, group); }
    static std::size_t owner_in(const cluster_view& view, const std::string& group) {
        const shard_map owners(view, shards);
        return static_cast<std::size_t>(owners.owner(cluster_shard_of(group, shards))->name[0] - 'a');
    }
    // A group in that namespace that the node owns.
    std::string group_of(std::size_t which, const std::string& space = "live") const {
        const shard_map owners(last_, shards);
        for (int i = 0;; ++i) {
            auto name = space + ":" + std::to_string(i);
            const auto* owner = owners.owner(cluster_shard_of(name, shards));
            if (owner != nullptr && *owner == all_[which].id) return name;
        }
    }

  private:
    struct member {
        node_id id;
        std::unique_ptr<stream_node> on;
        std::unique_ptr<peers> links;
    };
    std::vector<member> all_;
    std::uint64_t number_ = 0;
    cluster_view last_;
};

// Until what it sends to the group comes back: then the owner knows of the node.
void join(client& who, const std::string& group) {
    static int number = 0;
    who.say("join " + group);
    const auto token = "joined " + std::to_string(++number);
    who.say("pub " + group + " " + token);
    for (auto text = who.next(); text != token; text = who.next())
        ASSERT_THAT(text, ::testing::StartsWith("joined"));
}
std::string next_said(client& who) {
    for (;;)
        if (auto text = who.next(); !text.starts_with("joined")) return text;
}

TEST(Cluster, AGroupReachesItsMembersOnEveryNodeWhoeverOwnsIt) {
    mesh nodes(3);
    for (std::size_t owner = 0; owner < 3; ++owner) {
        const auto group = nodes.group_of(owner);
        std::vector<client> members;
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t loop = 0; loop < 2; ++loop) {
                members.push_back(nodes[i].join(loop));
                join(members.back(), group);
            }
        for (std::size_t from = 0; from < members.size(); ++from) {
            members[from].say("pub " + group + " word " + std::to_string(from));
            for (auto& each : members) EXPECT_EQ(next_said(each), "word " + std::to_string(from));
        }
    }
}

TEST(Cluster, EachSendersOrderIsKeptOnEveryNode) {
    constexpr int many = 300;
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto here = nodes[0].join(1), there = nodes[1].join(0);
    join(here, group);
    join(there, group);
    for (int i = 0; i < many; ++i) {
        here.say("pub " + group + " a" + std::to_string(i));
        there.say("pub " + group + " b" + std::to_string(i));
    }
    std::vector<std::string> got[2];
    for (int i = 0; i < 2 * many; ++i) {
        got[0].push_back(next_said(here));
        got[1].push_back(next_said(there));
    }
    EXPECT_EQ(got[0], got[1]) << "all see one order";
    for (const char who : {'a', 'b'}) {
        int next = 0;
        for (const auto& each : got[0]) {
            if (each[0] == who) {
                EXPECT_EQ(each, who + std::to_string(next++));
            }
        }
        EXPECT_EQ(next, many);
    }
}

TEST(Cluster, AChannelIsReachedFromAnyNode) {
    mesh nodes(2);
    auto one = nodes[0].join(1), other = nodes[1].join(1);
    const auto name = one.ask("name");
    EXPECT_EQ(other.ask("chan " + name + " hello"), "status 0");
    EXPECT_EQ(one.next(), "hello");
    EXPECT_EQ(nodes[1].all->channel_send(name, "said", payload::copy_of("from outside")), MADANG_OK);
    EXPECT_EQ(one.next(), "from outside");
}

TEST(Cluster, ANodeWithoutMembersHearsNothing) {
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto member = nodes[0].join(0);
    join(member, group);
    const auto before = nodes[1].counts.total(counter::deliveries);
    for (int i = 0; i < 10; ++i) member.say("pub " + group + " x");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(next_said(member), "x");
    EXPECT_EQ(nodes[1].counts.total(gauge::groups), 0);
    EXPECT_EQ(nodes[1].counts.total(counter::deliveries), before);
}

TEST(Cluster, WhenANodeIsDeadItsGroupsHaveAnotherOwnerAndGoOn) {
    mesh nodes(3);
    const auto group = nodes.group_of(2);
    auto one = nodes[0].join(0), two = nodes[1].join(1);
    join(one, group);
    join(two, group);
    nodes.view({0, 1});
    nodes.settle();
    // The first may fall into the time in which the new owner does not know of all its members.
    nodes[0].until([&] {
        one.say("pub " + group + " anybody");
        one.say("echo end");
        bool came = false;
        for (auto text = one.next(); text != "end"; text = one.next()) came = came || text == "anybody";
        return came;
    });
    two.say("pub " + group + " here");
    std::string text;
    do text = one.next();
    while (text == "anybody" || text.starts_with("joined"));
    EXPECT_EQ(text, "here");
    do text = two.next();
    while (text == "anybody" || text.starts_with("joined"));
    EXPECT_EQ(text, "here");
}

TEST(Cluster, AGroupThatIsRestartedKnowsTheOtherNodesAgain) {
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto near = nodes[0].join(0), far = nodes[1].join(0);
    join(near, group);
    join(far, group);
    nodes[0].kill_group(group);
    nodes[0].until([&] { return nodes[0].counts.total(labelled_counter::actor_restarts, "group") == 1; });
    nodes[0].until([&] {
        near.say("pub " + group + " again");
        far.say("echo end");
        bool came = false;
        for (auto text = far.next(); text != "end"; text = far.next()) came = came || text == "again";
        return came;
    });
}

TEST(Cluster, APublicationHasItsOwnersPositionOnEveryNode) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    auto session = nodes[0].open_session(0);
    const auto reply = nodes[0].tell(session, {{"id", 2}, {"subscribe", {{"channel", group}}}});
    ASSERT_TRUE(reply.contains("subscribe")) << reply;
    const auto at = nodes[0].publish(group, R"("one")");
    EXPECT_EQ(at.offset, 1u);
    EXPECT_EQ(at.epoch, reply["subscribe"]["epoch"]);
    EXPECT_EQ(nodes[1].publish(group, R"("two")").offset, 2u);
    EXPECT_EQ(nodes[0].push(session, "pub")["offset"], 1);
    EXPECT_EQ(nodes[0].push(session, "pub")["data"], "two");
}

TEST(Cluster, ASubscriberRecoversFromAnyNode) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    const auto first = nodes[1].publish(group, "1");
    nodes[1].publish(group, "2");
    nodes[0].publish(group, "3");
    auto session = nodes[0].open_session(1);
    const auto reply = nodes[0].tell(
        session,
        {{"id", 2},
         {"subscribe",
          {{"channel", group}, {"recover", true}, {"epoch", first.epoch}, {"offset", first.offset}}}});
    ASSERT_TRUE(reply.contains("subscribe")) << reply;
    EXPECT_EQ(reply["subscribe"].value("recovered", false), true) << reply;
    ASSERT_EQ(reply["subscribe"]["publications"].size(), 2u) << reply;
    EXPECT_EQ(reply["subscribe"]["publications"][1]["data"], 3);
}

TEST(Cluster, NothingIsLostOrRepeatedAroundASubscriptionWhereverATurnEnds) {
    mesh nodes(2, 2, 0, std::chrono::seconds{20}, 1);
    come_and_go(nodes[1], nodes[0], nodes.group_of(1, "news"), 2);  // far from the owner
    come_and_go(nodes[1], nodes[0], nodes.group_of(0, "news"), 2);  // at it; published from afar
}

TEST(Cluster, PresenceCountsEveryNodesMembersAndJoinsAreToldEverywhere) {
    mesh nodes(2);
    const auto group = nodes.group_of(0, "news");
    auto far = nodes[1].open_session(0, "far");
    ASSERT_TRUE(nodes[1]
                    .tell(far, {{"id", 2}, {"subscribe", {{"channel", group}, {"join_leave", true}}}})
                    .contains("subscribe"));
    auto near = nodes[0].open_session(0, "near");
    ASSERT_TRUE(nodes[0].tell(near, {{"id", 2}, {"subscribe", {{"channel", group}}}}).contains("subscribe"));
    EXPECT_EQ(nodes[1].push(far, "join")["info"]["user"], "far");
    EXPECT_EQ(nodes[1].push(far, "join")["info"]["user"], "near");
    EXPECT_EQ(nodes[0].count(group).clients, 2u);
    near.close();
    EXPECT_EQ(nodes[1].push(far, "leave")["info"]["user"], "near");
    nodes[0].until([&] { return nodes[0].count(group).clients == 1; });
}

TEST(Cluster, AnyNodeAnswersForAStreamAsItsOwnerDoes) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    for (int i = 1; i <= 3; ++i) nodes[0].publish(group, std::to_string(i));
    auto session = nodes[0].open_session(0, "ann");
    ASSERT_TRUE(
        nodes[0].tell(session, {{"id", 2}, {"subscribe", {{"channel", group}}}}).contains("subscribe"));
    for (std::size_t each = 0; each < 2; ++each) {
        auto& at = nodes[each];
        at.until([&] { return at.count(group).clients == 1; });
        EXPECT_EQ(at.epoch_of(group), nodes[1].epoch_of(group));
        std::promise<result<history_page>> page;
        at.all->history({.group = group, .limit = 2, .since = {}, .reverse = true},
                        [&](result<history_page> got) { page.set_value(std::move(got)); });
        const auto got = page.get_future().get();
        ASSERT_TRUE(got) << got.error();
        ASSERT_EQ(got->publications.size(), 2u);
        EXPECT_EQ(got->publications[0].data.bytes(), "3");
        std::promise<result<presence_page>> who;
        at.all->presence({.group = group, .limit = 10, .after = {}},
                         [&](result<presence_page> all) { who.set_value(std::move(all)); });
        EXPECT_EQ(who.get_future().get()->clients.at(0).who.user, "ann");
    }
}

TEST(Cluster, WhoAsksANodeThatIsGoneIsTold) {
    mesh nodes(2);
    const auto group = nodes.group_of(1, "news");
    nodes.cut(0, 1);
    std::promise<result<history_page>> page;
    nodes[0].all->history({.group = group, .limit = 1, .since = {}},
                          [&](result<history_page> got) { page.set_value(std::move(got)); });
    EXPECT_EQ(page.get_future().get().error().code, errc::busy);
    publish_request request;
    request.group = group;
    request.data = payload::copy_of("1");
    std::promise<result<position>> at;
    nodes[0].all->publish(std::move(request), [&](result<position> got) { at.set_value(std::move(got)); });
    EXPECT_EQ(at.get_future().get().error().code, errc::busy);
}

TEST(Cluster, CommandsOfASessionReachItsNodeInOrder) {
    mesh nodes(2);
    std::mutex mutex;
    std::vector<std::string> came;
    nodes[1].all->on_session_mail([&](std::string_view session, std::string_view text) {
        if (session != "known") return session_mail_outcome::unknown;
        if (text == "too much") return session_mail_outcome::full;
        std::lock_guard lock(mutex);
        came.emplace_back(text);
        return session_mail_outcome::delivered;
    });
    nodes.settle();
    const auto there = nodes[1].all->node();
    const auto send = [&](const std::string& node, session_mail what) {
        auto done = std::make_shared<std::promise<result<session_mail_outcome>>>();
        nodes[0].all->send_to_session(node, std::move(what), [done](auto got) { done->set_value(got); });
        return done->get_future();
    };
    std::vector<std::string> sent;
    std::vector<std::future<result<session_mail_outcome>>> answers;
    for (int i = 0; i < 200; ++i) {
        sent.push_back("{\"id\":" + std::to_string(i) + "}\n" +
                       std::string(static_cast<std::size_t>(i) * 50, ' '));
        answers.push_back(send(there, {"known", sent.back()}));
    }
    for (auto& each : answers) EXPECT_EQ(each.get().value(), session_mail_outcome::delivered);
    EXPECT_EQ(came, sent);
    EXPECT_EQ(send(there, {"gone", "{}"}).get().value(), session_mail_outcome::unknown);
    EXPECT_EQ(send(there, {"known", "too much"}).get().value(), session_mail_outcome::full);
    for (const std::string nobody : {"", "0123456789abcdef"})
        EXPECT_EQ(send(nobody, {"known", "{}"}).get().error().code, errc::not_found);
    nodes.cut(0, 1);
    EXPECT_EQ(send(there, {"known", "{}"}).get().error().code, errc::busy) << "without a link";
    nodes.view({0});
    nodes.settle();
    EXPECT_EQ(send(there, {"known", "{}"}).get().error().code, errc::not_found) << "dead";
    EXPECT_EQ(came.size(), sent.size());
}

TEST(Cluster, PresenceFollowsItsGroupToTheNextOwnerQuietly) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "room");
    auto one = nodes[0].open_session(0, "one"), two = nodes[1].open_session(0, "two");
    for (std::size_t i = 0; i < 2; ++i)
        ASSERT_TRUE(nodes[i]
                        .tell(i == 0 ? one : two, {{"id", 2}, {"subscribe", {{"channel", group}}}})
                        .contains("subscribe"));
    nodes[2].until([&] { return nodes[2].count(group).clients == 2; });
    nodes.view({0, 1});
    const auto owner = nodes.owner_of(group);
    nodes[owner].until([&] { return nodes[owner].count(group).clients == 2; });
}

// Until somebody leaves: whose coming was told meanwhile, and who left.
std::pair<std::set<std::string>, std::string> next_leave(stream_node& at, client& of) {
    std::set<std::string> came;
    for (;;) {
        const auto message = at.next(of);
        if (!message.contains("push")) continue;
        const auto& push = message["push"];
        if (push.contains("join")) came.insert(push["join"]["info"]["user"].get<std::string>());
        if (push.contains("leave")) return {came, push["leave"]["info"]["user"].get<std::string>()};
    }
}
client subscriber(stream_node& at, std::size_t loop, const std::string& user, const std::string& group) {
    auto made = at.open_session(loop, user);
    const auto reply = at.tell(made, {{"id", 2}, {"subscribe", {{"channel", group}, {"join_leave", true}}}});
    EXPECT_TRUE(reply.contains("subscribe")) << reply;
    return made;
}

TEST(Cluster, ThoseOfADeadNodeLeaveEverywhereOnceWhoeverOwnedTheirGroup) {
    mesh nodes(4);
    for (const std::size_t owner : {3, 0}) {
        const auto group = nodes.group_of(owner, "hall");
        auto before = subscriber(nodes[3], 0, "before", group);
        auto one = subscriber(nodes[0], 0, "one", group), two = subscriber(nodes[1], 1, "two", group);
        auto after = subscriber(nodes[3], 1, "after", group);
        for (std::string user; user != "after";) user = nodes[0].push(one, "join")["info"]["user"];
        for (std::string user; user != "after";) user = nodes[1].push(two, "join")["info"]["user"];
        nodes.view({0, 1, 2});
        for (std::size_t i = 0; i < 2; ++i) {
            auto& at = i == 0 ? one : two;
            const auto first = next_leave(nodes[i], at), second = next_leave(nodes[i], at);
            EXPECT_THAT((std::set{first.second, second.second}), ::testing::ElementsAre("after", "before"));
            EXPECT_THAT(first.first, ::testing::IsEmpty());
        }
        // Who comes next is told next: nobody left twice.
        const auto now = nodes.owner_of(group);
        nodes[now].until([&] { return nodes[now].count(group).clients == 2; });
        auto last = subscriber(nodes[2], 0, "last", group);
        last.close();
        for (std::size_t i = 0; i < 2; ++i) {
            const auto next = next_leave(nodes[i], i == 0 ? one : two);
            EXPECT_EQ(next.second, "last");
            EXPECT_THAT(next.first, ::testing::ElementsAre("last"));
        }
        nodes.view(nodes.everybody());
        nodes.settle();
        if (owner == 3) {  // it was only cut off
            std::set<std::string> back;
            while (back.size() < 2) back.insert(nodes[0].push(one, "join")["info"]["user"]);
            EXPECT_THAT(back, ::testing::ElementsAre("after", "before"));
        }
    }
}

TEST(Cluster, ThoseOfANodeThatAnOperatorRemovedLeave) {
    mesh nodes(3);
    for (const std::size_t owner : {2, 0}) {
        const auto group = nodes.group_of(owner, "hall");
        auto one = subscriber(nodes[0], 0, "one", group);
        auto gone = subscriber(nodes[2], 0, "gone", group);
        for (std::string user; user != "gone";) user = nodes[0].push(one, "join")["info"]["user"];
        nodes.view_without(2);
        EXPECT_EQ(nodes[0].push(one, "leave")["info"]["user"], "gone");
        const auto now = nodes.owner_of(group);
        nodes[now].until([&] { return nodes[now].count(group).clients == 1; });
        nodes.view(nodes.everybody());
    }
}

bool recovers(stream_node& at, const std::string& group, const position& since) {
    auto session = at.open_session(0);
    const auto reply = at.tell(
        session,
        {{"id", 2},
         {"subscribe",
          {{"channel", group}, {"recover", true}, {"epoch", since.epoch}, {"offset", since.offset}}}});
    EXPECT_TRUE(reply.contains("subscribe")) << reply;
    return reply["subscribe"].value("recovered", false);
}

TEST(Cluster, AStreamHasAnotherEpochAtEachOwnerAndAgainWhenItsFirstOneReturns) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "news");
    const auto first = nodes[0].publish(group, "1");
    EXPECT_TRUE(recovers(nodes[1], group, first));
    nodes.view({0, 1});
    nodes.settle();
    const auto second = nodes[nodes.owner_of(group)].publish(group, "2");
    EXPECT_EQ(second.offset, first.offset) << "which is why the epoch has to be another";
    EXPECT_NE(second.epoch, first.epoch);
    nodes.view({0, 1, 2});
    nodes.settle();
    ASSERT_EQ(nodes.owner_of(group), 2u);
    EXPECT_FALSE(recovers(nodes[0], group, first));
    EXPECT_FALSE(recovers(nodes[1], group, second));
    const auto third = nodes[2].publish(group, "3");
    EXPECT_EQ(third.offset, 2u) << "it goes on where its first owner had it";
    EXPECT_NE(third.epoch, first.epoch);
    EXPECT_NE(third.epoch, second.epoch);
    EXPECT_TRUE(recovers(nodes[0], group, {third.epoch, 1}));
    nodes.view({0, 1});
    nodes.settle();
    EXPECT_NE(nodes[0].publish(group, "4").epoch, second.epoch) << "the next owner's is another too";
}

TEST(Cluster, AQuestionIsNotAnsweredWithTheEpochOfATenureBefore) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "news");
    const auto before = nodes[2].publish(group, "1");
    nodes.view({0, 1});
    nodes.view({0, 1, 2});
    nodes.settle();
    const auto epoch = nodes[2].epoch_of(group);
    EXPECT_NE(epoch, before.epoch);
    EXPECT_EQ(nodes[0].epoch_of(group), epoch) << "once for a tenure";
    EXPECT_EQ(nodes[1].publish(group, "2"), (position{epoch, 2}));
}

TEST(Cluster, AStreamWhoseOwnerStaysKeepsItsEpochWhileOthersComeAndGo) {
    mesh nodes(3);
    const auto group = nodes.group_of(0, "news");
    const auto at = nodes[1].publish(group, "1");
    nodes.view({0, 1});
    nodes.settle();
    ASSERT_EQ(nodes.owner_of(group), 0u);
    EXPECT_EQ(nodes[0].publish(group, "2"), (position{at.epoch, 2}));
    EXPECT_TRUE(recovers(nodes[1], group, at));
}

TEST(Cluster, WhoLivedApartRenewsWhatItOwnedAllTheTime) {
    mesh nodes(3);
    const auto group = nodes.group_of(2, "news");
    const auto together = nodes[2].publish(group, "1");
    nodes.view({0, 1});
    nodes.view({2});
    nodes.settle();
    const auto apart = nodes[2].publish(group, "2");
    nodes.view({0, 1, 2});
    nodes.settle();
    EXPECT_FALSE(recovers(nodes[0], group, together));
    EXPECT_FALSE(recovers(nodes[0], group, apart));
}

// ------------------------------------------------------------------------------------------- hand-over

result<position> try_publish(stream_node& at, const std::string& group, const std::string& data,
                             const std::string& key = {}) {
    std::promise<result<position>> done;
    publish_request request;
    request.group = group;
    request.data = payload::copy_of(data);
    request.idempotency_key = key;
    at.all->publish(std::move(request), [&](result<position> got) { done.set_value(std::move(got)); });
    return done.get_future().get();
}

// What is kept, by offset.
std::map<std::uint64_t, std::string> history_of(stream_node& at, const std::string& group,
                                                std::string* epoch = nullptr) {
    std::promise<result<history_page>> page;
    at.all->history({.group = group, .limit = 1000, .since = {}},
                    [&](result<history_page> got) { page.set_value(std::move(got)); });
    const auto got = page.get_future().get();
    EXPECT_TRUE(got) << got.error();
    std::map<std::uint64_t, std::string> kept;
    if (!got) return kept;
    for (const auto& each : got->publications) kept[each.offset] = each.data.bytes();
    if (epoch != nullptr) *epoch = got->top.epoch;
    return kept;
}

std::vector<std::string> news(std::size_t count) {
    std::vector<std::string> groups;
    for (std::size_t i = 0; i < count; ++i) groups.push_back("news:" + std::to_string(i));
    return groups;
}

struct published_stream {
    std::string epoch;
    std::map<std::uint64_t, std::string> kept;
};

std::map<std::string, published_stream> fill(stream_node& at, const std::vector<std::string>& groups,
                                             int each) {
    std::map<std::string, published_stream> all;
    for (const auto& group : groups)
        for (int i = 0; i < each; ++i) {
            const auto data = std::to_string(i);
            const auto where = at.publish(group, data);
            all[group].epoch = where.epoch;
            all[group].kept[where.offset] = data;
        }
    return all;
}

void expect_whole(stream_node& at, const std::map<std::string, published_stream>& all) {
    for (const auto& [group, stream] : all) {
        std::string epoch;
        EXPECT_EQ(history_of(at, group, &epoch), stream.kept) << group;
        EXPECT_EQ(epoch, stream.epoch) << group;
    }
}

constexpr auto up = node_state::up, joining = node_state::joining, draining = node_state::draining;

TEST(Cluster, ANodeThatJoinsHasTheStreamsThatAreItsWithTheirEpochs) {
    mesh nodes(3, 2, 1);
    const auto all = fill(nodes[0], news(60), 3);
    nodes.go_by({up, up, up});
    std::size_t its = 0;
    for (const auto& [group, stream] : all) its += nodes.owner_of(group) == 2 ? 1 : 0;
    ASSERT_GT(its, 5u);
    nodes[2].until([&] { return nodes[2].counts.total(counter::cluster_streams_taken) == its; });
    nodes[0].until([&] { return !nodes[0].all->giving() && !nodes[1].all->giving(); });
    EXPECT_EQ(nodes[0].counts.total(counter::cluster_streams_given) +
                  nodes[1].counts.total(counter::cluster_streams_given),
              its)
        << "also those that nobody asked for";
    for (std::size_t i = 0; i < 3; ++i) expect_whole(nodes[i], all);
    for (const auto& [group, stream] : all) {
        EXPECT_EQ(nodes[1].publish(group, "99"), (position{stream.epoch, 4}));
        EXPECT_TRUE(recovers(nodes[1], group, {stream.epoch, 2}));
    }
    EXPECT_EQ(nodes[2].counts.total(gauge::cluster_streams_awaited), 0);
}

TEST(Cluster, APublicationThatIsRepeatedAtTheNextOwnerIsKnown) {
    mesh nodes(2, 2, 1);
    std::map<std::string, position> first;
    for (const auto& group : news(30)) first[group] = try_publish(nodes[0], group, "1", "key").value();
    nodes.go_by({up, up});
    for (const auto& [group, at] : first)
        EXPECT_EQ(try_publish(nodes[1], group, "2", "key").value(), at) << group;
}

TEST(Cluster, PublicationsAndSubscribersGoOnWhileANodeJoinsAndDrains) {
    mesh nodes(3, 2, 1);
    const std::vector<node_state> after{up, up, up};
    const auto next = nodes.view_of(after);
    std::string group;
    for (int i = 0; group.empty(); ++i)
        if (const auto name = "news:" + std::to_string(i); mesh::owner_in(next, name) == 2) group = name;

    const auto before = nodes[0].publish(group, "0");
    // It may have begun while its owner still asked who owned what before it started.
    const auto anew = [&] {
        std::map<std::pair<std::size_t, std::string>, std::uint64_t> counts;
        for (std::size_t i = 0; i < 3; ++i)
            for (const auto reason : {"nothing", "timeout", "link", "owners", "store"})
                counts[{i, reason}] = nodes[i].counts.total(labelled_counter::cluster_streams_anew, reason);
        return counts;
    };
    const auto anew_before = anew();
    auto session = nodes[1].open_session(0);
    const auto subscribe = [&](std::uint64_t offset) {
        return nodes[1].tell(
            session,
            {{"id", 5},
             {"subscribe",
              {{"channel", group}, {"recover", true}, {"epoch", before.epoch}, {"offset", offset}}}});
    };
    ASSERT_TRUE(subscribe(1)["subscribe"].value("recovered", false));

    std::atomic<bool> enough{false};
    std::map<std::uint64_t, std::string> acknowledged{{1, "0"}};
    std::set<std::string> epochs{before.epoch};
    std::thread publisher([&] {
        for (int i = 1; !enough && i < 90; ++i) {
            auto at = try_publish(nodes[0], group, std::to_string(i));
            if (!at) continue;  // whether it came to be is not known
            acknowledged[at->offset] = std::to_string(i);
            epochs.insert(at->epoch);
        }
    });
    const auto give_up = [&](std::size_t which) {
        nodes[which].until([&] { return !nodes[which].all->giving(); });
    };
    nodes.go_by(after);
    give_up(0);
    give_up(1);
    nodes.go_by({up, up, draining});
    give_up(2);
    nodes.go_by(after);
    give_up(0);
    give_up(1);
    enough = true;
    publisher.join();
    const auto last = nodes[0].publish(group, "99");
    acknowledged[last.offset] = "99";

    EXPECT_EQ(epochs, std::set<std::string>{before.epoch});
    EXPECT_EQ(last.epoch, before.epoch);
    const auto kept = history_of(nodes[2], group);
    EXPECT_EQ(kept.size(), last.offset) << "without a gap";
    for (const auto& [offset, data] : acknowledged) EXPECT_EQ(kept.at(offset), data);

    // The client saw each of them once, in order, by itself or in what it recovered.
    std::uint64_t seen = 1;
    const auto see = [&](const json& what) {
        EXPECT_EQ(what["offset"], seen + 1);
        seen = what["offset"];
        EXPECT_EQ(what["data"].dump(), kept.at(seen));
    };
    for (bool asked = false; seen < last.offset;) {
        const auto message = asked ? subscribe(seen) : nodes[1].next(session);
        asked = false;
        if (message.contains("subscribe")) {
            ASSERT_TRUE(message["subscribe"].value("recovered", false)) << message;
            for (const auto& each : message["subscribe"].value("publications", json::array())) see(each);
        } else if (message.contains("error")) {
            asked = true;  // the owner changed while it was asked
        } else if (message.contains("push") && message["push"].contains("pub")) {
            see(message["push"]["pub"]);
        } else if (message.contains("push") && message["push"].contains("unsubscribe")) {
            EXPECT_EQ(message["push"]["unsubscribe"]["code"], 2500);
            asked = true;
        }
    }
    EXPECT_EQ(anew(), anew_before);
}

TEST(Cluster, ADrainingNodeGivesAllItsStreams) {
    mesh nodes(3);
    auto all = fill(nodes[2], news(60), 3);
    auto member = nodes[0].open_session(0, "ann");
    for (const auto& [group, stream] : all)
        if (nodes.owner_of(group) == 2) {
            ASSERT_TRUE(nodes[0]
                            .tell(member, {{"id", 2}, {"subscribe", {{"channel", group}}}})
                            .contains("subscribe"));
            break;
        }
    nodes.go_by({up, up, draining});
    nodes[2].until([&] { return !nodes[2].all->giving(); });
    nodes.view({0, 1});
    nodes.cut(0, 2);
    nodes.cut(1, 2);
    for (std::size_t i = 0; i < 2; ++i) expect_whole(nodes[i], all);
    for (const auto& [group, stream] : all) EXPECT_TRUE(recovers(nodes[1], group, {stream.epoch, 1}));
}

TEST(Cluster, AStreamBeginsAnewWhenItsOwnerIsGoneBeforeItGaveIt) {
    mesh nodes(3, 2, 1, std::chrono::milliseconds{200});
    const auto all = fill(nodes[0], news(20), 3);
    nodes.cut(0, 2);
    nodes.cut(1, 2);
    nodes.go_by({up, up, up});
    std::size_t its = 0;
    for (const auto& [group, stream] : all) {
        if (nodes.owner_of(group) != 2) continue;
        ++its;
        const auto at = nodes[2].publish(group, "99");
        EXPECT_EQ(at.offset, 1u);
        EXPECT_NE(at.epoch, stream.epoch);
    }
    EXPECT_EQ(nodes[2].counts.total(labelled_counter::cluster_streams_anew, "timeout"), its);
}

TEST(Cluster, WhoReturnsToTheViewHearsItsGroupsAgain) {
    mesh nodes(3);
    const auto group = nodes.group_of(0), room = nodes.group_of(0, "room");
    auto speaker = nodes[0].join(0), member = nodes[2].join(1);
    join(member, group);
    auto session = nodes[2].open_session(0, "far");
    ASSERT_TRUE(
        nodes[2].tell(session, {{"id", 2}, {"subscribe", {{"channel", room}}}}).contains("subscribe"));
    nodes[0].until([&] { return nodes[0].count(room).clients == 1; });
    nodes.view({0, 1});
    nodes[0].until([&] { return nodes[0].count(room).clients == 0; });
    nodes.view({0, 1, 2});
    nodes[0].until([&] { return nodes[0].count(room).clients == 1; });
    nodes[2].until([&] {
        speaker.say("pub " + group + " word");
        member.say("echo end");
        bool came = false;
        for (auto text = member.next(); text != "end"; text = member.next()) came = came || text == "word";
        return came;
    });
}

TEST(Cluster, AViewBetweenALinkAndItsHubsHidesTheLinkFromNobody) {
    mesh nodes(2);
    const auto group = nodes.group_of(0);
    auto speaker = nodes[0].join(0), member = nodes[1].join(0);
    join(member, group);
    for (int round = 0; round < 10; ++round) {
        nodes.cut(0, 1);
        nodes.link(0, 1);
        while (nodes.linked(0) == 0 || nodes.linked(1) == 0) nodes.view(nodes.everybody());
        nodes.settle();
        nodes[1].until([&] {
            speaker.say("pub " + group + " word");
            member.say("echo end");
            bool came = false;
            for (auto text = member.next(); text != "end"; text = member.next())
                came = came || text == "word";
            return came;
        });
    }
}

}  // namespace
}  // namespace madang::testing
