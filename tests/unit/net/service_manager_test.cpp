#include "broker/net/service_manager.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/notify_socket.hpp"

namespace madang {
namespace {

using test::notify_socket;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Descriptors from `first` on, far from those of the test itself.
constexpr int first = 200;

int tcp_socket(bool listening) {
    const int made = ::socket(AF_INET, SOCK_STREAM, 0);
    const int high = ::fcntl(made, F_DUPFD, first);
    ::close(made);
    if (listening) ::listen(high, 1);
    return high;
}

service_environment listening(const std::string& count, const std::string& names = "") {
    service_environment all{{"LISTEN_PID", std::to_string(::getpid())}, {"LISTEN_FDS", count}};
    if (!names.empty()) all["LISTEN_FDNAMES"] = names;
    return all;
}

std::string refusal(const service_environment& variables) {
    auto taken = take_inherited_sockets(variables, first);
    return taken ? "none" : taken.error().detail;
}

TEST(InheritedSockets, AreThereByTheirNames) {
    ASSERT_EQ(tcp_socket(true), first);
    ASSERT_EQ(tcp_socket(true), first + 1);
    ASSERT_EQ(tcp_socket(true), first + 2);
    auto taken = take_inherited_sockets(listening("3", "public:internal:public"), first);
    ASSERT_TRUE(taken) << taken.error().detail;
    ASSERT_EQ(taken->listen.size(), 2u);
    ASSERT_EQ(taken->internal.size(), 1u);
    EXPECT_EQ(taken->listen[0].get(), first);
    EXPECT_EQ(taken->internal[0].get(), first + 1);
    EXPECT_EQ(taken->listen[1].get(), first + 2);
    EXPECT_TRUE(::fcntl(first, F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(::fcntl(first, F_GETFL) & O_NONBLOCK);
}

TEST(InheritedSockets, ArePublicWithoutNames) {
    ASSERT_EQ(tcp_socket(true), first);
    auto taken = take_inherited_sockets(listening("1"), first);
    ASSERT_TRUE(taken) << taken.error().detail;
    EXPECT_EQ(taken->listen.size(), 1u);
}

TEST(InheritedSockets, AreNotOursWhenAnotherProcessIsNamed) {
    auto variables = listening("1");
    variables["LISTEN_PID"] = "1";
    EXPECT_EQ(refusal(variables), "none");
    variables.erase("LISTEN_PID");
    EXPECT_EQ(refusal(variables), "none");
    EXPECT_EQ(refusal({}), "none");
}

TEST(InheritedSockets, AreRefusedWithWhatIsWrong) {
    EXPECT_THAT(refusal(listening("many")), HasSubstr("LISTEN_FDS is \"many\""));
    EXPECT_THAT(refusal(listening("65")), HasSubstr("LISTEN_FDS is \"65\""));
    EXPECT_THAT(refusal(listening("1", "public")), HasSubstr("descriptor 200 is not open"));
    ASSERT_EQ(tcp_socket(false), first);
    EXPECT_THAT(refusal(listening("1", "public")), HasSubstr("no listening TCP socket"));
    ASSERT_EQ(tcp_socket(true), first);  // the refusal closed it
    EXPECT_THAT(refusal(listening("1", "madang.socket")), HasSubstr("FileDescriptorName=public"));
    ASSERT_EQ(tcp_socket(true), first);
    ASSERT_EQ(tcp_socket(true), first + 1);
    EXPECT_THAT(refusal(listening("2", "public")), HasSubstr("descriptor 201 (\"\")"));
    ::close(first + 1);
    ASSERT_EQ(::fcntl(STDIN_FILENO, F_DUPFD, first), first);
    EXPECT_THAT(refusal(listening("1")), HasSubstr("no listening TCP socket"));
}

TEST(ServiceEnvironment, IsTakenOutOfTheProcesss) {
    ::setenv("NOTIFY_SOCKET", "/run/x", 1);
    ::setenv("LISTEN_FDNAMES", "public", 1);
    EXPECT_EQ(take_service_environment(),
              (service_environment{{"NOTIFY_SOCKET", "/run/x"}, {"LISTEN_FDNAMES", "public"}}));
    EXPECT_EQ(::getenv("NOTIFY_SOCKET"), nullptr);
    EXPECT_EQ(::getenv("LISTEN_FDNAMES"), nullptr);
}

service_notifier with(const service_environment& variables) { return service_notifier(variables); }

TEST(ServiceNotifier, TellsAnAbstractSocketEachState) {
    notify_socket manager;
    const auto notifier = with({{"NOTIFY_SOCKET", manager.name()}});
    notifier.ready("listening on x");
    notifier.reloading();
    notifier.alive();
    notifier.stopping();
    using namespace std::chrono_literals;
    EXPECT_EQ(manager.next(60s), "READY=1\nSTATUS=listening on x");
    EXPECT_THAT(manager.next(60s).value_or(""), StartsWith("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_EQ(manager.next(60s), "WATCHDOG=1");
    EXPECT_THAT(manager.next(60s).value_or(""), StartsWith("STOPPING=1\n"));
}

TEST(ServiceNotifier, TellsASocketInAFolder) {
    auto name = (std::filesystem::temp_directory_path() / "madang-notify-XXXXXX").string();
    const std::filesystem::path folder = ::mkdtemp(name.data());
    notify_socket manager((folder / "socket").string());
    with({{"NOTIFY_SOCKET", manager.name()}}).alive();
    EXPECT_EQ(manager.next(std::chrono::seconds{60}), "WATCHDOG=1");
    std::filesystem::remove_all(folder);
}

TEST(ServiceNotifier, LivesWithoutAManagerAndWithABadName) {
    with({}).ready("");
    for (const auto& bad :
         {std::string("relative"), "/" + std::string(200, 'x'), std::string("/nowhere/socket")})
        with({{"NOTIFY_SOCKET", bad}}).ready("");
}

TEST(ServiceNotifier, IsDueFourTimesWithinWhatTheManagerWaits) {
    using namespace std::chrono_literals;
    EXPECT_EQ(with({{"WATCHDOG_USEC", "2000000"}}).alive_interval(), 500ms);
    const auto pid = std::to_string(::getpid());
    EXPECT_EQ(with({{"WATCHDOG_USEC", "2000000"}, {"WATCHDOG_PID", pid}}).alive_interval(), 500ms);
    EXPECT_EQ(with({{"WATCHDOG_USEC", "2000000"}, {"WATCHDOG_PID", "1"}}).alive_interval(), 0ms);
    EXPECT_EQ(with({{"WATCHDOG_USEC", "soon"}}).alive_interval(), 0ms);
    EXPECT_EQ(with({}).alive_interval(), 0ms);
}

}  // namespace
}  // namespace madang
