#include "broker/bench/load.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/bench/connects.hpp"

namespace madang::bench {
namespace {

load_spec short_run(std::string route) {
    load_spec spec;
    spec.route = std::move(route);
    spec.warmup = 0.01;
    spec.seconds = 0.05;
    return spec;
}

load_result run_on_the_floor(const load_spec& spec) {
    const auto floor = start_floor();
    load generator(floor, spec);
    generator.connect();
    generator.join();
    return generator.run();
}

void expect_intact(const load_result& result) {
    EXPECT_GT(result.deliveries, 0u);
    EXPECT_EQ(result.latency.count(), result.deliveries);
    EXPECT_EQ(result.lost, 0u);
    EXPECT_EQ(result.reordered, 0u);
    EXPECT_EQ(result.other, 0u);
    EXPECT_GT(result.server_cpu, 0);
}

TEST(Load, FanOutReachesEveryMemberOfTheFloorInOrder) {
    auto spec = short_run("/ws/bench/fanout/");
    spec.members = 50;
    spec.in_flight = 8;
    expect_intact(run_on_the_floor(spec));
}

TEST(Load, RoomsAndEnvelopesAreKeptApart) {
    auto spec = short_run("/ws/chat/");
    spec.kind = envelope::chat;
    spec.groups = 5;
    spec.members = 4;
    expect_intact(run_on_the_floor(spec));
}

TEST(Load, EchoIsAGroupOfOne) {
    auto spec = short_run("/ws/echo/");
    spec.groups = 10;
    expect_intact(run_on_the_floor(spec));
}

TEST(Load, PayloadsLargerThanTheSocketsBuffersArriveWhole) {
    auto spec = short_run("/ws/bench/fanout/");
    spec.members = 3;
    spec.in_flight = 64;
    spec.payload = 65'536;
    expect_intact(run_on_the_floor(spec));
}

TEST(Load, GoesOnWithoutTheMembersThatStall) {
    auto spec = short_run("/ws/bench/fanout/");
    spec.members = 20;
    spec.stalled = 2;
    spec.in_flight = 8;
    expect_intact(run_on_the_floor(spec));
}

TEST(Load, GroupsHaveOnlyNamesThatAreTaken) {
    auto spec = short_run("/ws/bench/fanout/");
    spec.groups = 4;
    spec.members = 3;
    std::vector<std::string> taken;
    spec.takes_name = [&](const std::string& name) {
        if (name.back() % 2 != 0) return false;
        taken.push_back(name);
        return true;
    };
    expect_intact(run_on_the_floor(spec));
    EXPECT_EQ(taken.size(), 4u);
}

TEST(Load, ConnectsPublishersToTheServerThatIsTheirs) {
    const auto floor = start_floor();
    const target nobody(getpid(), {.port = 1});
    auto spec = short_run("/ws/echo/");
    spec.groups = 3;  // of one member, which publishes
    spec.publishers_at = &floor;
    load generator(nobody, spec);
    generator.connect();
    generator.join();
    expect_intact(generator.run());
}

TEST(Load, EndsWithAReasonWhenTheServerGoesAway) {
    std::optional<target> floor(start_floor());
    load generator(*floor, short_run("/ws/echo/"));
    generator.connect();
    generator.join();
    const target gone(getpid(), floor->where());
    floor.reset();
    EXPECT_THROW(generator.run(), std::runtime_error);
    EXPECT_THROW(load(gone, short_run("/ws/echo/")).connect(), std::runtime_error);
}

TEST(Load, RefusesAShapeWithoutReaders) {
    const target nowhere(1, {});
    auto spec = short_run("/ws/echo/");
    spec.stalled = spec.members;
    EXPECT_THROW(load(nowhere, spec), std::invalid_argument);
}

TEST(Connects, AreCountedInBothLoops) {
    const auto floor = start_floor();
    connect_spec spec{.at_once = 4, .warmup = 0.01, .seconds = 0.1};
    const auto closed = run_connects(floor, spec);
    EXPECT_GT(closed.handshakes, 0u);
    EXPECT_EQ(closed.latency.count(), closed.handshakes);
    spec.rate = 500;
    const auto open = run_connects(floor, spec);
    EXPECT_GT(open.handshakes, 0u);
    EXPECT_LE(open.handshakes, 60u);  // not faster than the clock says, whatever the machine can do
}

}  // namespace
}  // namespace madang::bench
