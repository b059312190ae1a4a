#include "broker/bench/swarm.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <stdexcept>

namespace madang::bench {
namespace {

TEST(Swarm, EachSaysItsMessagesAndIsDoneWithWhatItWaitsFor) {
    const auto floor = start_floor();
    std::vector<swarm_member> members;
    for (int i = 0; i < 300; ++i) members.push_back({"/ws/echo/", {std::to_string(i), "last"}});
    std::map<std::size_t, std::string> first;
    swarm all(floor, members, [&](std::size_t member, std::string_view message) {
        if (message != "last") first[member] = message;
        return message == "last";
    });
    all.run();
    ASSERT_EQ(first.size(), 300u);
    for (const auto& [member, text] : first) EXPECT_EQ(text, std::to_string(member));
    for (const auto at : all.done()) EXPECT_GE(at, all.began());
}

TEST(Swarm, EndsWithAReasonWhenNobodyListensOrTheListenerThrows) {
    std::optional<target> floor(start_floor());
    const std::vector<swarm_member> one{{"/ws/echo/", {"x"}}};
    EXPECT_THROW(swarm(*floor, one, [](auto, auto) -> bool { throw std::runtime_error("no"); }).run(),
                 std::runtime_error);
    const target gone(getpid(), floor->where());
    floor.reset();
    EXPECT_THROW(swarm(gone, one, [](auto, auto) { return true; }).run(), std::runtime_error);
}

}  // namespace
}  // namespace madang::bench
