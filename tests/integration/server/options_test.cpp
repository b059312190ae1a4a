// Options from flag to effect, and the one line a person gets when something is wrong.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const fs::path plugins = MADANG_PLUGINS;

class ServerOptions : public testing::Test {
  protected:
    ServerOptions() {
        std::string name = (fs::temp_directory_path() / "madang-options-XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    ~ServerOptions() override { fs::remove_all(folder_); }

    fs::path write(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name) << text;
        return folder_ / name;
    }
    fs::path copy(const std::string& plugin, const std::string& as) const {
        fs::copy_file(plugins / plugin, folder_ / as);
        return folder_ / as;
    }
    static command check(std::vector<std::string> flags) {
        command all{.words = {server_binary(), "check"}};
        for (const std::string option : {"--listen", "--internal-listen"})
            if (std::find(flags.begin(), flags.end(), option) == flags.end())
                all.words.insert(all.words.end(), {option, "127.0.0.1:0"});
        all.words.insert(all.words.end(), flags.begin(), flags.end());
        return all;
    }
    // Both verbs refuse it alike: one line on stderr that holds `mend`, nothing on stdout, exit code 2.
    static void expect_refused(const std::vector<std::string>& flags, const std::string& mend,
                               std::vector<std::pair<std::string, std::string>> environment = {}) {
        for (const std::string verb : {"serve", "check"}) {
            auto what = check(flags);
            what.words[1] = verb;
            what.environment = environment;
            const auto got = run(what);
            EXPECT_EQ(got.code, 2) << verb << got.out;
            EXPECT_EQ(got.out, "") << verb;
            EXPECT_EQ(std::count(got.err.begin(), got.err.end(), '\n'), 1) << verb << ": " << got.err;
            EXPECT_THAT(got.err, StartsWith("madang: ")) << verb;
            EXPECT_THAT(got.err, HasSubstr(mend)) << verb;
        }
    }

    fs::path folder_;
};

TEST_F(ServerOptions, FlagGoesBeforeEnvironmentBeforeFileBeforeDefault) {
    const auto file = write("madang.toml", "loops = 3\nsync_threads = 3\nview_timeout = \"3s\"\n");
    auto what = check({"--config", file, "--loops", "5"});
    what.environment = {{"MADANG_LOOPS", "4"}, {"MADANG_SYNC_THREADS", "4"}};
    const auto got = run(what);
    EXPECT_EQ(got.code, 0) << got.err;
    EXPECT_THAT(got.out, HasSubstr("\nloops = 5\n"));
    EXPECT_THAT(got.out, HasSubstr("\nsync_threads = 4\n"));
    EXPECT_THAT(got.out, HasSubstr("\nview_timeout = 3s\n"));
    EXPECT_THAT(got.out, HasSubstr("\nturn_handlers = 8192\n"));
}

TEST_F(ServerOptions, CheckSaysWhatSighupTakesUpAndWhatNeedsARestart) {
    const auto before = write("before.toml",
                              "loops = 1\napi_keys = [\"a:all:k1\"]\n[namespace.news]\npresence = true\n"),
               after = write("after.toml",
                             "loops = 2\napi_keys = [\"a:all:k2\"]\n[namespace.news]\nordered = false\n");
    const auto said = [](const std::vector<std::string>& flags) {
        const auto got = run(check(flags));
        EXPECT_EQ(got.code, 0) << got.err;
        return got.out;
    };
    EXPECT_THAT(said({"--config", after}),
                AllOf(HasSubstr("\non SIGHUP: api_keys, log_level, [namespace.NAME], and the files of tls_"),
                      Not(HasSubstr("restart"))));
    EXPECT_THAT(said({"--config", after, "--running", before}),
                HasSubstr("\nSIGHUP would take up: api_keys\nneeds a restart: loops, [namespace.news] "
                          "ordered\nmadang: all is well\n"));
    EXPECT_THAT(said({"--config", after, "--running", after}),
                HasSubstr("\nSIGHUP would take up: nothing\nneeds a restart: nothing\n"));
    expect_refused({"--config", write("wrong.toml", "api_keys = [\"a:fly:k\"]\n")}, "its RIGHTS");
    const auto got = run(check({"--config", after, "--running", folder_ / "none.toml"}));
    EXPECT_EQ(got.code, 2);
    EXPECT_THAT(got.err, HasSubstr("none.toml"));
}

TEST_F(ServerOptions, ConfigFileMayBeNamedByTheEnvironment) {
    auto what = check({});
    what.environment = {{"MADANG_CONFIG", write("madang.toml", "loops = 7\n")}};
    EXPECT_THAT(run(what).out, HasSubstr("\nloops = 7\n"));
}

TEST_F(ServerOptions, ThePrecedenceHoldsForTheServerThatRuns) {
    const auto file = write("madang.toml", "loops = 2\nws_message_bytes = 10\n");
    server node({"--config", file, "--ws-message-bytes", "20"}, {.environment = {{"MADANG_LOOPS", "1"}}});
    EXPECT_EQ(node.metrics()["madang_loops"], 1);
    peer client(node.port());
    client.upgrade("/ws/ping/");
    client.text("{\"ping\":1234567}");
    ASSERT_TRUE(drive(client, [&] { return client.received == 2; }));
    client.text("{\"ping\":1234567890123}");
    ASSERT_TRUE(drive(client, [&] { return client.ended; }));
    EXPECT_EQ(client.closed, 1009);
}

TEST_F(ServerOptions, WrongOptionsAreRefusedWithTheirMend) {
    expect_refused({"--nonsense"}, "there is no option --nonsense; see madang ");
    expect_refused({"--lisen", "127.0.0.1:1"}, "--lisen; did you mean --listen?; see madang ");
    expect_refused({"stray"}, "there is one word too many: stray; see madang ");
    expect_refused({"--ws-ping-interval", "soon"},
                   "--ws-ping-interval: \"soon\" is not a duration; write 500ms");
    expect_refused({"--loops", "99999"}, "write 0 to 1024");
    expect_refused({"--listen", "8000"}, "write 127.0.0.1:8000");
    expect_refused({"--trusted-proxy", "here"}, "write 10.0.0.0/8");
    expect_refused({"--allowed-origin", "two words"}, "https://example.com");
    expect_refused({"--site", folder_ / "none-here"}, "name a folder, or none");
    expect_refused({"--plugin-dir", folder_ / "none-here"}, "name a folder that can be read");
    expect_refused({"--tls-certificate", "some.pem"}, "set both or neither");
    expect_refused({"--tls-certificate", folder_ / "none.pem", "--tls-key", folder_ / "none.key"},
                   "none.pem: No such file or directory");
    expect_refused({}, "MADANG_LOOPS (environment)", {{"MADANG_LOOPS", "many"}});
    expect_refused({"--config", folder_ / "none.toml"}, "--config");
    expect_refused({"--config", write("bad.toml", "loops = 1\nloop = 2\n")},
                   "bad.toml:2): there is no such option");
    expect_refused({"--config", write("broken.toml", "loops = \n")}, "broken.toml");
    expect_refused({"--config", write("section.toml", "loops = 1\n[namespace.x]\npresense = true\n")},
                   "section.toml:2): there is no option presense; did you mean presence?");
    expect_refused({"--data-dir", "/proc/madang-here"}, "/proc");
}

TEST_F(ServerOptions, TheStoresCommandsTakeAndShowOnlyWhatTheyUse) {
    for (const std::vector<std::string>& action :
         {std::vector<std::string>{}, {"check"}, {"dump"}, {"backup"}, {"restore"}}) {
        command what{.words = {server_binary(), "store"}};
        what.words.insert(what.words.end(), action.begin(), action.end());
        what.words.emplace_back("--help");
        const auto got = run(what);
        EXPECT_EQ(got.code, 0);
        EXPECT_THAT(got.out, HasSubstr("--data-dir"));
        EXPECT_THAT(got.out, Not(HasSubstr("--listen")));
    }
    const auto missing = (folder_ / "nowhere").string();
    for (const auto& words : {std::vector<std::string>{"--data-dir", missing, "check"},
                              std::vector<std::string>{"check", "--data-dir", missing}}) {
        command what{.words = {server_binary(), "store"}};
        what.words.insert(what.words.end(), words.begin(), words.end());
        EXPECT_THAT(run(what).err, HasSubstr(missing));
    }
}

TEST_F(ServerOptions, AServerIsCalledAsItsNodeNameSays) {
    server node({"--node-name", "harbour", "--api-key", "k:all:key", "--data-dir", folder_ / "data"});
    const auto url = "http://127.0.0.1:" + std::to_string(node.internal_port());
    const auto told = run({.words = {server_binary(), "info", "--url", url, "--api-key", "key"}});
    EXPECT_THAT(told.out, HasSubstr("harbour"));
    child worker(
        {.words = {server_binary(), "worker", "--worker-socket", folder_ / "data" / "workers.sock"}});
    EXPECT_TRUE(eventually([&] { return worker.err().find("node=harbour") != std::string::npos; }, 60s))
        << worker.err();
    const auto status = run({.words = {server_binary(), "cluster", "status", "--url", url}});
    EXPECT_EQ(status.code, 1);
    EXPECT_THAT(status.err, HasSubstr("this server is in no cluster (--cluster-listen)"));
}

TEST_F(ServerOptions, AWrongWordIsNamed) {
    const auto told = [](std::vector<std::string> words) {
        words.insert(words.begin(), server_binary());
        const auto got = run({.words = words});
        EXPECT_EQ(got.code, 2);
        EXPECT_EQ(got.out, "");
        return got.err;
    };
    EXPECT_EQ(told({"frob"}), "madang: there is no command frob; see madang --help\n");
    EXPECT_EQ(told({"serv"}), "madang: there is no command serv; did you mean serve?; see madang --help\n");
    EXPECT_EQ(told({"bench", "nope"}), "madang: there is no command nope; see madang bench --help\n");
    EXPECT_EQ(told({"bench", "--seconds", "3", "ech"}),
              "madang: there is no command ech; did you mean echo?; see madang bench --help\n");
    EXPECT_EQ(told({"store"}), "madang: A subcommand is required; see madang store --help\n");
    EXPECT_EQ(told({"serve", "--frob", "1"}), "madang: there is no option --frob; see madang serve --help\n");
}

TEST_F(ServerOptions, CheckLeavesNoDataFolderBehind) {
    const auto got = run(check({"--data-dir", folder_ / "not" / "yet" / "there"}));
    EXPECT_EQ(got.code, 0) << got.err;
    EXPECT_FALSE(fs::exists(folder_ / "not"));
}

TEST_F(ServerOptions, APortInUseIsRefusedWithItsOption) {
    const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    ASSERT_EQ(listen(taken, 1), 0);
    socklen_t size = sizeof where;
    getsockname(taken, reinterpret_cast<sockaddr*>(&where), &size);
    const auto address = "127.0.0.1:" + std::to_string(ntohs(where.sin_port));
    for (const std::string option : {"--listen", "--internal-listen"})
        for (const std::string verb : {"serve", "check"}) {
            const auto other = option == "--listen" ? "--internal-listen" : "--listen";
            const auto got = run({.words = {server_binary(), verb, option, address, other, "127.0.0.1:0",
                                            "--log-level", "off"}});
            EXPECT_EQ(got.code, 2);
            EXPECT_EQ(got.err,
                      "madang: cannot listen on " + address +
                          ": the port is in use; stop the program that uses it or choose another with " +
                          option + "\n");
        }
    close(taken);
}

TEST_F(ServerOptions, TwoServersNeverShareAPort) {
    server first;
    const auto got =
        run({.words = {server_binary(), "serve", "--listen", "127.0.0.1:" + std::to_string(first.port()),
                       "--internal-listen", "127.0.0.1:0"}});
    EXPECT_EQ(got.code, 2);
    EXPECT_THAT(got.err, HasSubstr("the port is in use"));
}

TEST_F(ServerOptions, PluginsThatCannotBeLoadedAreRefusedWithTheReason) {
    expect_refused({"--plugin", folder_ / "none.so"}, "none.so cannot be read: No such file or directory");
    expect_refused({"--plugin", write("text.so", "not a library")}, "text.so does not load");
    fs::copy_file(server_binary(), folder_ / "program.so");
    expect_refused({"--plugin", folder_ / "program.so"}, "program.so");
    const auto open = copy("ping.so", "open.so");
    chmod(open.c_str(), 0666);
    expect_refused({"--no-bundled", "--plugin", open}, "open.so may be written by everybody; run: chmod o-w");
    expect_refused({"--plugin", copy("ping.so", "twice.so")}, "load one of them only");
    if (geteuid() != 0) {  // root reads everything
        const auto locked = copy("ping.so", "locked.so");
        chmod(locked.c_str(), 0);
        expect_refused({"--no-bundled", "--plugin", locked}, "locked.so cannot be read: Permission denied");
    }
}

TEST_F(ServerOptions, ALibraryThatIsNoPluginIsRefused) {
    fs::copy_file(MADANG_NO_PLUGIN, folder_ / "library.so");
    expect_refused({"--plugin", folder_ / "library.so"},
                   "exports no madang_plugin_entry: it is not a Madang plugin");
}

TEST_F(ServerOptions, PluginFolderIsLoadedAndBundledPluginsCanBeLeftOut) {
    copy("echo.so", "b.so");
    copy("ping.so", "a.so");
    write("readme.txt", "no plugin");
    const auto got = run(check({"--no-bundled", "--plugin-dir", folder_}));
    EXPECT_EQ(got.code, 0) << got.err;
    const auto ping = got.out.find("plugin ping");
    const auto echo = got.out.find("plugin echo");
    ASSERT_NE(ping, std::string::npos);
    ASSERT_NE(echo, std::string::npos);
    EXPECT_LT(ping, echo) << "in the order of the files' names";
    EXPECT_THAT(got.out, Not(HasSubstr("plugin chat")));
    EXPECT_THAT(got.out, HasSubstr("madang: all is well\n"));
}

TEST_F(ServerOptions, WithoutBundledPluginsAndSiteNothingIsServed) {
    server node({"--no-bundled", "--site", "none"});
    EXPECT_EQ(fetch(node.port(), "/").status, 404);
    EXPECT_EQ(fetch(node.port(), "/ws/echo/").status, 404);
    EXPECT_EQ(fetch(node.port(), "/healthz").status, 200);
    server other;
    EXPECT_EQ(fetch(other.port(), "/ws/echo/").status, 426);
}

TEST_F(ServerOptions, SiteIsTheFolderNamed) {
    write("index.html", "<p>mine</p>");
    server node({"--site", folder_});
    EXPECT_EQ(fetch(node.port(), "/").body, "<p>mine</p>");
}

TEST_F(ServerOptions, PluginOptionsReachThePlugin) {
    const auto file = write("madang.toml", "[plugin.chat]\nmax_characters = 3\n");
    server node({"--config", file});
    peer client(node.port());
    client.upgrade("/ws/chat/yard/");
    client.text("{\"message\":\"four\"}");
    EXPECT_TRUE(drive(client, [&] {
        return std::any_of(client.messages.begin(), client.messages.end(),
                           [](const message& m) { return m.payload.starts_with("{\"error\""); });
    }));
    expect_refused({"--config", write("typo.toml", "[plugin.chat]\nmax_character = 3\n")}, "max_character");
}

TEST_F(ServerOptions, ASecretIsNeverShown) {
    const std::string secret = "a-secret-of-at-least-thirty-two-bytes";
    auto what = check({});
    what.environment = {{"MADANG_JWT_HMAC_SECRET", secret}};
    const auto got = run(what);
    EXPECT_EQ(got.code, 0);
    EXPECT_THAT(got.out, HasSubstr("jwt_hmac_secret = (set)"));
    EXPECT_THAT(got.out + got.err, Not(HasSubstr(secret)));
}

TEST_F(ServerOptions, HealthTellsAReadyServerFromNone) {
    server node;
    const auto url = "http://127.0.0.1:" + std::to_string(node.internal_port());
    EXPECT_EQ(run({.words = {server_binary(), "health", "--url", url + "/readyz"}}).code, 0);
    const auto nothing = run({.words = {server_binary(), "health", "--url", url + "/nothing"}});
    EXPECT_EQ(nothing.code, 1);
    EXPECT_EQ(nothing.err, "madang: health: " + url + "/nothing: not ready: HTTP/1.1 404 Not Found\n");
    EXPECT_EQ(run({.words = {server_binary(), "health", "--url", "nonsense"}}).code, 2);
    ASSERT_EQ(node.stop(), 0);
    EXPECT_EQ(run({.words = {server_binary(), "health", "--url", url + "/readyz"}}).code, 1);
}

}  // namespace
}  // namespace madang::test
