#include "broker/bench/proc.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <system_error>

namespace madang::bench {
namespace {

TEST(ProcField, IsTheNumberAfterItsWholeName) {
    const char* text = "Rss:  100 kB\nPss_Dirty:   7 kB\nPss:\t  4242 kB\n";
    EXPECT_EQ(parse_field(text, "Pss"), 4242u);
    EXPECT_EQ(parse_field(text, "Pss_Dirty"), 7u);
    EXPECT_EQ(parse_field(text, "Ps"), std::nullopt);
    EXPECT_EQ(parse_field("VmHWM:\t12", "VmHWM"), 12u);
}

TEST(ProcField, IsAbsentWithoutANumber) {
    EXPECT_EQ(parse_field("Pss:\n", "Pss"), std::nullopt);
    EXPECT_EQ(parse_field("Pss: many\n", "Pss"), std::nullopt);
    EXPECT_EQ(parse_field("", "Pss"), std::nullopt);
}

TEST(ContextSwitches, AreVoluntaryAndInvoluntary) {
    EXPECT_EQ(
        parse_context_switches("State:\tS\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t45\n"),
        195u);
}

TEST(Process, KnowsItsOwnTimeAndMemory) {
    const auto pid = getpid();
    const auto before = cpu_time(pid);
    volatile std::uint64_t work = 0;
    for (int i = 0; i < 1'000'000; ++i) work = work + 1;
    EXPECT_GT(cpu_time(pid), before);
    EXPECT_GE(cpu_time(0), cpu_time(pid) - 1'000'000'000);
    EXPECT_GT(proportional_memory(pid), 100'000u);
    EXPECT_GE(peak_memory(pid), proportional_memory(pid) / 2);
    EXPECT_GT(resident_memory(pid), 100'000u);
    ::poll(nullptr, 0, 1);  // one switch at least
    EXPECT_GT(context_switches(pid), 0u);
}

TEST(Process, ThatIsGoneIsAnError) {
    constexpr pid_t none = 4'194'304;  // above the kernel's highest
    EXPECT_THROW(cpu_time(none), std::system_error);
    EXPECT_THROW(proportional_memory(none), std::system_error);
}

}  // namespace
}  // namespace madang::bench
