// What a server keeps: who a crash took is told once, presence comes back with the disk, backups of a
// running server, keys where nothing else is kept.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"
#include "tests/support/store_world.hpp"

namespace madang::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr const char* key = "a-key-of-this-test-that-is-long-enough";

class ServerStore : public testing::Test {
  protected:
    void start(std::vector<std::string> flags = {}) {
        flags.insert(flags.end(), {"--presence-grace", "300ms"});
        std::ofstream(folder_.path() / "config.toml")
            << "[namespace.plain]\nallow_subscribe = \"everyone\"\n";
        flags.insert(flags.end(), {"--config", (folder_.path() / "config.toml").string()});
        command extra;
        extra.environment = {{"MADANG_DATA_DIR", data()},
                             {"MADANG_API_KEYS", "test:all:" + std::string(key)}};
        node.emplace(flags, extra);
    }
    void kill() {
        node->process().signal(SIGKILL);
        node->process().wait(30s);
        node.reset();
    }
    std::string data() const { return (folder_.path() / "data").string(); }
    json api(const std::string& method, const json& params) {
        const auto got = fetch(node->internal_port(), "/api/" + method,
                               "X-API-Key: " + std::string(key) + "\r\n", "POST", params.dump());
        return json::parse(got.body, nullptr, false);
    }
    std::uint64_t present(const std::string& group) {
        return api("presence_stats", {{"channel", group}})["result"].value("num_clients", 0u);
    }
    // All that came so far.
    static std::vector<std::string> heard(peer& who) {
        std::vector<std::string> all;
        for (auto& each : std::exchange(who.messages, {})) all.push_back(std::move(each.payload));
        return all;
    }

    temporary_folder folder_;
    std::optional<server> node;
};

TEST_F(ServerStore, WhoACrashTookIsToldOnceToClientsAndToConsumers) {
    start();
    std::vector<std::unique_ptr<peer>> before;
    std::vector<peer*> all;
    for (int i = 0; i < 3; ++i) {
        all.push_back(before.emplace_back(std::make_unique<peer>(node->port())).get());
        all.back()->upgrade("/ws/chat/yard/");
    }
    ASSERT_TRUE(drive(all, [&] { return present("room:yard") == 3; }));
    kill();
    start();
    peer chat(node->port()), client(node->port());
    chat.upgrade("/ws/chat/yard/");
    client.upgrade("/connection/websocket");
    client.text(R"({"id":1,"connect":{}})"
                "\n"
                R"({"id":2,"subscribe":{"channel":"room:yard","join_leave":true}})");
    peer* const both[] = {&chat, &client};
    std::vector<std::string> said, pushed;
    const auto count = [](std::vector<std::string>& into, peer& of, const char* what) {
        for (auto& each : heard(of)) into.push_back(std::move(each));
        std::size_t found = 0;
        for (const auto& each : into)
            for (auto at = each.find(what); at != each.npos; at = each.find(what, at + 1)) ++found;
        return found;
    };
    ASSERT_TRUE(drive(both,
                      [&] {
                          return count(said, chat, " left\"}") >= 3 &&
                                 count(pushed, client, "\"leave\":") >= 3 && present("room:yard") == 2;
                      }))
        << testing::PrintToString(said) << testing::PrintToString(pushed);
    // Another server's life later there is nobody to be told of any more.
    api("publish", {{"channel", "room:yard"}, {"data", {{"message", "end"}}}});
    ASSERT_TRUE(drive(
        both, [&] { return count(said, chat, "\"end\"") == 1 && count(pushed, client, "\"end\"") == 1; }));
    EXPECT_EQ(count(said, chat, " left\"}"), 3u) << testing::PrintToString(said);
    EXPECT_EQ(count(pushed, client, "\"leave\":"), 3u) << testing::PrintToString(pushed);
}

TEST_F(ServerStore, ARunningServerIsBackedUpAndTheBackupServes) {
    start({"--backup-dir", (folder_.path() / "backups").string()});
    for (int i = 1; i <= 20; ++i)
        api("publish", {{"channel", "room:yard"}, {"data", {{"message", std::to_string(i)}}}});
    const std::string url = "http://127.0.0.1:" + std::to_string(node->internal_port());
    const auto back_up = [&](const std::string& name) {
        return run({.words = {server_binary(), "store", "backup", "--server", url, name},
                    .environment = {{"MADANG_API_KEY", key}}});
    };
    const auto made = back_up("one");
    EXPECT_EQ(made.code, 0) << made.err;
    EXPECT_EQ(made.out, (folder_.path() / "backups" / "one").string() + "\n");
    api("publish", {{"channel", "room:yard"}, {"data", {{"message", "later"}}}});
    const auto again = back_up("one");
    EXPECT_EQ(again.code, 1);
    EXPECT_THAT(again.err, HasSubstr("name a new folder"));
    EXPECT_THAT(back_up("../two").err, HasSubstr("name takes"));
    EXPECT_EQ(node->metrics()["madang_store_backups_total{outcome=\"ok\"}"], 1);
    EXPECT_EQ(node->stop(), 0);
    fs::remove_all(data());
    const auto restored = run({.words = {server_binary(), "store", "restore",
                                         (folder_.path() / "backups/one").string(), "--data-dir", data()}});
    EXPECT_EQ(restored.code, 0) << restored.err;
    start();
    const auto history = api("history", {{"channel", "room:yard"}, {"limit", -1}})["result"];
    EXPECT_EQ(history["offset"], 20);
    EXPECT_EQ(history["publications"].size(), 20u);
    EXPECT_EQ(history["publications"][19]["data"]["message"], "20");
    EXPECT_EQ(api("backup", {{"name", "x"}})["error"]["code"], 108) << "no --backup-dir";
}

TEST_F(ServerStore, AnIdempotencyKeyHoldsWhereNoHistoryIsKeptAndThroughAKill) {
    const json said{{"channel", "plain:x"}, {"data", 1}, {"idempotency_key", "k"}};
    for (int life = 0; life < 2; ++life) {
        start();
        peer client(node->port());
        client.upgrade("/connection/websocket");
        client.text(R"({"id":1,"connect":{}})"
                    "\n"
                    R"({"id":2,"subscribe":{"channel":"plain:x"}})");
        std::string all;
        const auto hears = [&](const std::string& what) {
            for (auto& each : heard(client)) all += each + "\n";
            return all.find(what) != all.npos;
        };
        ASSERT_TRUE(drive(client, [&] { return hears(R"("id":2,"subscribe")"); }));
        for (int i = 0; i < 3; ++i) EXPECT_EQ(api("publish", said)["result"], json::object());
        api("publish", {{"channel", "plain:x"}, {"data", 2}});
        ASSERT_TRUE(drive(client, [&] { return hears(R"("data":2,)"); })) << all;
        const auto once = all.find(R"("data":1,)");
        EXPECT_EQ(once != all.npos, life == 0) << all;
        EXPECT_EQ(all.find(R"("data":1,)", once == all.npos ? 0 : once + 1), all.npos) << all;
        kill();
    }
}

TEST_F(ServerStore, ADamagedFileEndsWithItsMend) {
    start();
    ASSERT_TRUE(api("publish", {{"channel", "room:1"}, {"data", 1}}).contains("result"));
    kill();
    start();  // writes what it finds in the log to tables
    kill();
    std::size_t tables = 0;
    for (const auto& each : fs::directory_iterator(fs::path(data()) / "db")) {
        if (each.path().extension() != ".sst") continue;
        std::fstream file(each.path(), std::ios::in | std::ios::out | std::ios::binary);
        // Its end, which is read when the table is opened; a block within is read only when it is asked for.
        std::string tail(20, '\0');
        file.seekg(-20, std::ios::end);
        file.read(tail.data(), 20);
        for (auto& c : tail) c ^= 0x5a;
        file.seekp(-20, std::ios::end);
        file.write(tail.data(), 20);
        ++tables;
    }
    ASSERT_NE(tables, 0u);
    for (std::vector<std::string> words :
         {std::vector<std::string>{"serve", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"},
          std::vector<std::string>{"store", "check"}}) {
        words.insert(words.begin(), server_binary());
        words.insert(words.end(), {"--data-dir", data()});
        const auto got = run({.words = words, .environment = {{"MADANG_LOG_LEVEL", "off"}}});
        EXPECT_NE(got.code, 0) << words[1];
        EXPECT_THAT(got.err, HasSubstr("Corruption: ")) << words[1];
        EXPECT_THAT(got.err, HasSubstr("restore a backup (madang store restore)")) << words[1];
        EXPECT_EQ(got.err.find("madang store check") != got.err.npos, words[1] == "serve") << got.err;
    }
}

TEST_F(ServerStore, OfADamagedTableTheRestIsPrinted) {
    start();
    ASSERT_TRUE(api("publish", {{"channel", "room:1"}, {"data", "q7zk9wvx"}}).contains("result"));
    kill();
    start();  // writes what it finds in the log to tables
    kill();
    std::size_t hit = 0;
    for (const auto& each : fs::directory_iterator(fs::path(data()) / "db")) {
        if (each.path().extension() != ".sst") continue;
        std::fstream file(each.path(), std::ios::in | std::ios::out | std::ios::binary);
        const std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        const auto at = all.find("q7zk9wvx");
        if (at == all.npos) continue;
        file.seekp(static_cast<std::streamoff>(at));
        file.put('!');
        ++hit;
    }
    ASSERT_EQ(hit, 1u);
    const auto store = [&](const std::string& action) {
        return run({.words = {server_binary(), "store", action, "--data-dir", data()}});
    };
    const auto checked = store("check");
    EXPECT_EQ(checked.code, 1);
    EXPECT_THAT(checked.err, HasSubstr("restore a backup (madang store restore); madang store dump prints"));
    const auto dumped = store("dump");
    EXPECT_EQ(dumped.code, 1);
    EXPECT_THAT(dumped.err, HasSubstr("Corruption: "));
    EXPECT_THAT(dumped.out, HasSubstr(R"("column":"streams")"));
    EXPECT_EQ(dumped.out.find("q7zk9"), dumped.out.npos);
}

}  // namespace
}  // namespace madang::test
