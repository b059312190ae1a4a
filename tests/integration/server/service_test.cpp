// The server as a service manager's child: told of by datagrams, given its sockets.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"
#include "tests/support/children.hpp"
#include "tests/support/notify_socket.hpp"

namespace madang::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A listening socket as a manager opens it, blocking and with a small queue.
class open_socket {
  public:
    open_socket() {
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof where;
        if (bind(fd_, reinterpret_cast<sockaddr*>(&where), size) != 0 || listen(fd_, 64) != 0 ||
            getsockname(fd_, reinterpret_cast<sockaddr*>(&where), &size) != 0)
            throw std::runtime_error("no socket to hand over");
        port_ = ntohs(where.sin_port);
    }
    open_socket(const open_socket&) = delete;
    ~open_socket() { close(fd_); }
    int fd() const { return fd_; }
    std::uint16_t port() const { return port_; }
    std::string inode() const {
        struct stat seen {};
        fstat(fd_, &seen);
        return "socket:[" + std::to_string(seen.st_ino) + "]";
    }

  private:
    int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::uint16_t port_ = 0;
};

// The next that is not a sign of life.
std::string told(notify_socket& manager) {
    for (;;) {
        const auto text = manager.next(60s);
        if (text != "WATCHDOG=1") return text.value_or("nothing");
    }
}

TEST(Service, ItsManagerIsToldOfEachState) {
    notify_socket manager;
    server node({"--no-bundled"}, {.environment = {{"NOTIFY_SOCKET", manager.name()}}});
    EXPECT_EQ(told(manager), "READY=1\nSTATUS=listening on http://127.0.0.1:" + std::to_string(node.port()));
    EXPECT_EQ(fetch(node.port(), "/readyz").status, 200);
    node.process().signal(SIGHUP);
    EXPECT_THAT(told(manager), StartsWith("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_THAT(told(manager), StartsWith("READY=1\n"));
    node.process().signal(SIGTERM);
    EXPECT_THAT(told(manager), StartsWith("STOPPING=1\n"));
    EXPECT_EQ(node.process().wait(60s), 0);
}

TEST(Service, AReloadTakesUpTheLogLevelAndNamesWhatNeedsARestart) {
    auto name = (fs::temp_directory_path() / "madang-reload-XXXXXX").string();
    const fs::path folder = mkdtemp(name.data()), file = folder / "madang.toml";
    const auto write = [&](std::string_view text) { std::ofstream(file) << text; };
    notify_socket manager;
    write("log_level = \"error\"\n");
    server node({"--no-bundled", "--config", file}, {.environment = {{"NOTIFY_SOCKET", manager.name()}}});
    EXPECT_THAT(told(manager), StartsWith("READY=1"));
    const auto reload = [&](std::string_view text) {
        write(text);
        node.process().signal(SIGHUP);
        EXPECT_THAT(told(manager), StartsWith("RELOADING=1"));
        return told(manager);
    };
    EXPECT_THAT(reload("log_level = \"info\"\nloops = 3\n[plugin.chat]\ncooldown_ms = 2\n"),
                Not(HasSubstr("not reloaded")));
    EXPECT_TRUE(eventually([&] { return node.log().find("config.reloaded") != std::string::npos; }, 60s));
    EXPECT_THAT(node.log(), HasSubstr("config.restart_needed changed=\"loops, [plugin.chat]\""));
    EXPECT_THAT(reload("log_levle = \"warn\"\n"), HasSubstr("; not reloaded: log_levle ("));
    EXPECT_EQ(node.metrics()["madang_reloads_total{outcome=\"failed\"}"], 1);
    EXPECT_EQ(node.stop(60s), 0);
    fs::remove_all(folder);
}

TEST(Service, ShowsSignsOfLifeUntilALoopIsStuck) {
    notify_socket manager;
    server node({"--no-bundled", "--plugin", MADANG_SILENT_PLUGIN, "--log-level", "info"},
                {.environment = {{"NOTIFY_SOCKET", manager.name()}, {"WATCHDOG_USEC", "100000"}}});
    for (int seen = 0; seen < 5;) {
        const auto text = manager.next(60s);
        ASSERT_TRUE(text) << seen;
        if (*text == "WATCHDOG=1") ++seen;
    }
    peer visitor(node.port());
    visitor.upgrade("/ws/silent/stuck/");
    ASSERT_TRUE(drive(
        visitor, [&] { return node.log().find("loop_kept") != std::string::npos; }, 60s));
    while (manager.next(0ms)) {
    }
    int more = 0;  // it may have turned once since it was last asked
    while (manager.next(1s)) ASSERT_LE(++more, 1);
}

TEST(Service, ServesTheSocketsThatItWasGiven) {
    open_socket front, inner;
    server node({"--no-bundled", "--loops", "2"},
                {.environment = {{"LISTEN_FDS", "2"}, {"LISTEN_FDNAMES", "internal:public"}},
                 .sockets = {inner.fd(), front.fd()}});
    EXPECT_EQ(node.port(), front.port());
    EXPECT_EQ(node.internal_port(), inner.port());
    for (int i = 0; i < 50; ++i) EXPECT_EQ(fetch(front.port(), "/readyz").status, 200);
    EXPECT_EQ(fetch(inner.port(), "/metrics").status, 200);
    EXPECT_EQ(fetch(front.port(), "/metrics").status, 404);
    EXPECT_EQ(node.stop(60s), 0);
}

TEST(Service, WhoComesBetweenTwoServersWaitsAndIsServed) {
    open_socket front;
    const command given{.environment = {{"LISTEN_FDS", "1"}, {"LISTEN_FDNAMES", "public"}},
                        .sockets = {front.fd()}};
    {
        server first({"--no-bundled"}, given);
        EXPECT_EQ(fetch(front.port(), "/readyz").status, 200);
        EXPECT_EQ(first.stop(60s), 0);
    }
    peer early(front.port());
    early.request("/healthz");  // it comes before the server says that it is ready
    early.pump();
    server second({"--no-bundled"}, given);
    std::optional<http_answer> answer;
    ASSERT_TRUE(drive(
        early, [&] { return (answer = early.next_answer()).has_value(); }, 60s));
    EXPECT_EQ(answer->status, 200);
}

TEST(Service, ADescriptorThatIsNoListenerIsRefusedByName) {
    notify_socket manager;
    const int no_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto ended = run(
        {.words = {server_binary(), "serve", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"},
         .environment = {{"LISTEN_FDS", "1"}, {"NOTIFY_SOCKET", manager.name()}},
         .sockets = {no_listener}},
        60s);
    close(no_listener);
    EXPECT_EQ(ended.code, 2);
    EXPECT_THAT(ended.err, HasSubstr("inherited descriptor 3 (\"public\") is no listening TCP socket"));
    EXPECT_EQ(manager.next(0ms), std::nullopt);
}

std::string whole(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

TEST(Service, ItsWorkersAreNotTheService) {
    notify_socket manager;
    open_socket front;
    server node({}, {.environment = {{"NOTIFY_SOCKET", manager.name()},
                                     {"LISTEN_FDS", "1"},
                                     {"WATCHDOG_USEC", "60000000"}},
                     .sockets = {front.fd()}});
    fs::path worker;
    // It is there when its program is: what it has of ours until then goes with it.
    ASSERT_TRUE(eventually(
        [&] {
            const auto workers = children_of(node.pid());
            if (workers.size() != 1) return false;
            worker = fs::path("/proc") / std::to_string(workers[0]);
            return whole(worker / "cmdline").starts_with(std::string("madang\0worker", 13)) &&
                   !whole(worker / "environ").empty();
        },
        60s))
        << node.log();
    const auto variables = whole(worker / "environ");
    for (const auto* name : {"NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_FDS", "LISTEN_PID"})
        EXPECT_THAT(variables, Not(HasSubstr(name)));
    for (const auto& entry : fs::directory_iterator(worker / "fd"))
        EXPECT_NE(fs::read_symlink(entry.path()).string(), front.inode());
}

}  // namespace
}  // namespace madang::test
