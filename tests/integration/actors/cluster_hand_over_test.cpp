// Streams that are handed over while nodes join, drain and die.
#include <gmock/gmock.h>

#include <future>
#include <map>
#include <thread>

#include "tests/integration/actors/mesh_impl.hpp"

namespace madang::testing {
namespace {

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

}  // namespace
}  // namespace madang::testing
