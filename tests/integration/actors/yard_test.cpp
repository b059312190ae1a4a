#include "actors/yard.hpp"

#include <map>
#include <vector>

#include "broker/core/log.hpp"
#include "tests/integration/actors/node_impl.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
using testing::client;
using testing::node;

#ifdef MADANG_SANITIZED
constexpr int many = 60;
#else
constexpr int many = 300;
#endif

class Yard : public ::testing::TestWithParam<std::uint32_t> {
  public:
    std::size_t last() const { return GetParam() - 1; }
};
INSTANTIATE_TEST_SUITE_P(Loops, Yard, ::testing::Values(1u, 2u));

TEST_P(Yard, KeepsTheOrderOfEachSender) {
    node n(GetParam());
    const auto group = n.group_on(last());
    std::vector<client> receivers, senders;
    for (std::size_t loop : {std::size_t{0}, last()}) {
        receivers.push_back(n.join(loop, group));
        senders.push_back(n.join(loop));
        senders.push_back(n.join(loop));
    }
    std::thread outside([&] {
        for (int i = 0; i < many; ++i)
            while (n.all->group_send(group, "said", payload::copy_of("x " + std::to_string(i))) != MADANG_OK)
                std::this_thread::yield();
    });
    for (int i = 0; i < many; ++i)
        for (std::size_t s = 0; s < senders.size(); ++s)
            senders[s].say("pub " + group + " " + std::to_string(s) + " " + std::to_string(i));
    outside.join();
    for (auto& each : receivers) {
        std::map<std::string, int> next;
        for (int i = 0; i < 5 * many;) {
            const auto text = each.next();
            if (text.starts_with("joined")) continue;  // of the other receiver
            const auto space = text.find(' ');
            ASSERT_NE(space, std::string::npos) << text;
            ASSERT_EQ(std::stoi(text.substr(space + 1)), next[text.substr(0, space)]++) << text;
            ++i;
        }
    }
}

TEST_P(Yard, AMemberGetsItsSliceWhileOthersStay) {
    node n(GetParam());
    const auto group = n.group_on(0);
    auto watcher = n.join(0, group);
    auto comer = n.join(last());
    for (int round = 0; round < 20; ++round) {
        std::string commands;
        for (const auto* each : {"pub # 1", "join #", "pub # 2", "pub # 3", "leave #", "pub # 4"}) {
            std::string command = each;
            command.replace(command.find('#'), 1, group);
            commands += test::text(command);
        }
        comer.raw(commands);
        for (const auto* each : {"1", "2", "3", "4"}) ASSERT_EQ(watcher.next(), each);
        ASSERT_EQ(comer.next(), "2");
        ASSERT_EQ(comer.next(), "3");
        ASSERT_EQ(comer.ask("echo done"), "done");
    }
}

TEST_P(Yard, RestartsAGroupsActorAndItsMembersJoinAgain) {
    node n(GetParam());
    const auto group = n.group_on(last());
    std::vector<client> members;
    for (std::size_t loop : {std::size_t{0}, last(), std::size_t{0}}) members.push_back(n.join(loop, group));
    for (std::uint64_t times = 1; times <= 3; ++times) {
        n.on_loop(last(), [&] {
            caf::anon_send_exit(n.all->hub_at(last()).actor_of(group), caf::exit_reason::kill);
            return 0;
        });
        n.until([&] {
            return n.counts.total(labelled_counter::actor_restarts, "group") == times &&
                   n.counts.total(gauge::members) == 3;
        });
        const auto token = "after " + std::to_string(times);
        members[0].say("pub " + group + " " + token);
        for (auto& each : members) {
            std::string text;
            do text = each.next();
            while (text.starts_with("joined"));
            EXPECT_EQ(text, token);
        }
    }
    EXPECT_EQ(n.counts.total(gauge::groups), 1);
}

TEST_P(Yard, AKilledConnectionIsOutOfItsGroupsAtOnce) {
    node n(GetParam());
    const auto group = n.group_on(0);
    auto stays = n.join(0, group);
    auto dies = n.join(last(), group);
    const auto name = dies.ask("name");
    const auto id = std::stoull(name.substr(name.find('!') + 1));
    EXPECT_EQ(n.counts.total(gauge::members), 2);
    n.on_loop(last(), [&] {
        caf::anon_send_exit(n.all->hub_at(last()).actor_of(id), caf::exit_reason::kill);
        return 0;
    });
    EXPECT_EQ(dies.next(), "end");
    n.until([&] { return n.counts.total(gauge::members) == 1; });
    EXPECT_EQ(n.disconnects, 1);
    EXPECT_EQ(n.counts.total(gauge::connections_open), 1);
    EXPECT_EQ(n.all->channel_send(name, "said", payload::copy_of("x")), MADANG_OK)
        << "at most once: it is gone";
    stays.say("pub " + group + " still here");
    std::string text;
    do text = stays.next();
    while (text.starts_with("joined"));
    EXPECT_EQ(text, "still here");
}

TEST_P(Yard, AGroupWithoutMembersLeavesNothingBehind) {
    node n(GetParam());
    {
        std::vector<client> all;
        for (int i = 0; i < 10; ++i) {
            all.push_back(n.join(i % GetParam(), "busy"));
            all.back().say("join own" + std::to_string(i));
            all.back().say("pub own" + std::to_string(i) + " x");
            all.back().say("leave busy");
            all.back().say("join busy");
        }
        all[0].say("leave own0");
        n.until([&] { return n.counts.total(gauge::groups) == 10 && n.counts.total(gauge::members) == 19; });
    }
    n.until([&] {
        return n.counts.total(gauge::groups) == 0 && n.counts.total(gauge::members) == 0 &&
               n.counts.total(gauge::connections_open) == 0 &&
               n.counts.total(gauge::publish_credit_used) == 0;
    });
    EXPECT_EQ(n.all->group_send("busy", "said", payload::copy_of("nobody")), MADANG_OK);
    n.until([&] { return n.consumers == 0; });
}

TEST_P(Yard, SendsToOneChannelWhereverItIs) {
    node n(GetParam());
    auto a = n.join(0), b = n.join(last());
    const auto name = b.ask("name");
    EXPECT_EQ(a.ask("chan " + name + " hello"), "status 0");
    EXPECT_EQ(b.next(), "hello");
    EXPECT_EQ(n.all->channel_send(name, "said", payload::copy_of("from outside")), MADANG_OK);
    EXPECT_EQ(b.next(), "from outside");
    const auto node_part = name.substr(0, name.rfind('.'));
    for (const auto& wrong :
         {name.substr(0, name.find('!') + 1) + "999999999999999999999999", node_part + ".77!1",
          node_part + ".x!1", node_part + ".0!", std::string("specific.other.0!1"), std::string("other")})
        EXPECT_EQ(n.all->channel_send(wrong, "said", {}), MADANG_NOT_FOUND) << wrong;
    EXPECT_EQ(n.all->channel_send("no channel", "said", {}), MADANG_INVALID);
    EXPECT_EQ(n.all->channel_send(name, "_said", {}), MADANG_INVALID);
    EXPECT_EQ(n.all->group_send("no group", "said", {}), MADANG_INVALID);
    b.close();
    n.until([&] { return n.counts.total(gauge::connections_open) == 1; });
    const auto stale = a.ask("chan " + name + " hello");
    EXPECT_EQ(stale, GetParam() == 1 ? "status 7" : "status 0")
        << "another loop's connections are not known here";
}

TEST(YardCredit, AFloodingPublisherIsPausedWhileTheHomeIsBusy) {
    constexpr std::size_t limit = 64 * 1024;
    node n(2, limit);
    const auto group = n.group_on(1);
    auto member = n.join(1, group);
    auto flooder = n.join(0);
    auto blocks = n.join(1);
    blocks.say("block");
    n.blocker.wait_for_somebody();
    ::fcntl(flooder.fd(), F_SETFL, O_NONBLOCK);
    const auto message = test::text("pub " + group + " " + std::string(1000, 'x'));
    std::size_t sent = 0, at = 0;
    // Until nothing goes into the socket any more and its reader is paused.
    for (;;) {
        const auto wrote = ::send(flooder.fd(), message.data() + at, message.size() - at, MSG_NOSIGNAL);
        if (wrote > 0) {
            at += static_cast<std::size_t>(wrote);
            if (at == message.size()) {
                at = 0;
                ++sent;
            }
            ASSERT_LT(sent, 20'000u) << "somebody keeps it all";
        } else if (n.counts.total(gauge::readers_paused_now) == 1) {
            break;
        } else {
            std::this_thread::yield();
        }
    }
    EXPECT_LE(n.counts.total(gauge::publish_credit_used), static_cast<double>(limit + 2000));
    EXPECT_EQ(n.counts.total(gauge::readers_paused_now), 1);
    n.blocker.open();
    for (std::size_t i = 0; i < sent; ++i) ASSERT_EQ(member.next(), std::string(1000, 'x'));
    n.until([&] {
        return n.counts.total(gauge::readers_paused_now) == 0 &&
               n.counts.total(gauge::publish_credit_used) == 0;
    });
}

TEST(YardCredit, OutsideThreadsAreToldBusy) {
    constexpr std::size_t limit = 64 * 1024;
    node n(1, limit);
    auto member = n.join(0, "room");
    member.say("block");
    n.blocker.wait_for_somebody();
    const auto body = payload::copy_of(std::string(1000, 'x'));
    std::size_t accepted = 0;
    while (n.all->group_send("room", "said", body) == MADANG_OK) ASSERT_LT(++accepted, 1000u);
    EXPECT_EQ(n.all->group_send("room", "said", body), MADANG_BUSY);
    EXPECT_GE(accepted, limit / 1200);
    EXPECT_GE(n.counts.total(counter::publications_refused), 2);
    n.blocker.open();
    for (std::size_t i = 0; i < accepted; ++i) ASSERT_EQ(member.next().size(), 1000u);
    n.until([&] { return n.all->group_send("room", "said", body) == MADANG_OK; });
}

TEST_P(Yard, DrainsHundredsOfConnections) {
    node n(GetParam());
    std::vector<client> all;
    for (int i = 0; i < many; ++i) all.push_back(n.join(i % GetParam(), "room"));
    EXPECT_EQ(n.all->connections(), static_cast<std::size_t>(many));
    n.all->drain(milliseconds{50});
    auto late = n.connect(0);
    const auto answer = late.next();
    EXPECT_TRUE(answer == "101" || answer == "503") << answer;
    if (answer == "101") {
        EXPECT_EQ(late.next(), "close:1001");
    }
    late.close();
    for (auto& each : all) {
        std::string text;
        do text = each.next();
        while (text.starts_with("joined"));
        ASSERT_EQ(text, "close:1001");
        each.raw(test::client_frame(0x88, test::close_payload(1001)));
        each.close();
    }
    n.until([&] { return n.all->connections() == 0; });
    EXPECT_TRUE(n.all->stop(milliseconds{20'000}));
    EXPECT_EQ(n.disconnects, many + 1);
}

TEST_P(Yard, StopsInTimeThoughNobodyHelps) {
    node n(GetParam());
    std::vector<client> all;
    for (int i = 0; i < many; ++i) all.push_back(n.join(i % GetParam(), "room"));
    EXPECT_TRUE(n.all->stop(milliseconds{20'000}));
    EXPECT_EQ(n.disconnects, many);
    EXPECT_EQ(n.all->connections(), 0u);
    for (auto& each : all) {
        std::string text;
        do text = each.next();
        while (text.starts_with("joined"));
        ASSERT_EQ(text, "end");
    }
}

TEST(YardStop, SaysWhenItTookTooLong) {
    node n(1);
    auto blocks = n.join(0);
    blocks.say("block");
    n.blocker.wait_for_somebody();
    EXPECT_FALSE(n.all->stop(milliseconds{20}));
    n.blocker.open();
    EXPECT_TRUE(n.all->stop(milliseconds{20'000}));
}

TEST(YardWatchdog, NamesAHandlerThatBlocks) {
    std::mutex mutex;
    std::string line;
    testing::gate seen;
    log_capture capture(log_format::text, log_level::error, [&](std::string_view text) {
        if (text.find("loop.stuck") == std::string_view::npos) return;
        std::lock_guard lock(mutex);
        line = text;
        seen.open();
    });
    node n(2);
    auto blocks = n.join(1);
    blocks.say("block");
    seen.pass();
    n.blocker.open();
    EXPECT_EQ(blocks.ask("echo free"), "free");
    std::lock_guard lock(mutex);
    EXPECT_NE(line.find("handler=test/Consumer"), std::string::npos) << line;
    EXPECT_NE(line.find("loop=1"), std::string::npos) << line;
}

TEST(YardSync, ConsumersOnThePoolComeAndGo) {
    node n(2, 8 << 20, MADANG_SYNC);
    auto watcher = n.join(0, "room");
    for (int round = 0; round < many / 10; ++round) {
        std::vector<client> all;
        for (std::size_t i = 0; i < 6; ++i) all.push_back(n.join(i % 2));
        for (auto& each : all)
            for (int i = 0; i < 5; ++i) each.say("echo " + std::to_string(i));
        for (auto& each : all) {
            for (int i = 0; i < 3; ++i) ASSERT_EQ(each.next(), std::to_string(i));
            each.say("join room");
            each.close();  // in the middle of its calls
        }
    }
    n.until([&] { return n.consumers == 1 && n.counts.total(gauge::connections_open) == 1; });
    EXPECT_EQ(n.disconnects, many / 10 * 6);
}

}  // namespace
}  // namespace madang
